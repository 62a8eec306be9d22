"""Measure the trained model on the test clips, once."""

from pathlib import Path
from typing import Any

import pandas as pd

from ser.core import params
from ser.core.figures import headline
from ser.core.store import Store
from ser.core.tables import read_csv, rounded, write_json, write_table
from ser.evaluation import baseline, card, prediction, scores
from ser.evaluation.figures import describe
from ser.nets import model_folder
from stages import cli


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
    kinds = ["majority", *([] if settings.baseline == "none" else [settings.baseline])]
    plain = {
        kind: baseline.predict_folds(kind, clip_table, split_table, store, settings.seed)
        for kind in kinds
    }
    reliability = scores.reliability(
        table[emotions].to_numpy(),
        scores.indices(table["emotion"], emotions),
        settings.calibration_bins,
    )
    figures = describe(table, emotions, settings, scheme, reliability, plain)
    if len(tested):
        figures["oracle"] = scores.oracle(tested, table.groupby("fold").size().to_dict())
    figures["uses_test_speakers_audio"] = description.model.normalisation == "speaker"
    write_json(metrics, figures)
    confusions = scores.count_confusions(table, emotions)
    measured = description.measured({**rounded(figures), "confusion": confusions.tolist()})
    model_folder.release(trained, model, measured, card.write_card(measured))

    write_table(predictions, table, decimals=7)
    worst = scores.confident_mistakes(table, emotions, settings.mistakes)
    write_table(mistakes, worst, decimals=6)
    write_table(test_history, tested, decimals=6)
    tabulate(plots, table, figures, reliability)
    print(
        f"evaluate: {headline(figures)}; UAR {figures['uar']:.1%}, {len(table)} clips, "
        f"split {scheme}"
    )


if __name__ == "__main__":
    cli.run(main)
