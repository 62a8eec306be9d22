"""Draw the results: learning curves, confusion matrix, reliability, coverage, map of the clips."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ser.core.dimensions import MEANINGS, PREDICTED
from ser.core.figures import ConfidentFigures, DimensionFigures
from ser.plots.style import (
    ACCENT,
    DARK,
    GREY,
    LIGHT,
    TICK_SIZE,
    colour_bar,
    from_zero,
    heat_map,
    label_width,
    legend,
    new_figure,
    save,
    style,
    whole_numbers,
)

# Name of the subset, prefix of its columns, colour, dash and marker.
_CURVES = (
    ("train", "train", DARK, "-", "o"),
    ("validation", "val", ACCENT, "--", "s"),
    ("test, decides nothing", "test", GREY, ":", "^"),
)
SUBSETS = tuple(name for name, *_ in _CURVES)
_MOST_BINS_WITH_COUNTS = 15
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", "*", ">", "h")
_LIGHTEST = 0.85  # of a colour map from dark to light; beyond it, white is too near


def confusion_matrix(
    path: Path, counts: NDArray[np.int64], labels: Sequence[str], title: str
) -> None:
    """Draw how often each emotion was predicted as each emotion.

    Args:
        path: the picture.
        counts: [labels, labels], a row per actual and a column per predicted emotion.
        labels: the emotions, in the order of counts.
        title: of the picture.
    """
    # An emotion without a test clip has a row of zeros.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [
        [f"{count}\n{share:.0%}" for count, share in zip(*rows, strict=True)]
        for rows in zip(counts, shares, strict=True)
    ]
    longest_line = max(len(line) for line in title.splitlines())
    cell = label_width(labels, 0.85)
    figure = new_figure(
        max(1.55 + cell * (len(labels) + 1), 1.8 + 0.1 * longest_line),
        max(3.2, 1.4 + 0.62 * len(labels)),
    )
    axes = figure.add_subplot()
    style(axes, title, "predicted", "actual", grid="none")
    image = heat_map(axes, shares, texts, vmax=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    scale = colour_bar(figure, [axes], image, "share of the actual emotion")
    scale.set_major_formatter(PercentFormatter(1))
    save(figure, path)


def learning_curves(path: Path, history: pd.DataFrame) -> None:
    """Draw loss and accuracy over the epochs: every fold thin, the folds' mean thick.

    Args:
        path: the picture.
        history: columns fold, epoch, train_loss, val_loss, train_accuracy, val_accuracy, and
            test_loss and test_accuracy if the test clips were predicted after every epoch,
            train_ccc and val_ccc if the net learns dimensions; cells are empty where nothing was
            measured.
    """
    history = history.apply(pd.to_numeric)
    folds = history["fold"].nunique()
    meaning = f"thick: mean of {folds} folds, thin: each" if folds > 1 else ""
    panels = [
        ("Loss", "loss", "cross-entropy (nats)"),
        ("Accuracy", "accuracy", "accuracy (% of the clips)"),
    ]
    if "train_ccc" in history:
        panels.append(("Agreement with the ratings", "ccc", "mean concordance (-1 to 1)"))
    figure = new_figure(5 * len(panels), 4)
    drawn = figure.subplots(1, len(panels))
    losses, accuracies = drawn[:2]
    for axes, (title, measure, unit) in zip(drawn, panels, strict=True):
        draw_curves(axes, history, measure)
        style(axes, title, epoch_label(history), unit)
        legend(axes, meaning)
        whole_numbers(axes.xaxis)
    from_zero(losses)
    accuracies.set_ylim(0, 1)
    accuracies.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    save(figure, path)


def epoch_label(history: pd.DataFrame) -> str:
    """Return the label of the axis of epochs, with a note if there is one point per curve."""
    return "epoch" if history["epoch"].nunique() > 1 else "epoch (trained for one only)"


def draw_curves(axes: Axes, history: pd.DataFrame, measure: str) -> None:
    """Draw one measure of every subset that was measured: each fold thin, the folds' mean thick.

    Args:
        axes: where to draw.
        history: columns fold, epoch and <subset>_<measure>.
        measure: loss, accuracy or ccc.
    """
    for subset, prefix, colour, dash, marker in _CURVES:
        if f"{prefix}_{measure}" in history:
            curves = history.pivot(index="epoch", columns="fold", values=f"{prefix}_{measure}")
            if curves.notna().to_numpy().any():
                _draw_curve(axes, curves, subset, colour, dash, marker)


def _draw_curve(
    axes: Axes, curves: pd.DataFrame, name: str, colour: str, dash: str, marker: str
) -> None:
    """Draw one subset's curves [epochs, folds] and their mean over the folds not yet stopped."""
    # Not clipped, so that lines and markers at the edge, such as an accuracy of 1, are whole.
    if curves.shape[1] > 1:
        axes.plot(
            curves.index,
            curves,
            color=colour,
            linestyle=dash,
            linewidth=0.7,
            alpha=0.4,
            clip_on=False,
        )
    axes.plot(
        curves.index,
        curves.mean(axis=1),
        color=colour,
        linestyle=dash,
        linewidth=1.8,
        marker=marker,
        markersize=5,
        markevery=max(1, len(curves) // 10),
        label=name,
        clip_on=False,
    )


def reliability_diagram(
    path: Path, table: pd.DataFrame, ece: float, ece_unscaled: float | None
) -> None:
    """Draw how often predictions of each confidence are right, and how many there are.

    Args:
        path: the picture.
        table: a row per bin of confidence that is not empty, columns low and high (edges of the
            bin), confidence and accuracy (means over its predictions) and count.
        ece: expected calibration error.
        ece_unscaled: the same before the probabilities were scaled by a temperature; None if they
            were not.
    """
    table = table.apply(pd.to_numeric)
    bars = {
        "width": table["high"] - table["low"],
        "align": "edge",
        "edgecolor": DARK,
        "linewidth": 0.8,
    }
    figure = new_figure(5.6, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(table["low"], table["accuracy"], color=LIGHT, label="accuracy in the bin", **bars)
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfectly calibrated")
    upper.scatter(
        table["confidence"],
        table["accuracy"],
        s=28,
        color=ACCENT,
        zorder=3,
        label="at mean confidence",
        clip_on=False,  # draw the dots at 0 and 1 whole
    )
    title = f"Reliability on {table['count'].sum():,} test clips\n"
    before = "" if ece_unscaled is None else f"; before scaling {ece_unscaled:.3f}"
    title += f"(calibration error {ece:.3f}{before})"
    style(upper, title, "", "accuracy (share of the bin's clips)")
    upper.set(xlim=(0, 1), ylim=(0, 1))
    legend(upper)
    drawn = lower.bar(table["low"], table["count"], color=LIGHT, hatch="///", **bars)
    if len(table) <= _MOST_BINS_WITH_COUNTS:
        lower.bar_label(drawn, fontsize=TICK_SIZE, padding=2)
    lower.margins(y=0.25)
    style(lower, "", "confidence (probability of the predicted emotion)", "clips")
    whole_numbers(lower.yaxis)
    save(figure, path)


def coverage_curve(
    path: Path, table: pd.DataFrame, by_confidence: Mapping[str, ConfidentFigures]
) -> None:
    """Draw the accuracy of the most confident answers against the share of clips answered.

    Args:
        path: the picture.
        table: a row per confidence, from the highest on, columns clips, coverage and accuracy of
            the answers with at least this confidence.
        by_confidence: least confidence -> figures of these answers, to mark on the curve.
    """
    figure = new_figure(5.6, 4.2)
    axes = figure.add_subplot()
    axes.plot(table["coverage"], table["accuracy"], color=DARK, linewidth=1.4, clip_on=False)
    for (least, own), marker in zip(by_confidence.items(), cycle(_MARKERS), strict=False):
        if own.accuracy is not None:
            axes.plot(
                own.coverage,
                own.accuracy,
                color=ACCENT,
                linestyle="none",
                marker=marker,
                markersize=7,
                label=f"at least {least}",
                clip_on=False,
            )
    title = f"The most confident answers on {table['clips'].max():,} test clips"
    style(axes, title, "coverage (share of the clips answered)", "accuracy (share of the answers)")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    if axes.get_legend_handles_labels()[0]:
        legend(axes, "confidence")
    save(figure, path)


def rated_and_predicted(
    path: Path, table: pd.DataFrame, by_dimension: Mapping[str, DimensionFigures]
) -> None:
    """Draw the rating of each test clip against its prediction, a panel for each dimension.

    Args:
        path: the picture.
        table: a row per clip, columns <dimension> (NaN: not rated) and predicted_<dimension>, both
            in 0..1.
        by_dimension: dimension -> its figures.
    """
    figure = new_figure(4.6 * len(by_dimension), 4.8)
    panels = figure.subplots(1, len(by_dimension), squeeze=False)[0]
    for axes, (name, own) in zip(panels, by_dimension.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="prediction equals rating")
        axes.plot(
            table[name],
            table[PREDICTED + name],
            linestyle="none",
            marker="o",
            markersize=5,
            color=DARK,
            markerfacecolor="none",
            clip_on=False,
        )
        title = (
            f"{name.capitalize()} of {own.n:,} test clips\n(CCC {own.ccc:.2f}, MAE {own.mae:.2f})"
        )
        style(axes, title, f"rating ({MEANINGS[name]})", "prediction (0 to 1)", "both")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        legend(axes)
    save(figure, path)


def emotion_marks(emotions: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a marker of matplotlib and a colour for each emotion, different without colour too.

    >>> emotion_marks(["happy", "sad"])
    {'happy': ('o', '#440154'), 'sad': ('s', '#9bd93c')}
    """
    shades = np.linspace(0, _LIGHTEST, len(emotions))
    return {
        emotion: (marker, to_hex(colour))
        for emotion, marker, colour in zip(
            emotions, cycle(_MARKERS), colormaps["viridis"](shades), strict=False
        )
    }


def clip_map(path: Path, table: pd.DataFrame, emotions: Sequence[str]) -> None:
    """Draw test clips where the net puts them, by emotion; those taken for another are hollow.

    Args:
        path: the picture.
        table: a row per clip, columns fold, emotion, predicted, x and y; perhaps none.
        emotions: all of the net.
    """
    figure = new_figure(7.4, 5.4)
    axes = figure.add_subplot()
    title = "Too few test clips for a map"
    if len(table):
        of = f"{len(table):,} test clips of fold {table['fold'].iloc[0]}"
        title = f"{of}: neighbours are alike to the net"
    style(axes, title, "t-SNE, first dimension (no unit)", "second dimension (no unit)", "none")
    for emotion, (marker, colour) in emotion_marks(emotions).items():
        for right, face in ((True, colour), (False, "white")):
            rows = (table["emotion"] == emotion) & (
                (table["predicted"] == table["emotion"]) == right
            )
            axes.plot(
                table["x"][rows],
                table["y"][rows],
                linestyle="none",
                marker=marker,
                markersize=6,
                color=colour,
                markerfacecolor=face,
                markeredgewidth=1.2,
                label=emotion if right else None,
            )
    axes.set_xticks([])
    axes.set_yticks([])
    figure.legend(
        loc="outside right upper",
        title="hollow: taken for\nanother emotion",
        fontsize=TICK_SIZE,
        title_fontsize=TICK_SIZE,
        frameon=False,
    )
    save(figure, path)
