import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from ser.audio import REASONS
from ser.errors import UserError
from ser.store import Store
from ser.tables import CLIP_COLUMNS, read_csv
from stages import clean

COMMITTED = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
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
            json.loads((out / "clean.json").read_text(encoding="utf-8")),
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SER_WORKERS", "1")
    return Project(tmp_path)


def put_one_of_each(project):
    """A few good clips, and one or more for each reason of rejection."""
    put = project.put
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


def test_good_clips_are_kept_sorted_with_every_column(project):
    put_one_of_each(project)
    clips, _, _, _ = project.run()
    assert tuple(clips.columns) == CLIP_COLUMNS
    names = ["a01 (1)", "a01 (10)", "a01 (2)b", "s12 (3)", "s13 (3)"]
    assert list(clips["clip"]) == [f"aesdd/{name}" for name in names] + ["demo/s20 (3)"]
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
        "language": "el",
        "seconds": 0.6,
        "sample_rate": 16000,
        "channels": 2,
        "subtype": "FLOAT",
    }
    assert list(clips["sample_rate"][:2]) == [16000, 44100]
    assert list(clips["subtype"][:2]) == ["PCM_16", "PCM_24"]
    assert clips["language"].iloc[-1] == ""


def test_every_reason_of_rejection_occurs_with_its_detail_and_is_counted(project):
    put_one_of_each(project)
    clips, rejected, _, metrics = project.run()
    assert tuple(rejected.columns) == ("path", "reason", "detail")
    assert list(rejected["path"]) == sorted(rejected["path"])
    details = {row.path: (row.reason, row.detail) for row in rejected.itertuples()}
    expected = {
        "aesdd/readme.txt": ("unknown_name", "expected a name like"),
        "aesdd/sadness/s05 (3).wav": ("zero_length", "empty"),
        "aesdd/sadness/s06 (3).wav": ("undecodable", ""),
        "aesdd/sadness/s07 (3).wav": ("truncated", "8600 of 9600 samples"),
        "aesdd/sadness/s08 (3).wav": ("not_finite", "1 samples"),
        "aesdd/sadness/s09 (3).wav": ("silent", "digital silence"),
        "aesdd/sadness/s10 (3).wav": ("too_short", "0.400 s, at least 0.5 s"),
        "aesdd/sadness/s11 (3).wav": ("clipped", "at most 1.00%"),
        "aesdd/sadness/s12 (3).wav": ("duplicate_name", "aesdd/copy/s12 (3).wav"),
        "aesdd/sadness/s14 (3).wav": ("duplicate_audio", "aesdd/sadness/s13 (3).wav"),
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


def test_every_kept_clip_has_its_standardised_waveform(project):
    put_one_of_each(project)
    clips, _, store, _ = project.run()
    for row in clips.itertuples():
        waveform = store[row.path]
        assert abs(len(waveform) - row.seconds * RATE) <= 1
        assert np.abs(waveform).max() == 1
    assert store.meta == project.params["clean"]


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
    clips, rejected, store, _ = project.run()
    assert list(clips["path"]) == ["aesdd/x/a01 (1).wav"]
    assert rejected.iloc[0].to_dict() == {
        "path": "aesdd/y/a01 (1).wav",
        "reason": "duplicate_name",
        "detail": "same name as aesdd/x/a01 (1).wav",
    }
    expected = speech(2) / np.abs(speech(2)).max()
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
    assert json.loads(Path("out/clean.json").read_text())["kept"] == 0


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


def test_a_name_that_is_no_utf_8_does_not_stop_the_run(project):
    project.put("aesdd/a01 (1).wav", speech(1))
    try:
        (Path(os.fsencode(project.raw).decode()) / "aesdd" / "\udcff.wav").write_bytes(b"x")
    except OSError:
        pytest.skip("file names are UTF-8 here")
    clips, rejected, _, _ = project.run()
    assert (len(clips), len(rejected)) == (1, 1)
    assert list(rejected["reason"]) == ["unknown_name"]


def test_a_folder_of_no_known_corpus_is_refused_with_the_known_ones(project):
    project.put("emodb/03a01Fa.wav", speech(1))
    with pytest.raises(UserError, match=r"emodb/03a01Fa\.wav belongs to no corpus.*aesdd, demo"):
        project.run()


def test_a_file_beside_the_corpora_is_refused(project):
    project.put("a01 (1).wav", speech(1))
    with pytest.raises(UserError, match="belongs to no corpus"):
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
