"""Look-alikes of the four English corpora through the whole pipeline, by the real dvc."""

import subprocess

import lookalikes
import pandas as pd
import pytest
from stage_metrics import metrics_of

from scripts import experiments
from scripts.workspace import change_params, dvc, make_workspace
from ser.core.tables import read_csv

SMALL = {
    "augment": {"copies": 1},
    "model": {"epochs": 2, "patience": 0},
    "evaluate": {"bootstrap": 100},
}
CORPORA = ("cremad", "ravdess", "savee", "tess")
SIX = ["angry", "disgust", "fear", "happy", "neutral", "sad"]
KEPT = {
    "cremad": 6 * 6 * 4 - 1,  # one is silent
    "ravdess": 6 * 8 * 2 * 2,
    "savee": 4 * (6 * 3 + 6),
    "tess": 2 * 7 * 6,
}


def repro(project, *stages):
    done = dvc(project, "repro", *stages, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "Traceback" not in done.stdout
    return done


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The experiment of the project that joins the four corpora, run on the look-alikes."""
    folder = tmp_path_factory.mktemp("four")
    lookalikes.ravdess(folder / "ravdess")
    lookalikes.cremad(folder / "cremad")
    lookalikes.tess(folder / "tess")
    lookalikes.savee(folder / "savee", flat=False)
    sources = {
        "ravdess": lookalikes.zipped(folder / "ravdess", folder / "ravdess.zip"),
        "cremad": lookalikes.tarred(folder / "cremad", folder / "cremad.tar.gz"),
        "tess": lookalikes.zipped(folder / "tess", folder / "tess.zip"),
        "savee": folder / "savee",
    }
    changes = experiments.merge(experiments.read_experiment("s3-four-corpora"), SMALL)
    changes["pull"]["sources"] = {corpus: f"path:{path}" for corpus, path in sources.items()}
    make_workspace(folder / "project", changes)
    done = repro(folder / "project")
    assert done.returncode == 0, done.stdout
    return folder / "project"


def test_every_clip_is_counted_once(project):
    clean = metrics_of(project, "clean")
    assert clean["per_corpus"] == {
        "cremad": {"kept": KEPT["cremad"], "rejected": 1},
        "ravdess": {"kept": KEPT["ravdess"], "rejected": KEPT["ravdess"] + 1},
        "savee": {"kept": KEPT["savee"], "rejected": 0},
        "tess": {"kept": KEPT["tess"], "rejected": KEPT["tess"]},
    }
    copies = KEPT["ravdess"] + KEPT["tess"]
    assert {reason: n for reason, n in clean["reasons"].items() if n} == {
        "song": 1,
        "silent": 1,
        "duplicate_audio": copies,
    }
    pulled = metrics_of(project, "pull")
    assert {corpus: facts["other_files"] for corpus, facts in pulled.items()} == {
        "ravdess": 1,
        "cremad": 0,
        "tess": 0,
        "savee": 1,
    }


def test_every_clip_has_its_corpus_emotions_speakers_and_sexes(project):
    clips = read_csv(project / "data/clips.csv")
    assert clips["clip"].is_unique
    emotions = clips.groupby("corpus")["emotion"].agg(set)
    assert emotions["cremad"] == set(SIX)
    assert emotions["ravdess"] == {*SIX, "calm", "surprise"}
    assert emotions["savee"] == emotions["tess"] == {*SIX, "surprise"}
    speakers = clips.groupby("corpus")["speaker"].nunique().to_dict()
    assert speakers == {"cremad": 6, "ravdess": 6, "savee": 4, "tess": 2}
    sexes = pd.crosstab(clips["corpus"], clips["gender"]).to_dict("index")
    assert sexes["savee"] == {"female": 0, "male": KEPT["savee"]}
    assert sexes["tess"] == {"female": KEPT["tess"], "male": 0}
    assert sexes["ravdess"]["female"] == sexes["ravdess"]["male"]
    assert sexes["cremad"] == {"female": 4 * 24 - 1, "male": 2 * 24}
    rates = clips.groupby("corpus")["sample_rate"].agg(set).to_dict()
    assert rates == {
        "cremad": {16000},
        "ravdess": {48000},
        "savee": {44100},
        "tess": {24414, 96000},
    }
    assert (clips["channels"] == 2).sum() == 2
    assert "savee/DC_sa01" in set(clips["clip"])


def test_figures_per_corpus_add_up_to_the_total(project):
    evaluate = metrics_of(project, "evaluate")
    parts = evaluate["per_corpus"]
    assert tuple(parts) == CORPORA
    assert sum(part["n"] for part in parts.values()) == evaluate["n_test"]
    hits = sum(part["n"] * part["accuracy"] for part in parts.values())
    assert hits / evaluate["n_test"] == pytest.approx(evaluate["accuracy"], abs=1e-5)
    predictions = read_csv(project / "data/predictions.csv")
    own = predictions[predictions["clip"].str.startswith("tess/")]
    recalls = (own["emotion"] == own["predicted"]).groupby(own["emotion"]).mean()
    assert parts["tess"]["uar"] == pytest.approx(recalls.mean(), abs=1e-6)


def test_tested_across_corpora(project):
    """An emotion on one side only is explained; those that both have are a run like any other."""
    cross = {"split": {"scheme": "cross_corpus", "test_corpora": ["savee"]}}
    change_params(project / "params.yaml", cross)
    done = repro(project)
    assert done.returncode != 0
    assert "only one side has calm (ravdess)" in done.stdout
    change_params(project / "params.yaml", {"clean": {"emotions": SIX}, "model": {"epochs": 1}})
    done = repro(project, "evaluate")
    assert done.returncode == 0, done.stdout
    evaluate = metrics_of(project, "evaluate")
    assert list(evaluate["per_class"]) == SIX
    assert list(evaluate["per_corpus"]) == ["savee"]
    assert evaluate["n_test"] == 4 * (5 * 3 + 6)
    split = read_csv(project / "data/splits.csv")
    assert set(split[split["subset"] != "test"]["clip"].str.split("/").str[0]) == {*CORPORA} - {
        "savee"
    }
