"""Measure the trained model on the test clips, once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser import baseline, card, evaluation, model_folder, params, prediction
from ser.store import Store
from ser.tables import read_csv, rounded, write_json, write_table
from stages import cli


def describe(
    table: pd.DataFrame, emotions: list[str], settings: params.Evaluate, scheme: str
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Compute the figures of the predictions, and how their confidence compares with them."""
    actual = evaluation.indices(table["emotion"], emotions)
    predicted = evaluation.indices(table["predicted"], emotions)
    hits = table["emotion"] == table["predicted"]
    bins = evaluation.reliability(table[emotions].to_numpy(), actual, settings.calibration_bins)
    per_fold = [float(part.mean()) for _, part in hits.groupby(table["fold"])]
    figures = evaluation.summarise(actual, predicted, emotions, settings.bootstrap, settings.seed)
    figures |= {
        "ece": evaluation.expected_calibration_error(bins),
        "n_test": len(table),
        "n_folds": len(per_fold),
        "split_scheme": scheme,
        "fold_accuracy": {
            "mean": float(np.mean(per_fold)),
            "std": float(np.std(per_fold)),
            "each": per_fold,
        },
        "per_corpus": evaluation.figures_by(table["clip"].str.split("/").str[0], table, emotions),
        "per_speaker": evaluation.accuracy_by(table["speaker"], hits),
    }
    return figures, bins


def tabulate(
    plots: Path, table: pd.DataFrame, figures: dict[str, Any], reliability: pd.DataFrame
) -> None:
    """Write the tables behind the pictures of the predictions."""
    confusions = table.rename(columns={"emotion": "actual"})[["actual", "predicted"]]
    write_table(plots / "confusion.csv", confusions)
    report = pd.DataFrame(
        [{"emotion": emotion, **of_class} for emotion, of_class in figures["per_class"].items()]
    )
    write_table(plots / "report.csv", report.round(6))
    write_table(plots / "reliability.csv", reliability[reliability["count"] > 0].round(6))
    print(report.round(3).to_string(index=False))


def main(
    clips: Path,
    features: Path,
    splits: Path,
    trained: Path,
    model: Path,
    metrics: Path,
    predictions: Path,
    mistakes: Path,
    test_history: Path,
    plots: Path,
) -> None:
    """Write the figures, what they come from, and the model with its figures, to be used."""
    all_params = params.load()
    settings, scheme = all_params.evaluate, all_params.split.scheme
    clip_table, split_table, store = read_csv(clips), read_csv(splits), Store(features)
    description, nets = model_folder.load(trained)
    emotions = description.emotions
    table, tested = prediction.predict_folds(
        clip_table, split_table, store, trained, description, nets
    )

    figures, reliability = describe(table, emotions, settings, scheme)
    plainly = {
        kind: evaluation.accuracy_and_uar(
            baseline.predict_folds(kind, clip_table, split_table, store, settings.seed), emotions
        )
        for kind in {"majority", settings.baseline} - {"none"}
    }
    figures["majority_accuracy"] = plainly["majority"]["accuracy"]
    if settings.baseline != "none":
        figures["baseline"] = {"kind": settings.baseline, **plainly[settings.baseline]}
    if len(tested):
        figures["oracle"] = evaluation.oracle(tested, table.groupby("fold").size().to_dict())
    figures["uses_test_speakers_audio"] = description.model["normalisation"] == "speaker"
    write_json(metrics, figures)
    confusions = evaluation.count_confusions(table, emotions)
    measured = description.measured({**rounded(figures), "confusion": confusions.tolist()})
    model_folder.release(trained, model, measured, card.write_card(measured))

    write_table(predictions, table, decimals=7)
    worst = evaluation.confident_mistakes(table, emotions, settings.mistakes)
    write_table(mistakes, worst, decimals=6)
    write_table(test_history, tested, decimals=6)
    tabulate(plots, table, figures, reliability)
    print(
        f"evaluate: {evaluation.headline(figures)}; UAR {figures['uar']:.1%}, {len(table)} clips, "
        f"split {scheme}"
    )


if __name__ == "__main__":
    cli.run(
        main,
        "clips",
        "features",
        "splits",
        "trained",
        "model",
        "metrics",
        "predictions",
        "mistakes",
        "test_history",
        "plots",
    )
