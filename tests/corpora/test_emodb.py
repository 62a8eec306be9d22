"""A look-alike of Emo-DB, where one speaker lacks an emotion, by the real dvc."""

import subprocess
from collections import Counter

import lookalikes
import pytest
from stage_metrics import metrics_of

from scripts.workspace import dvc, make_workspace
from ser.core.tables import read_csv

SPEAKERS = {"03": ("male", "31"), "08": ("female", "34"), "10": ("male", "32")}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emodb")
    lookalikes.emodb(folder / "emodb", SPEAKERS)
    changes = {
        "pull": {"corpora": ["emodb"], "sources": {"emodb": f"path:{folder / 'emodb'}"}},
        "split": {"scheme": "leave_one_speaker_out"},
        "augment": {"copies": 1},
        "model": {"epochs": 2},
        "evaluate": {"bootstrap": 100},
    }
    make_workspace(folder / "project", changes)
    done = dvc(
        folder / "project", "repro", "evaluate", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return folder / "project", done.stdout


def test_clips_have_their_speakers_genders_ages_and_takes(project):
    clips = read_csv(project[0] / "data/clips.csv")
    assert len(clips) == 3 * 6 * 4 - 4
    of_speaker = clips.groupby("speaker")[["gender", "age"]].agg(set)
    assert {name: (*row["gender"], *row["age"]) for name, row in of_speaker.iterrows()} == SPEAKERS
    assert set(clips["language"]) == {"de"}
    takes = clips[(clips["speaker"] == "03") & (clips["emotion"] == "angry")]
    assert sorted(takes["utterance"] + takes["take"]) == ["a01a", "a01b", "a02a", "b01a"]


def test_boredom_is_rejected_by_its_name(project):
    rejected = read_csv(project[0] / "data/rejected.csv")
    assert dict(Counter(rejected["reason"])) == {"unknown_emotion": 3}
    assert rejected["detail"].str.startswith("'boredom'").all()


def test_every_speaker_is_tested_and_the_figures_are_over_all_clips(project):
    split = metrics_of(project[0], "split")
    assert split["folds"] == 3
    assert split["folds_lacking_an_emotion"]["test"] == 1
    assert "note: no test clip is disgust in fold 2\n" in project[1]
    evaluate = metrics_of(project[0], "evaluate")
    assert evaluate["n_test"] == 3 * 6 * 4 - 4
    assert evaluate["per_class"]["disgust"]["support"] == 8
    speakers = {name: part["n"] for name, part in evaluate["per_speaker"].items()}
    assert speakers == {"emodb/03": 24, "emodb/08": 20, "emodb/10": 24}
    tested = read_csv(project[0] / "data/predictions.csv")
    assert set(tested["emotion"][tested["fold"] == 2]) == set(evaluate["per_class"]) - {"disgust"}


def test_the_card_says_what_the_clips_are_of(project):
    card = (project[0] / "data/model/README.md").read_text()
    assert "Berlin Database of Emotional Speech" in card
    assert 'license: "cc0-1.0"' in card
    assert 'language: ["de"]' in card
