import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from small_model import FEATURES

from ser.core.errors import UserError
from ser.core.sections import Features, Model
from ser.nets.build import build, count_parameters, restore
from ser.nets.normalisation import identity_statistics
from ser.training import learners
from ser.training.balance import balance as balance_clips
from ser.training.batches import Examples
from ser.training.learners import Rows, fit_learner, fit_rows
from ser.training.loop import FoldData

pytestmark = pytest.mark.usefixtures("one_thread")

LEARNERS = ["logistic_regression", "svm", "gradient_boosting"]
DIMS = 12


def settings(name, **changes):
    return Model.model_validate(
        PLAIN_MODEL | {"name": name, "epochs": 20, "learning_rate": 0.1} | changes
    )


def clips(number, emotions, seed=0, dims=DIMS):
    """Make features of clips that overlap a little, and emotions of unequal numbers."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.choice(emotions, number, p=rng.dirichlet([3.0] * len(emotions))))
    labels[: len(emotions)] = emotions
    centres = rng.normal(0, 1.2, (max(emotions) + 1, dims))
    features = centres[labels] + rng.normal(size=(number, dims))
    return features.clip(-5, 5).astype(np.float32), labels  # the nets clip outliers there


def weights_of(labels, kind, seed=3):
    drawn = np.random.default_rng(seed).uniform(0.1, 2.0, len(labels)).astype(np.float32)
    return drawn / drawn.mean() if kind == "weighted" else None


def scikit_learns(model, seed=0):
    """Make the same learner by scikit-learn alone."""
    if model.name == "logistic_regression":
        return LogisticRegression(C=model.c, max_iter=10_000)
    if model.name == "svm":
        return SVC(C=model.c, gamma="scale", break_ties=True)
    return GradientBoostingClassifier(
        learning_rate=model.learning_rate,
        n_estimators=model.epochs,
        max_depth=model.layers,
        max_features="sqrt",
        random_state=seed,
    )


def fitted(model, features, labels, emotions, weights=None, seed=0):
    """Fit a learner as the stage does; return the net that answers for it."""
    found = fit_rows(Rows(features, labels, weights, emotions, seed), model)
    return restore(model, features.shape[1], emotions, found).eval()


def logits(net, features):
    with torch.no_grad():
        return net(torch.from_numpy(features)[:, None], torch.ones(len(features))).numpy()


def log_softmax(values):
    return torch.from_numpy(values).double().log_softmax(dim=1).numpy()


@pytest.mark.parametrize("kind", ["equal", "weighted"])
@pytest.mark.parametrize(
    "emotions", [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4], [1, 3, 4], [0, 4], [1, 2]]
)
@pytest.mark.parametrize("name", LEARNERS)
def test_a_net_answers_as_scikit_learn_does(name, emotions, kind):
    every = max(5 if max(emotions) > 2 else 0, max(emotions) + 1)
    (train, labels), (test, _) = clips(90, emotions), clips(200, emotions, seed=1)
    exact = test.astype(np.float64)
    model = settings(name, c=0.7)
    weights = weights_of(labels, kind)
    theirs = scikit_learns(model).fit(train.astype(np.float64), labels, weights)
    found = logits(fitted(model, train, labels, every, weights), test)
    assert found.dtype == np.float32
    assert found.shape == (200, every)
    assert found.argmax(axis=1).tolist() == theirs.predict(exact).tolist()
    others = np.setdiff1d(np.arange(every), emotions)
    assert (torch.from_numpy(found).softmax(dim=1).numpy()[:, others] < 1e-30).all()
    own = found[:, emotions]
    if name != "svm":
        np.testing.assert_allclose(log_softmax(own), theirs.predict_log_proba(exact), atol=1e-5)
    elif every == 2:
        decision = theirs.decision_function(exact)
        np.testing.assert_allclose(own[:, 1] - own[:, 0], decision, atol=1e-5)
    elif len(emotions) > 2:
        np.testing.assert_allclose(own, theirs.decision_function(exact), atol=1e-5)
    if weights is not None:
        equally = logits(fitted(model, train, labels, every), test)
        assert np.abs(equally - found).max() > 1e-3


@pytest.mark.parametrize("name", LEARNERS)
def test_a_single_emotion_is_always_answered(name):
    train, _ = clips(10, [0])
    for every, emotion in [(1, 0), (2, 1), (5, 3)]:
        net = fitted(settings(name), train, np.full(10, emotion), every)
        shares = torch.from_numpy(logits(net, train)).softmax(dim=1)
        assert shares.argmax(dim=1).tolist() == [emotion] * 10
        assert float(shares[:, emotion].min()) > 1 - 1e-6


def examples(features, labels):
    """Make the examples of clips that are normalised already."""
    dims = {"functionals": features.shape[1]}
    statistics = [identity_statistics(dims)] * len(labels)
    return Examples([[row[np.newaxis]] for row in features], labels, dims, statistics)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("balance", ["none", "upsample", "smote", "adasyn", "class_weights"])
def test_a_fold_is_learned_with_the_clips_that_balance_it(name, balance):
    model = settings(name, balance=balance, length="pad", frames=16)
    (train, labels), (val, val_labels) = clips(120, [0, 1, 2]), clips(60, [0, 1, 2], seed=1)
    rng = np.random.default_rng(0)
    balanced = balance_clips(examples(train, labels), ["a", "b", "c"], model, rng)
    assert (len(balanced) > 120) == (balance in ("upsample", "smote", "adasyn"))
    features = Features.model_validate(FEATURES | {"kinds": ["functionals"]})
    fold = FoldData(3, balanced, examples(val, val_labels), None, features, 3)
    weights, (epoch,) = fit_learner(fold, model)

    rows = np.stack([versions[0][0] for versions in balanced.versions]).astype(np.float64)
    weighted = None
    if balance == "class_weights":  # in float32, because rounding decides between equal splits
        weighted = compute_sample_weight("balanced", labels).astype(np.float32)
    seed = int(np.random.SeedSequence((0, 3)).generate_state(1)[0])
    theirs = scikit_learns(model, seed).fit(rows, balanced.labels, weighted)
    exact = val.astype(np.float64)
    found = logits(restore(model, DIMS, 3, weights).eval(), val)
    assert found.argmax(axis=1).tolist() == theirs.predict(exact).tolist()
    assert (epoch.fold, epoch.epoch) == (3, 1)
    assert epoch.val_accuracy == pytest.approx(theirs.score(exact, val_labels))
    assert epoch.train_accuracy == pytest.approx(theirs.score(rows, balanced.labels))
    if name != "svm":
        for loss, x, y in (
            (epoch.train_loss, rows, balanced.labels),
            (epoch.val_loss, exact, val_labels),
        ):
            assert loss == pytest.approx(log_loss(y, theirs.predict_proba(x)), abs=1e-5)


def test_a_fold_without_val_clips_has_no_losses_of_them():
    train, labels = clips(60, [0, 1, 2])
    features = Features.model_validate(FEATURES | {"kinds": ["functionals"]})
    empty = examples(train[:0], labels[:0])
    _, (epoch,) = fit_learner(
        FoldData(1, examples(train, labels), empty, None, features, 3), settings("svm")
    )
    assert (epoch.val_loss, epoch.val_accuracy) == (None, None)


def test_a_logistic_regression_without_an_end_is_reported(monkeypatch):
    monkeypatch.setattr(learners, "_MOST_STEPS", 3)
    train, labels = clips(60, [0, 1, 2])
    with pytest.raises(UserError, match=r"found no best weights in 3 steps of its solver: lower"):
        fit_rows(Rows(train, labels, None, 3, 0), settings("logistic_regression", c=1000.0))


def test_a_tree_that_ends_early_answers_the_same_at_full_depth():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(12, 1)).astype(np.float32)
    labels = (train[:, 0] > 0).astype(np.int64)
    model = settings("gradient_boosting", epochs=3, layers=4)
    theirs = scikit_learns(model).fit(train, labels)
    assert {each.tree_.max_depth for each in theirs.estimators_.ravel()} == {1}
    test = rng.normal(size=(50, 1)).astype(np.float32)
    found = logits(fitted(model, train, labels, 2), test)
    np.testing.assert_allclose(log_softmax(found), theirs.predict_log_proba(test), atol=1e-6)


def test_a_feature_at_the_threshold_goes_the_way_that_it_goes_in_scikit_learn():
    # The threshold lies half-way between two neighbours in float32, where the nearest is the upper.
    low = np.nextafter(np.float32(4), np.float32(5))
    high = np.nextafter(low, np.float32(5))
    assert np.float32((float(low) + float(high)) / 2) == high
    train = np.repeat([[low], [high]], 20, axis=0)
    labels = np.repeat([0, 1], 20)
    model = settings("gradient_boosting", epochs=5)
    found = logits(fitted(model, train, labels, 2), np.array([[low], [high]]))
    assert found.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("name", LEARNERS)
def test_outliers_count_as_five_deviations(name):
    train, labels = clips(60, [0, 1, 2])
    net = fitted(settings(name), train, labels, 3)
    far, near = train[:5].copy(), train[:5].copy()
    far[:, 3], near[:, 3] = 1e9, 5.0
    np.testing.assert_array_equal(logits(net, far), logits(net, near))


@pytest.mark.parametrize(
    ("emotions", "name", "expected"),
    [
        (5, "logistic_regression", 5 * DIMS + 5),
        (5, "gradient_boosting", 20 * 5 * (7 + 8) + 5),
    ],
)
def test_parameters_are_counted(emotions, name, expected):
    train, labels = clips(90, list(range(emotions)))
    assert count_parameters(fitted(settings(name), train, labels, emotions)) == expected


def test_the_parameters_of_the_docstrings_are_counted():
    model = settings("gradient_boosting", epochs=100)
    for name, count in [("logistic_regression", 11_545), ("gradient_boosting", 7_505)]:
        net = build(model.model_copy(update={"name": name}), 2308, 5)
        assert count_parameters(net) == count
        assert f": {count:,}." in " ".join(type(net).__doc__.split())
