"""Draw the results."""

from pathlib import Path

from ser.core.figures import read_figures
from ser.core.tables import read_csv
from ser.evaluation import pictures, scores
from ser.nets.folder_files import DIMENSIONS_PICTURE
from ser.plots import results
from stages import run_stage


def main(
    report: Path,
    predictions: Path,
    reliability: Path,
    history: Path,
    test_history: Path,
    clips_map: Path,
    model: Path,
    plots: Path,
) -> None:
    """Draw confusion matrix, reliability, coverage, learning curves and the map of the clips.

    The picture of arousal and valence belongs to the model's card, as few models have it.
    """
    figures = read_figures(report)
    emotions = list(figures.per_class)
    predicted = read_csv(predictions)
    results.confusion_matrix(
        plots / pictures.CONFUSION,
        scores.count_confusions(predicted, emotions),
        emotions,
        f"{figures.headline}\n{figures.n_test:,} test clips",
    )
    results.reliability_diagram(
        plots / pictures.RELIABILITY,
        read_csv(reliability),
        figures.ece,
        figures.ece_unscaled,
    )
    curve = scores.coverage_curve(
        predicted[emotions].to_numpy(float), scores.indices(predicted["emotion"], emotions)
    )
    results.coverage_curve(plots / pictures.COVERAGE, curve, figures.by_confidence or {})
    curves, tested = read_csv(history), read_csv(test_history)
    if len(tested):
        curves = curves.merge(tested, on=["fold", "epoch"])
    results.learning_curves(plots / pictures.HISTORY, curves)
    places = read_csv(clips_map).astype({"x": float, "y": float})
    results.clip_map(plots / pictures.MAP, places, emotions)
    if figures.dimensions:
        results.rated_and_predicted(model / DIMENSIONS_PICTURE, predicted, figures.dimensions)


if __name__ == "__main__":
    run_stage(main)
