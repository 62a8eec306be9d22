import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from ser.core.sections import Model
from ser.nets.build import restore
from ser.training.learners import Rows, fit_rows

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
