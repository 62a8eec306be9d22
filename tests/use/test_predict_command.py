"""`ser predict` as users run it."""

import csv
import io
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from small_model import EMOTIONS, RATE, SER, encoded, make, release, ser, ser_here, speech

from scripts.workspace import ROOT
from ser.core.recording import SamplesDigest
from ser.decoding.decoding import decode
from ser.use import cli
from ser.use.answers import Answer, as_csv, cell, to_json_object
from ser.use.onnx_export import export
from ser.use.prediction import Prediction, Window

LONG = np.concatenate([speech(0, 2.0), np.zeros(2 * RATE, np.float32), speech(60, 2.0)])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    release(folder, folds=(1, 2))
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two short recordings, a long one, a damaged one, and something else."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "deep").mkdir()
    (folder / "empty").mkdir()
    (folder / "a.wav").write_bytes(encoded(speech(3), RATE, ".wav"))
    (folder / "b.m4a").write_bytes(encoded(speech(60), RATE, ".m4a"))
    (folder / "deep" / "c.FLAC").write_bytes(encoded(LONG, RATE, ".flac"))
    (folder / "broken.wav").write_bytes(encoded(speech(3), RATE, ".wav")[:-100])
    (folder / "notes.txt").write_text("no recording")
    return folder


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory, recordings):
    """A folder with a model that was trained on a.wav, and that model as an ONNX file."""
    folder = tmp_path_factory.mktemp("trained")
    recording = decode(recordings / "a.wav")
    digest = SamplesDigest(recording.sample_rate)
    digest.update(recording.samples)
    make(folder / "model", trained_on=[[digest.hex()]])
    export(folder / "model", folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def answered(model, recordings):
    """The answers about the folder in each format."""
    return {
        form: ser("predict", ".", "--model", model, *form, cwd=recordings)
        for form in ((), ("--json",), ("--csv",))
    }


def sentence(done):
    """Return the single line that a failing program writes to stderr."""
    assert done.returncode == 1
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    return line


def test_json_is_one_array_with_all_that_is_known(answered):
    done = answered["--json",]
    rows = json.loads(done.stdout)
    assert [row["file"] for row in rows] == ["a.wav", "b.m4a", "broken.wav", "deep/c.FLAC"]
    keys = [
        "file",
        "seconds",
        "emotion",
        "uncertain",
        "probabilities",
        "dimensions",
        "windows",
        "reason",
        "detail",
    ]
    assert all(list(row) == keys for row in rows)
    assert not any(part["uncertain"] for row in rows for part in (row, *row["windows"]))
    a, _, broken, c = rows
    assert a["emotion"] == max(a["probabilities"], key=a["probabilities"].get)
    assert sum(a["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert a["seconds"] == pytest.approx(len(speech(3)) / RATE, abs=1e-6)
    assert a["windows"] == []
    assert (broken["emotion"], broken["reason"]) == (None, "truncated")
    assert "samples per channel" in broken["detail"]
    assert (c["windows"][0]["start"], c["windows"][-1]["end"]) == (0, 6)
    assert "silent" in [window["reason"] for window in c["windows"]]


def test_a_damaged_file_is_marked_the_others_are_answered_and_the_status_is_1(answered):
    for done in answered.values():
        assert done.returncode == 1
        assert b"1 of 4 without an emotion" in done.stderr
        assert b"1 more skipped: not recordings by name or content" in done.stderr
        assert b"Traceback" not in done.stderr


def test_csv_agrees_with_json(answered):
    rows = list(csv.DictReader(io.StringIO(answered["--csv",].stdout.decode())))
    expected = json.loads(answered["--json",].stdout)
    whole = [row for row in rows if row["part"] == "whole"]
    for row, as_json in zip(whole, expected, strict=True):
        assert row["file"] == as_json["file"]
        assert row["emotion"] == (as_json["emotion"] or "")
        assert row["reason"] == (as_json["reason"] or "")
        for name, share in (as_json["probabilities"] or {}).items():
            assert float(row[name]) == share
    windows = [row for row in rows if row["part"] == "window"]
    for row, as_json in zip(windows, expected[-1]["windows"], strict=True):
        assert (float(row["start"]), float(row["end"])) == (as_json["start"], as_json["end"])
        assert row["emotion"] == (as_json["emotion"] or "")
        assert row["reason"] == (as_json["reason"] or "")


def test_the_table_has_a_line_per_recording_and_window(answered):
    head, *lines = answered[()].stdout.decode().splitlines()
    assert head.split() == ["emotion", *EMOTIONS, "seconds", "file"]
    expected = json.loads(answered["--json",].stdout)
    assert len(lines) == sum(1 + len(row["windows"]) for row in expected)
    a = expected[0]
    shares = [f"{share:.1%}" for share in a["probabilities"].values()]
    assert lines[0].split() == [a["emotion"], *shares, f"{a['seconds']:.1f}", "a.wav"]
    assert lines[2].split()[:3] == ["-", "broken.wav:", "truncated,"]
    assert lines[4].endswith("0:00.0 to 0:01.5")


def test_what_is_less_probable_than_wanted_is_uncertain_in_every_format(
    model, recordings, answered
):
    """The limit is just below a probability in the middle, so that some answers are given."""
    before = json.loads(answered["--json",].stdout)
    parts = [part for row in before for part in (row, *row["windows"])]
    tops = sorted({max(part["probabilities"].values()) for part in parts if part["probabilities"]})
    limit = tops[len(tops) // 2] - 1e-6  # JSON rounds to 7 digits
    forms = {
        form: ser(
            "predict", ".", "--model", model, *form, "--min-confidence", f"{limit:.7f}",
            cwd=recordings,
        )
        for form in ((), ("--json",), ("--csv",))
    }  # fmt: skip
    rows = json.loads(forms["--json",].stdout)
    words = []
    for old, new in zip(
        parts, (part for row in rows for part in (row, *row["windows"])), strict=True
    ):
        uncertain = bool(old["probabilities"]) and max(old["probabilities"].values()) < limit
        assert new == old | {"uncertain": uncertain} | ({"emotion": None} if uncertain else {}) | (
            {"windows": new["windows"]} if "windows" in old else {}
        )
        words.append("uncertain" if uncertain else old["emotion"] or "")
    assert {"", "uncertain"} < set(words)
    told = csv.DictReader(io.StringIO(forms["--csv",].stdout.decode()))
    assert [row["emotion"] for row in told] == words
    lines = forms[()].stdout.decode().splitlines()[1:]
    assert [line.split()[0] for line in lines] == [word or "-" for word in words]
    for form, done in forms.items():
        # The damaged recording alone.
        assert done.returncode == answered[form].returncode == 1
        assert b"1 of 4 without an emotion" in done.stderr


def test_uncertain_answers_are_answers(model, recordings):
    done = ser("predict", "a.wav", "--model", model, "--min-confidence", "1", cwd=recordings)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[1].startswith("uncertain ")


def test_an_emotion_that_is_called_uncertain_is_told_from_no_answer_in_json():
    prediction = Prediction(1.0, {"sad": 0.25, "uncertain": 0.75})
    sure = Answer("a.wav", prediction, min_confidence=0.75)
    unsure = Answer("a.wav", prediction, min_confidence=0.76)
    told = [(row["emotion"], row["uncertain"]) for row in map(to_json_object, (sure, unsure))]
    assert told == [("uncertain", False), (None, True)]
    assert (sure.word(prediction), unsure.word(prediction)) == ("uncertain", "uncertain")


@pytest.mark.parametrize("name", ["uncertain", "probabilities"])
def test_an_emotion_of_any_name_keeps_its_column_of_probabilities(name):
    shares = {name: 0.75, "sad": 0.25}
    answer = Answer("a.wav", Prediction(2.0, shares, (Window(0.0, 2.0, shares),)))
    out = io.StringIO()
    with as_csv(out, list(shares)) as write:
        write(answer)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [(row["emotion"], row[name], row["sad"]) for row in rows] == [(name, "0.75", "0.25")] * 2


@pytest.mark.parametrize("share", ["1.01", "-0.1", "nan", "50%", "", "inf"])
def test_a_confidence_that_is_none_is_a_sentence(share):
    done = ser("predict", "a.wav", f"--min-confidence={share}")
    assert done.returncode == 2
    said = f"argument --min-confidence: a number from 0 to 1 is expected, not {share!r}\n"
    assert done.stderr.decode().endswith(said)
    assert b"Traceback" not in done.stderr


def test_standard_input_is_a_recording(model, recordings):
    data = (recordings / "b.m4a").read_bytes()
    done = ser("predict", "-", "--model", model, "--json", input=data)
    (row,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert row["file"] == "-"
    named = ser_here("predict", recordings / "b.m4a", "--model", model, "--json")
    assert row["probabilities"] == json.loads(named.stdout)[0]["probabilities"]


@pytest.mark.parametrize("data", [b"", b"text\n" * 99])
def test_standard_input_that_is_not_a_recording_is_marked(model, data):
    done = ser("predict", "-", "--model", model, "--json", input=data)
    (row,) = json.loads(done.stdout)
    assert done.returncode == 1
    assert row["reason"] in ("zero_length", "undecodable")
    assert "standard input" not in row["detail"]
    assert "/tmp" not in row["detail"]


def test_a_picture_of_each_recording_and_window_shows_where_the_model_looked(
    model, recordings, answered, tmp_path
):
    done = ser_here("predict", ".", "--model", model, "--explain", tmp_path / "new", cwd=recordings)
    assert done.stdout == answered[()].stdout
    told = [w for w in json.loads(answered["--json",].stdout)[-1]["windows"] if w["emotion"]]
    pictures = {path.name for path in (tmp_path / "new").iterdir()}
    windows = {f"c.FLAC-{window['start']:07.1f}s.png" for window in told}
    assert pictures == {"a.wav.png", "b.m4a.png"} | windows
    assert f"{len(pictures)} pictures of where it looked" in done.stderr.decode()


def test_one_fold_can_be_asked_alone(model, recordings):
    both, one, two = (
        json.loads(
            ser_here("predict", recordings / "a.wav", "--model", model, "--json", *fold).stdout
        )
        for fold in ((), ("--fold", "1"), ("--fold", "2"))
    )
    for emotion, share in both[0]["probabilities"].items():
        mean = (one[0]["probabilities"][emotion] + two[0]["probabilities"][emotion]) / 2
        assert share == pytest.approx(mean, abs=2e-7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.wav"], "gone.wav: there is no such file or folder"),
        (["gone.wav", ""], "gone.wav: there is no such file or folder; '': there is no such"),
        (["gone.wav", "empty"], "empty: no recordings among its 0 files (WAV, "),
        (["a.wav", "--fold", "7"], "no fold 7: it has 1, 2"),
        (["a.wav", "--explain", "notes.txt"], "notes.txt: a folder for the pictures is expected"),
        (["a.wav", "--window", "0.1"], "a window of 0.1 s: at least 0.5 s"),
        (["a.wav", "--window", "-1"], "a window of -1 s"),
        (["a.wav", "--window", "nan"], "a window of nan s"),
        (["a.wav", "--window", "inf"], "a window of inf s"),
        (["a.wav", "--hop", "0"], "a hop of 0 s: at least 0.01 s"),
        (["a.wav", "--hop", "nan"], "a hop of nan s"),
        (["a.wav", "--window", "4", "--hop", "5"], "a hop of 5 s would skip audio"),
    ],
)
def test_errors_are_reported_in_a_sentence(model, recordings, arguments, said):
    assert said in sentence(ser_here("predict", *arguments, "--model", model, cwd=recordings))


@pytest.mark.parametrize("option", ["--explain", "--model"])
def test_an_empty_name_is_not_the_current_folder(recordings, option):
    done = ser_here("predict", "a.wav", option, "", cwd=recordings)
    assert done.returncode == 2
    said = f"argument {option}: the name of a file or folder is expected, not ''"
    assert said in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["--window", "x"], ["--json", "--csv"], ["--fold", "x"], []])
def test_arguments_that_are_none_are_refused(arguments):
    files = ["a.wav"] if arguments else []
    done = ser("predict", *files, *arguments)
    assert done.returncode == 2
    assert b"usage: ser predict" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_folder_without_recordings_is_refused(model, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    line = sentence(ser_here("predict", tmp_path, "--model", model))
    assert "no recordings among its 1 files (WAV, " in line


def test_recordings_in_a_folder_are_found_by_content_and_rejected_ones_have_a_row(model, tmp_path):
    whole = {".aiff", ".au", ".caf", ".w64", ".mp4", ".mov", ".wma", ".mkv"}
    for suffix in whole:
        (tmp_path / f"sound {suffix[1:]}").write_bytes(encoded(speech(3), RATE, suffix))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "notes.3gp").write_text("a text called so")
    (tmp_path / "tape").write_bytes(b"MAC \x96\x0f" + bytes(99))
    (tmp_path / "notes.txt").write_text("no recording")
    done = ser_here("predict", tmp_path, "--model", model, "--json")
    rows = {row["file"].removeprefix(f"{tmp_path}/"): row for row in json.loads(done.stdout)}
    refused = {name: row["reason"] for name, row in rows.items() if not row["emotion"]}
    assert refused == {
        "empty.wav": "zero_length", "notes.3gp": "undecodable", "tape": "undecodable"
    }  # fmt: skip
    assert rows["tape"]["detail"] == "Monkey's Audio is not read: convert it to WAV or FLAC"
    assert len(rows) == len(whole) + len(refused)
    assert done.returncode == 1
    assert b"1 more skipped: not recordings by name or content" in done.stderr


@pytest.mark.parametrize("model", [None, "gone", "gone.onnx", "damaged"])
@pytest.mark.parametrize("command", ["predict", "serve", "export"])
def test_a_missing_model_is_named_and_dvc_only_in_a_project(
    tmp_path, monkeypatch, capsys, command, model
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/model.json").write_text("{")
    arguments = {"predict": ["a.wav"], "serve": [], "export": ["--onnx", "m.onnx"]}[command]
    arguments = [command, *arguments, *(["--model", model] if model else [])]
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {model or 'data/model'} holds no usable model (")
    assert said.endswith(
        "): name the folder or .onnx file of a trained model (on the command line: `--model`)\n"
    )
    (tmp_path / "dvc.yaml").touch()
    assert cli.main(arguments) == 1
    in_project = capsys.readouterr().err
    assert in_project == said[:-1] + (
        ", train one here with `dvc repro`, or fetch one with `dvc pull evaluate`\n"
    )


def test_a_model_of_a_newer_format_is_refused_with_the_versions(tmp_path, recordings):
    make(tmp_path)
    path = tmp_path / "model.json"
    values = json.loads(path.read_text())
    values |= {"format": 99, "versions": {"ser": "9.8.7", "torch": "3.1"}}
    path.write_text(json.dumps(values))
    line = sentence(ser_here("predict", recordings / "a.wav", "--model", tmp_path))
    assert "is of format 99, written with ser 9.8.7, torch 3.1; this is ser" in line
    assert "use a newer version of the project" in line


def test_whoever_reads_may_stop_early(model, tmp_path):
    for n in range(40):
        (tmp_path / f"{'long name ' * 20}{n}.wav").write_bytes(b"nothing")
    # More than a pipe holds is written after its reader has gone.
    command = [SER, "predict", *[str(tmp_path)] * 20, "--model", model, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


# Name -> how it is written in CSV.
NAMES = {
    "new\nline.wav": "new\\nline.wav",
    "tab\t.wav": "tab\\t.wav",
    "\x1b[31mred.wav": "\\x1b[31mred.wav",
    "πφ 😀.wav": "πφ 😀.wav",
    'quo"te,.wav': 'quo"te,.wav',
    "-dash.wav": "'-dash.wav",
    "=SUM(A1).wav": "'=SUM(A1).wav",
    "\t=1.wav": "\\t=1.wav",
    "\uff1d1.wav": "'\uff1d1.wav",
    "a=1.wav": "a=1.wav",
}


@pytest.mark.parametrize("form", ["--json", "--csv", None])
@pytest.mark.parametrize("utf8", ["0", "1"])
def test_files_of_any_name_are_answered(model, tmp_path, form, utf8):
    data = encoded(speech(3), RATE, ".wav")
    names = sorted([*map(os.fsencode, NAMES), b"no \xff text.wav"])
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(data)
    done = subprocess.run(
        [SER, "predict", ".", "--model", model, *filter(None, [form])],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONUTF8": utf8, "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0)
    text = done.stdout.decode()
    if form == "--json":
        found = [os.fsencode(row["file"]) for row in json.loads(text)]
        assert sorted(found) == names
    elif form == "--csv":
        found = [row["file"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        assert len(found) == len(names)
        assert set(NAMES.values()) < set(found)
    else:
        assert len(text.splitlines()) == 1 + len(names)
        assert "\x1b" not in text
        assert "new\\nline.wav" in text


def test_a_model_that_needs_a_speaker_says_so_and_can_be_adapted(tmp_path, recordings):
    make(tmp_path, normalisation="speaker")
    done = ser_here("predict", recordings / "a.wav", "--model", tmp_path)
    assert done.returncode == 1
    assert b"--one-speaker" in done.stderr
    assert b"Traceback" not in done.stderr
    adapted = ser_here("predict", recordings, "--model", tmp_path, "--json", "--one-speaker")
    assert [bool(row["emotion"]) for row in json.loads(adapted.stdout)] == [True, True, False, True]


def test_it_adapts_to_the_voice_of_a_folder(tmp_path, recordings):
    make(tmp_path / "model", "statpool", normalisation="train")
    command = ("predict", recordings / "a.wav", "--model", tmp_path / "model", "--json")
    plain, adapted = ser(*command), ser(*command, "--voice", recordings)
    assert (
        f"adapted to the voice in {recordings} by 8 recordings or windows"
        in adapted.stderr.decode()
    )
    before, after = (json.loads(done.stdout)[0]["probabilities"] for done in (plain, adapted))
    assert before != after


def test_what_is_no_speech_is_no_voice(tmp_path, recordings):
    make(tmp_path / "model", "statpool", normalisation="train")
    voice = tmp_path / "voice"
    voice.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    soundfile.write(voice / "noise.wav", noise, RATE)
    (voice / "text.wav").write_text("not a recording")
    command = ("predict", recordings / "a.wav", "--model", tmp_path / "model", "--voice", voice)
    done = ser(*command)
    assert f"error: --voice {voice}: 0 usable recordings" in done.stderr.decode()
    assert f"not used: {voice / 'text.wav'}: " in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    soundfile.write(voice / "speech.wav", speech(3), RATE)
    done = ser(*command)
    assert f"adapted to the voice in {voice} by 1 recording or window with" in done.stderr.decode()


def test_a_voice_of_another_band_than_the_recording_is_warned_of(tmp_path, recordings):
    make(tmp_path / "model", "statpool", normalisation="train")
    (tmp_path / "voice").mkdir()
    narrow = soxr.resample(speech(30), RATE, 8000)
    soundfile.write(tmp_path / "voice/phone.wav", narrow, 8000)
    command = ("predict", recordings / "a.wav", "--model", tmp_path / "model", "--voice")
    told = ser_here(*command, tmp_path / "voice").stdout.decode()
    assert "unlike this recording, those of the voice hold nothing above 4200 Hz" in told
    assert "band" not in ser_here(*command, recordings).stdout.decode()


@pytest.mark.parametrize(("there", "why"), [(False, "no such folder"), (True, "no recordings")])
def test_a_voice_without_recordings_is_named(tmp_path, recordings, there, why):
    release(tmp_path / "model", "statpool", normalisation="train")
    if there:
        (tmp_path / "voice").mkdir()
    done = ser(
        *("predict", recordings / "a.wav", "--model", tmp_path / "model"),
        *("--voice", tmp_path / "voice"),
    )
    assert f"--voice {tmp_path / 'voice'}" in sentence(done)
    assert why in sentence(done)


def test_a_model_that_knows_no_voices_is_not_adapted(model, recordings):
    done = ser_here("predict", recordings / "a.wav", "--model", model, "--one-speaker")
    assert "does not adapt to a voice" in sentence(done)


def test_the_version_is_that_of_the_package_and_of_what_runs_models(tmp_path):
    done = ser("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    found = {name: metadata.version(name) for name in ("ser", "torch", "onnxruntime")}
    first = f"ser {found['ser']} (Python {platform.python_version()}"
    rest = f", torch {found['torch']}, onnxruntime {found['onnxruntime']})\n"
    assert done.stdout.decode() == first + rest
    # Where none of the others is installed, it still answers.
    about = metadata.distribution("ser").locate_file(f"ser-{found['ser']}.dist-info")
    (tmp_path / about.name).symlink_to(about)
    code = "import ser.use.cli as cli; cli.main(['--version'])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )
    assert (done.stdout.decode(), done.stderr) == (f"{first})\n", b"")


def test_the_program_helps_without_loading_anything_large():
    assert b"predict" in ser("--help").stdout
    assert b"--one-speaker" in ser("predict", "--help").stdout
    code = "import sys, ser.use.cli, ser.use.commands.predict; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"False\n"


UNREADABLE = {
    "gone.wav": ("missing_file", "there is no such file or folder"),
    "a.wav/deep.wav": ("missing_file", "there is no such file or folder"),
    "link.wav": ("missing_file", "there is no such file or folder"),
    "": ("missing_file", "there is no such file or folder"),
    "n" * 300 + ".wav": ("undecodable", "File name too long"),
    "empty": ("no_recordings", "no recordings among its 0 files (WAV, "),
    "-": ("missing_file", "standard input is closed"),
}


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_file_that_cannot_be_read_has_a_row_and_the_others_are_answered(
    model, recordings, tmp_path, form
):
    for name in ("a.wav", "b.m4a"):
        (tmp_path / name).write_bytes((recordings / name).read_bytes())
    (tmp_path / "link.wav").symlink_to(tmp_path / "elsewhere.wav")
    (tmp_path / "empty").mkdir()
    files = ["a.wav", *UNREADABLE, "b.m4a"]
    done = ser(
        "predict", "--model", model, *form, "--", *files,
        cwd=tmp_path, preexec_fn=lambda: os.close(0),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{len(UNREADABLE)} of {len(files)} without an emotion" in done.stderr.decode()
    text = done.stdout.decode()
    if form:
        read = json.loads if form == ["--json"] else lambda text: csv.DictReader(io.StringIO(text))
        rows = list(read(text))
        named = (
            {cell(file): file for file in files}
            if form == ["--csv"]
            else dict(zip(files, files, strict=True))
        )
        assert [named[row["file"]] for row in rows] == files
        assert [bool(row["emotion"]) for row in rows] == [True, *[False] * len(UNREADABLE), True]
        for row in rows[1:-1]:
            reason, detail = UNREADABLE[named[row["file"]]]
            assert row["reason"] == reason
            assert row["detail"].startswith(detail)
    else:
        first, *unusable, last = text.splitlines()[1:]
        assert first.endswith("a.wav")
        assert last.endswith("b.m4a")
        for line, (name, (reason, detail)) in zip(unusable, UNREADABLE.items(), strict=True):
            assert f"{name}: {reason}, {detail}" in line


def test_a_missing_file_is_no_recording_of_the_speaker(tmp_path, recordings):
    make(tmp_path, normalisation="speaker")
    files = [recordings, "gone.wav", recordings]
    done = ser_here("predict", *files, "--model", tmp_path, "--json", "--one-speaker")
    reasons = [row["reason"] for row in json.loads(done.stdout)]
    assert reasons[4] == "missing_file"
    assert reasons.count(None) == 6


@pytest.mark.parametrize(
    ("old", "new"), [('"n_mels": 16', '"n_mels": "many"'), ('"features": {', '"feature": {')]
)
def test_a_description_that_makes_no_sense_is_a_sentence(tmp_path, recordings, old, new):
    make(tmp_path / "model")
    described = tmp_path / "model/model.json"
    assert old in described.read_text()
    described.write_text(described.read_text().replace(old, new, 1))
    done = ser_here("predict", "--model", tmp_path / "model", recordings / "a.wav")
    assert "holds no usable model" in sentence(done)


@pytest.mark.parametrize("given", ["pipe.wav", "/dev/stdin"])
def test_a_pipe_is_read_to_its_end_first(model, recordings, tmp_path, given):
    data = (recordings / "b.m4a").read_bytes()
    done = ser_here("predict", recordings / "b.m4a", "--model", model, "--json")
    expected = json.loads(done.stdout)
    os.mkfifo(tmp_path / "pipe.wav")
    command = [SER, "predict", given, "--model", model, "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        if given == "/dev/stdin":
            program.stdin.write(data)
        else:
            (tmp_path / "pipe.wav").write_bytes(data)
        program.stdin.close()
        (answer,) = json.loads(program.stdout.read())
    assert answer == expected[0] | {"file": given}


def test_without_standard_input_it_is_not_waited_for(model):
    done = ser("predict", "-", "--model", model, preexec_fn=lambda: os.close(0))
    assert "standard input is closed" in sentence(done)


def test_hidden_files_and_linked_folders_are_left_out_broken_links_are_marked(
    model, recordings, tmp_path
):
    folder = tmp_path / "folder"
    folder.mkdir()
    soundfile.write(folder / "a.wav", speech(3), RATE)
    (folder / "._a.wav").write_bytes(b"of macOS")
    (folder / "gone.wav").symlink_to(tmp_path / "gone.wav")
    (folder / "linked").symlink_to(recordings)
    os.mkfifo(folder / "pipe.wav")
    done = ser_here("predict", folder, "--model", model, "--json")
    a, gone = json.loads(done.stdout)
    assert a["emotion"]
    assert gone["reason"] == "undecodable"
    assert "No such file" in gone["detail"]
    assert b"2 more skipped: not recordings by name or content, or linked folders" in done.stderr


class Pipe(io.RawIOBase):
    """Keeps each piece that reaches the reader."""

    def __init__(self):
        self.pieces = []

    def writable(self):
        return True

    def write(self, piece):
        self.pieces.append(bytes(piece))
        return len(piece)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_each_answer_is_passed_on_at_once(model, recordings, monkeypatch, form):
    pipe = Pipe()
    out = io.TextIOWrapper(io.BufferedWriter(pipe), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    files = [str(recordings / "a.wav")] * 3
    assert cli.main(["predict", *files, "--model", str(model), *form]) == 0
    with_an_answer = [piece for piece in pipe.pieces if b"a.wav" in piece]
    assert [piece.count(b"a.wav") for piece in with_an_answer] == [1, 1, 1]


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_of_a_low_rate_the_answer_is_doubted(model, tmp_path, form):
    soundfile.write(tmp_path / "telephone.wav", soxr.resample(speech(3), RATE, 8000), 8000)
    done = ser_here("predict", tmp_path / "telephone.wav", "--model", model, *form)
    assert done.returncode == 0
    assert b"sampled at 8000 Hz: the recording has nothing above 4000 Hz" in done.stdout


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
@pytest.mark.parametrize("exported", [False, True])
def test_a_recording_of_the_training_set_is_pointed_out_in_every_format(
    trained_on, recordings, form, exported
):
    model = trained_on / ("model.onnx" if exported else "model")
    files = [recordings / "a.wav", recordings / "b.m4a"]
    done = ser_here("predict", *files, "--model", model, *form)
    assert done.returncode == 0
    said = "the model was trained on this recording: the answer says nothing about new ones"
    text = done.stdout.decode()
    assert text.count(said) == 1
    if form == ["--json"]:
        assert [row["detail"] for row in json.loads(text)] == [said, None]
    elif form == ["--csv"]:
        assert [row["detail"] for row in csv.DictReader(io.StringIO(text))] == [said, ""]
    else:
        assert text.splitlines()[1].endswith(f"a.wav ({said})")


def test_an_interrupted_start_ends_without_a_traceback():
    code = (
        "import importlib, sys, ser.use.cli\n"
        "def interrupted(name): raise KeyboardInterrupt\n"
        "ser.use.cli.import_module = interrupted\n"
        "sys.exit(ser.use.cli.main(['predict', 'a.wav']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted\n")


@pytest.mark.parametrize("closed", [1, 2])
def test_closed_streams_stay_closed(model, recordings, closed):
    files = [recordings / "a.wav", recordings / "broken.wav"]
    done = ser("predict", *files, "--model", model, "--json", preexec_fn=lambda: os.close(closed))
    assert done.returncode == 1
    if closed == 1:
        assert done.stdout == b""
        assert b"Traceback" not in done.stderr
    else:
        assert [bool(row["emotion"]) for row in json.loads(done.stdout)] == [True, False]


def test_a_full_disk_is_a_sentence(model, recordings):
    with Path("/dev/full").open("wb") as full:
        command = [SER, "predict", recordings / "a.wav", "--model", model]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"error: No space left on device\n"
