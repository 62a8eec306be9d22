import copy
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from small_model import TELEPHONE, WRITTEN, encoded

from ser.cleaning.summary import uneven
from ser.core.errors import UserError
from ser.core.recording import SamplesDigest
from ser.core.rejection import REASONS
from ser.core.sections import Clean
from ser.core.store import Store
from ser.core.tables import CLIP_COLUMNS, parse_report, read_csv
from ser.decoding.suffixes import SUFFIXES
from ser.sources import demo
from stages import clean

COMMITTED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
RATE = 16000


def speech(seed, seconds=0.6, rate=RATE):
    """A decaying chord, another for each seed."""
    times = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    tones = [np.sin(2 * np.pi * f * times) for f in rng.uniform(100, 2000, 3)]
    return 0.2 * np.sum(tones, axis=0) * np.exp(-2 * times)


class Project:
    def __init__(self, folder):
        self.folder = folder
        self.raw = folder / "data" / "raw"
        self.params = copy.deepcopy(COMMITTED)

    def put(self, path, samples, rate=RATE, kind="WAV", subtype="PCM_16"):
        file = self.raw / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(samples, bytes):
            file.write_bytes(samples)
        else:
            soundfile.write(file, samples, rate, format=kind, subtype=subtype)
        return file

    def run(self, out="out"):
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params), encoding="utf-8")
        out = self.folder / out
        names = ("clips.csv", "rejected.csv", "clean", "clean.json")
        clean.main(self.raw, *(out / name for name in names))
        return (
            read_csv(out / "clips.csv"),
            read_csv(out / "rejected.csv"),
            Store(out / "clean"),
            parse_report((out / "clean.json").read_text(encoding="utf-8")),
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SER_WORKERS", "1")
    return Project(tmp_path)


def put_one_of_each(project):
    """A few good clips, and one or more for each reason of rejection."""
    put = project.put
    project.params["clean"]["emotions"] = ["angry", "happy", "sad"]
    put("aesdd/anger/a01 (1).wav", speech(1))
    put("aesdd/anger/a01 (10).wav", speech(2, rate=44100), 44100, subtype="PCM_24")
    put("aesdd/anger/a01 (2)b.wav", np.stack([speech(3), speech(4)], axis=1), subtype="FLOAT")
    put("demo/s20 (3).wav", speech(5), kind="FLAC")
    put("aesdd/readme.txt", b"notes")
    put("aesdd/sadness/s05 (3).wav", b"")
    put("aesdd/sadness/s06 (3).wav", b"no audio at all")
    whole = put("aesdd/sadness/s07 (3).wav", speech(6)).read_bytes()
    put("aesdd/sadness/s07 (3).wav", whole[:-2000])
    broken = speech(7)
    broken[100] = np.nan
    put("aesdd/sadness/s08 (3).wav", broken, subtype="FLOAT")
    put("aesdd/sadness/s09 (3).wav", np.zeros(RATE))
    put("aesdd/sadness/s10 (3).wav", speech(8, 0.4))
    put("aesdd/sadness/s11 (3).wav", np.clip(99 * speech(9), -1, 1))
    put("aesdd/sadness/s12 (3).wav", speech(10))
    put("aesdd/sadness/s13 (3).wav", speech(12))
    put("aesdd/sadness/s14 (3).wav", speech(12))
    put("aesdd/copy/s12 (3).wav", speech(11))
    put("aesdd/fear/f01 (1).wav", speech(13))
    put("own/labels.csv", b"path,emotion\na.wav,Happiness\nb.flac,bored\ngone.wav,sad\n")
    put("own/a.wav", speech(14))
    put("own/b.flac", speech(15), kind="FLAC")
    put("own/c.ogg", speech(16), kind="OGG", subtype="VORBIS")
    put("ravdess/Actor_02/02-01-05-02-01-01-02.wav", speech(17))
    put("ravdess/Actor_02/03-01-05-02-01-01-02.wav", speech(18))
    put("ravdess/Actor_02/03-02-05-02-01-01-02.wav", speech(19))


def test_good_clips_are_kept_sorted_with_every_column(project):
    put_one_of_each(project)
    clips, _, _, _ = project.run()
    project.put("aesdd/copy.wav", *soundfile.read(project.raw / "demo/s20 (3).wav"))  # FLAC to WAV

    def digest_of(path):
        samples, rate = soundfile.read(project.raw / path, dtype="float32")
        digest = SamplesDigest(rate)
        digest.update(samples)
        return digest.hex()

    def level_of(path):
        first, second = soundfile.read(project.raw / path)[0].T
        louder = max(np.var(first), np.var(second))
        return round(10 * np.log10(louder), 1)

    assert tuple(clips.columns) == CLIP_COLUMNS
    names = ["a01 (1)", "a01 (10)", "a01 (2)b", "s12 (3)", "s13 (3)"]
    others = ["demo/s20 (3)", "own/a", "ravdess/03-01-05-02-01-01-02"]
    assert list(clips["clip"]) == [f"aesdd/{name}" for name in names] + others
    assert list(clips["clip"]) == sorted(clips["clip"])
    row = clips.iloc[2].to_dict()
    assert row == {
        "clip": "aesdd/a01 (2)b",
        "corpus": "aesdd",
        "path": "aesdd/anger/a01 (2)b.wav",
        "emotion": "angry",
        "speaker": "2",
        "utterance": "01",
        "take": "b",
        "gender": "",
        "age": "",
        "intensity": "",
        "language": "el",
        "seconds": 0.6,
        "sample_rate": 16000,
        "channels": 2,
        "subtype": "FLOAT",
        "level": level_of("aesdd/anger/a01 (2)b.wav"),
        "samples_digest": digest_of("aesdd/anger/a01 (2)b.wav"),
    }
    # A lossless copy of a file has its digest.
    assert clips["samples_digest"][5] == digest_of("aesdd/copy.wav")
    assert clips["samples_digest"].str.fullmatch("[0-9a-f]{16}").all()
    assert clips["samples_digest"].is_unique
    assert list(clips["sample_rate"][:2]) == [16000, 44100]
    assert list(clips["subtype"][:2]) == ["PCM_16", "PCM_24"]
    assert list(clips["language"][-3:]) == ["", "", "en"]
    assert list(clips["gender"][-3:]) == ["", "", "female"]
    assert list(clips["intensity"][-3:]) == ["", "", "strong"]
    assert list(clips["emotion"][-3:]) == ["sad", "happy", "angry"]


def test_every_reason_of_rejection_occurs_with_its_detail_and_is_counted(project):
    put_one_of_each(project)
    clips, rejected, _, metrics = project.run()
    assert tuple(rejected.columns) == ("path", "reason", "detail")
    assert list(rejected["path"]) == sorted(rejected["path"])
    details = {row.path: (row.reason, row.detail) for row in rejected.itertuples()}
    expected = {
        "aesdd/fear/f01 (1).wav": ("excluded_emotion", "fear: not in clean.emotions"),
        "aesdd/readme.txt": ("unknown_name", "expected a name like"),
        "aesdd/sadness/s05 (3).wav": ("zero_length", "empty"),
        "aesdd/sadness/s06 (3).wav": ("undecodable", ""),
        "aesdd/sadness/s07 (3).wav": ("truncated", "8600 of 9600 samples"),
        "aesdd/sadness/s08 (3).wav": ("not_finite", "1 samples"),
        "aesdd/sadness/s09 (3).wav": ("silent", "digital silence"),
        "aesdd/sadness/s10 (3).wav": ("too_short", "0.400 s, at least 0.5 s"),
        "aesdd/sadness/s11 (3).wav": ("clipped", "at most 20.00%"),
        "aesdd/sadness/s12 (3).wav": ("duplicate_name", "aesdd/copy/s12 (3).wav"),
        "aesdd/sadness/s14 (3).wav": ("duplicate_audio", "aesdd/sadness/s13 (3).wav"),
        "own/b.flac": ("unknown_emotion", "'bored': expected one of angry, "),
        "own/c.ogg": ("unlisted", "not in labels.csv"),
        "own/gone.wav": ("missing_file", "labels.csv lists it"),
        "ravdess/Actor_02/02-01-05-02-01-01-02.wav": ("video_only", "no sound"),
        "ravdess/Actor_02/03-02-05-02-01-01-02.wav": ("song", "clean.song keeps such clips"),
    }
    assert {reason for reason, _ in expected.values()} == set(REASONS)
    assert details.keys() == expected.keys()
    for path, (reason, detail) in expected.items():
        assert details[path][0] == reason
        assert detail in details[path][1]
        assert details[path][1]
    assert tuple(metrics["reasons"]) == REASONS
    assert sum(metrics["reasons"].values()) == metrics["rejected"] == len(rejected)
    assert metrics["kept"] == len(clips)
    assert metrics["hours"] == pytest.approx(clips["seconds"].sum() / 3600, abs=1e-6)
    assert metrics["per_corpus"] == {
        "aesdd": {"kept": 5, "rejected": 11},
        "demo": {"kept": 1, "rejected": 0},
        "own": {"kept": 1, "rejected": 3},
        "ravdess": {"kept": 1, "rejected": 2},
    }


def test_every_kept_clip_has_its_standardised_waveform(project):
    put_one_of_each(project)
    clips, _, store, _ = project.run()
    for row in clips.itertuples():
        waveform = store[row.path]
        assert abs(len(waveform) - row.seconds * RATE) <= 1
        assert np.abs(waveform).max() == 1
    assert store.meta == Clean.model_validate(project.params["clean"]).form.model_dump()


def test_the_same_audio_is_kept_once_whatever_its_container(project):
    project.put("aesdd/b/a01 (1).wav", speech(1), subtype="PCM_24")
    project.put(
        "aesdd/a/a02 (1).wav",
        soundfile.read(project.raw / "aesdd/b/a01 (1).wav")[0],
        kind="FLAC",
        subtype="PCM_24",
    )
    project.put(
        "aesdd/c/a03 (1).wav",
        soundfile.read(project.raw / "aesdd/b/a01 (1).wav")[0],
        subtype="FLOAT",
    )
    clips, rejected, store, metrics = project.run()
    assert list(clips["path"]) == ["aesdd/a/a02 (1).wav"]
    assert list(rejected["path"]) == ["aesdd/b/a01 (1).wav", "aesdd/c/a03 (1).wav"]
    assert set(rejected["reason"]) == {"duplicate_audio"}
    assert set(rejected["detail"]) == {"same audio as aesdd/a/a02 (1).wav"}
    assert metrics["reasons"]["duplicate_audio"] == 2
    assert "aesdd/a/a02 (1).wav" in store


def test_the_same_samples_at_another_rate_are_other_audio(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("aesdd/a01 (2).wav", speech(1), 12000)
    assert len(project.run()[0]) == 2


def test_the_same_audio_under_two_emotions_is_not_kept_at_all(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("aesdd/s01 (1).wav", speech(1))
    project.put("aesdd/s02 (1).wav", speech(2))
    clips, rejected, _, _ = project.run()
    assert list(clips["clip"]) == ["aesdd/s02 (1)"]
    assert list(rejected["reason"]) == ["duplicate_audio"] * 2
    assert list(rejected["detail"]) == [
        "same audio under another emotion: aesdd/s01 (1).wav",
        "same audio under another emotion: aesdd/a01 (1).wav",
    ]


def test_of_two_files_with_one_name_the_first_is_kept(project):
    project.put("aesdd/y/a01 (1).wav", speech(1))
    project.put("aesdd/x/a01 (1).wav", speech(2))
    project.params["clean"]["highpass"] = 0
    clips, rejected, store, _ = project.run()
    assert list(clips["path"]) == ["aesdd/x/a01 (1).wav"]
    assert rejected.iloc[0].to_dict() == {
        "path": "aesdd/y/a01 (1).wav",
        "reason": "duplicate_name",
        "detail": "names the same clip as aesdd/x/a01 (1).wav",
    }
    expected = speech(2) - speech(2).mean()
    expected /= np.abs(expected).max()
    assert store["aesdd/x/a01 (1).wav"] == pytest.approx(expected, abs=2e-4)


def test_a_name_whose_first_file_was_a_duplicate_is_free(project):
    project.put("aesdd/a/a01 (1).wav", speech(1))
    project.put("aesdd/b/a02 (1).wav", speech(1))
    project.put("aesdd/c/a02 (1).wav", speech(2))
    assert list(project.run()[0]["path"]) == ["aesdd/a/a01 (1).wav", "aesdd/c/a02 (1).wav"]


def test_audio_whose_first_file_bore_a_name_twice_is_not_lost(project):
    project.put("aesdd/a/a01 (1).wav", speech(1))
    project.put("aesdd/b/a01 (1).wav", speech(2))
    project.put("aesdd/c/a02 (1).wav", speech(2))
    clips, _, _, _ = project.run()
    assert list(clips["path"]) == ["aesdd/a/a01 (1).wav", "aesdd/c/a02 (1).wav"]


def test_results_are_the_same_bytes_with_one_and_with_two_workers(project, monkeypatch):
    put_one_of_each(project)
    project.run("one")
    monkeypatch.setenv("SER_WORKERS", "2")
    project.run("two")
    one = {p.relative_to("one"): p.read_bytes() for p in Path("one").rglob("*") if p.is_file()}
    two = {p.relative_to("two"): p.read_bytes() for p in Path("two").rglob("*") if p.is_file()}
    assert len(one) == 6
    assert one == two


def test_a_wrong_ser_workers_is_refused(project, monkeypatch):
    project.put("aesdd/a01 (1).wav", speech(1))
    monkeypatch.setenv("SER_WORKERS", "many")
    with pytest.raises(UserError, match="SER_WORKERS='many'"):
        project.run()


def test_when_every_clip_is_rejected_the_counts_are_named(project):
    project.put("aesdd/a01 (1).wav", b"")
    project.put("aesdd/a02 (1).wav", np.zeros(RATE))
    project.put("aesdd/a03 (1).wav", np.zeros(RATE))
    with pytest.raises(UserError, match=r"every clip of aesdd .*2 silent, 1 zero_length"):
        project.run()
    assert len(read_csv(Path("out/rejected.csv"))) == 3
    assert parse_report(Path("out/clean.json").read_text())["kept"] == 0


def test_when_every_clip_of_one_corpus_is_rejected_only_its_own_are_counted(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("aesdd/a02 (1).wav", np.zeros(RATE))
    project.put("demo/a01 (1).wav", b"")
    with pytest.raises(UserError, match=r"every clip of demo was rejected \(1 zero_length\)"):
        project.run()


def test_hidden_files_are_no_recordings(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("aesdd/._a01 (1).wav", b"resource fork")
    project.put(".gitignore", b"/aesdd\n")
    clips, rejected, _, _ = project.run()
    assert (len(clips), len(rejected)) == (1, 0)


def test_files_in_hidden_folders_are_no_recordings(project):
    project.put("aesdd/anger/a01 (1).wav", speech(1))
    project.put("aesdd/.checkpoints/a01 (1).wav", speech(1))
    project.put(".cache/a01 (1).wav", speech(1))
    clips, rejected, _, _ = project.run()
    assert list(clips["path"]) == ["aesdd/anger/a01 (1).wav"]
    assert rejected.empty


def test_a_link_to_nothing_is_not_dropped_in_silence(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    (project.raw / "aesdd" / "a02 (1).wav").symlink_to("gone.wav")
    _, rejected, _, _ = project.run()
    assert list(rejected["path"]) == ["aesdd/a02 (1).wav"]
    assert list(rejected["reason"]) == ["undecodable"]
    assert "'aesdd/a02 (1).wav'" in rejected["detail"][0]
    assert str(project.folder) not in rejected["detail"][0]


def test_a_name_that_is_no_utf_8_does_not_stop_the_run(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("own/sad/1.wav", speech(2))
    try:
        for folder in ("aesdd", "own/sad"):
            (Path(os.fsencode(project.raw).decode()) / folder / "\udcff.wav").write_bytes(b"x")
    except OSError:
        pytest.skip("file names are UTF-8 here")
    clips, rejected, _, _ = project.run()
    assert (len(clips), len(rejected)) == (2, 2)
    assert set(rejected["reason"]) == {"unknown_name"}


def test_a_corpus_of_which_every_clip_is_rejected_is_refused_with_an_example(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("tess/a/x.wav", speech(2))
    project.put("tess/b/y.wav", speech(3))
    with pytest.raises(UserError) as caught:
        project.run()
    assert str(caught.value) == (
        "every clip of tess was rejected (2 unknown_name), for example tess/a/x.wav: expected a "
        "name like 'OAF_back_angry.wav' or 'YAF_dog_ps.wav'. See data/rejected.csv, check "
        "pull.sources.tess and the section clean of params.yaml; after a change of its files, "
        "`dvc repro --force pull` reads them again"
    )
    metrics = parse_report(Path("out/clean.json").read_text())
    assert metrics["per_corpus"]["tess"] == {"kept": 0, "rejected": 2}


def test_a_file_beside_the_corpora_is_refused(project):
    project.put("a01 (1).wav", speech(1))
    with pytest.raises(UserError, match="does not belong to a corpus"):
        project.run()


def test_an_empty_or_missing_folder_is_refused(project):
    with pytest.raises(UserError, match="holds no files"):
        project.run()
    project.raw.mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no files: run `dvc repro -f pull`"):
        project.run()


def test_settings_decide_what_is_kept(project):
    project.put("aesdd/a01 (1).wav", speech(1, 0.4))
    project.put("aesdd/a02 (1).wav", np.clip(99 * speech(2), -1, 1))
    project.params["clean"] |= {"min_seconds": 0.3, "max_clipped": 1.0, "sample_rate": 22050}
    clips, _, store, _ = project.run()
    assert len(clips) == 2
    assert len(store["aesdd/a01 (1).wav"]) == 8820


def test_a_noise_profile_of_a_few_samples_does_not_stop_the_run(project):
    quiet = 1e-3 * np.random.default_rng(0).standard_normal(4000)
    project.put("aesdd/a01 (1).wav", np.concatenate([quiet, speech(1)]))
    project.params["clean"] |= {"noise_reduction": "stationary", "noise_seconds": 0.03}
    assert len(project.run()[0]) == 1


# What is one recording in two files


@pytest.mark.parametrize(
    "other",
    [
        lambda samples: {"samples": np.stack([samples, samples], axis=1)},
        lambda samples: {"samples": np.stack([samples, 0 * samples], axis=1)},
        lambda samples: {"samples": np.stack([0 * samples, samples], axis=1), "kind": "FLAC"},
        lambda samples: {"samples": samples, "kind": "FLAC"},
        lambda samples: {"samples": samples, "kind": "AIFF", "subtype": "PCM_24"},
        lambda samples: {"samples": samples, "subtype": "FLOAT"},
    ],
)
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_the_same_audio_in_another_form_is_a_duplicate(project, other, rate):
    samples = np.round(2**15 * speech(1, rate=rate)) / 2**15  # the same in 16 bits and in float
    project.put("aesdd/a01 (1).wav", samples, rate)
    project.put("aesdd/a02 (1).wav", **other(samples), rate=rate)
    clips, rejected, store, _ = project.run()
    assert list(clips["clip"]) == ["aesdd/a01 (1)"]
    assert list(rejected["detail"]) == ["same audio as aesdd/a01 (1).wav"]
    assert len(store) == 2  # which of them is used is known at the end only


# What falls on one emotion or speaker


def put_savee(project, clipped):
    """Speakers of 15 angry and 15 sad clips each, of which some are clipped."""
    for number, (speaker, emotion, sentence) in enumerate(
        product(("DC", "JE", "KL"), ("a", "sa"), range(1, 16))
    ):
        loud = sentence <= clipped.get((speaker, emotion), 0)
        samples = speech(number)
        samples = np.clip(99 * samples, -1, 1) if loud else samples
        project.put(f"savee/{speaker}/{emotion}{sentence:02}.wav", samples)


def test_a_rejection_that_falls_on_one_speaker_and_one_emotion_is_warned_of(project, capsys):
    put_savee(project, {("DC", "a"): 10, ("KL", "sa"): 1})
    clips, _, _, metrics = project.run()
    assert len(clips) == 79
    assert metrics["per_emotion"] == {
        "angry": {"kept": 35, "rejected": 10},
        "sad": {"kept": 44, "rejected": 1},
    }
    assert metrics["per_speaker"] == {
        "savee/DC": {"kept": 20, "rejected": 10},
        "savee/JE": {"kept": 30, "rejected": 0},
        "savee/KL": {"kept": 29, "rejected": 1},
    }
    told = capsys.readouterr().out
    assert "by emotion: 10 of 45 angry, 1 of 45 sad" in told
    assert "by speaker: 10 of 30 savee/DC, 1 of 30 savee/KL" in told
    warnings = [line for line in told.splitlines() if "warning" in line]
    assert len(warnings) == 2
    assert "22.2% of emotion angry was rejected, 2.2% of the others (median)" in warnings[0]
    assert "33.3% of speaker savee/DC was rejected, 1.7% of the others (median)" in warnings[1]
    assert "leave out a part of savee/DC" in warnings[1]
    assert told.count("clean.max_clipped and clean.min_seconds decide") == 2


def test_a_rejection_that_falls_on_all_alike_is_counted_without_a_warning(project, capsys):
    put_savee(project, dict.fromkeys(product(("DC", "JE", "KL"), ("a", "sa")), 2))
    project.run()
    told = capsys.readouterr().out
    assert "by speaker: 4 of 30 savee/DC, 4 of 30 savee/JE, 4 of 30 savee/KL" in told
    assert "warning" not in told


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, []),
        ({"a": (0, 9)}, []),  # there are no others
        ({"a": (97, 3), "b": (100, 0)}, ["a"]),
        ({"a": (98, 2), "b": (100, 0)}, []),  # too few
        ({"a": (990, 10), "b": (1000, 0)}, []),  # too small a share
        ({"a": (91, 9), "b": (97, 3)}, []),  # three times as much
        ({"a": (90, 10), "b": (97, 3)}, ["a"]),
        ({"a": (71, 29), "b": (80, 20)}, []),  # nine points more
        ({"a": (69, 31), "b": (80, 20)}, ["a"]),
        ({"a": (50, 50), "b": (80, 20), "c": (80, 20)}, ["a"]),
        ({"a": (60, 40), "b": (50, 50), "c": (100, 0)}, ["b", "a"]),
        ({"a": (0, 15), "b": (9, 6)}, ["a"]),
        ({"a": (0, 15), "b": (0, 15), "c": (15, 0)}, ["a", "b"]),
        ({"a": (0, 2), "b": (5, 0)}, ["a"]),  # nothing of it is left
        ({"a": (0, 2), "b": (0, 5)}, []),
    ],
)
def test_what_is_uneven(counts, expected):
    assert [name for name, _, _ in uneven(counts)] == expected


def test_of_many_speakers_the_worst_are_named(project, capsys):
    for number in range(24):
        loud = np.clip(99 * speech(number), -1, 1)
        project.put(f"own/{'angry' if number % 2 else 'sad'}/{number}.wav", loud)
    rows = [f"{'angry' if n % 2 else 'sad'}/{n}.wav,{'angry' if n % 2 else 'sad'},s{n // 2:02}"
            for n in range(24)]  # fmt: skip
    table = "path,emotion,speaker\n" + "\n".join(rows)
    (project.raw / "own/labels.csv").write_text(table)
    project.put("aesdd/a01 (1).wav", speech(99))
    with pytest.raises(UserError):
        project.run()
    told = capsys.readouterr().out
    assert "2 of 2 own/s09 and 2 more" in told


def test_copies_are_not_lost(project):
    put_savee(project, {})
    for number in range(1, 16):
        file = project.raw / f"savee/JE/a{number:02}.wav"
        project.put(f"savee/copy/JE/a{number:02}.wav", file.read_bytes())
    metrics = project.run()[3]
    assert metrics["reasons"]["duplicate_audio"] == 15
    assert metrics["per_speaker"]["savee/JE"] == {"kept": 30, "rejected": 0}


# Song and emotions


def put_ravdess(project, *names):
    for seed, name in enumerate(names):
        project.put(f"ravdess/Actor_02/{name}.wav", speech(seed))


@pytest.mark.parametrize("song", [False, True])
def test_what_is_sung_is_kept_where_it_is_wanted(project, song):
    put_ravdess(project, "03-01-05-01-01-01-02", "03-02-05-01-01-01-02", "03-02-06-01-01-01-02")
    project.params["clean"]["song"] = song
    clips, rejected, _, metrics = project.run()
    assert list(clips["emotion"]) == (["angry", "angry", "fear"] if song else ["angry"])
    assert metrics["reasons"]["song"] == len(rejected) == (0 if song else 2)


def test_a_corpus_of_song_alone_is_refused_with_the_setting_that_keeps_it(project):
    put_ravdess(project, "03-02-05-01-01-01-02")
    with pytest.raises(UserError, match=r"ravdess was rejected \(1 song\).* clean\.song keeps"):
        project.run()


def test_emotions_that_are_not_wanted_are_left_out_and_counted(project):
    for seed, emotion in enumerate(("angry", "calm", "disgust", "neutral", "Anger", "calmness")):
        project.put(f"own/{emotion}/1.wav", speech(seed))
    project.params["clean"]["emotions"] = ["neutral", "angry"]
    clips, rejected, store, metrics = project.run()
    assert list(clips["clip"]) == ["own/Anger/1", "own/angry/1", "own/neutral/1"]
    assert list(clips["emotion"]) == ["angry", "angry", "neutral"]
    assert list(rejected["path"]) == ["own/calm/1.wav", "own/calmness/1.wav", "own/disgust/1.wav"]
    assert rejected["detail"][1] == "calm: not in clean.emotions"
    assert metrics["reasons"]["excluded_emotion"] == 3
    assert sorted(store) == sorted(clips["path"])


def test_what_is_relabelled_to_a_wanted_emotion_is_kept(project):
    put_ravdess(project, "03-01-01-01-01-01-02", "03-01-02-01-01-01-02", "03-01-03-01-01-01-02")
    project.params["clean"] |= {"emotions": ["happy", "neutral"], "relabel": {"calm": "neutral"}}
    clips, rejected, store, _ = project.run()
    assert list(clips["emotion"]) == ["neutral", "neutral", "happy"]
    assert rejected.empty
    assert store.meta == Clean.model_validate(project.params["clean"]).form.model_dump()


def test_an_emotion_that_is_wanted_and_relabelled_away_is_refused(project):
    put_ravdess(project, "03-01-01-01-01-01-02", "03-01-02-01-01-01-02")
    project.params["clean"] |= {"emotions": ["neutral", "calm"], "relabel": {"calm": "neutral"}}
    with pytest.raises(UserError, match=r"^clean\.emotions names calm, which no clip has; there"):
        project.run()


def test_words_of_ones_own_are_relabelled_in_a_table_and_in_folders(project):
    project.put("mine/labels.csv", b"path,emotion\n1.wav,Joy\n2.wav,calm\n")
    project.put("mine/1.wav", speech(1))
    project.put("mine/2.wav", speech(2))
    project.put("own/JOY/1.wav", speech(3))
    project.params["clean"]["relabel"] = {"Joy": "happy", "calm": "neutral"}
    clips, rejected, _, _ = project.run()
    assert rejected.empty
    assert dict(zip(clips["clip"], clips["emotion"], strict=True)) == {
        "mine/1": "happy",
        "mine/2": "neutral",
        "own/JOY/1": "happy",
    }


def test_the_same_audio_under_two_words_for_one_emotion_is_kept_once(project):
    project.put("own/calm/1.wav", speech(1))
    project.put("own/neutral/2.wav", speech(1))
    project.put("own/neutral/3.wav", speech(2))
    clips, rejected, _, _ = project.run("apart")
    assert (list(clips["clip"]), len(rejected)) == (["own/neutral/3"], 2)
    project.params["clean"]["relabel"] = {"calm": "neutral"}
    clips, rejected, _, _ = project.run("together")
    assert list(clips["clip"]) == ["own/calm/1", "own/neutral/3"]
    assert list(rejected["detail"]) == ["same audio as own/calm/1.wav"]


def test_wanted_emotions_that_no_clip_has_are_refused_with_those_there(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    project.put("aesdd/s01 (1).wav", speech(2))
    project.put("aesdd/f01 (1).wav", np.zeros(RATE))
    project.params["clean"]["emotions"] = ["sad", "fear", "angry", "calm"]
    with pytest.raises(UserError) as caught:
        project.run()
    expected = "clean.emotions names calm, fear, which no clip has; there are angry, sad"
    assert str(caught.value) == expected
    assert len(read_csv(Path("out/clips.csv"))) == 2


def notes(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line.strip() for line in lines if "note:" in line]


def test_an_emotion_that_one_of_several_corpora_has_is_noted(project, capsys):
    put_ravdess(project, "03-01-01-01-01-01-02", "03-01-02-01-01-01-02", "03-01-05-01-01-01-02")
    project.run()
    assert notes(capsys) == []
    project.put("tess/OAF_back_angry.wav", speech(7))
    project.put("tess/OAF_back_ps.wav", speech(8))
    project.run()
    assert [line.split(":")[1] for line in notes(capsys)] == [
        " only ravdess has calm",
        " only ravdess has neutral",
        " only tess has surprise",
    ]
    project.put("savee/DC/su01.wav", speech(9))
    project.params["clean"] |= {"relabel": {"calm": "neutral"}}
    project.run()
    assert [line.split(":")[1] for line in notes(capsys)] == [" only ravdess has neutral"]


# Corpora


def test_a_corpus_that_lies_in_itself_once_more_is_kept_once(project):
    inner = "audio_speech_actors_01-24/"
    names = ["Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-05-02-02-01-02.wav"]
    for (seed, name), folder in product(enumerate(names), ("", inner)):
        project.put(f"ravdess/{folder}{name}", speech(seed))
    clips, rejected, store, metrics = project.run()
    first = [f"ravdess/{name}" for name in names]
    assert list(clips["path"]) == first
    assert list(store) == first
    assert list(rejected["path"]) == [f"ravdess/{inner}{name}" for name in names]
    assert list(rejected["detail"]) == [f"same audio as {path}" for path in first]
    assert metrics["reasons"]["duplicate_audio"] == 2


def test_a_clip_of_savee_that_is_named_in_two_ways_is_kept_once(project):
    project.put("savee/ALL/DC_a01.wav", speech(1))
    project.put("savee/AudioData/DC/a01.wav", speech(1))
    project.put("savee/AudioData/JE/a01.wav", speech(2))
    clips, _, store, _ = project.run()
    assert list(clips["clip"]) == ["savee/DC_a01", "savee/JE_a01"]
    assert list(store) == ["savee/ALL/DC_a01.wav", "savee/AudioData/JE/a01.wav"]


def test_the_names_of_every_corpus_are_understood(project):
    paths = [
        "aesdd/anger/a01 (1).wav",
        "cremad/AudioWAV/1001_DFA_ANG_XX.wav",
        "demo/anger/a01 (1).wav",
        "mine/angry/1.wav",
        "ravdess/Actor_01/03-01-05-01-01-01-01.wav",
        "savee/DC/a01.wav",
        "tess/OAF_angry/OAF_back_angry.wav",
    ]
    for seed, path in enumerate(paths):
        project.put(path, speech(seed))
    clips, rejected, _, metrics = project.run()
    assert list(clips["path"]) == paths
    assert rejected.empty
    assert set(clips["emotion"]) == {"angry"}
    assert list(metrics["per_corpus"]) == sorted(path.split("/")[0] for path in paths)


def test_clips_of_ones_own_are_named_by_their_paths(project):
    project.put("mine/happy/anna/001.wav", speech(1))
    project.put("mine/sad/anna/001.wav", speech(2))
    clips, _, _, _ = project.run()
    assert list(clips["clip"]) == ["mine/happy/anna/001", "mine/sad/anna/001"]
    assert list(clips["utterance"]) == ["happy/anna/001", "sad/anna/001"]
    assert list(clips["speaker"]) == ["", ""]


def test_recordings_of_ones_own_without_labels_are_refused_with_what_is_expected(project):
    project.put("emovo/gio-f1-b1.wav", speech(1))
    with pytest.raises(
        UserError, match=r"emovo .*1 unknown_emotion.*<emotion>/<file>, or a labels"
    ):
        project.run()


def test_a_damaged_table_stops_the_run(project):
    project.put("own/1.wav", speech(1))
    project.put("own/labels.csv", b"file,emotion\n1.wav,sad\n")
    with pytest.raises(UserError, match=r"own/labels\.csv needs each of the columns path"):
        project.run()


# What is recorded anyhow comes out in one form


@pytest.mark.parametrize("rate", [16000, 22050, 24414, 44100, 48000, 96000])
def test_recordings_of_any_form_come_out_in_one(project, rate):
    forms = list(product(("PCM_16", "PCM_24", "FLOAT"), (1, 2)))
    lengths = [1, 1.37, 2.5, 4.03, 7.1, 13]
    for n, ((subtype, channels), seconds) in enumerate(zip(forms, lengths, strict=True)):
        samples = np.stack([speech(n + c, seconds, rate) for c in range(channels)], axis=1)
        project.put(f"aesdd/a{n + 1:02} (1).wav", samples, rate, subtype=subtype)
    clips, rejected, store, _ = project.run()
    assert rejected.empty
    assert list(zip(clips["subtype"], clips["channels"], strict=True)) == forms
    assert set(clips["sample_rate"]) == {rate}
    assert list(clips["seconds"]) == pytest.approx(lengths, abs=1 / rate)
    for path, seconds in zip(clips["path"], lengths, strict=True):
        assert abs(len(store[path]) - seconds * RATE) <= 1
        assert store[path].dtype == np.float32
        assert np.abs(store[path]).max() == 1


@pytest.mark.parametrize("sample_rate", [16000, 22050, 48000])
def test_any_sample_rate_may_be_wanted(project, sample_rate):
    project.put("tess/OAF_back_angry.wav", speech(1, 2, 24414), 24414)
    project.params["clean"]["sample_rate"] = sample_rate
    _, _, store, _ = project.run()
    assert abs(len(store["tess/OAF_back_angry.wav"]) - 2 * sample_rate) <= 1


PADDED = (".m4a", ".aac", ".webm", ".mp4", ".3gp", ".3g2", ".amr", ".wma", ".asf", ".mka", ".flv",
          ".mpg", ".vob", ".ac3", ".eac3", ".mp2")  # fmt: skip


def test_recordings_of_ones_own_may_be_of_any_kind_that_is_pulled(project):
    kinds = [suffix for suffix in WRITTEN if suffix in SUFFIXES]
    assert len(kinds) > 30
    for seed, suffix in enumerate(kinds):
        rate = 8000 if suffix in TELEPHONE else 48000
        project.put(f"own/sad/{seed:02}{suffix}", encoded(speech(seed, 1, rate), rate, suffix))
    clips, rejected, store, _ = project.run()
    assert rejected.empty
    assert [Path(path).suffix for path in clips["path"]] == kinds
    # Encoders that lose something fill the first frame and the last one with silence, or lack one.
    for path in clips["path"]:
        padded = path.endswith(PADDED)
        assert len(store[path]) == pytest.approx(RATE, abs=1024 if padded else 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("aesdd/a05 (1).wav", "aesdd/a05 (01).wav"),
        ("cremad/1040_ITH_SAD_X.wav", "cremad/1040_ITH_SAD_XX.wav"),
        ("cremad/1001_DFA_ANG_XX.wav", "cremad/1001_dfa_ang_xx.wav"),
        ("tess/OA_bite_neutral.wav", "tess/OAF_bite_neutral.wav"),
        ("ravdess/01-01-05-01-01-01-01.wav", "ravdess/03-01-05-01-01-01-01.wav"),
    ],
)
def test_two_spellings_of_one_clip_are_one_clip(project, one, other):
    project.put(one, speech(1))
    project.put(other, speech(2))
    clips, rejected, _, _ = project.run()
    assert len(clips) == 1
    assert list(rejected["reason"]) == ["duplicate_name"]
    assert rejected["detail"][0].startswith("names the same clip as ")


def test_of_the_same_audio_in_two_corpora_the_known_one_is_kept(project):
    project.put("savee/DC_a01.wav", speech(1))
    project.put("aown/angry/x.wav", speech(1))
    project.put("aown/angry/y.wav", speech(2))
    clips, _, _, _ = project.run()
    assert list(clips["clip"]) == ["aown/angry/y", "savee/DC_a01"]


def test_a_word_that_no_clip_has_is_noted(project, capsys):
    project.params["clean"]["relabel"] = {"clam": "neutral", "calm": "neutral", "anger": "sad"}
    put_ravdess(project, "03-01-02-01-01-01-01", "03-01-05-01-01-01-01")
    project.put("own/anger/x.wav", speech(5))
    project.run()
    assert "no clip is labelled clam, which clean.relabel" in capsys.readouterr().out


def test_words_are_not_missed_where_no_clip_was_labelled(project, capsys):
    project.params["clean"]["relabel"] = {"0": "neutral", "1": "happy"}
    project.put("own/labels.csv", b"path,emotion\n1,0\n2,1\n")
    project.put("own/1.wav", speech(1))
    project.put("own/2.wav", speech(2))
    with pytest.raises(UserError, match=r"the file is 1\.wav: write each path"):
        project.run()
    assert "no clip is labelled" not in capsys.readouterr().out


# What people type in several ways

MUELLER = ("M\u00fcller", "Mu\u0308ller")


def test_a_speaker_is_one_person_in_whatever_form_the_name_is_stored(project):
    lines = [f"{i}.wav,{('sad', 'angry')[i % 2]},{MUELLER[i // 2]}" for i in range(4)]
    project.put("own/labels.csv", "\n".join(["path,emotion,speaker", *lines]).encode())
    for i in range(4):
        project.put(f"own/{i}.wav", speech(i))
        project.put(f"tree/{MUELLER[i // 2]}/{('sad', 'angry')[i % 2]}/{i}.wav", speech(10 + i))
        project.put(f"tree/Anna/{('sad', 'angry')[i % 2]}/{i}.wav", speech(20 + i))
    clips, rejected, _, _ = project.run()
    assert rejected.empty
    assert set(clips["speaker"][clips["corpus"] == "own"]) == {MUELLER[0]}
    assert set(clips["speaker"][clips["corpus"] == "tree"]) == {MUELLER[0], "Anna"}
    assert not any("\u0308" in clip for clip in clips["clip"])


@pytest.mark.parametrize("table", [True, False])
def test_two_files_that_differ_in_the_form_of_an_accent_name_one_clip(project, table):
    paths = [f"own/sad/{name}.wav" for name in sorted(MUELLER)]
    for seed, path in enumerate(paths):
        project.put(path, speech(seed))
    if table:
        project.put("own/labels.csv", f"path,emotion\nsad/{MUELLER[0]}.wav,sad\n".encode())
    clips, rejected, store, _ = project.run()
    assert list(clips["clip"]) == [f"own/sad/{MUELLER[0]}"]
    assert list(clips["path"]) == paths[:1]
    assert paths[0] in store
    assert list(rejected["path"]) == paths[1:]
    assert list(rejected["reason"]) == ["duplicate_name"]


def test_numbers_are_words_for_emotions(project):
    lines = [f"{i}.wav,{i % 3}" for i in range(6)]
    project.put("own/labels.csv", "\n".join(["path,emotion", *lines]).encode())
    for i in range(6):
        project.put(f"own/{i}.wav", speech(i))
    project.params["clean"]["relabel"] = {"0": "neutral", "1": "happy"}
    clips, rejected, _, _ = project.run()
    assert list(clips["emotion"]) == ["neutral", "happy", "neutral", "happy"]
    assert [detail[:4] for detail in rejected["detail"]] == ["'2':", "'2':"]


def test_speakers_that_are_called_alike_are_noted_and_kept_apart(project, capsys):
    names = ["Anna", "anna", "01", "1", "10", "Bo", ""]
    lines = [f"{i}.wav,sad,{name}" for i, name in enumerate(names)]
    project.put("own/labels.csv", "\n".join(["path,emotion,speaker", *lines]).encode())
    for i in range(len(names)):
        project.put(f"own/{i}.wav", speech(i))
    project.put("aown/labels.csv", b"path,emotion,speaker\n1.wav,sad,ANNA\n")
    project.put("aown/1.wav", speech(10))
    clips, _, _, _ = project.run()
    assert sorted(clips["speaker"]) == sorted([*names, "ANNA"])
    assert [line.split(":")[1] for line in notes(capsys)] == [
        " own has the speakers 01 and 1",
        " own has the speakers Anna and anna",
    ]


# Emotions and folders of one's own


def test_an_emotion_of_ones_own_is_kept_where_it_is_listed(project):
    for seed, emotion in enumerate(("Boredom", "angry", "Langeweile", "ennui", "sad")):
        project.put(f"own/{emotion}/1.wav", speech(seed))
    project.params["clean"] |= {
        "emotions": ["angry", "boredom"],
        "relabel": {"Langeweile": "boredom"},
    }
    clips, rejected, _, _ = project.run()
    assert dict(zip(clips["clip"], clips["emotion"], strict=True)) == {
        "own/Boredom/1": "boredom",
        "own/Langeweile/1": "boredom",
        "own/angry/1": "angry",
    }
    assert list(rejected["reason"]) == ["unknown_emotion", "excluded_emotion"]


def test_an_emotion_of_ones_own_that_is_not_listed_is_refused_with_the_way_to_list_it(project):
    project.put("own/labels.csv", b"path,emotion\n1.wav,boredom\n2.wav,sad\n")
    project.put("own/1.wav", speech(1))
    project.put("own/2.wav", speech(2))
    _, rejected, _, _ = project.run()
    assert list(rejected["reason"]) == ["unknown_emotion"]
    assert "or an emotion of your own that clean.emotions lists" in rejected["detail"][0]


def test_what_is_understood_of_folders_is_said(project, capsys):
    for seed, (who, emotion) in enumerate(product(("anna", "bo"), ("Boredom", "sad"))):
        project.put(f"aown/{who}/{emotion}/1.wav", speech(seed))
        project.put(f"bown/{emotion}/x/{who}.wav", speech(10 + seed))
        project.put(f"cown/{emotion}/{who}.wav", speech(20 + seed))
    project.params["clean"]["emotions"] = ["boredom", "sad"]
    clips, rejected, _, _ = project.run()
    assert rejected.empty
    own = clips.groupby("corpus")["speaker"].unique()
    assert [list(own[corpus]) for corpus in ("aown", "bown", "cown")] == [
        ["anna", "bo"],
        [""],
        [""],
    ]
    noted = notes(capsys)
    assert noted[0] == "note: aown: speaker from the folder above the emotion, 2 speakers: anna, bo"
    assert noted[1].startswith(
        "note: bown: the folders do not name the speakers: all recordings are in x;"
    )
    assert len(noted) == 2


def test_paths_without_their_suffix_are_refused_with_the_recordings_there(project):
    project.put("own/labels.csv", b"path,emotion\nclip01,sad\nclip02,sad\n")
    project.put("own/clip01.wav", speech(1))
    project.put("own/clip02.wav", speech(2))
    with pytest.raises(
        UserError,
        match=r"own/clip01: labels\.csv lists it, but the file is clip01\.wav: write each",
    ):
        project.run()


@pytest.mark.parametrize("gain", [1.0, 0.1, 1e-3])
def test_the_level_is_that_of_the_recording_not_of_the_clip(project, gain):
    times = np.arange(RATE) / RATE
    tone = gain * 0.5 * np.sin(2 * np.pi * 400 * times)  # a sine of amplitude 1 has -3.01 dB
    project.put("aesdd/anger/a01 (1).wav", tone + 0.1, subtype="FLOAT")  # an offset has no level
    clips, _, store, _ = project.run()
    assert clips["level"].tolist() == [round(-9.03 + 20 * np.log10(gain), 1)]
    assert np.abs(store[clips["path"][0]]).max() == 1


OWN = "path;emotion;Accent ;gender\na.wav;sad;nord;female\nb.wav;happy;;\n"


def put_own(project, table=OWN):
    project.put("own/labels.csv", table.encode())
    project.put("own/a.wav", speech(1))
    project.put("own/b.wav", speech(2))
    project.put("aesdd/anger/a01 (1).wav", speech(3))


def test_columns_of_labels_csv_that_are_named_are_kept(project):
    put_own(project)
    plain, _, _, facts = project.run("plain")
    project.params["clean"]["columns"] = [" ACCENT"]
    clips, rejected, _, same = project.run()
    assert tuple(clips.columns) == (*CLIP_COLUMNS, "accent")
    assert clips["accent"].tolist() == ["", "nord", ""]
    assert clips.drop(columns="accent").equals(plain)
    assert facts == same
    assert rejected.empty


@pytest.mark.parametrize("name", ["word", "reason", "sung", "name", 'a "b"; --', "ä b"])
def test_a_column_of_ones_own_may_have_any_other_name(project, name):
    quoted = name.replace('"', '""')
    put_own(project, OWN.replace("Accent ", f'"{quoted}"'))
    project.params["clean"]["columns"] = [name]
    clips, rejected, _, _ = project.run()
    assert clips[name].tolist() == ["", "nord", ""]
    assert rejected.empty


def test_a_column_that_no_table_has_is_named_with_those_that_there_are(project):
    put_own(project)
    project.params["clean"]["columns"] = ["accent", "device"]
    with pytest.raises(UserError, match=r"names device, which no labels.csv has; .* are accent$"):
        project.run()
    (project.raw / "own/labels.csv").unlink()
    with pytest.raises(UserError, match=r"names accent, device, .* there are none$"):
        project.run()


RATED = "path,emotion,valence,arousal\na.wav,sad,0.25,\nb.wav,angry,,\ngone.wav,sad,,0.5\n"


def test_ratings_are_columns_of_clips_csv_if_a_kept_clip_has_any(project):
    put_own(project, RATED)
    clips, rejected, _, _ = project.run()
    assert list(rejected["path"]) == ["own/gone.wav"]
    assert tuple(clips.columns) == (*CLIP_COLUMNS, "valence")
    rated = clips.set_index("clip")["valence"]
    assert rated["own/a"] == 0.25
    assert rated.isna().sum() == 2


def test_the_synthesised_clips_are_rated_by_their_names(project):
    put = project.put
    put("demo/anger/a01 (1).wav", speech(1))
    put("demo/anger/a20 (1).wav", speech(2))  # of no utterance that is synthesised
    clips, _, _, _ = project.run()
    rated = demo.ratings()["a01 (1).wav"]
    assert clips["arousal"][0] == pytest.approx(rated["arousal"], abs=1e-4)
    assert clips["valence"][0] == pytest.approx(rated["valence"], abs=1e-4)
    assert clips[["arousal", "valence"]].iloc[1].isna().all()


def test_ratings_need_not_be_listed_and_cannot_be(project):
    put_own(project, RATED)
    project.params["clean"]["columns"] = ["valence"]
    with pytest.raises(UserError, match=r"valence: clips\.csv has a column of that name"):
        project.run()
