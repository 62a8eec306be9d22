"""Draw the accuracy under each condition."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.robustness.conditions import CLEAN
from ser.plots.style import DARK, GREY, LIGHT, new_figure, save, style


def draw(path: Path, rows: Sequence[Mapping[str, Any]], clips: int) -> None:
    """Draw accuracy with its interval, and the share of changed answers, a row per condition.

    Args:
        path: the picture.
        rows: of each condition: see `scripts.robustness.figures.compute_figures`.
        clips: number of test clips.
    """
    table = pd.DataFrame(rows)
    figure = new_figure(9, 1.4 + 0.26 * len(table))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    places = range(len(table))
    accuracy, low, high, changed = (
        100 * table[column] for column in ("accuracy", "accuracy_low", "accuracy_high", "changed")
    )
    clean = accuracy[table["condition"] == CLEAN].iloc[0]
    left.axvline(clean, color=GREY, linestyle="--", linewidth=1)
    left.errorbar(
        accuracy, places, xerr=(accuracy - low, high - accuracy),
        linestyle="none", marker="o", color=DARK, ecolor=GREY, capsize=2,
    )  # fmt: skip
    left.set_yticks(places, table["title"])
    left.set_xlim(0, 100)
    left.invert_yaxis()
    right.barh(places, changed, color=LIGHT, edgecolor=DARK, linewidth=0.8, height=0.6)
    right.set_xlim(0, 100)
    style(
        left,
        f"The same {clips:,} test clips, recorded otherwise",
        "accuracy (%), with 95 % interval; dashed: as recorded",
        grid="x",
    )
    style(right, "", "changed answers (% of the clips)", grid="x")
    save(figure, path)
