"""Draw how far the UAR falls without each group of features."""

from pathlib import Path

import numpy as np
import pandas as pd

from ser.plots.style import DARK, LIGHT, new_figure, save, style


def draw(path: Path, table: pd.DataFrame, clips: int) -> None:
    """Draw a bar with its interval for each group.

    Args:
        path: the picture.
        table: as `scripts.importance.permuting.measure_importance` returns it.
        clips: number of test clips.
    """
    figure = new_figure(8, 1.6 + 0.32 * len(table))
    axes = figure.subplots()
    fall, low, high = (100 * table[column].to_numpy() for column in ("fall", "low", "high"))
    places = np.arange(len(table))[::-1]
    ends = np.abs([fall - low, high - fall])
    axes.barh(places, fall, color=LIGHT, edgecolor=DARK, linewidth=0.8)
    axes.errorbar(fall, places, xerr=ends, fmt="none", ecolor=DARK, capsize=3)
    axes.axvline(0, color=DARK, linewidth=0.8)
    named = zip(table["group"], table["columns"], strict=True)
    axes.set_yticks(places, [f"{group} ({columns:,})" for group, columns in named])
    style(
        axes,
        f"Which features does the model need?\n({clips:,} test clips; lines: 95 % intervals)",
        "fall of the UAR (points) if they are another clip's",
        "group (number of features)",
        grid="x",
    )
    save(figure, path)
