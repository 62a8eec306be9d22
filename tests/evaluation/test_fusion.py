"""Fusion of several models' answers."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from ser.core.errors import UserError
from ser.evaluation.fusion import fit_weights, fuse, fuse_predictions
from ser.evaluation.temperature import fit_temperature
from ser.training.predict import losses

EMOTIONS = ["angry", "happy", "sad"]


def probabilities(rng, actual, strength):
    """Answers of a model that leans towards the right emotion."""
    logits = rng.normal(size=(len(actual), len(EMOTIONS)))
    logits[np.arange(len(actual)), actual] += strength
    return softmax(logits, axis=1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_equal_weights_are_the_geometric_mean(rng):
    first, second = (softmax(rng.normal(size=(5, 3)), axis=1) for _ in range(2))
    product = np.sqrt(first * second)
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fuse(np.stack([first, second]), [0.5, 0.5]), expected)


def test_a_model_with_all_the_weight_answers_alone_even_with_zeros():
    certain = np.array([[1.0, 0.0, 0.0]])
    other = np.array([[0.0, 0.5, 0.5]])
    np.testing.assert_allclose(fuse(np.stack([certain, other]), [1.0, 0.0]), certain, atol=1e-30)
    assert np.isfinite(fuse(np.stack([certain, other]), [1.0, 1.0])).all()


def test_the_weight_of_one_model_is_the_inverse_of_its_temperature(rng):
    actual = rng.integers(3, size=200)
    own = probabilities(rng, actual, 1.0)
    (weight,) = fit_weights(own[None], actual)
    assert 1 / weight == pytest.approx(fit_temperature(own, actual), rel=1e-3)


def test_weights_of_two_models_are_at_the_minimum(rng):
    actual = rng.integers(3, size=300)
    both = np.stack([probabilities(rng, actual, s) for s in (2.0, 1.0)])
    weights = fit_weights(both, actual)
    assert weights[0] > weights[1] > 0
    least = losses(fuse(both, weights), actual).mean()
    for axis in np.eye(2):
        along = minimize_scalar(
            lambda t, axis=axis: losses(fuse(both, weights + t * axis), actual).mean()
        )
        assert least <= along.fun + 1e-6


def test_a_model_that_is_wrong_gets_no_weight(rng):
    actual = rng.integers(3, size=300)
    both = np.stack([probabilities(rng, actual, s) for s in (2.0, -2.0)])
    weights = fit_weights(both, actual)
    assert weights[1] >= 0  # a negative one would turn its answers round
    assert weights[0] > 10 * weights[1]


def test_models_that_are_worse_than_none_have_equal_weights(rng):
    actual = rng.integers(3, size=300)
    both = np.stack([probabilities(rng, actual, -2.0) for _ in range(2)])
    np.testing.assert_array_equal(fit_weights(both, actual), [0.5, 0.5])


def test_too_few_val_clips_give_equal_weights(rng):
    actual = rng.integers(3, size=19)
    both = np.stack([probabilities(rng, actual, s) for s in (2.0, 0.1)])
    np.testing.assert_array_equal(fit_weights(both, actual), [0.5, 0.5])


def table(rng, strength, folds, clips=60):
    """A table of predictions, in any order of rows."""
    actual = np.arange(clips * folds) % 3
    own = pd.DataFrame(probabilities(rng, actual, strength), columns=EMOTIONS)
    own.insert(0, "clip", [f"c{i}" for i in range(len(own))])
    own.insert(1, "fold", np.arange(len(own)) // clips + 1)
    own.insert(2, "emotion", [EMOTIONS[i] for i in actual])
    own.insert(3, "predicted", "sad")
    return own.sample(frac=1, random_state=int(10 * strength), ignore_index=True)


def test_each_fold_has_the_weights_of_its_own_val_clips(rng):
    tested, validated = ([table(rng, s, 2) for s in (1.0, 2.0)] for _ in range(2))
    fused, weights = fuse_predictions(tested, validated, EMOTIONS)
    for fold in (1, 2):
        own = [t[t["fold"] == fold].sort_values("clip", ignore_index=True) for t in validated]
        actual = own[0]["emotion"].map(EMOTIONS.index).to_numpy()
        expected = fit_weights(np.stack([o[EMOTIONS].to_numpy() for o in own]), actual)
        np.testing.assert_allclose(weights[fold], expected, rtol=1e-3)
        rows = fused[fused["fold"] == fold]
        tests = [t.set_index("clip").loc[rows["clip"], EMOTIONS].to_numpy() for t in tested]
        np.testing.assert_allclose(rows[EMOTIONS], fuse(np.stack(tests), weights[fold]))
    named = fused[EMOTIONS].idxmax(axis=1)
    assert fused["predicted"].tolist() == named.tolist()


def test_other_clips_are_refused(rng):
    tested, validated = ([table(rng, s, 1) for s in (1.0, 2.0)] for _ in range(2))
    tested[1] = tested[1].iloc[1:]
    with pytest.raises(UserError, match=r"other clips.*\(60 and 59 rows\).*same split"):
        fuse_predictions(tested, validated, EMOTIONS)
