"""The common style of all pictures: size, fonts, colours, file format.

Pictures must be readable in black and white. Whatever must be distinguished differs in lightness
and also in dash, hatch or marker. pyplot is not used, because it keeps global state.
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

Grid = Literal["x", "y", "both", "none"]

DPI = 120
DARK = "#1f3558"
LIGHT = "#c6cedb"
ACCENT = "#d9822b"
GREY = "#6b6b6b"
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 12, 10, 9
_MARGIN = 0.01  # of the width, on either side of a figure's title
# For evidence against (negative) and for (positive). Both ends are dark; hatching distinguishes
# them.
DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#7563b0", "white", "#b85c0a"])
MIN_HATCHED = 0.15  # share of the largest value; weaker values are not hatched
# The larger the value, the darker, at an even rate.
_SEQUENTIAL = LinearSegmentedColormap.from_list("sequential", ["#f1f4f9", "#8ea1c0", DARK])


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches, whose layout keeps texts from overlapping."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def label_width(names: Iterable[str], minimum: float) -> float:
    """Return the width in inches that each of some names needs as a tick label."""
    return max(minimum, 0.1 + 0.085 * max(map(len, names)))


def style(axes: Axes, title: str = "", x: str = "", y: str = "", grid: Grid = "y") -> None:
    """Set the texts of axes and the common style.

    Args:
        axes: what to style.
        title: above the axes; empty for no title.
        x: label of the x axis, with its unit.
        y: label of the y axis, with its unit.
        grid: grid lines: "x", "y", "both" or "none".
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
    """Set one title and one label per direction for several axes.

    Args:
        figure: of the axes.
        title: of the figure.
        x: label of the x axes, with its unit.
        y: label of the y axes, with its unit.
        name: beginning of the title; its middle is cut out if the figure is too narrow.
    """
    shown = figure.suptitle(
        title, fontsize=TITLE_SIZE, fontweight="bold", x=_MARGIN, ha="left", parse_math=False
    )
    if name:
        _begin_with(shown, name, (1 - 2 * _MARGIN) * figure.bbox.width)
    figure.supxlabel(x, fontsize=LABEL_SIZE)
    figure.supylabel(y, fontsize=LABEL_SIZE)


def _begin_with(title: Text, name: str, width: float) -> None:
    """Prefix a title with a name, with its middle cut out to fit a width in pixels."""
    rest = title.get_text()

    def is_too_wide(kept: int) -> bool:
        title.set_text(_shortened(name, kept) + rest)
        return bool(title.get_window_extent().width > width)

    title.set_text(name)
    choose_fonts([title])
    with without_glyph_warnings():
        kept = bisect_left(range(len(name) + 1), True, key=is_too_wide) - 1
    title.set_text(_shortened(name, max(kept, 0)) + rest)


def _shortened(name: str, kept: int) -> str:
    """Return a name cut to `kept` characters, half from its beginning, half from its end."""
    if kept >= len(name):
        return name
    return f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"


def from_zero(axes: Axes) -> None:
    """Begin the y axis at 0 and leave room for markers above the largest value drawn."""
    axes.set_ylim(0, 1.08 * axes.dataLim.ymax)


def whole_numbers(axis: Axis) -> None:
    """Set an axis's ticks at whole numbers, for counts."""
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
    """Add a colour bar for an image beside its axes and return the bar's axis."""
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
        texts: a text for each cell.
        vmax: the value of the darkest colour.
    """
    image = axes.imshow(values, cmap=_SEQUENTIAL, vmin=0, vmax=vmax, aspect="auto")
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
    """Write a figure as PNG, with the same bytes on every run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for axes in figure.axes:  # so that the ticks get their texts, which need fonts
        axes.get_xticklabels(), axes.get_yticklabels()
    choose_fonts(figure.findobj(Text))
    with without_glyph_warnings():
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
