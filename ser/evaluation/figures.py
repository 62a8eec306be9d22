"""Compute the figures of an evaluation; `ser.core.figures` documents each of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ser.core.figures import (
    AccuracyAndUar,
    Baseline,
    ClassFigures,
    Figures,
    FoldFigures,
    FoldSpread,
    SpeakerFigures,
)
from ser.core.sections import Evaluate
from ser.evaluation import scores
from ser.evaluation.groups import figures_by_columns

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9)


def compute_figures(
    predictions: pd.DataFrame,
    clips: pd.DataFrame,
    emotions: Sequence[str],
    reliability: pd.DataFrame,
    unscaled: pd.DataFrame,
    majority: pd.DataFrame,
    baseline: pd.DataFrame | None,
    tested: pd.DataFrame,
    settings: Evaluate,
    *,
    split_scheme: str,
    uses_test_speakers_audio: bool,
) -> Figures:
    """Compute the figures of the predictions, and those of simpler recognisers to compare with.

    Args:
        predictions: the table predictions.csv.
        clips: the table clips.csv, with the columns of `settings.groups`.
        emotions: names of its probability columns.
        reliability: accuracy of the predictions in bins of confidence, see `scores.reliability`.
        unscaled: the same of the predictions at temperature 1.
        majority: predictions of the train clips' commonest emotion for each test clip, columns
            fold, emotion and predicted.
        baseline: predictions of the baseline named in the settings, with the same columns; None
            without a baseline.
        tested: accuracy on the test clips after every epoch whose weights were kept, columns fold,
            epoch and test_accuracy; empty if no weights were kept.
        settings: of the evaluation.
        split_scheme: name of the split scheme.
        uses_test_speakers_audio: whether features were normalised by the tested speakers' other
            recordings.
    """
    actual, predicted = scores.actual_and_predicted(predictions, emotions)
    intervals = scores.bootstrap_ci95(actual, predicted, settings.bootstrap, settings.seed)
    (accuracy_low, accuracy_high), (uar_low, uar_high) = intervals
    report = scores.classification_report(actual, predicted, emotions)
    per_fold = _per_fold(predictions, majority, baseline, emotions)
    accuracies = [fold.accuracy for fold in per_fold.values()]
    corpora = predictions["clip"].str.split("/").str[0]
    hits = predictions["emotion"] == predictions["predicted"]
    curve = scores.coverage_curve(predictions[list(emotions)].to_numpy(), actual)
    return Figures(
        accuracy=scores.accuracy(actual, predicted),
        accuracy_low=accuracy_low,
        accuracy_high=accuracy_high,
        uar=scores.uar(actual, predicted),
        uar_low=uar_low,
        uar_high=uar_high,
        precision_macro=float(report["precision"].mean()),
        recall_macro=float(report["recall"].mean()),
        f1_macro=float(report["f1"].mean()),
        per_class={
            row.emotion: ClassFigures(
                precision=row.precision, recall=row.recall, f1=row.f1, support=row.support
            )
            for row in report.itertuples()
        },
        ece=scores.expected_calibration_error(reliability),
        ece_unscaled=scores.expected_calibration_error(unscaled),
        by_confidence={str(least): scores.answers_from(curve, least) for least in CONFIDENCES},
        n_test=len(predictions),
        n_folds=len(per_fold),
        split_scheme=split_scheme,
        fold_accuracy=FoldSpread(mean=float(np.mean(accuracies)), std=float(np.std(accuracies))),
        per_fold=per_fold,
        per_corpus=scores.figures_by_group(corpora, predictions, emotions),
        per_speaker={
            speaker: SpeakerFigures.model_validate(speaker_figures)
            for speaker, speaker_figures in scores.accuracy_by(predictions["speaker"], hits).items()
        },
        by_group=figures_by_columns(predictions, clips, emotions, settings),
        majority_accuracy=scores.accuracy(*scores.actual_and_predicted(majority, emotions)),
        baseline=None
        if baseline is None
        else Baseline(kind=settings.baseline, **scores.accuracy_and_uar(baseline, emotions)),
        oracle=scores.oracle(tested, predictions["fold"].value_counts().to_dict())
        if len(tested)
        else None,
        uses_test_speakers_audio=uses_test_speakers_audio,
        confusion=scores.count_confusions(predictions, emotions).tolist(),
    )


def tabulate_classes(figures: Figures) -> pd.DataFrame:
    """Return one row per emotion, columns emotion, precision, recall, f1, support."""
    return pd.DataFrame(
        [{"emotion": emotion, **dict(own)} for emotion, own in figures.per_class.items()]
    )


def _per_fold(
    predictions: pd.DataFrame,
    majority: pd.DataFrame,
    baseline: pd.DataFrame | None,
    emotions: Sequence[str],
) -> dict[str, FoldFigures]:
    own = scores.figures_by_group(predictions["fold"], predictions, emotions)
    majority_figures = scores.figures_by_group(majority["fold"], majority, emotions)
    baseline_figures = (
        {} if baseline is None else scores.figures_by_group(baseline["fold"], baseline, emotions)
    )
    return {
        fold: FoldFigures(
            **dict(figures),
            majority_accuracy=majority_figures[fold].accuracy,
            baseline=AccuracyAndUar(accuracy=plain.accuracy, uar=plain.uar)
            if (plain := baseline_figures.get(fold))
            else None,
        )
        for fold, figures in own.items()
    }
