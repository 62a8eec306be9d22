"""Trials by cross-validation see no test clip."""

import json
import shutil

import pytest

from scripts import experiments, trials
from ser.core import params
from ser.core.errors import UserError
from ser.core.tables import read_csv, write_csv
from ser.splits import schemes


@pytest.mark.parametrize("name", trials.listed())
def test_every_trial_is_valid_and_says_what_was_tried(name):
    trial = trials.listed()[name]
    params.parse(experiments.resolve(trials.changes_of(trial)), name)
    assert trial["tried"]
    assert trial["kept"] in (True, False)


def test_no_trial_is_there_twice():
    assert len(trials.listed()) == trials.LIST.read_text("utf-8").count("name: ")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Recordings of two speakers, and EmoBox's lists, which test what speaker 1 says first."""
    rows = []
    for emotion, letter in (("angry", "a"), ("sad", "s")):
        for utterance in range(1, 11):
            for speaker in "12":
                name = f"{letter}{utterance:02d} ({speaker})"
                path = tmp_path / f"data/raw/aesdd/{emotion}/{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
                row = {"clip": f"aesdd/{name}", "corpus": "aesdd", "speaker": speaker}
                row |= {"path": f"aesdd/{emotion}/{name}.wav", "emotion": emotion}
                rows.append(row | {"utterance": str(utterance), "take": ""})
    write_csv(tmp_path / "data/clips.csv", rows, list(rows[0]))
    fold = tmp_path / "emobox/fold_1"
    fold.mkdir(parents=True)
    for subset, wanted in (("test", True), ("train", False)):
        lines = [
            json.dumps({"key": row["clip"], "wav": row["path"].replace("aesdd/", "downloads/", 1)})
            for row in rows
            if (row["utterance"] == "1" and row["speaker"] == "1") == wanted
        ]
        (fold / f"aesdd_{subset}_fold_1.jsonl").write_text("\n".join(lines))
    shutil.copyfile(trials.ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.setattr(trials, "ROOT", tmp_path)
    monkeypatch.setattr(trials, "FOLDER", tmp_path / ".trials")
    return tmp_path


def names_of(recordings):
    return {f"aesdd/{path.stem}" for path in recordings.rglob("*.wav")}


def test_no_test_clip_is_among_the_recordings(project):
    tested = trials.test_clips(project / "emobox")
    clips = read_csv(project / "data/clips.csv")
    (fold,) = schemes.make_folds(clips, params.load(project / "params.yaml").split)
    of_split = {clip for clip, subset in fold.items() if subset == "test"}
    assert tested == of_split | {"aesdd/a01 (1)", "aesdd/s01 (1)"}
    recordings = trials.gather_recordings(tested)
    assert names_of(recordings) == set(clips["clip"]) - tested
    for path in recordings.rglob("*.wav"):
        assert path.read_text() == path.stem


def test_other_clips_are_gathered_elsewhere_so_that_dvc_sees_them(project):
    some = trials.gather_recordings({"aesdd/a01 (1)"})
    others = trials.gather_recordings({"aesdd/a02 (1)"})
    assert some != others
    assert trials.gather_recordings({"aesdd/a01 (1)"}) == some
    assert "aesdd/a01 (1)" not in names_of(some)


def test_without_any_clip_left_there_is_nothing_to_try(project):
    every = set(read_csv(project / "data/clips.csv")["clip"])
    with pytest.raises(UserError, match="every clip is a test clip"):
        trials.gather_recordings(every)


def test_missing_recordings_are_named(project):
    (project / "data/raw/aesdd/sad/s03 (2).wav").unlink()
    with pytest.raises(UserError, match=r"s03 \(2\)\.wav: No such file.*dvc repro"):
        trials.gather_recordings(set())
