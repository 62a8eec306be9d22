"""The picture of what cross-validation gave against what the training took."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.ticker import ScalarFormatter

from ser.plots.style import ACCENT, DARK, GREY, legend, new_figure, save, style

_LOOKS = ((DARK, "o", "-"), (ACCENT, "s", "--"))


def accuracy_time(path: Path, trials: pd.DataFrame, curves: Mapping[str, str]) -> None:
    """Draw accuracy by cross-validation over the seconds of one training.

    Args:
        path: the picture.
        trials: columns trial, accuracy (0..1) and seconds, a row per repetition.
        curves: trial -> the net whose curve it is a point of; all others are single points.
    """
    means = trials.groupby("trial", sort=False)[["accuracy", "seconds"]].mean()
    net = pd.Series(means.index.map(curves), index=means.index)
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    others = means[net.isna()]
    axes.plot(others["seconds"], 100 * others["accuracy"], "x", color=GREY, label="other settings")
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
    style(
        axes,
        "Accuracy by cross-validation, without the test clips",
        "training of one fold (s, logarithmic)",
        "accuracy (%)",
        "both",
    )
    legend(axes)
    save(figure, path)
