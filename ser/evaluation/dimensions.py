"""Measure how well arousal and valence are predicted: concordance and mean absolute error."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from ser.core.dimensions import PREDICTED
from ser.core.figures import DimensionFigures
from ser.core.sections import Evaluate
from ser.evaluation import scores
from ser.training.concordance import concordance

FEWEST_RATED = 2  # test clips of a dimension; of one, a concordance means nothing


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
            ccc=_concordance(rated, predicted),
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


def _concordance(rated: scores.Floats, predicted: scores.Floats) -> float:
    values, ratings = (torch.tensor(column)[:, None] for column in (predicted, rated))
    return float(concordance(values, ratings, torch.ones_like(ratings)))


def _concordance_ci95(
    rated: scores.Floats, predicted: scores.Floats, settings: Evaluate
) -> tuple[float, float]:
    draws = scores.resample(len(rated), settings.bootstrap, settings.seed)
    return scores.percentile_interval(
        np.array([_concordance(rated[drawn], predicted[drawn]) for drawn in draws])
    )


def _train_means(clips: pd.DataFrame, splits: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Return the mean rating of each fold's train clips, by the fold's number."""
    train = splits[splits["subset"] == "train"]
    means: pd.Series[float] = (
        train["clip"].map(clips.set_index("clip")[name]).groupby(train["fold"]).mean()
    )
    return means
