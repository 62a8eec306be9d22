"""Measure the trained model on the test clips, once."""

from pathlib import Path

import pandas as pd

from ser.core import params
from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import read_csv, write_json, write_report, write_table
from ser.evaluation import baseline, card, clip_map, prediction, scores, temperature
from ser.evaluation.dimensions import describe_dimensions, figures_of_dimensions
from ser.evaluation.figures import compute_figures, tabulate_classes
from ser.evaluation.unheard import read_unheard
from ser.inference.comparison import some_of
from ser.inference.onnx_release import add_onnx
from ser.nets import model_folder
from ser.nets.description import UnusableModelError
from stages import run_stage


def main(
    clips: Path,
    features: Path,
    splits: Path,
    trained: Path,
    unheard_voices: Path,
    model: Path,
    headline: Path,
    report: Path,
    predictions: Path,
    mistakes: Path,
    test_history: Path,
    reliability: Path,
    clips_map: Path,
    confusions: Path,
) -> None:
    """Write the figures, the predictions behind them, and the model with its figures."""
    all_params = params.load()
    settings, split = all_params.evaluate, all_params.split
    try:
        loaded, nets = model_folder.load(trained)
    except UnusableModelError as error:
        raise UserError(f"{error}: run `dvc repro train evaluate`") from None
    description = loaded.model_copy(update={"train_corpora": split.train_corpora})
    emotions, dimensions = description.emotions, description.dimensions
    needed = ("clip", "corpus", "speaker", "emotion", *dimensions, *settings.groups)
    clip_table = read_csv(clips, list(dict.fromkeys(needed)))
    split_table, store = read_csv(splits), Store(features)

    def predict_by_baseline(kind: str) -> pd.DataFrame:
        return baseline.predict_with_baseline(
            kind, clip_table, split_table, store.read, settings.seed
        )

    def predict_by_nets(subset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        return prediction.predict_subset(
            subset, clip_table, split_table, store, trained, description, nets
        )

    validated, _ = predict_by_nets("val")
    temperatures = temperature.fit_temperatures(validated, description.folds, emotions)
    unscaled, tested = predict_by_nets("test")
    table = temperature.scale_predictions(unscaled, temperatures, emotions)

    def compare_with_confidence(predictions: pd.DataFrame) -> pd.DataFrame:
        return scores.reliability(
            predictions[emotions].to_numpy(),
            scores.indices(predictions["emotion"], emotions),
            settings.calibration_bins,
        )

    bins = compare_with_confidence(table)
    figures = compute_figures(
        table,
        clip_table,
        emotions,
        bins,
        compare_with_confidence(unscaled),
        predict_by_baseline("majority"),
        None if settings.baseline == "none" else predict_by_baseline(settings.baseline),
        tested,
        settings,
        split_scheme=split.scheme,
        uses_test_speakers_audio=prediction.normalises_by_test_clips(
            clip_table, split_table, description.model
        ),
    ).model_copy(
        update={
            "pretrained_encoder": description.preprocessing.features.encoder or None,
            "dimensions": figures_of_dimensions(
                table, clip_table, split_table, dimensions, settings
            )
            or None,
        }
    )
    write_json(headline, figures.for_dvc())
    write_report(report, figures.for_report())
    unheard = read_unheard(unheard_voices, description)
    measured = description.released(
        list(temperatures.values()), figures.rounded(), unheard, all_params.clean.limits
    )
    model_folder.release(trained, model, measured, card.write_card(measured))
    compared = [store[clip] for clip in some_of(sorted(set(table["clip"])))]
    try:
        furthest = add_onnx(model, measured, [net.cpu() for net in nets], compared)
    except UserError as error:
        print(f"{model} is run by PyTorch, because an ONNX file cannot be had: {error}")
    else:
        print(
            f"ONNX file: on {len(compared)} test clips, its probabilities differ from PyTorch's by "
            f"at most {furthest:.1g}"
        )

    write_table(predictions, table, decimals=7)
    worst = scores.confident_mistakes(table, emotions, settings.mistakes)
    write_table(mistakes, worst, decimals=6)
    write_table(test_history, tested, decimals=6)

    fold, embedded = prediction.embed_tested(clip_table, split_table, store, description, nets)
    mapped = clip_map.map_clips(table[table["fold"] == fold], embedded, settings.seed)
    write_table(clips_map, mapped, decimals=3)

    write_table(reliability, bins[bins["count"] > 0], decimals=6)
    pairs = table.rename(columns={"emotion": "actual"})[["actual", "predicted"]]
    write_table(confusions, pairs)
    print(f"temperature fitted on val: {temperature.in_words(temperatures)}")
    print(tabulate_classes(figures).round(3).to_string(index=False))
    for line in describe_dimensions(table, dimensions, figures.dimensions or {}):
        print(line)
    print(
        f"evaluate: {figures.headline}; UAR (the mean of the recalls above) {figures.uar:.1%}, "
        f"{figures.n_test} clips, split {split.scheme}"
    )


if __name__ == "__main__":
    run_stage(main)
