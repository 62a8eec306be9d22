"""The whole pipeline, through the real dvc, on a tree of somebody's own with an emotion of its own.

Its folders are called as people call them: emotions by numbers and in their own language, a name
with an accent that is stored in two ways.
"""

import csv
import io
import json
import unicodedata
from itertools import product

import numpy as np
import pytest
import soundfile
import yaml
from small_model import RATE, ser_here, speech
from stage_metrics import metrics_of

from scripts.workspace import dvc, make_workspace
from ser.core.emotions import problem_of_name
from ser.core.tables import read_csv

EMOTIONS = ["boredom", "neutral", "sad"]
FOLDERS = ["Langeweile", "0", "Sadness"]  # of these emotions
SPEAKERS = ["Anna", "Bo", "M\u00fcller"]
CHANGES = {
    "clean": {"emotions": EMOTIONS, "relabel": {"Langeweile": "boredom", "0": "neutral"}},
    "features": {"n_mels": 32},
    "augment": {"copies": 1},
    "split": {"scheme": "leave_one_speaker_out", "val": 0.0},
    "model": {"width": 4, "epochs": 2},
    "evaluate": {"bootstrap": 200, "groups": ["speaker", "level", "gender"]},
}


def put_recordings(folder):
    """Two clips of each speaker and emotion; every second folder is stored in the other form."""
    forms = ("NFC", "NFD")
    for number, (speaker, emotion) in enumerate(product(SPEAKERS, FOLDERS)):
        name = unicodedata.normalize(forms[number % 2], speaker)
        place = folder / name / emotion
        place.mkdir(parents=True)
        for clip in range(2):
            samples = speech(2 * number + clip, 0.8)
            soundfile.write(place / f"{clip}.wav", np.round(samples * 0.9, 4), RATE)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The pipeline after its run, and what that printed."""
    parent = tmp_path_factory.mktemp("own")
    put_recordings(parent / "recordings")
    pull = {"corpora": ["mine"], "sources": {"mine": f"path:{parent / 'recordings'}"}}
    folder = parent / "project"
    make_workspace(folder, {"pull": pull, **CHANGES})
    done = dvc(folder, "repro", capture_output=True, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_clips_have_the_emotions_and_speakers_that_the_folders_mean(project):
    folder, printed = project
    clips = read_csv(folder / "data/clips.csv")
    assert clips.groupby(["speaker", "emotion"]).size().to_dict() == dict.fromkeys(
        product(SPEAKERS, EMOTIONS), 2
    )
    assert (
        "note: mine: speaker from the folder above the emotion, 3 speakers: Anna, Bo, M" in printed
    )


def test_no_speaker_is_on_two_sides(project):
    folder, _ = project
    clips, splits = read_csv(folder / "data/clips.csv"), read_csv(folder / "data/splits.csv")
    assert splits["fold"].nunique() == len(SPEAKERS)
    tested = splits[splits["subset"] == "test"].merge(clips, on="clip")
    assert set(tested.groupby("fold")["speaker"].nunique()) == {1}
    assert set(tested.groupby("fold")["clip"].nunique()) == {2 * len(EMOTIONS)}


def test_the_emotion_of_ones_own_is_in_all_that_is_written(project):
    folder, _ = project
    figures = metrics_of(folder, "evaluate")
    assert list(figures["per_class"]) == EMOTIONS
    assert figures["per_class"]["boredom"]["support"] == 6
    table = read_csv(folder / "data/predictions.csv")
    assert list(table.columns) == ["clip", "fold", "speaker", "emotion", "predicted", *EMOTIONS]
    beside = [*table.columns, *read_csv(folder / "plots/confusion.csv").columns]
    for column in set(beside) - set(EMOTIONS):
        assert "reserved" in problem_of_name(column), column
    np.testing.assert_allclose(table[EMOTIONS].astype(float).sum(axis=1), 1, atol=1e-5)
    card = (folder / "data/model/README.md").read_text("utf-8")
    assert "recognises 3 emotions in recordings of speech: boredom, neutral, sad." in card
    yaml.safe_load(card.split("---")[1])
    described = json.loads((folder / "data/model/model.json").read_text("utf-8"))
    assert described["emotions"] == EMOTIONS
    dataset = metrics_of(folder, "dataset")
    assert dataset["emotions"] == dict.fromkeys(EMOTIONS, 6)
    assert "boredom" in (folder / "plots/confusion.csv").read_text("utf-8")


def test_the_test_clips_are_measured_by_group(project):
    folder, _ = project
    by_group = metrics_of(folder, "evaluate")["by_group"]
    speakers = {f"mine/{speaker}": 6 for speaker in SPEAKERS}
    assert {name: own["n"] for name, own in by_group["speaker"]["groups"].items()} == speakers
    assert sum(own["n"] for own in by_group["level"]["groups"].values()) == 18
    assert len(by_group["level"]["groups"]) == 3
    assert list(by_group["gender"]["groups"]) == ["unknown"]
    card = (folder / "data/model/README.md").read_text("utf-8")
    assert "- gender: not known of any test clip." in card


def test_the_model_tells_the_emotion_of_ones_own(project, tmp_path):
    folder, _ = project
    soundfile.write(tmp_path / "a.wav", speech(3), RATE)
    exported = ser_here("export", "--onnx", tmp_path / "m.onnx", cwd=folder)
    assert exported.returncode == 0, exported.stderr.decode()
    for model in (folder / "data/model", tmp_path / "m.onnx"):
        answer = ser_here("predict", "--csv", "--model", model, tmp_path / "a.wav")
        assert answer.returncode == 0, answer.stderr.decode()
        row, *_ = csv.DictReader(io.StringIO(answer.stdout.decode()))
        assert row["part"] == "whole"
        assert row["emotion"] in EMOTIONS
        assert sum(float(row[emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_nothing_runs_again(project):
    folder, _ = project
    assert json.loads(dvc(folder, "status", "--json", capture_output=True).stdout) == {}
