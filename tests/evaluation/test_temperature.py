import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ser.evaluation.temperature import (
    FEWEST_CLIPS,
    fit_temperature,
    fit_temperatures,
    in_words,
    scale,
    scale_predictions,
)
from ser.nets.description import COLDEST, HOTTEST

EMOTIONS = ["angry", "sad"]


def two_emotions(confidence, right, wrong):
    """Probabilities of clips that are all predicted as the first emotion, and their emotions."""
    probabilities = np.tile([confidence, 1 - confidence], (right + wrong, 1))
    return probabilities, np.repeat([0, 1], [right, wrong])


@pytest.mark.parametrize(
    ("confidence", "right", "wrong", "expected"),
    [
        # The likelihood is highest where the confidence is the share of right answers: log 9 / T
        # is then the logarithm of right to wrong.
        (0.9, 30, 10, 2.0),  # log 9 / log 3
        (0.75, 36, 4, 0.5),  # log 3 / log 9
        (0.8, 32, 8, 1.0),
    ],
)
def test_the_fitted_temperature_makes_the_confidence_the_share_of_right_answers(
    confidence, right, wrong, expected
):
    probabilities, actual = two_emotions(confidence, right, wrong)
    temperature = fit_temperature(probabilities, actual)
    assert temperature == pytest.approx(expected, rel=1e-4)
    assert scale(probabilities, temperature)[0, 0] == pytest.approx(right / (right + wrong), 1e-4)
    assert fit_temperature(probabilities, actual) == temperature


@pytest.mark.parametrize(("right", "wrong", "expected"), [(30, 0, COLDEST), (10, 20, HOTTEST)])
def test_the_temperature_has_bounds(right, wrong, expected):
    """Without mistakes, no confidence is too high; with too many, none is low enough."""
    temperature = fit_temperature(*two_emotions(0.6, right, wrong))
    assert COLDEST <= temperature <= HOTTEST
    assert temperature == pytest.approx(expected, rel=1e-3)


def test_the_temperature_is_that_of_another_minimiser_on_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (300, 5))
    actual = np.where(rng.random(300) < 0.7, logits.argmax(axis=1), rng.integers(5, size=300))

    def loss(log_temperature):
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -log_probabilities[np.arange(300), actual].mean()

    expected = math.exp(minimize(loss, [0.0], method="Nelder-Mead").x[0])
    found = fit_temperature(softmax(logits, axis=1).astype(np.float32), actual)
    assert found == pytest.approx(expected, rel=1e-3)
    assert found > 1.2


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 20.0])
def test_probabilities_are_scaled_as_the_logits_are(temperature):
    logits = np.random.default_rng(0).normal(0, 4, (50, 4))
    scaled = scale(softmax(logits, axis=1), temperature)
    np.testing.assert_allclose(scaled, softmax(logits / temperature, axis=1), atol=1e-12)
    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_a_probability_of_0_stays_a_number():
    scaled = scale(np.array([[1.0, 0.0]], np.float32), 2.0)
    np.testing.assert_allclose(scaled, [[1.0, 0.0]], atol=1e-18)


def of_fold(fold, confidence, right, wrong):
    probabilities, actual = two_emotions(confidence, right, wrong)
    table = pd.DataFrame(probabilities, columns=EMOTIONS)
    return table.assign(fold=fold, emotion=np.take(EMOTIONS, actual), predicted="angry")


def test_each_fold_has_its_own_temperature_and_one_of_few_clips_or_none_has_1():
    few = FEWEST_CLIPS - 1
    table = pd.concat([of_fold(1, 0.9, 30, 10), of_fold(2, 0.9, few, 0), of_fold(4, 0.75, 18, 2)])
    found = fit_temperatures(table, [1, 2, 3, 4], EMOTIONS)
    assert list(found) == [1, 2, 3, 4]
    assert found == pytest.approx({1: 2.0, 2: 1.0, 3: 1.0, 4: 0.5}, rel=1e-4)
    assert (found[2], found[3]) == (1.0, 1.0)
    assert in_words(found) == (
        "fold 1: 2.00; fold 2: none, with fewer than 20 val clips; "
        "fold 3: none, with fewer than 20 val clips; fold 4: 0.50"
    )


def test_without_val_clips_no_fold_has_a_temperature():
    nothing = pd.DataFrame(columns=["fold", "emotion", *EMOTIONS])
    assert fit_temperatures(nothing, [1, 2], EMOTIONS) == {1: 1.0, 2: 1.0}


def test_predictions_are_scaled_by_the_temperature_of_their_fold():
    table = pd.concat([of_fold(1, 0.9, 1, 1), of_fold(2, 0.75, 1, 0)], ignore_index=True)
    before = table.copy()
    scaled = scale_predictions(table, {1: 2.0, 2: 0.5}, EMOTIONS)
    # The square roots of 9 to 1, and the squares of 3 to 1.
    np.testing.assert_allclose(scaled["angry"], [0.75, 0.75, 0.9])
    np.testing.assert_allclose(scaled["sad"], [0.25, 0.25, 0.1])
    pd.testing.assert_frame_equal(table, before)
    others = ["fold", "emotion", "predicted"]
    pd.testing.assert_frame_equal(scaled[others], table[others])
