"""The stages train and evaluate with learners, against scikit-learn on the same features."""

import json
from contextlib import chdir

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from test_learners import LEARNERS, scikit_learns, settings
from toy_project import (
    EMOTIONS,
    FOLDS,
    TRAIN_PATHS,
    clip_names,
    contents,
    evaluate_here,
    make_project,
    results,
    run,
    three_folds,
    train_here,
)

from ser.core import tables
from ser.core.errors import UserError
from ser.core.store import Store
from ser.nets.model_folder import count_parameters, load
from ser.use.loading import load as recogniser

SETTINGS = {"epochs": 6, "learning_rate": 0.3, "normalisation": "train"}
SETTINGS |= {"mixup": 0.0, "frequency_mask": 0, "time_mask": 0}


@pytest.fixture(autouse=True, scope="module")
def _one_process_on_the_cpu(one_thread):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_DEVICE", "cpu")
        patch.setenv("SER_WORKERS", "1")
        yield


def project(folder, name, splits=None, **changes):
    changes = SETTINGS | {"name": name} | changes
    return make_project(folder, splits, changes, kinds=["functionals"])


def rows_of(folder, fold, subset, copies=False):
    """Return features, labels and weights of a fold's clips, and of their copies if wanted."""
    splits = pd.read_csv(folder / "splits.csv")
    emotion = {clip: EMOTIONS.index(emotion) for clip, _, emotion in clip_names()}
    own = splits[(splits["fold"] == fold) & (splits["subset"] == subset)]
    found = []
    for clip, weight in zip(own["clip"], own["weight"], strict=True):
        found.append((Store(folder / "features")[clip][0], emotion[clip], weight))
        if copies:
            found.append((Store(folder / "augmented")[f"{clip}#1"][0], emotion[clip], weight))
    features, labels, weights = zip(*found, strict=True)
    return np.stack(features).astype(np.float64), np.array(labels), np.array(weights)


def by_hand(folder, name, fold, balanced=False):
    """Fit scikit-learn's learner to a fold as its user would."""
    clips, _, _ = rows_of(folder, fold, "train")
    mean, deviation = clips.mean(axis=0), clips.std(axis=0)  # of the clips, without their copies
    features, labels, weights = rows_of(folder, fold, "train", copies=True)

    def standard(values):
        return ((values - mean) / deviation).clip(-5, 5).astype(np.float32).astype(np.float64)

    weights = weights.astype(np.float32)
    weights /= weights.mean()
    if balanced:
        sums = np.bincount(labels, weights)
        weights *= (len(labels) / (len(sums) * sums)).astype(np.float32)[labels]
    seed = int(np.random.SeedSequence((0, fold)).generate_state(1)[0])
    model = settings(name, epochs=6, learning_rate=0.3)
    learner = scikit_learns(model, seed).fit(standard(features), labels, weights)
    return lambda subset: (learner, standard(rows_of(folder, fold, subset)[0]))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_trained_evaluated_and_used_as_any_net(tmp_path, name):
    folder = project(tmp_path, name)
    printed = train_here(folder)
    assert printed.count("epoch 1/1: train loss") == FOLDS
    history = pd.read_csv(folder / "plots/history.csv")
    assert history["epoch"].tolist() == [1] * FOLDS
    assert not (folder / ".checkpoints").exists()
    description, nets = load(folder / "trained")
    (report,) = json.loads((folder / "train.json").read_text())
    counts = [count_parameters(description, net.state_dict()) for net in nets]
    assert report["parameters"] == round(np.mean(counts))
    assert (report["epoch"], report["examples"]) == (1, 12)
    for fold, row in enumerate(history.itertuples(), start=1):
        fitted = by_hand(folder, name, fold)
        learner, val = fitted("val")
        labels = rows_of(folder, fold, "val")[1]
        assert row.val_accuracy == pytest.approx(accuracy_score(labels, learner.predict(val)))
        if name != "svm":
            expected = log_loss(labels, learner.predict_proba(val), labels=range(3))
            assert row.val_loss == pytest.approx(expected, abs=1e-5)
    evaluate_here(folder)
    predictions = pd.read_csv(folder / "predictions.csv")
    for fold in range(1, FOLDS + 1):
        learner, test = by_hand(folder, name, fold)("test")
        own = predictions[predictions["fold"] == fold].set_index("clip")
        splits = pd.read_csv(folder / "splits.csv")
        clips = splits["clip"][(splits["fold"] == fold) & (splits["subset"] == "test")]
        expected = [EMOTIONS[i] for i in learner.predict(test)]
        assert own.loc[clips, "predicted"].tolist() == expected
    assert (folder / "model/model.onnx").exists()
    with chdir(folder):
        assert recogniser("model").emotions == EMOTIONS


@pytest.mark.parametrize("name", LEARNERS)
def test_equal_trainings_make_equal_bytes_also_in_parallel(tmp_path, name):
    folders = [project(tmp_path / each, name) for each in "abc"]
    for folder in folders[:2]:
        train_here(folder)
    code, _, err = run("train", folders[2], TRAIN_PATHS, {"SER_WORKERS": "2"})
    assert code == 0, err
    assert results(folders[0]) == results(folders[1]) == results(folders[2])


def unequal(weight=1.0):
    """Return one fold that trains on fewer clips of one emotion, with a weight of some clips."""
    splits = [row for row in three_folds() if row["fold"] == 1]
    trained = [row["clip"] for row in splits if row["subset"] == "train"]
    return [
        row | {"weight": weight if row["clip"] in trained[:2] else 1.0}
        for row in splits
        if row["clip"] != trained[-1]
    ]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    ("balance", "weight"), [("none", 0.25), ("class_weights", 1.0), ("class_weights", 4.0)]
)
def test_weights_act_as_in_scikit_learn(tmp_path, name, balance, weight):
    folder = project(tmp_path, name, unequal(weight), balance=balance)
    train_here(folder)
    _, (net,) = load(folder / "trained")
    learner, test = by_hand(folder, name, 1, balance == "class_weights")("test")
    with torch.no_grad():
        logits = net(torch.from_numpy(test).float()[:, None], torch.ones(len(test))).double()
    if name == "svm":
        np.testing.assert_allclose(logits, learner.decision_function(test), atol=1e-5)
    else:
        expected = learner.predict_log_proba(test)
        np.testing.assert_allclose(logits.log_softmax(dim=1), expected, atol=1e-5)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("balance", ["upsample", "smote"])
def test_examples_are_added_before_the_fit(tmp_path, name, balance):
    changes = {"balance": balance, "length": "pad", "frames": 16} if balance == "smote" else {}
    few = project(tmp_path / "few", name, unequal())
    more = project(tmp_path / "more", name, unequal(), **{"balance": balance} | changes)
    if balance == "smote":
        with pytest.raises(UserError, match="each needs 6 clips"):
            train_here(more)
        return
    assert "examples after model.balance upsample" in train_here(more)
    train_here(few)
    assert contents(few / "trained") != contents(more / "trained")


@pytest.mark.parametrize("name", LEARNERS)
def test_features_that_are_not_numbers_are_named(tmp_path, name):
    clip = clip_names()[4][0]
    folder = make_project(
        tmp_path, changes=SETTINGS | {"name": name}, without=[clip], kinds=["functionals"]
    )
    with pytest.raises(UserError, match=r"fold \d: some features of the train clips are not"):
        train_here(folder)


def test_the_columns_of_the_history_are_those_of_a_net(tmp_path):
    folder = project(tmp_path, "svm")
    train_here(folder)
    written = tables.read_csv(folder / "plots/history.csv")
    assert written.notna().all().all()
