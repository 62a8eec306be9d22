"""What every picture has in common: size, fonts, colours, how it is saved.

The pictures must read in black and white: whatever is told apart differs in lightness and also in
dash, hatch or marker. No pyplot, so no picture leaves anything behind in the process.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ser.plots.fonts import choose_fonts, without_glyph_warnings

Grid = Literal["y", "both", "none"]

DPI = 120
DARK = "#1f3558"
LIGHT = "#c6cedb"
ACCENT = "#d9822b"
GREY = "#6b6b6b"
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 12, 10, 9
_MARGIN = 0.01  # of the width, on either side of a figure's title
# What speaks against something and what for it: both ends are dark, hatching tells them apart.
FOR_AND_AGAINST = LinearSegmentedColormap.from_list(
    "for_and_against", ["#7563b0", "white", "#b85c0a"]
)
FAINT = 0.15  # of what speaks most: what is weaker is not hatched
# Evenly darker the more there is.
_MUCH_IS_DARK = LinearSegmentedColormap.from_list("much_is_dark", ["#f1f4f9", "#8ea1c0", DARK])


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, its size in inches, that keeps its texts apart."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def room_for(names: Iterable[str], least: float) -> float:
    """Give the width in inches that each of some names needs beside the others, in small type."""
    return max(least, 0.1 + 0.085 * max(map(len, names)))


def style(axes: Axes, title: str = "", x: str = "", y: str = "", grid: Grid = "y") -> None:
    """Give axes their texts and the common look.

    Args:
        axes: what to style.
        title: above the axes, none if empty.
        x: label of the x axis, with its unit.
        y: label of the y axis, with its unit.
        grid: lines across: "y", "both" or "none".
    """
    if title:
        axes.set_title(title, fontsize=TITLE_SIZE, fontweight="bold", loc="left", pad=8)
    axes.set_xlabel(x, fontsize=LABEL_SIZE)
    axes.set_ylabel(y, fontsize=LABEL_SIZE)
    axes.tick_params(labelsize=TICK_SIZE, length=3, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(axis=grid, color="#e3e3e3", linewidth=0.8)


def shared_texts(figure: Figure, title: str, x: str, y: str, name: str = "") -> None:
    """Give several axes one title and one label per direction, with its unit.

    Args:
        figure: of the axes.
        title: of the figure.
        x: label of the x axes.
        y: label of the y axes.
        name: what the title begins with; loses of its middle what the figure has no room for.
    """
    shown = figure.suptitle(
        title, fontsize=TITLE_SIZE, fontweight="bold", x=_MARGIN, ha="left", parse_math=False
    )
    if name:
        _begin_with(shown, name, (1 - 2 * _MARGIN) * figure.bbox.width)
    figure.supxlabel(x, fontsize=LABEL_SIZE)
    figure.supylabel(y, fontsize=LABEL_SIZE)


def _begin_with(title: Text, name: str, room: float) -> None:
    """Set a name before a title, shortened in its middle to what the room in pixels holds."""
    rest = title.get_text()

    def is_too_wide(kept: int) -> bool:
        title.set_text(_shortened(name, kept) + rest)
        return bool(title.get_window_extent().width > room)

    title.set_text(name)
    choose_fonts([title])
    with without_glyph_warnings():
        kept = bisect_left(range(len(name) + 1), True, key=is_too_wide) - 1
    title.set_text(_shortened(name, max(kept, 0)) + rest)


def _shortened(name: str, kept: int) -> str:
    """Leave so many characters of a name, half of them at its beginning, half at its end."""
    if kept >= len(name):
        return name
    return f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"


def whole_numbers(axis: Axis) -> None:
    """Put an axis's ticks at whole numbers, for counts."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def legend(axes: Axes, title: str = "") -> None:
    """Add a legend where it hides least."""
    axes.legend(
        title=title or None,
        fontsize=TICK_SIZE,
        title_fontsize=TICK_SIZE,
        edgecolor="none",
        framealpha=0.85,
        handlelength=3.2,
    )


def colour_bar(
    figure: Figure, axes: Sequence[Axes], image: ScalarMappable, label: str, aspect: int = 25
) -> Axis:
    """Add the scale of an image's colours beside its axes, and return the scale's axis."""
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, aspect=aspect)
    bar.set_label(label, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    return bar.ax.yaxis


def heat_map(
    axes: Axes,
    values: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    vmax: float,
) -> AxesImage:
    """Draw a matrix as coloured cells with a text in each.

    Args:
        axes: where to draw.
        values: [rows, columns], from 0 to vmax.
        texts: of each cell.
        vmax: the value of the darkest colour.
    """
    image = axes.imshow(values, cmap=_MUCH_IS_DARK, vmin=0, vmax=vmax, aspect="auto")
    luminance = image.to_rgba(values)[..., :3] @ (0.299, 0.587, 0.114)
    for row, column in np.ndindex(*values.shape):
        axes.text(
            column,
            row,
            texts[row][column],
            ha="center",
            va="center",
            fontsize=TICK_SIZE,
            linespacing=1.1,
            color="black" if luminance[row, column] > 0.5 else "white",
        )
    rows, columns = values.shape
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return image


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, the same bytes from run to run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for axes in figure.axes:  # that their ticks have texts
        axes.get_xticklabels(), axes.get_yticklabels()
    choose_fonts(figure.findobj(Text))
    with without_glyph_warnings():
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
