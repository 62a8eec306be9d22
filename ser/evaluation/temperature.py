"""Fit each fold's temperature, which makes its net's probabilities neither too sure nor too unsure.

Logits are divided by the temperature before the softmax. Guo, Pleiss, Sun, Weinberger: On
calibration of modern neural networks, ICML 2017.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from ser.evaluation.scores import indices
from ser.nets.description import COLDEST, HOTTEST
from ser.training.predict import losses

FEWEST_CLIPS = 20


def fit_temperature(probabilities: NDArray[Any], actual: NDArray[np.int64]) -> float:
    """Find the temperature with the smallest mean negative log-likelihood.

    There is one such minimum, because the likelihood's logarithm is concave in 1 / temperature.

    Args:
        probabilities: floats [clips, emotions], at temperature 1.
        actual: int64 [clips], index of each clip's emotion.

    Returns:
        The temperature, within COLDEST and HOTTEST.
    """
    found = minimize_scalar(
        lambda log: losses(scale(probabilities, np.exp(log)), actual).mean(),
        bounds=np.log([COLDEST, HOTTEST]),
        method="bounded",
    )
    return float(np.exp(found.x))


def scale(probabilities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities at a temperature.

    >>> scale(np.array([[0.75, 0.25]]), 0.5).round(6)
    array([[0.9, 0.1]])

    Args:
        probabilities: floats [clips, emotions], at temperature 1. Those below the smallest normal
            float32, which a softmax in float32 rounds to 0, count as this.
        temperature: above 0.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))
    scaled: NDArray[np.float64] = softmax(logits / temperature, axis=1)
    return scaled


def fit_temperatures(
    predictions: pd.DataFrame, folds: Sequence[int], emotions: Sequence[str]
) -> dict[int, float]:
    """Fit the temperature of each fold.

    Args:
        predictions: of the folds' val clips, as `ser.evaluation.prediction.predict_subset` returns
            them.
        folds: numbers of the folds.
        emotions: names of the probability columns.

    Returns:
        number of the fold -> its temperature; 1 with fewer than FEWEST_CLIPS val clips.
    """
    temperatures = {}
    for fold in folds:
        own = predictions[predictions["fold"] == fold]
        temperatures[fold] = 1.0
        if len(own) >= FEWEST_CLIPS:
            actual = indices(own["emotion"], emotions)
            temperatures[fold] = fit_temperature(own[list(emotions)].to_numpy(), actual)
    return temperatures


def scale_predictions(
    predictions: pd.DataFrame, temperatures: Mapping[int, float], emotions: Sequence[str]
) -> pd.DataFrame:
    """Return predictions with their probabilities at the temperatures of their folds.

    Args:
        predictions: at temperature 1, as `ser.evaluation.prediction.predict_subset` returns them.
        temperatures: number of the fold -> its temperature.
        emotions: names of the probability columns.
    """
    scaled = predictions.copy()
    for fold, temperature in temperatures.items():
        own = predictions["fold"] == fold
        probabilities = predictions.loc[own, list(emotions)].to_numpy()
        scaled.loc[own, list(emotions)] = scale(probabilities, temperature)
    return scaled


def in_words(temperatures: Mapping[int, float]) -> str:
    """Return the temperature of each fold as text, and why one was not fitted.

    >>> in_words({1: 0.617, 2: 1.0})
    'fold 1: 0.62; fold 2: none, with fewer than 20 val clips'
    """
    none = f"none, with fewer than {FEWEST_CLIPS} val clips"
    words = {fold: none if t == 1 else f"{t:.2f}" for fold, t in temperatures.items()}
    return "; ".join(f"fold {fold}: {said}" for fold, said in words.items())
