"""The experiment train-on-others on look-alikes, through the whole pipeline, by the real dvc."""

import json
import subprocess

import lookalikes
import numpy as np
import pandas as pd
import pytest
from dvc.utils.hydra import apply_overrides
from small_project import commit, environment
from stage_metrics import metrics_of

from scripts import experiments
from scripts.workspace import change_params, dvc, make_workspace
from ser.core.tables import read_csv
from ser.nets import model_folder
from ser.sources import demo
from ser.use.loading import load

SMALL = {
    "features": {"n_mels": 16, "n_mfcc": 8},
    "model": {"epochs": 1, "width": 4},
    "evaluate": {"bootstrap": 100, "baseline": "none"},
}
OTHERS = {"ravdess": 40, "savee": 60, "tess": 60, "emodb": 40}  # clips of five emotions
WEIGHTS = {"aesdd": 1.0, "ravdess": 0.5, "savee": 0.5, "tess": 0.1, "emodb": 0.5}


def run(project, *arguments):
    done = dvc(
        project,
        *arguments,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


def corpus_of(clips):
    return clips.str.split("/").str[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The project after the experiment's run, and what that printed."""
    folder = tmp_path_factory.mktemp("others")
    demo.write_demo(folder / "aesdd")  # whose clips are named like the AESDD's
    lookalikes.ravdess(folder / "ravdess", actors=(1, 2))
    lookalikes.savee(folder / "savee", flat=True)
    lookalikes.tess(folder / "tess")
    lookalikes.emodb(folder / "emodb", ("03", "09"))
    changes = experiments.merge(experiments.read_experiment("train-on-others"), SMALL)
    changes["pull"]["sources"] = {name: f"path:{folder / name}" for name in WEIGHTS}
    make_workspace(folder / "project", changes)
    code, out = run(folder / "project", "repro", "evaluate")
    assert code == 0, out
    return folder / "project", out


def test_every_fold_trains_on_all_clips_of_the_others_and_tests_none(finished):
    project, out = finished
    splits = read_csv(project / "data/splits.csv")
    splits["corpus"] = corpus_of(splits["clip"])
    assert splits["fold"].nunique() == 6
    added = splits[splits["corpus"] != "aesdd"]
    assert set(added["subset"]) == {"train"}
    for _, own in added.groupby("fold"):
        assert own["corpus"].value_counts().to_dict() == OTHERS
    assert splits.groupby("corpus")["weight"].agg(set).to_dict() == {
        corpus: {weight} for corpus, weight in WEIGHTS.items()
    }
    assert metrics_of(project, "split")["clips_trained_on_only"] == OTHERS
    assert "  60 clips of tess are in every fold's train alone, with weight 0.1\n" in out
    evaluate = metrics_of(project, "evaluate")
    assert list(evaluate["per_corpus"]) == ["aesdd"]
    assert len(evaluate["per_speaker"]) == 6
    assert not evaluate["uses_test_speakers_audio"]


def test_the_model_and_its_card_say_which_corpora_were_only_trained_on(finished):
    project, _ = finished
    added = {name: weight for name, weight in WEIGHTS.items() if name != "aesdd"}
    assert json.loads((project / "data/model/model.json").read_text())["train_corpora"] == added
    assert "train_corpora" not in json.loads((project / "data/trained/model.json").read_text())
    card = (project / "data/model/README.md").read_text()
    assert "Every net was trained on all clips of ravdess (weight 0.5), savee (weight 0.5)" in card
    assert '"dataset": {"name": "aesdd", "type": "aesdd"}' in card
    assert "each corpus was normalised by itself; a recording is normalised as the" in card


def test_a_recording_is_answered_as_the_tested_clips_were(finished):
    project, _ = finished
    emotions = ["angry", "disgust", "fear", "happy", "sad"]
    paths = read_csv(project / "data/clips.csv").set_index("clip")["path"]
    predictions = read_csv(project / "data/predictions.csv")
    for _, row in predictions.groupby("fold").first().reset_index().iterrows():
        recogniser = load(project / "data/model", row["fold"])
        answer = recogniser.predict_file(project / "data/raw" / paths[row["clip"]])
        expected = row[emotions].astype(float).to_numpy()
        found = [answer.probabilities[emotion] for emotion in emotions]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_each_net_has_the_statistics_of_the_tested_corpus_alone(finished):
    """The train clips of six folds differ, and the other corpora are the same in all."""
    _, nets = model_folder.load(finished[0] / "data/trained")
    centres = np.stack([net.centre[0].numpy() for net in nets])
    assert len(np.unique(centres, axis=0)) == 6


def test_another_weight_on_the_command_line_leaves_the_other_corpora(finished):
    project, _ = finished
    commit(project)
    code, out = run(project, "exp", "run", "split", "-S", "split.train_corpora.tess=0.25")
    assert code == 0, out
    splits = read_csv(project / "data/splits.csv")
    found = splits["weight"].groupby(corpus_of(splits["clip"])).agg(set).to_dict()
    assert found == {name: {w} for name, w in (WEIGHTS | {"tess": 0.25}).items()}


def test_across_corpora_the_tested_one_is_normalised_by_its_own_clips(finished):
    project, _ = finished
    cross = {"scheme": "cross_corpus", "val": 0.1, "test_corpora": ["aesdd"]}
    change_params(project / "params.yaml", {"split": cross})
    code, out = run(project, "repro", "evaluate")
    assert code != 0
    assert "are all of pull.corpora: scheme cross_corpus trains on the others" in out
    fewer = [f"~split.train_corpora.{name}" for name in ("ravdess", "savee", "emodb")]
    apply_overrides(project / "params.yaml", fewer)
    code, out = run(project, "repro", "evaluate")
    assert code == 0, out
    splits = read_csv(project / "data/splits.csv")
    subsets = splits["subset"].groupby(corpus_of(splits["clip"])).agg(set).to_dict()
    assert subsets["aesdd"] == {"test"}
    assert subsets["tess"] == {"train"}
    assert {"train", "val"} == subsets["ravdess"] | subsets["savee"] | subsets["emodb"]
    assert metrics_of(project, "evaluate")["uses_test_speakers_audio"]
    clip = pd.read_csv(project / "data/predictions.csv").iloc[0]
    path = read_csv(project / "data/clips.csv").set_index("clip")["path"][clip["clip"]]
    answer = load(project / "data/model").predict_file(project / "data/raw" / path)
    assert answer.probabilities["sad"] == pytest.approx(clip["sad"], abs=1e-5)
