"""Fuse the answers of several models on the same clips: a weighted mean of log-probabilities.

The product rule of Kittler, Hatef, Duin, Matas: On combining classifiers, IEEE PAMI 20(3), 1998,
with a weight for each model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from ser.core.errors import UserError
from ser.evaluation.scores import indices
from ser.evaluation.temperature import FEWEST_CLIPS
from ser.training.predict import losses

Floats = NDArray[np.float64]
_CLIP = ["clip", "fold", "emotion"]


def fuse(probabilities: NDArray[Any], weights: Sequence[float]) -> Floats:
    """Compute the probabilities of several models together, float64 [clips, emotions].

    With weights that sum to 1, it is the mean of their log-probabilities, normalised again. A
    larger sum makes the answers surer, a smaller one less sure, as a temperature does.

    >>> fuse(np.array([[[0.8, 0.2]], [[0.2, 0.8]]]), [0.5, 0.5])
    array([[0.5, 0.5]])

    Args:
        probabilities: floats [models, clips, emotions]. Those below the smallest normal float32
            count as this.
        weights: of each model, at least 0.
    """
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))
    fused: Floats = softmax(np.tensordot(weights, logs, axes=1), axis=1)
    return fused


def fit_weights(probabilities: NDArray[Any], actual: NDArray[np.int64]) -> Floats:
    """Find the weights with the smallest mean negative log-likelihood, float64 [models].

    There is one such minimum, because the likelihood's logarithm is concave in the weights.

    Args:
        probabilities: floats [models, clips, emotions], of clips that no model was trained on.
        actual: int64 [clips], index of each clip's emotion.

    Returns:
        Weights of at least 0, not all 0; equal ones, with the sum 1, with fewer than FEWEST_CLIPS
        clips, or if no model is better than none.
    """
    models = len(probabilities)
    equal: Floats = np.full(models, 1 / models)
    if len(actual) < FEWEST_CLIPS:
        return equal
    found = minimize(
        lambda weights: losses(fuse(probabilities, weights), actual).mean(),
        equal,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * models,
    )
    weights: Floats = found.x
    # With all weights 0, every answer would be the first emotion.
    return weights if weights.any() else equal


def fuse_predictions(
    tested: Sequence[pd.DataFrame], validated: Sequence[pd.DataFrame], emotions: Sequence[str]
) -> tuple[pd.DataFrame, dict[int, list[float]]]:
    """Fuse the test predictions of several models, each fold with weights from its val clips.

    Args:
        tested: for each model, the table predictions.csv.
        validated: for each model, the same table of the val clips.
        emotions: names of the probability columns.

    Returns:
        (the table predictions.csv of the models together, fold -> the weight of each model).

    Raises:
        UserError: the tables are not of the same clips and folds.
    """
    tables, vals = (_aligned(each) for each in (tested, validated))
    fused = tables[0].copy()
    weights_of = {}
    for fold in sorted(set(fused["fold"])):
        own = [val[val["fold"] == fold] for val in vals]
        weights = fit_weights(_stack(own, emotions), indices(own[0]["emotion"], emotions))
        rows = fused["fold"] == fold
        fused.loc[rows, list(emotions)] = fuse(
            _stack([table[rows] for table in tables], emotions), list(weights)
        )
        weights_of[int(fold)] = [float(weight) for weight in weights]
    best = fused[list(emotions)].to_numpy().argmax(axis=1)
    return fused.assign(predicted=[emotions[i] for i in best]), weights_of


def _aligned(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the tables with their rows in the same order.

    Raises:
        UserError: they do not have the same rows.
    """
    first, *others = (table.sort_values(["clip", "fold"], ignore_index=True) for table in tables)
    for other in others:
        if not other[_CLIP].equals(first[_CLIP]):
            raise UserError(
                f"the experiments have other clips, labels or folds ({len(first)} and "
                f"{len(other)} rows): fusion needs the same split of the same clips"
            )
    return [first, *others]


def _stack(tables: Sequence[pd.DataFrame], emotions: Sequence[str]) -> Floats:
    return np.stack([table[list(emotions)].to_numpy(np.float64) for table in tables])
