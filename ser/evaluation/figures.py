"""Compute the figures of an evaluation, under the names that they have in metrics/evaluate.json.

DVC shows neither lists nor nulls: every figure is a value of its own. The ends of the 95 % interval
of a figure are <figure>_low and <figure>_high; what is told fold by fold stands under
per_fold.<fold>. A fold's UAR is over the emotions that its test clips hold, the UAR of all folds
over those of all test clips.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ser.core.sections import Evaluate
from ser.evaluation import scores
from ser.evaluation.scores import Indices


def summarise(
    actual: Indices, predicted: Indices, emotions: Sequence[str], resamples: int, seed: int
) -> dict[str, Any]:
    """Compute the figures over all tested clips, with 95 % intervals.

    Returns:
        accuracy and uar, each with _low and _high, precision_macro, recall_macro, f1_macro and
        per_class.<emotion>.{precision, recall, f1, support}.
    """
    report = scores.classification_report(actual, predicted, emotions)
    of_accuracy, of_uar = scores.bootstrap_ci95(actual, predicted, resamples, seed)
    return {
        "accuracy": scores.accuracy(actual, predicted),
        **_interval("accuracy", of_accuracy),
        "uar": scores.uar(actual, predicted),
        **_interval("uar", of_uar),
        "precision_macro": float(report["precision"].mean()),
        "recall_macro": float(report["recall"].mean()),
        "f1_macro": float(report["f1"].mean()),
        "per_class": {
            row["emotion"]: {
                "precision": float(row["precision"]),
                "recall": float(row["recall"]),
                "f1": float(row["f1"]),
                "support": int(row["support"]),
            }
            for row in report.to_dict("records")
        },
    }


def describe(
    predictions: pd.DataFrame,
    emotions: Sequence[str],
    settings: Evaluate,
    scheme: str,
    reliability: pd.DataFrame,
    plain: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:
    """Compute the figures of the predictions, beside those of plainer recognisers.

    Args:
        predictions: the table predictions.csv.
        emotions: names of its probability columns.
        settings: of the evaluation.
        scheme: of the split.
        reliability: of the predictions, in bins of confidence.
        plain: kind -> what a plainer recogniser says of the same clips, columns fold, emotion and
            predicted; majority is one of them.
    """
    actual = scores.indices(predictions["emotion"], emotions)
    predicted = scores.indices(predictions["predicted"], emotions)
    hits = predictions["emotion"] == predictions["predicted"]
    per_fold = _per_fold(predictions, emotions, plain)
    accuracies = [fold["accuracy"] for fold in per_fold.values()]
    figures = summarise(actual, predicted, emotions, settings.bootstrap, settings.seed)
    figures |= {
        "ece": scores.expected_calibration_error(reliability),
        "n_test": len(predictions),
        "n_folds": len(per_fold),
        "split_scheme": scheme,
        "fold_accuracy": {"mean": float(np.mean(accuracies)), "std": float(np.std(accuracies))},
        "per_fold": per_fold,
        "per_corpus": scores.figures_by(
            predictions["clip"].str.split("/").str[0], predictions, emotions
        ),
        "per_speaker": scores.accuracy_by(predictions["speaker"], hits),
    }
    for kind, table in plain.items():
        figures |= _plainly(kind, scores.accuracy_and_uar(table, emotions))
    if "baseline" in figures:
        figures["baseline"] = {"kind": settings.baseline, **figures["baseline"]}
    return figures


def _interval(name: str, low_high: tuple[float, float]) -> dict[str, float]:
    low, high = low_high
    return {f"{name}_low": low, f"{name}_high": high}


def _per_fold(
    predictions: pd.DataFrame, emotions: Sequence[str], plain: Mapping[str, pd.DataFrame]
) -> dict[str, dict[str, Any]]:
    """Tell of each fold what is told of all: accuracy, uar, n, and the plainer recognisers'."""
    folds: dict[str, dict[str, Any]] = {
        **scores.figures_by(predictions["fold"], predictions, emotions)
    }
    for kind, table in plain.items():
        for fold, of_fold in scores.figures_by(table["fold"], table, emotions).items():
            folds[fold] |= _plainly(kind, of_fold)
    return folds


def _plainly(kind: str, figures: Mapping[str, float]) -> dict[str, Any]:
    """Name the figures of a plainer recogniser."""
    if kind == "majority":
        return {"majority_accuracy": figures["accuracy"]}
    return {"baseline": {"accuracy": figures["accuracy"], "uar": figures["uar"]}}
