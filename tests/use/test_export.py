import ast
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import soxr
import torch
from absent import run_without
from settings import CLEAN
from small_model import RATE, SER, make, ser, ser_here, speech

from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.extras import EXTRAS
from ser.core.recording import Recording
from ser.inference.comparison import TOLERANCE, largest_difference
from ser.inference.onnx_nets import METADATA
from ser.inference.torch_nets import Folds
from ser.nets import model_folder
from ser.nets.build import NETS
from ser.nets.description import FORMAT
from ser.use import cli
from ser.use.commands.export import compare_answers
from ser.use.loading import load
from ser.use.onnx_export import FromWaveform, export, takes_waveforms

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, speech(3), RATE)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of two folds as a folder and as a file."""
    folder = tmp_path_factory.mktemp("exported")
    make(folder / "model", "cnn", (1, 2), temperatures=[0.5, 3.0], normalisation="train")
    done = ser("export", "--model", "model", "--onnx", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"synthesised clips at their own lengths" in done.stdout
    return folder


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in NETS if name != "statpool"),  # below
        ("cnn", {"layers": 4, "batch_norm": True}),
        ("cnn", {"pooling": "flatten", "length": "resize", "frames": 64}),
        ("resnet", {"layers": 4, "width": 4, "batch_size": 4}),
    ],
)
def test_every_net_answers_as_in_pytorch_at_every_length(tmp_path, name, settings):
    make(tmp_path / "model", name, **settings)
    export(tmp_path / "model", tmp_path / "x.onnx")
    ours, theirs = load(tmp_path / "model"), load(tmp_path / "x.onnx")
    rng = np.random.default_rng(0)
    for samples in (8000, 16000, 50001):
        waveform = rng.normal(size=samples).astype(np.float32) / 10
        expected = ours.fold_answers(waveform, RATE)
        assert theirs.fold_answers(waveform, RATE) == pytest.approx(expected, abs=1e-5)
        assert expected.shape == (1, 3)


@pytest.mark.parametrize("normalisation", ["train", "corpus", "speaker"])  # features for the last
def test_a_file_has_the_temperatures_inside_and_an_older_one_has_none(tmp_path, normalisation):
    """Probabilities at a temperature are those at 1 to the power of its inverse."""
    plain, scaled, folds = tmp_path / "plain", tmp_path / "scaled", (1, 2)
    make(plain, "cnn", folds, normalisation=normalisation)
    make(scaled, "cnn", folds, temperatures=[0.5, 3.0], normalisation=normalisation)
    for folder in (plain, scaled):
        export(folder, folder / "x.onnx")
    proto = onnx.load(plain / "x.onnx")
    described = json.loads(proto.metadata_props[0].value) | {"format": 6}
    del described["temperatures"]
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(described)})
    onnx.save(proto, tmp_path / "older.onnx")

    def answers(path):
        recogniser = load(path)
        if recogniser.needs_a_voice:
            recogniser.adapt(Recording(speech(n)[:, np.newaxis], RATE, "") for n in range(5))
        return recogniser.fold_answers(speech(3), RATE), recogniser.predict(speech(3), RATE)

    at_1, _ = answers(plain)
    powers = at_1 ** (1 / np.array([[0.5], [3.0]]))
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.abs(expected - at_1).max() > 1e-3
    for path in (scaled, scaled / "x.onnx"):
        of_folds, prediction = answers(path)
        assert of_folds == pytest.approx(expected, abs=1e-5)
        shares = list(prediction.probabilities.values())
        assert shares == pytest.approx(expected.mean(axis=0), abs=1e-5)
    for path in (plain / "x.onnx", tmp_path / "older.onnx"):
        assert answers(path)[0] == pytest.approx(at_1, abs=1e-5)


@pytest.mark.parametrize("name", ["resnet", "statpool"])
def test_models_of_voices_take_features(tmp_path, name):
    make(tmp_path / "model", name, (1, 2), temperatures=[0.5, 3.0], normalisation="speaker")
    export(tmp_path / "model", tmp_path / "x.onnx")
    both = load(tmp_path / "model"), load(tmp_path / "x.onnx")
    for recogniser in both:
        recogniser.adapt(Recording(speech(n)[:, np.newaxis], RATE, "") for n in range(5))
    for seconds in (0.5, 3.0):
        ours, theirs = (recogniser.fold_answers(speech(60, seconds), RATE) for recogniser in both)
        assert theirs == pytest.approx(ours, abs=1e-5)
    proto = onnx.load(tmp_path / "x.onnx")
    assert proto.graph.input[0].name == "features"
    described = json.loads(proto.metadata_props[0].value)
    described |= {"folds": [1], "statistics": [None], "temperatures": [1.0]}
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(described)})
    onnx.save(proto, tmp_path / "x.onnx")
    with pytest.raises(UserError, match="described are"):
        load(tmp_path / "x.onnx")


def test_a_file_takes_features_if_it_cannot_compute_them(tmp_path):
    description, _ = make(tmp_path)
    assert takes_waveforms(description)
    made = description.preprocessing
    for section, changes in (
        ("form", {"noise_reduction": "stationary"}),
        ("features", {"kinds": ["logmel", "zcr"]}),
        ("features", {"kinds": ["functionals"]}),
    ):
        settings = getattr(made, section).model_copy(update=changes)
        update = {"preprocessing": made.model_copy(update={section: settings})}
        assert not takes_waveforms(description.model_copy(update=update))


@pytest.mark.parametrize("length", ["own", "resize"])
def test_a_waveform_of_any_length_is_answered_by_onnxruntime_alone(exported, tmp_path, length):
    file = exported / "model.onnx"
    if length == "own":
        description, nets = model_folder.load(exported / "model")
    else:
        description, nets = make(tmp_path / "model", "cnn", length=length)
        file = tmp_path / "x.onnx"
        export(tmp_path / "model", file)
    session = onnxruntime.InferenceSession(file)
    expected = FromWaveform(description, Folds(nets, description.temperatures)).eval()
    rng = np.random.default_rng(0)
    for samples in (1, 2, 255, 256, 900, 5003, 60 * RATE):
        for level in (0.1, 0.0):  # sound, and silence
            waveform = (level * rng.normal(size=samples)).astype(np.float32)
            mean, of_folds = session.run(["probabilities", "of_folds"], {"waveform": waveform})
            with torch.inference_mode():
                _, wanted = expected(torch.from_numpy(waveform))
            assert of_folds == pytest.approx(wanted.numpy(), abs=1e-5)
            assert mean == pytest.approx(of_folds.mean(axis=0), abs=1e-6)
            assert mean.sum() == pytest.approx(1, abs=1e-5)


def test_pooled_statistics_are_those_of_pytorch_at_any_length(tmp_path):
    description, nets = make(tmp_path / "model", "statpool")
    export(tmp_path / "model", tmp_path / "x.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    expected = FromWaveform(description, Folds(nets, description.temperatures)).eval()
    for samples in (1, 255, 256, 1024, 5003, 60 * RATE):
        for waveform in (np.resize(speech(3), samples), np.zeros(samples, np.float32)):
            (of_folds,) = session.run(["of_folds"], {"waveform": waveform})
            with torch.inference_mode():
                _, wanted = expected(torch.from_numpy(waveform))
            assert of_folds == pytest.approx(wanted.numpy(), abs=1e-4)
    ours, theirs = load(tmp_path / "model"), load(tmp_path / "x.onnx")
    for number in (3, 60):
        answers = ours.fold_answers(speech(number), RATE)
        assert theirs.fold_answers(speech(number), RATE) == pytest.approx(answers, abs=1e-4)


def test_the_lines_in_docs_using_answer_as_the_program_does(exported, tmp_path):
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/using.md").read_text("utf-8"), re.DOTALL
    )
    (lines,) = (block for block in blocks if "onnxruntime" in block)
    assert len([line for line in lines.splitlines() if line]) <= 10
    shutil.copy(exported / "model.onnx", tmp_path)
    recording = 0.1 + soxr.resample(speech(3), RATE, 44_100) / 2
    soundfile.write(tmp_path / "recording.wav", recording, 44_100, subtype="FLOAT")
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = load(exported / "model").predict_file(tmp_path / "recording.wav").probabilities
    assert ast.literal_eval(done.stdout) == pytest.approx(expected, abs=1e-5)


def test_the_file_describes_itself(exported):
    ours, theirs = load(exported / "model"), load(exported / "model.onnx")
    assert theirs.description == ours.description
    graph = onnx.load(exported / "model.onnx").graph
    sizes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    (samples,) = sizes.pop("waveform")
    assert isinstance(samples, str)  # any number
    assert sizes == {"probabilities": [3], "of_folds": [2, 3]}


def test_it_predicts_without_torch(exported, clip):
    arguments = ["predict", "--model", exported / "model.onnx", "--json", clip]
    done = run_without(EXTRAS, SER, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ser(*arguments).stdout.decode()
    folder = [*arguments[:2], exported / "model", clip]
    done = run_without(EXTRAS, SER, *folder)
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: .*/model has no model\.onnx, so it needs torch, which is not installed: "
        r"pip install -c requirements/constraints\.txt '\.\[torch\]'; "
        r"or use a file that `ser export --onnx` made\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("absent", "arguments"),
    [
        ("onnx", ["export", "--onnx", "y.onnx"]),
        ("onnxscript", ["export", "--onnx", "y.onnx"]),
        ("matplotlib", ["predict", "x.wav", "--explain", "x"]),
        ("librosa", ["predict", "x.wav", "--explain", "x"]),
        ("gradio", ["serve"]),
    ],
)
def test_a_command_names_the_extra_that_is_missing(exported, tmp_path, absent, arguments):
    arguments = [str(tmp_path / "x") if argument == "x" else argument for argument in arguments]
    done = run_without([absent], SER, *arguments, "--model", exported / "model")
    assert done.returncode == 1
    assert done.stderr.splitlines(keepends=True)[-1] == (
        f"error: ser {arguments[0]} needs {absent}, which is not installed: "
        f"pip install -c requirements/constraints.txt '.[{EXTRAS[absent]}]'\n"
    )


def test_a_file_of_before_filter_banks_were_kept_needs_librosa(exported, clip, tmp_path):
    proto = onnx.load(exported / "model.onnx")
    described = json.loads(proto.metadata_props[0].value)
    del described["temperatures"]
    del described["preprocessing"]["filter_banks"], described["preprocessing"]["form"]
    described["preprocessing"]["clean"] = CLEAN
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(described | {"format": 4})})
    onnx.save(proto, tmp_path / "old.onnx")
    arguments = ["predict", "--json", clip, "--model"]
    expected = ser_here(*arguments, exported / "model.onnx").stdout
    assert ser_here(*arguments, tmp_path / "old.onnx").stdout == expected
    done = run_without(["librosa"], SER, *arguments, tmp_path / "old.onnx")
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: .*old\.onnx is of format 4, .* librosa is not installed: pip install .*\n",
        done.stderr,
    )


def altered(exported, path, change):
    """Write the file with other weights."""
    proto = onnx.load(exported / "model.onnx")
    for tensor in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if ".nets." in tensor.name and values.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(change(values), tensor.name))
    onnx.save(proto, path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values * np.float32(1.2), "ONNX and PyTorch differ by 0."),
        (lambda values: values * np.float32("nan"), "not probabilities"),
    ],
)
def test_a_file_that_answers_otherwise_is_not_written(
    exported, clip, tmp_path, monkeypatch, capsys, change, said
):
    monkeypatch.setattr(
        "ser.use.onnx_export.export", lambda _, path: altered(exported, path, change)
    )
    file = tmp_path / "x.onnx"
    status = cli.main(
        ["export", "--model", str(exported / "model"), "--onnx", str(file), str(clip)]
    )
    assert status == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", range(3))
def test_nan_is_never_within_the_tolerance(place):
    answers = np.full((3, 2, 1, 3), 0.5)
    assert largest_difference(answers.tolist()) == 0
    answers[1, 1, 0, 2] += 0.25
    assert largest_difference(answers.tolist()) == 0.25
    answers[place, 0, 0, 1] = np.nan
    assert not largest_difference(answers.tolist()) <= TOLERANCE
    assert largest_difference([]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--onnx", "d.onnx"], "error: d.onnx is a folder: name a file to write\n"),
        (["--onnx", "notes/m.onnx"], "error: notes is a file: a folder is expected\n"),
        (["--onnx", "notes/q/m.onnx"], "error: notes is a file: a folder is expected\n"),
        (["--web", "notes"], "error: notes is a file: a folder is expected\n"),
        (["--web", "notes/q"], "error: notes is a file: a folder is expected\n"),
        (["--onnx", "q/m.onnx", "gone.wav"], "gone.wav: there is no such file or folder\n"),
        (["--onnx", "q/r/m.onnx"], "error: nowhere"),
        (["--web", "q/r"], "error: nowhere"),
    ],
)
def test_unwritable_targets_are_reported_first_and_leave_no_files(
    tmp_path, monkeypatch, capsys, arguments, said
):
    """The errors come before the model, which does not exist, is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.onnx").mkdir()
    (tmp_path / "notes").write_text("")
    assert cli.main(["export", *arguments, "--model", "nowhere"]) == 1
    assert said in capsys.readouterr().err
    assert {path.name for path in tmp_path.rglob("*")} == {"d.onnx", "notes"}


