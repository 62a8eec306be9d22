"""Pictures that hold experiments beside each other."""

from pathlib import Path

import pandas as pd

from ser.plots.results import draw_curves
from ser.plots.style import LABEL_SIZE, new_figure, save, shared_texts, style, whole_numbers

_COLUMNS = 3


def loss_curves(path: Path, history: pd.DataFrame) -> None:
    """Draw the loss curves of every experiment, each in axes of its own.

    Args:
        path: the picture.
        history: experiment, fold, epoch, train_loss, val_loss and test_loss; empty where nothing
            was measured.
    """
    names = history["experiment"].unique()
    rows = -(-len(names) // _COLUMNS)
    figure = new_figure(11, 1.2 + 2.4 * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        draw_curves(axes, history[history["experiment"] == name], "loss")
        style(axes, x="epoch")
        axes.set_title(name, fontsize=LABEL_SIZE, loc="left", pad=3)
        axes.set_ylim(bottom=0)
        whole_numbers(axes.xaxis)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    # One legend for all: the subsets look alike everywhere.
    lines = [line for axes in grid for line in axes.get_legend_handles_labels()[0]]
    drawn = {str(line.get_label()): line for line in lines}
    figure.legend(
        drawn.values(), drawn.keys(), loc="outside lower center", ncols=len(drawn), frameon=False
    )
    shared_texts(figure, "Loss of every experiment", "", "cross-entropy (nats)")
    save(figure, path)
