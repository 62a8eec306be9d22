"""Measure the trained model on the test clips, once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from ser import baseline, evaluation, model_folder, params
from ser.plots import results
from ser.recordings import Recordings
from ser.splits import speaker_of
from ser.store import Store
from ser.tables import read_csv, write_json, write_table
from ser.training import choose_device, loss_and_accuracy, make_deterministic, predict
from stages import cli


def predict_folds(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    model: Path,
    description: model_folder.Description,
    nets: list[nn.Module],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let each fold's net predict that fold's test clips.

    Returns:
        (the table predictions.csv; loss and accuracy on the test clips of every epoch whose
        weights were kept, columns fold, epoch, test_loss, test_accuracy).
    """
    device = choose_device()
    make_deterministic()
    settings, emotions = params.Model.model_validate(description.model), description.emotions
    recordings = Recordings(clips, features, settings.normalisation)
    parts, tested = [], []
    for fold, net, of_train in zip(description.folds, nets, description.statistics, strict=True):
        rows = splits[(splits["fold"] == fold) & (splits["subset"] == "test")]
        test = clips[clips["clip"].isin(rows["clip"])]
        examples = recordings.examples(test["clip"].tolist(), emotions, of_train)
        probabilities = predict(net.to(device), examples, settings, device)
        part = test[["clip", "emotion"]].assign(
            fold=fold,
            speaker=speaker_of(test),
            predicted=[emotions[i] for i in probabilities.argmax(axis=1)],
        )
        part[emotions] = probabilities.astype(np.float64)
        parts.append(part)
        for epoch, snapshot in model_folder.load_snapshots(model, description, fold):
            probabilities = predict(snapshot.to(device), examples, settings, device)
            loss, accuracy = loss_and_accuracy(probabilities, examples.labels)
            tested.append((fold, epoch, loss, accuracy))
    columns = ["clip", "fold", "speaker", "emotion", "predicted", *emotions]
    table = pd.concat(parts)[columns].sort_values(["clip", "fold"], ignore_index=True)
    return table, pd.DataFrame(tested, columns=["fold", "epoch", "test_loss", "test_accuracy"])


def predict_plainly(
    kind: str, clips: pd.DataFrame, splits: pd.DataFrame, features: Store, seed: int
) -> pd.DataFrame:
    """Let the baseline, or with kind "majority" the commonest emotion, predict the same clips.

    Returns:
        Columns emotion, predicted.
    """
    parts = []
    for _, fold in splits.groupby("fold"):
        subset = clips["clip"].map(fold.set_index("clip")["subset"])
        train, test = clips[subset == "train"], clips[subset == "test"]
        if kind == "majority":
            predicted = [train["emotion"].mode()[0]] * len(test)
        else:
            arrays = [[features[clip] for clip in part["clip"]] for part in (train, test)]
            predicted = baseline.predict(kind, arrays[0], list(train["emotion"]), arrays[1], seed)
        parts.append(test[["emotion"]].assign(predicted=predicted))
    return pd.concat(parts)


def describe(
    table: pd.DataFrame, emotions: list[str], settings: params.Evaluate, scheme: str
) -> dict[str, Any]:
    """Compute the figures of the predictions."""
    actual = evaluation.indices(table["emotion"], emotions)
    predicted = evaluation.indices(table["predicted"], emotions)
    hits = table["emotion"] == table["predicted"]
    bins = evaluation.reliability(table[emotions].to_numpy(), actual, settings.calibration_bins)
    per_fold = [float(part.mean()) for _, part in hits.groupby(table["fold"])]
    figures = evaluation.summarise(actual, predicted, emotions, settings.bootstrap, settings.seed)
    return figures | {
        "ece": evaluation.expected_calibration_error(bins),
        "n_test": len(table),
        "n_folds": len(per_fold),
        "split_scheme": scheme,
        "fold_accuracy": {
            "mean": float(np.mean(per_fold)),
            "std": float(np.std(per_fold)),
            "each": per_fold,
        },
        "per_speaker": evaluation.accuracy_by(table["speaker"], hits),
    }


def draw(
    plots: Path, table: pd.DataFrame, emotions: list[str], figures: dict[str, Any], bins: int
) -> None:
    """Write the pictures of the predictions and the tables behind them."""
    actual = evaluation.indices(table["emotion"], emotions)
    predicted = evaluation.indices(table["predicted"], emotions)
    confusions = table.rename(columns={"emotion": "actual"})[["actual", "predicted"]]
    write_table(plots / "confusion.csv", confusions)
    report = evaluation.classification_report(actual, predicted, emotions)
    write_table(plots / "report.csv", report.round(6))
    reliability = evaluation.reliability(table[emotions].to_numpy(), actual, bins)
    write_table(plots / "reliability.csv", reliability[reliability["count"] > 0].round(6))
    results.confusion_matrix(
        plots / "confusion.png",
        evaluation.count_confusions(actual, predicted, len(emotions)),
        emotions,
        headline(figures),
    )
    results.reliability_diagram(
        plots / "reliability.png",
        reliability["confidence"].to_numpy(),
        reliability["accuracy"].to_numpy(),
        reliability["count"].to_numpy(),
        figures["ece"],
    )
    print(report.round(3).to_string(index=False))


def headline(figures: dict[str, Any]) -> str:
    """Say the accuracy with its interval."""
    low, high = figures["accuracy_ci95"]
    return f"Accuracy {figures['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%})"


def main(
    clips: Path,
    features: Path,
    splits: Path,
    model: Path,
    history: Path,
    metrics: Path,
    predictions: Path,
    mistakes: Path,
    test_history: Path,
    plots: Path,
) -> None:
    """Write the figures, the predictions behind them, and their pictures."""
    all_params = params.load()
    settings, scheme = all_params.evaluate, all_params.split.scheme
    clip_table, split_table, store = read_csv(clips), read_csv(splits), Store(features)
    description, nets = model_folder.load(model)
    emotions = description.emotions
    table, tested = predict_folds(clip_table, split_table, store, model, description, nets)

    figures = describe(table, emotions, settings, scheme)
    majority = predict_plainly("majority", clip_table, split_table, store, settings.seed)
    figures["majority_accuracy"] = evaluation.accuracy_and_uar(majority, emotions)["accuracy"]
    if settings.baseline != "none":
        plain = predict_plainly(settings.baseline, clip_table, split_table, store, settings.seed)
        plain_figures = evaluation.accuracy_and_uar(plain, emotions)
        figures["baseline"] = {"kind": settings.baseline, **plain_figures}
    if len(tested):
        figures["oracle"] = evaluation.oracle(tested, table.groupby("fold").size().to_dict())
    figures["uses_test_speakers_audio"] = description.model["normalisation"] == "speaker"
    write_json(metrics, figures)

    write_table(predictions, table, decimals=7)
    worst = evaluation.confident_mistakes(table, emotions, settings.mistakes)
    write_table(mistakes, worst, decimals=6)
    curves = read_csv(history)
    if len(tested):
        curves = curves.merge(tested, on=["fold", "epoch"])
    write_table(test_history, tested, decimals=6)
    results.learning_curves(plots / "history.png", curves)
    draw(plots, table, emotions, figures, settings.calibration_bins)
    print(
        f"evaluate: {headline(figures)}; UAR {figures['uar']:.1%}, {len(table)} clips, "
        f"split {scheme}"
    )


if __name__ == "__main__":
    cli.run(
        main,
        "clips",
        "features",
        "splits",
        "model",
        "history",
        "metrics",
        "predictions",
        "mistakes",
        "test_history",
        "plots",
    )