def test_a_folder_that_takes_no_file_is_named_as_the_user_did(exported, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    # Nothing can be made there, whoever asks.
    arguments = ["export", "--onnx", "/proc/new/m.onnx", "--model", "model"]
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: /proc/new/m.onnx: ")


def test_an_export_that_is_refused_leaves_no_folders(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rubbish.wav").write_bytes(b"rubbish")
    target = ["--onnx", "q/r/m.onnx", "--model", str(exported / "model"), "rubbish.wav"]
    assert cli.main(["export", *target]) == 1
    assert "can be used" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["rubbish.wav"]


@pytest.mark.parametrize("option", ["--onnx", "--web", "--model", "--runtime"])
def test_an_empty_name_is_not_the_current_folder(capsys, option):
    with pytest.raises(SystemExit):
        cli.main(["export", "--web", "x", option, ""])
    assert f"argument {option}: the name of a file or folder is expected" in capsys.readouterr().err


def test_models_that_adapt_are_compared_after_adapting_to_a_voice(tmp_path):
    make(tmp_path / "model", "mlp", normalisation="speaker")
    export(tmp_path / "model", tmp_path / "x.onnx")
    soundfile.write(tmp_path / "a.wav", speech(3), RATE)
    clips = []
    for n in range(6):
        clips.append(tmp_path / f"{n}.wav")
        soundfile.write(clips[-1], speech(n), RATE)
    ours, theirs = load(tmp_path / "model"), load(tmp_path / "x.onnx")
    checked, furthest = compare_answers(ours, theirs, clips)
    assert checked == 6
    assert furthest < 1e-6
    answers = [ours.fold_answers(speech(n), RATE) for n in range(6)]
    assert np.ptp(answers, axis=0).max() > 1e-3


def test_the_clips_beside_the_model_are_the_default_for_the_comparison(exported, clip, tmp_path):
    shutil.copytree(exported / "model", tmp_path / "data/model")
    (tmp_path / "data/raw").mkdir()
    shutil.copy(clip, tmp_path / "data/raw")
    shutil.copy(clip, tmp_path / "data/raw/._clip.wav")
    done = ser_here("export", "--model", tmp_path / "data/model", "--onnx", tmp_path / "x.onnx")
    assert done.returncode == 0, done.stderr
    assert b"takes waveforms; on 1 clips" in done.stdout
    made = (tmp_path / "x.onnx").read_bytes()
    assert made == (exported / "model.onnx").read_bytes()  # the same model, the same file
    assert b"front_end.py" not in made  # which tells nothing of this computer


def test_own_clips_can_be_named_to_check_with(exported, clip, tmp_path):
    (tmp_path / "rubbish.wav").write_bytes(b"rubbish")
    file = tmp_path / "new" / "own.onnx"
    both = ("export", "--model", exported / "model", "--onnx", file)
    done = ser_here(*both, clip, tmp_path / "rubbish.wav")
    assert done.returncode == 0
    assert b"on 1 clips" in done.stdout
    file.unlink()
    done = ser_here(*both, tmp_path / "rubbish.wav")
    assert done.returncode == 1
    assert b"can be used" in done.stderr
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["model", "model.txt"])
def test_the_files_name_must_end_as_such_files_do(exported, name):
    done = ser_here("export", "--model", exported / "model", "--onnx", exported / name)
    assert done.returncode == 1
    assert b".onnx" in done.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", b"no usable model"), (b"text", b"no usable model"), (None, b"No such file")],
)
def test_other_files_are_reported_in_a_sentence(tmp_path, clip, content, reason):
    file = tmp_path / "x.onnx"
    if content is not None:
        file.write_bytes(content)
    done = ser_here("predict", "--model", file, clip)
    assert done.returncode == 1
    assert reason in done.stderr
    assert b"Traceback" not in done.stderr


def test_other_programs_files_and_newer_ones_are_refused(exported, clip, tmp_path):
    proto = onnx.load(exported / "model.onnx")
    text = proto.metadata_props[0].value
    newer = text.replace(f'"format": {FORMAT - 1}', '"format": 99')
    for described, reason in (
        ({}, b"did not write it"),
        ({METADATA: newer}, b"format 99, written with"),
        ({METADATA: "{"}, b"no usable model"),
        ({METADATA: text.replace('"angry",', "")}, b"described are"),
        ({METADATA: text.replace('"max":', '"most":')}, b"holds no usable model"),
    ):
        del proto.metadata_props[:]
        onnx.helper.set_model_props(proto, described)
        onnx.save(proto, tmp_path / "x.onnx")
        done = ser_here("predict", "--model", tmp_path / "x.onnx", clip)
        assert done.returncode == 1
        assert reason in done.stderr
        assert b"Traceback" not in done.stderr
