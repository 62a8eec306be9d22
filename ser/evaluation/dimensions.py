"""Measure how well arousal and valence are predicted: concordance and mean absolute error."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser.core.dimensions import PREDICTED
from ser.core.figures import DimensionFigures
from ser.core.sections import Evaluate
from ser.evaluation import scores

FEWEST_RATED = 2  # test clips of a dimension; of one, a concordance means nothing


def concordance(rated: scores.Floats, predicted: scores.Floats) -> float:
    """Compute Lin's concordance correlation coefficient, -1..1; 0 if either is constant.

    Lin: A concordance correlation coefficient to evaluate reproducibility, Biometrics 45(1), 1989,
    with the variances of the population.

    >>> concordance(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0]))
    1.0
    >>> concordance(np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.5, 0.5]))
    0.0

    Args:
        rated: float64 [clips].
        predicted: float64 [clips].
    """
    covariance = np.mean((rated - rated.mean()) * (predicted - predicted.mean()))
    if covariance == 0:
        return 0.0
    apart = rated.var() + predicted.var() + (rated.mean() - predicted.mean()) ** 2
    return float(2 * covariance / apart)


def figures_of_dimensions(
    predictions: pd.DataFrame,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    dimensions: Sequence[str],
    settings: Evaluate,
) -> dict[str, DimensionFigures]:
    """Compute the figures of each dimension over the test clips that are rated in it.

    Args:
        predictions: the table predictions.csv.
        clips: columns clip and the dimensions.
        splits: the table splits.csv.
        dimensions: that the net learned.
        settings: the bootstrap.

    Returns:
        dimension -> its figures; one with fewer than FEWEST_RATED rated test clips is left out.
    """
    found = {}
    for name in dimensions:
        table = predictions[predictions[name].notna()]
        if len(table) < FEWEST_RATED:
            continue
        rated, predicted = (table[column].to_numpy(float) for column in (name, PREDICTED + name))
        errors = np.abs(predicted - rated)
        means = table["fold"].map(_train_means(clips, splits, name))
        ccc_low, ccc_high = _concordance_ci95(rated, predicted, settings)
        mae_low, mae_high = scores.mean_ci95(errors, settings.bootstrap, settings.seed)
        found[name] = DimensionFigures(
            ccc=concordance(rated, predicted),
            ccc_low=ccc_low,
            ccc_high=ccc_high,
            mae=float(errors.mean()),
            mae_low=mae_low,
            mae_high=mae_high,
            mean_mae=float(np.abs(means.to_numpy(float) - rated).mean()),
            n=len(table),
        )
    return found


def describe_dimensions(
    predictions: pd.DataFrame,
    dimensions: Sequence[str],
    by_dimension: Mapping[str, DimensionFigures],
) -> list[str]:
    """Return a line about each dimension: its figures, or why it has none.

    Args:
        predictions: the table predictions.csv.
        dimensions: that the net learned.
        by_dimension: dimension -> its figures, of `figures_of_dimensions`.
    """
    lines = []
    for name in dimensions:
        own, rated = by_dimension.get(name), predictions[name].count()
        if own:
            told = f"{own}, {rated} rated clips; MAE of the train mean {own.mean_mae:.2f}"
        else:
            clips = "clip" if rated == 1 else "clips"
            told = f"{rated} rated test {clips}, {FEWEST_RATED} are needed for figures"
        lines.append(f"{name}: {told}")
    return lines


def _concordance_ci95(
    rated: scores.Floats, predicted: scores.Floats, settings: Evaluate
) -> tuple[float, float]:
    draws = scores.resample(len(rated), settings.bootstrap, settings.seed)
    return scores.percentile_interval(
        np.array([concordance(rated[drawn], predicted[drawn]) for drawn in draws])
    )


def _train_means(clips: pd.DataFrame, splits: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Return the mean rating of each fold's train clips, by the fold's number."""
    train = splits[splits["subset"] == "train"]
    means: pd.Series[float] = (
        train["clip"].map(clips.set_index("clip")[name]).groupby(train["fold"]).mean()
    )
    return means
