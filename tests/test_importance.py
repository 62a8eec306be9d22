import numpy as np
import pandas as pd
import pytest
from settings import FORM
from sklearn.inspection import permutation_importance
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC
from small_model import FEATURES, RATE, make
from toy_project import EMOTIONS, evaluate_here, make_project, rate, train_here

from scripts.importance import __main__ as importance
from scripts.importance.measuring import has_groups, measure
from scripts.importance.permuting import (
    FoldRows,
    columns_of_groups,
    measure_importance,
    rows_of_folds,
)
from ser.core.errors import UserError
from ser.core.filters import filter_banks
from ser.core.functional_names import functional_names
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Features
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.nets.model_folder import load

DIMS = 6


def clips(number, seed):
    """Make clips of three unequal emotions that differ in the first three columns."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, number, p=[0.5, 0.3, 0.2])
    features = rng.normal(size=(number, DIMS))
    features[:, 0] += 2.5 * labels
    features[:, 1] += 1.5 * (labels == 1)
    features[:, 2] = features[:, 1] + rng.normal(0, 0.1, number)
    return features.astype(np.float32), labels


@pytest.fixture(scope="module")
def svm():
    features, labels = clips(300, 0)
    return SVC().fit(features[:, :5], labels)  # knows nothing of the last column


def fold_of(svm, number=200, seed=1):
    features, labels = clips(number, seed)
    return FoldRows(features, labels, lambda rows: svm.predict(rows[:, :5]))


def by_group(table):
    return table.set_index("group")


def test_the_falls_are_those_of_scikit_learn(svm):
    fold = fold_of(svm)
    groups = {str(i): np.array([i]) for i in range(DIMS)}
    table = by_group(measure_importance([fold], groups, 300, 100, 0))

    found = permutation_importance(
        svm, fold.features[:, :5], fold.actual, scoring="balanced_accuracy", n_repeats=300,
        random_state=1,
    )  # fmt: skip
    own = table.loc[[str(i) for i in range(DIMS)], "fall"]
    np.testing.assert_allclose(own[:5], found.importances_mean, atol=0.005)
    assert own["0"] > 0.3
    assert own["5"] == 0


def test_related_columns_count_together(svm):
    groups = {"both": np.array([1, 2]), "one": np.array([1]), "other": np.array([2])}
    falls = by_group(measure_importance([fold_of(svm)], groups, 100, 100, 0))["fall"]
    assert falls["both"] > 1.5 * max(falls["one"], falls["other"])


def test_the_largest_fall_comes_first_with_its_interval(svm):
    groups = {"unused": np.array([5]), "all": np.arange(DIMS)}
    fold = fold_of(svm)
    table = measure_importance([fold], groups, 50, 500, 0)
    assert table["group"].tolist() == ["all", "unused"]
    assert table["columns"].tolist() == [6, 1]
    assert table.loc[1, ["fall", "low", "high"]].tolist() == [0, 0, 0]
    whole = balanced_accuracy_score(fold.actual, fold.predict(fold.features))
    # What is left is what guesses in the same shares would find.
    assert table["fall"][0] == pytest.approx(whole - 1 / 3, abs=0.03)
    assert 0 < table["low"][0] < table["fall"][0] < table["high"][0] < 1


def test_clips_of_a_fold_are_permuted_among_themselves(svm):
    folds = [fold_of(svm, 60, seed) for seed in (2, 3)]
    seen = []

    def watching(fold):
        def predict(rows):
            seen.append(np.sort(rows[:, 0]))
            return fold.predict(rows)

        return FoldRows(fold.features, fold.actual, predict)

    watched = [watching(fold) for fold in folds]
    table = measure_importance(watched, {"first": np.array([0])}, 3, 100, 0)
    for i, column in enumerate(seen):
        np.testing.assert_array_equal(column, np.sort(folds[i % 2].features[:, 0]))
    again = measure_importance(folds, {"first": np.array([0])}, 3, 100, 0)
    assert table.equals(again)
    assert not table.equals(measure_importance(folds, {"first": np.array([0])}, 3, 100, 1))


LEARNT = {"mixup": 0.0, "frequency_mask": 0, "time_mask": 0, "epochs": 6}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("svm", {"normalisation": "train"}),
        ("mlp", {"normalisation": "speaker"}),
        ("mlp", {"normalisation": "corpus"}),
        ("mlp", {"normalisation": "train", "dimension_weight": 1.0}),
        ("gradient_boosting", {"normalisation": "train"}),
    ],
)
def test_the_clips_are_those_that_were_evaluated(tmp_path, monkeypatch, name, changes):
    monkeypatch.setenv("SER_DEVICE", "cpu")
    monkeypatch.setenv("SER_WORKERS", "1")
    make_project(tmp_path, changes=LEARNT | {"name": name} | changes, kinds=["functionals"])
    rate(tmp_path)
    train_here(tmp_path)
    evaluate_here(tmp_path)
    description, nets = load(tmp_path / "model")
    clips, splits = read_csv(tmp_path / "clips.csv"), read_csv(tmp_path / "splits.csv")
    predictions = read_csv(tmp_path / "predictions.csv").set_index(["fold", "clip"])
    store = Store(tmp_path / "features")
    folds = list(rows_of_folds(clips, splits, store, description, nets))
    for number, fold in enumerate(folds, start=1):
        own = splits["clip"][(splits["fold"] == number) & (splits["subset"] == "test")]
        expected = predictions.loc[[(number, clip) for clip in own]]
        found = [EMOTIONS[i] for i in fold.predict(fold.features)]
        assert found == expected["predicted"].tolist()
        assert [EMOTIONS[i] for i in fold.actual] == expected["emotion"].tolist()
    for key in ("RESULTS", "PICTURE"):
        suffix = ".csv" if key == "RESULTS" else ".png"
        monkeypatch.setattr(importance, key, tmp_path / f"importance{suffix}")
    importance.main(tmp_path)
    table = pd.read_csv(tmp_path / "importance.csv")
    assert table["columns"].sum() == folds[0].features.shape[1]
    assert set(table["net"]) == {name}
    assert set(table["clips"]) == {18}
    assert table["fall"].is_monotonic_decreasing
    assert (tmp_path / "importance.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("one_thread")
def test_a_model_of_frames_is_refused_with_what_would_work(tmp_path):
    make(tmp_path / "model", "resnet")
    with pytest.raises(
        UserError, match=r"logmel \(features.kinds\), have no named groups: train a"
    ):
        measure(tmp_path)
    assert not has_groups(tmp_path)


def made(*kinds, **dims):
    features = Features.model_validate(FEATURES | {"kinds": list(kinds)})
    banks = filter_banks(RATE, features)
    return Preprocessing.of(FORM, features, banks, features.dims | dims)


def test_every_functional_is_in_one_group():
    groups = columns_of_groups(made("functionals"))
    names = functional_names(FEATURES["n_mels"], FEATURES["n_mfcc"])
    assert sorted(np.concatenate(list(groups.values()))) == list(range(len(names)))
    assert list(groups) == [
        *("mel bands", "cepstrum", "level", "zero crossings", "spectral shape", "pitch"),
        *("voicing", "harmonics", "correlations", "rhythm"),
    ]
    assert {names[i].split(".")[1] for i in groups["harmonics"]} == {"h1_h2", "h1_h3"}
    assert {names[i] for i in groups["rhythm"]} >= {"log_seconds", "pauses_per_second"}
    assert all(names[i].count(".") == 2 for i in groups["correlations"])


def test_columns_without_names_are_a_group_of_their_kind():
    names = functional_names(FEATURES["n_mels"], FEATURES["n_mfcc"])
    groups = columns_of_groups(made("table", "functionals", table=7))
    assert len(groups) == 11
    assert groups["table"].tolist() == list(range(7))
    assert groups["rhythm"].max() == 7 + len(names) - 1


def test_frames_have_no_groups_and_neither_has_a_single_kind_without_names():
    assert columns_of_groups(made("logmel", "rms")) == {}
    assert columns_of_groups(made("table", table=7)) == {}
