"""Draw pictures that compare experiments."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.ticker import ScalarFormatter

from ser.plots import style
from ser.plots.results import draw_curves

_COLUMNS = 3
_LOOKS = ((style.DARK, "o", "-"), (style.ACCENT, "s", "--"))


def loss_curves(path: Path, history: pd.DataFrame) -> None:
    """Draw the loss curves of every experiment, each in its own axes.

    Args:
        path: the picture.
        history: columns experiment, fold, epoch, train_loss, val_loss and test_loss; losses that
            were not measured are empty.
    """
    names = history["experiment"].unique()
    rows = -(-len(names) // _COLUMNS)
    figure = style.new_figure(11, 1.2 + 2.4 * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        draw_curves(axes, history[history["experiment"] == name], "loss")
        style.style(axes, x="epoch")
        axes.set_title(name, fontsize=style.LABEL_SIZE, loc="left", pad=3)
        axes.set_ylim(bottom=0)
        style.whole_numbers(axes.xaxis)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    # One legend for all axes, because the subsets look the same in each.
    lines = [line for axes in grid for line in axes.get_legend_handles_labels()[0]]
    drawn = {str(line.get_label()): line for line in lines}
    figure.legend(
        drawn.values(), drawn.keys(), loc="outside lower center", ncols=len(drawn), frameon=False
    )
    style.shared_texts(figure, "Loss of every experiment", "", "cross-entropy (nats)")
    style.save(figure, path)


def accuracy_time(path: Path, trials: pd.DataFrame, curves: Mapping[str, str]) -> None:
    """Draw the accuracy in cross-validation against the seconds of one training.

    Args:
        path: the picture.
        trials: columns trial, accuracy (0..1) and seconds, a row per repetition; trials without
            seconds are left out.
        curves: trial -> the net whose curve has this point; all others are single points.
    """
    means = trials.groupby("trial", sort=False)[["accuracy", "seconds"]].mean().dropna()
    net = pd.Series(means.index.map(curves), index=means.index)
    figure = style.new_figure(8, 4.8)
    axes = figure.subplots()
    others = means[net.isna()]
    axes.plot(
        others["seconds"], 100 * others["accuracy"], "x", color=style.GREY, label="other settings"
    )
    for (name, part), (colour, marker, dash) in zip(means.groupby(net), cycle(_LOOKS)):
        ordered = part.sort_values("seconds")
        axes.plot(
            ordered["seconds"], 100 * ordered["accuracy"],
            color=colour, marker=marker, linestyle=dash, label=str(name),
        )  # fmt: skip
        for trial, row in ordered.iterrows():
            place = (row["seconds"], 100 * row["accuracy"])
            axes.annotate(str(trial), place, (6, -12), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    style.style(
        axes,
        "Accuracy by cross-validation, without the test clips",
        "training of one fold (s, logarithmic)",
        "accuracy (%)",
        "both",
    )
    style.legend(axes)
    style.save(figure, path)
