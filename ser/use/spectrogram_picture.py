"""Draw where a model looked, and whether its answers depend on that."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ser.plots.spectrogram import draw_spectrogram
from ser.plots.style import (
    ACCENT,
    DARK,
    DIVERGING,
    GREY,
    MIN_HATCHED,
    colour_bar,
    legend,
    new_figure,
    save,
    shared_texts,
    style,
)
from ser.use.explanation import Explanation

_OUTLINED = 0.5  # of the greatest influence
_SHIFT = 0.2  # % of the frames: shifts the intervals so that they do not overlap
_LOOKS = (
    (ACCENT, "o", "-"),
    (DARK, "s", "--"),
    (DARK, "D", ":"),
    (GREY, "^", "-."),
    (GREY, "v", "-"),
)


def draw_explanation(
    path: Path, explanation: Explanation, band_hertz: NDArray[np.float64], name: str, title: str
) -> None:
    """Draw a clip's mel spectrogram, and below it what spoke for an emotion and what against it.

    Args:
        path: the picture.
        explanation: of the clip.
        band_hertz: [n_mels] the centre of each mel band in Hz.
        name: of the clip; shortened if it does not fit.
        title: follows the name.
    """
    x = explanation
    most = max(float(np.abs(x.influence).max()), 1e-9)
    figure = new_figure(9, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, sharey=True)
    levels = draw_spectrogram(
        upper, x.spectrogram, x.seconds_per_frame, band_hertz, "gray_r", -80, 0
    )
    colour_bar(figure, [upper], levels, "level (dB,\n0: the loudest)", aspect=15)
    style(upper, "What was heard, and what counted most (dashed: against it)", grid="none")
    shown = draw_spectrogram(
        lower, x.influence, x.seconds_per_frame, band_hertz, DIVERGING, -most, most
    )
    colour_bar(figure, [lower], shown, "fall of the log odds\nwithout it (nats)", aspect=15)
    style(lower, f"What spoke for {x.emotion}; hatched: against it", grid="none")
    times = x.seconds_per_frame * np.arange(len(x.influence), dtype=np.float64)
    # The contours reach as far as the spectrogram's cells: half a cell beyond the outer centres.
    cells = (_with_ends(times), _with_ends(band_hertz), np.pad(x.influence, 1, mode="edge").T)
    lower.contourf(*cells, levels=[-most, -MIN_HATCHED * most], colors="none", hatches=["////"])
    for level, look in ((-_OUTLINED, "dashed"), (_OUTLINED, "solid")):
        lines = upper.contour(
            *cells, levels=[level * most], colors=ACCENT, linestyles=look, linewidths=2
        )
        lines.set(path_effects=[withStroke(linewidth=4, foreground="white")])
    shared_texts(figure, title, "time (s)", "frequency (Hz, mel scale)", name)
    save(figure, path)


def _with_ends(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the start of the first cell and the end of the last one to the cells' centres."""
    first, last = np.diff(middles)[[0, -1]] / 2
    return np.array([middles[0] - first, *middles, middles[-1] + last])


def draw_removals(path: Path, table: pd.DataFrame) -> None:
    """Draw how often predictions change when frames are removed, one line per choice of frames.

    Args:
        path: the picture.
        table: columns removed (share of the frames, 0..1), frames (the choice), clips (their
            number), and changed, low, high (share of the clips with its 95 % interval, 0..1).
    """
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    chosen = table.groupby("frames", sort=False)
    for place, ((name, part), (colour, marker, dash)) in enumerate(
        zip(chosen, _LOOKS, strict=False)
    ):
        changed, low, high = (100 * part[column] for column in ("changed", "low", "high"))
        drawn = axes.errorbar(
            100 * part["removed"] + _SHIFT * place, changed, (changed - low, high - changed),
            label=str(name), color=colour, marker=marker, linestyle=dash, capsize=3,
        )  # fmt: skip
        for artist in drawn.get_children():
            artist.set_clip_on(False)  # draw markers at 0 in full
    axes.set_ylim(bottom=0)
    style(
        axes,
        f"Does the answer depend on what is said to matter?\n"
        f"({table['clips'].max():,} test clips; bars: 95 % intervals)",
        "frames removed (% of the clip's)",
        "answers that change (% of the clips)",
    )
    legend(axes, "removed frames")
    save(figure, path)
