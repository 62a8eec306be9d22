"""Trials by cross-validation see no test clip."""

import pytest

from scripts import experiments, trials
from ser import params
from ser.tables import read_csv, write_csv


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
    """Four recordings, of which one is a test clip of the project's split."""
    rows = []
    for i in range(4):
        path = tmp_path / f"data/raw/aesdd/anger/a0{i + 1} (1).wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]))
        row = {"clip": f"aesdd/{path.stem}", "corpus": "aesdd", "path": f"aesdd/anger/{path.name}"}
        rows.append(row | {"emotion": "angry", "speaker": "1", "utterance": str(i), "take": ""})
    write_csv(tmp_path / "data/clips.csv", rows, list(rows[0]))
    splits = [
        {"clip": row["clip"], "fold": 1, "subset": subset}
        for row, subset in zip(rows, ("train", "test", "val", "train"), strict=True)
    ]
    write_csv(tmp_path / "data/splits.csv", splits, list(splits[0]))
    monkeypatch.setattr(trials, "ROOT", tmp_path)
    monkeypatch.setattr(trials, "FOLDER", tmp_path / ".trials")
    return tmp_path


def test_test_clips_are_not_among_the_recordings(project):
    tested = trials.test_clips(None)
    assert tested == {"aesdd/a02 (1)"}
    recordings = trials.gather_recordings(tested)
    found = {path.relative_to(recordings).as_posix() for path in recordings.rglob("*.wav")}
    assert found == {"anger/a01 (1).wav", "anger/a03 (1).wav", "anger/a04 (1).wav"}
    clips = read_csv(project / "data/clips.csv")
    assert len(found) + len(tested) == len(clips)


def test_gathering_anew_forgets_the_former_recordings(project):
    trials.gather_recordings(set())
    recordings = trials.gather_recordings({"aesdd/a01 (1)", "aesdd/a02 (1)"})
    assert len(list(recordings.rglob("*.wav"))) == 2
