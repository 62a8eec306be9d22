"""Measure the trained model on the test clips, once."""

from pathlib import Path

import numpy as np
import pandas as pd

from ser import baseline, evaluation, model_folder, params
from ser.batches import Examples
from ser.plots import results
from ser.splits import speaker_of
from ser.store import Store
from ser.tables import read_csv, write_csv, write_json
from ser.training import choose_device, make_deterministic, predict
from stages import cli


def predict_folds(
    clips: pd.DataFrame, splits: pd.DataFrame, features: Store, model: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Let each fold's net predict that fold's test clips.

    Returns:
        (the table predictions.csv, the emotions in the order of its probability columns).
    """
    device = choose_device()
    make_deterministic()
    description, nets = model_folder.load(model)
    emotions = description.emotions
    settings = params.Model.model_validate(description.model)
    parts = []
    for fold, net in zip(description.folds, nets, strict=True):
        rows = splits[(splits["fold"] == fold) & (splits["subset"] == "test")]
        test = clips[clips["clip"].isin(rows["clip"])]
        examples = Examples(
            [[features[clip]] for clip in test["clip"]],
            np.array([emotions.index(e) for e in test["emotion"]], dtype=np.int64),
            features.meta["dims"],
        )
        probabilities = predict(net.to(device), examples, settings, device)
        part = test[["clip", "emotion"]].assign(
            fold=fold,
            speaker=speaker_of(test),
            predicted=[emotions[i] for i in probabilities.argmax(axis=1)],
        )
        part[emotions] = probabilities.astype(np.float64)
        parts.append(part)
    columns = ["clip", "fold", "speaker", "emotion", "predicted", *emotions]
    return pd.concat(parts)[columns].sort_values(["clip", "fold"], ignore_index=True), emotions


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


def accuracy_and_uar(table: pd.DataFrame, emotions: list[str]) -> dict[str, float]:
    """Compute accuracy and UAR of a table with the columns emotion and predicted."""
    actual, predicted = indices(table["emotion"], emotions), indices(table["predicted"], emotions)
    return {
        "accuracy": evaluation.accuracy(actual, predicted),
        "uar": evaluation.uar(actual, predicted),
    }


def indices(names: pd.Series, emotions: list[str]) -> evaluation.Indices:
    """Turn names of emotions into their places in `emotions`."""
    return np.array([emotions.index(name) for name in names], dtype=np.int64)


def main(
    clips: Path,
    features: Path,
    splits: Path,
    model: Path,
    history: Path,
    metrics: Path,
    predictions: Path,
    mistakes: Path,
    plots: Path,
) -> None:
    """Write the figures, the predictions behind them, and their pictures."""
    all_params = params.load()
    settings, scheme = all_params.evaluate, all_params.split.scheme
    clip_table, split_table, store = read_csv(clips), read_csv(splits), Store(features)
    table, emotions = predict_folds(clip_table, split_table, store, model)
    actual, predicted = indices(table["emotion"], emotions), indices(table["predicted"], emotions)
    hits = table["emotion"] == table["predicted"]
    bins = evaluation.reliability(table[emotions].to_numpy(), actual, settings.calibration_bins)
    ece = evaluation.expected_calibration_error(bins)
    per_fold = [float(part.mean()) for _, part in hits.groupby(table["fold"])]

    figures = evaluation.summarise(actual, predicted, emotions, settings.bootstrap, settings.seed)
    per_class = figures.pop("per_class")
    majority = predict_plainly("majority", clip_table, split_table, store, settings.seed)
    figures |= {
        "ece": ece,
        "n_test": len(table),
        "n_folds": len(per_fold),
        "split_scheme": scheme,
        "fold_accuracy": {"mean": float(np.mean(per_fold)), "std": float(np.std(per_fold))},
        "majority_accuracy": accuracy_and_uar(majority, emotions)["accuracy"],
    }
    if settings.baseline != "none":
        plain = predict_plainly(settings.baseline, clip_table, split_table, store, settings.seed)
        figures["baseline"] = {"kind": settings.baseline, **accuracy_and_uar(plain, emotions)}
    figures["per_class"] = per_class
    figures["per_speaker"] = evaluation.accuracy_by(table["speaker"], hits)
    write_json(metrics, figures)

    table.to_csv(predictions, index=False, lineterminator="\n", float_format="%.7f")
    worst = evaluation.confident_mistakes(table, emotions, settings.mistakes)
    worst.to_csv(mistakes, index=False, lineterminator="\n", float_format="%.6f")
    write_csv(
        plots / "confusion.csv",
        table.rename(columns={"emotion": "actual"}).to_dict("records"),
        ("actual", "predicted"),
    )
    report = evaluation.classification_report(actual, predicted, emotions)
    report.round(6).to_csv(plots / "report.csv", index=False, lineterminator="\n")
    bins[bins["count"] > 0].round(6).to_csv(
        plots / "reliability.csv", index=False, lineterminator="\n"
    )

    low, high = figures["accuracy_ci95"]
    title = f"Accuracy {figures['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%})"
    counts = evaluation.count_confusions(actual, predicted, len(emotions))
    results.confusion_matrix(plots / "confusion.png", counts, emotions, title)
    results.learning_curves(plots / "history.png", read_csv(history))
    results.reliability_diagram(
        plots / "reliability.png",
        bins["confidence"].to_numpy(),
        bins["accuracy"].to_numpy(),
        bins["count"].to_numpy(),
        ece,
    )
    print(report.round(3).to_string(index=False))
    print(f"evaluate: {title}; UAR {figures['uar']:.1%}, {len(table)} clips, split {scheme}")


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
        "plots",
    )
