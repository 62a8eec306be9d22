"""Draw pictures that compare experiments."""

from pathlib import Path

import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from ser.plots import style
from ser.plots.results import SUBSETS, draw_curves, epoch_label

_COLUMNS = 3


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
        part = history[history["experiment"] == name]
        draw_curves(axes, part, "loss")
        style.style(axes, x=epoch_label(part))
        axes.set_title(name, fontsize=style.LABEL_SIZE, loc="left", pad=3)
        style.from_zero(axes)
        style.whole_numbers(axes.xaxis)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    # One legend for all axes, because the subsets look the same in each.
    lines = [line for axes in grid for line in axes.get_legend_handles_labels()[0]]
    drawn = {str(line.get_label()): line for line in lines}
    shown = [name for name in SUBSETS if name in drawn]
    figure.legend(
        [drawn[name] for name in shown],
        shown,
        loc="outside lower center",
        ncols=len(shown),
        frameon=False,
    )
    folds = " (thick: mean of the folds, thin: each)" if history["fold"].nunique() > 1 else ""
    style.shared_texts(figure, f"Loss of every experiment{folds}", "", "cross-entropy (nats)")
    style.save(figure, path)


def accuracy_time(path: Path, trials: pd.DataFrame) -> None:
    """Draw the accuracy in cross-validation of each trial beside the seconds of one training.

    Args:
        path: the picture.
        trials: columns trial, clips, accuracy (0..1) and seconds, a row per repetition; seconds
            that were not measured are empty.
    """
    trials = trials.assign(accuracy=100 * trials["accuracy"])
    means = trials.groupby("trial")[["accuracy", "seconds"]].mean().sort_values("accuracy")
    place = {trial: row for row, trial in enumerate(means.index)}
    figure = style.new_figure(9, 1.7 + 0.26 * len(means))
    accuracies, times = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for axes, measure in ((accuracies, "accuracy"), (times, "seconds")):
        axes.plot(
            trials[measure], trials["trial"].map(place),
            "o", color=style.GREY, markersize=4, label="each repetition",
        )  # fmt: skip
        axes.plot(
            means[measure], range(len(means)),
            "D", color=style.DARK, markersize=8, markerfacecolor="none", label="mean",
        )  # fmt: skip
    accuracies.set_yticks(range(len(means)), list(means.index))
    accuracies.set_ylim(-0.5, len(means) - 0.5)
    times.set_xscale("log")
    # The range holds at least two of the ticks.
    low, high = trials["seconds"].agg(["min", "max"]).fillna(1)
    times.set_xlim(low / 2.5, high * 2.5)
    times.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    times.xaxis.set_major_formatter(ScalarFormatter())
    times.xaxis.set_minor_locator(NullLocator())
    style.style(accuracies, x="accuracy (%)", grid="both")
    style.style(times, x="training of one fold (s, logarithmic)", grid="both")
    handles, labels = accuracies.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    title = f"Cross-validation of {trials['clips'].max():,} clips, test clips left out"
    style.shared_texts(figure, title, "", "trial")
    style.save(figure, path)
