"""Draw the dataset: waveforms, mel spectrograms, durations, levels, clips per speaker."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from librosa.display import waveshow
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ser.core.typing import FloatArray
from ser.plots.spectrogram import draw_spectrogram
from ser.plots.style import (
    ACCENT,
    DARK,
    GREY,
    LABEL_SIZE,
    LIGHT,
    TICK_SIZE,
    colour_bar,
    heat_map,
    label_width,
    legend,
    new_figure,
    save,
    shared_texts,
    style,
    whole_numbers,
)

_AMPLITUDE = "amplitude (fraction of full scale)"
_MEL_FREQUENCY = "frequency (Hz, mel scale)"
_SPEAKERS_IN_A_COLUMN = 30


def waveform(path: Path, samples: FloatArray, sample_rate: int, title: str) -> None:
    """Draw one clip over time."""
    figure = new_figure(9, 2.8)
    axes = figure.add_subplot()
    _draw_waveform(axes, samples, sample_rate)
    axes.set(xlim=(0, len(samples) / sample_rate), ylim=(-1.05, 1.05))
    style(axes, title, "time (s)", _AMPLITUDE.replace(" (", "\n("), grid="both")
    save(figure, path)


def waveforms(path: Path, samples: Mapping[str, FloatArray], sample_rate: int) -> None:
    """Draw clips below each other on one time axis.

    Args:
        path: the picture.
        samples: title of a clip -> its waveform [samples].
        sample_rate: in Hz.
    """
    figure = new_figure(9, 0.8 + 1.15 * len(samples))
    grid = figure.subplots(len(samples), 1, sharex=True, sharey=True, squeeze=False)
    for axes, (name, values) in zip(grid[:, 0], samples.items(), strict=True):
        _draw_waveform(axes, values, sample_rate)
        style(axes, grid="both")
        axes.set_title(name, fontsize=LABEL_SIZE, loc="left", pad=3)
    longest = max(len(values) for values in samples.values())
    grid[0, 0].set(xlim=(0, longest / sample_rate), ylim=(-1.05, 1.05))
    shared_texts(figure, "One clip per emotion, scaled to its peak", "time (s)", _AMPLITUDE)
    save(figure, path)


def _draw_waveform(axes: Axes, samples: FloatArray, sample_rate: int) -> None:
    """Draw every sample of a clip; librosa's envelope would be symmetric around zero."""
    waveshow(
        samples,
        sr=sample_rate,
        max_points=2 * len(samples),
        axis="s",
        ax=axes,
        color=DARK,
        linewidth=0.4,
    )


def mel_spectrograms(
    path: Path,
    spectrograms: Mapping[str, FloatArray],
    seconds_per_frame: float,
    band_hertz: NDArray[np.float64],
) -> None:
    """Draw mel spectrograms below each other on one time axis and one scale of levels.

    Args:
        path: the picture.
        spectrograms: title of a clip -> [frames, n_mels] in dB, at most 0.
        seconds_per_frame: from one frame to the next.
        band_hertz: [n_mels] the middle of each mel band in Hz.
    """
    figure = new_figure(9, max(3.4, 0.8 + 1.6 * len(spectrograms)))
    grid = figure.subplots(len(spectrograms), 1, sharex=True, sharey=True, squeeze=False)
    _draw_spectrograms(
        figure, list(grid.flat), list(spectrograms.values()), seconds_per_frame, band_hertz
    )
    for axes, name in zip(grid[:, 0], spectrograms, strict=True):
        axes.set_title(name, fontsize=LABEL_SIZE, loc="left", pad=3)
    shared_texts(figure, "Mel spectrogram of one clip per emotion", "time (s)", _MEL_FREQUENCY)
    save(figure, path)


def spectrogram_gallery(
    path: Path,
    emotions: Sequence[str],
    speakers: Sequence[str],
    speakers_in_all: int,
    spectrograms: Mapping[tuple[str, str], FloatArray],
    seconds_per_frame: float,
    band_hertz: NDArray[np.float64],
) -> None:
    """Draw mel spectrograms, a row per emotion and a column per speaker, on one scale of levels.

    Args:
        path: the picture.
        emotions: one per row.
        speakers: one per column.
        speakers_in_all: how many there are; the title states how many of them are shown.
        spectrograms: (emotion, speaker) -> [frames, n_mels] in dB, at most 0; a cell that is not
            in it has the words "no clip".
        seconds_per_frame: from one frame to the next.
        band_hertz: [n_mels] the middle of each mel band in Hz.
    """
    rows, columns = len(emotions), len(speakers)
    figure = new_figure(
        max(6.0, 2.0 + label_width(speakers, 1.45) * columns),
        max(3.4, 1.1 + label_width(emotions, 1.35) * rows),
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    cells = [spectrograms.get((emotion, speaker)) for emotion in emotions for speaker in speakers]
    _draw_spectrograms(figure, list(grid.flat), cells, seconds_per_frame, band_hertz)
    for axes, speaker in zip(grid[0], speakers, strict=True):
        axes.set_title(speaker, fontsize=LABEL_SIZE, pad=4)
    for axes, emotion in zip(grid[:, 0], emotions, strict=True):
        axes.set_ylabel(emotion, fontsize=LABEL_SIZE, fontweight="bold")
    shown = "all" if columns == speakers_in_all else f"{columns} of"
    title = f"Mel spectrogram per emotion and speaker ({shown} {speakers_in_all} speakers)"
    shared_texts(figure, title, "time (s)", _MEL_FREQUENCY)
    save(figure, path)


def _draw_spectrograms(
    figure: Figure,
    cells: Sequence[Axes],
    spectrograms: Sequence[FloatArray | None],
    seconds_per_frame: float,
    band_hertz: NDArray[np.float64],
) -> None:
    """Draw mel spectrograms on one time axis and one scale of levels.

    Args:
        figure: the figure that gets the colour bar.
        cells: axes that share their limits and ticks.
        spectrograms: one per cell, [frames, n_mels] in dB, at most 0; None leaves it empty.
        seconds_per_frame: from one frame to the next.
        band_hertz: [n_mels] the middle of each mel band in Hz.
    """
    for axes, values in zip(cells, spectrograms, strict=True):
        if values is None:
            axes.text(
                0.5, 0.5, "no clip", transform=axes.transAxes, ha="center", fontsize=TICK_SIZE
            )
        else:
            image = draw_spectrogram(
                axes, values, seconds_per_frame, band_hertz, "viridis", vmin=-80, vmax=0
            )
        style(axes, grid="none")
    # librosa's number of ticks does not depend on the width of the axis.
    locator = MaxNLocator("auto", steps=[1, 2, 5, 10], min_n_ticks=3)
    cells[0].xaxis.set_major_locator(locator)
    longest = max(len(values) for values in spectrograms if values is not None)
    cells[0].set_xlim(-0.5 * seconds_per_frame, (longest - 0.5) * seconds_per_frame)
    label = "level (dB relative to the clip's maximum)"
    colour_bar(figure, cells, image, label, aspect=40)


def histogram(path: Path, values: NDArray[np.float64], title: str, label: str, unit: str) -> None:
    """Draw how often each value occurs, with the median and the mean.

    Args:
        path: the picture.
        values: one per clip.
        title: of the picture.
        label: name of the values.
        unit: of the values.
    """
    figure = new_figure(7, 3.8)
    axes = figure.add_subplot()
    axes.hist(values, bins=30, color=LIGHT, edgecolor=DARK, linewidth=0.7)
    for name, value, colour, dash in (
        ("median", float(np.median(values)), DARK, "-"),
        ("mean", float(np.mean(values)), ACCENT, "--"),
    ):
        text = f"{name} {value:.1f} {unit}"
        axes.axvline(value, color=colour, linestyle=dash, linewidth=2, label=text)
    style(axes, title, f"{label} ({unit})", "clips")
    whole_numbers(axes.yaxis)
    legend(axes)
    save(figure, path)


def durations_by_emotion(path: Path, seconds: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw how long the clips of each emotion are.

    Args:
        path: the picture.
        seconds: emotion -> durations of its clips in s.
    """
    figure, axes = _clips_by_emotion(seconds)
    style(axes, "Durations per emotion", "", "duration (s)")
    axes.set_ylim(0, 1.05 * max(values.max() for values in seconds.values()))
    save(figure, path)


def levels_by_emotion(path: Path, levels: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw how even the loudness of the clips of each emotion is: RMS relative to the own peak.

    It does not show how loud the clips are: all clips are scaled to the same peak.

    Args:
        path: the picture.
        levels: emotion -> RMS of its clips in dB relative to the clip's peak.
    """
    figure, axes = _clips_by_emotion(levels)
    title = "How even the loudness is, per emotion\n(higher: more even; all peaks are alike)"
    style(axes, title, "", "RMS level (dB relative to the clip's own peak)")
    save(figure, path)


def _clips_by_emotion(by_emotion: Mapping[str, NDArray[np.float64]]) -> tuple[Figure, Axes]:
    """Draw every clip as a point, and per emotion a box of quartiles, the median and the mean.

    Args:
        by_emotion: emotion -> a value for each of its clips.
    """
    figure = new_figure(max(6.0, 1.2 + label_width(by_emotion, 1.1) * len(by_emotion)), 4.3)
    axes = figure.add_subplot()
    for position, values in enumerate(by_emotion.values()):
        # Multiples of the golden ratio spread the points evenly, without random numbers.
        offset = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.5
        points = axes.scatter(position + offset, values, s=9, color=GREY, alpha=0.45, linewidths=0)
    drawn = axes.boxplot(
        list(by_emotion.values()),
        positions=range(len(by_emotion)),
        widths=0.62,
        showfliers=False,
        showmeans=True,
        boxprops={"color": DARK, "linewidth": 1.4},
        whiskerprops={"color": DARK, "linewidth": 1.2},
        capprops={"color": DARK, "linewidth": 1.2},
        medianprops={"color": ACCENT, "linewidth": 2.5},
        meanprops={
            "marker": "D",
            "markersize": 7,
            "markerfacecolor": "white",
            "markeredgecolor": "black",
        },
    )
    names = [f"{emotion}\n(n = {len(values)})" for emotion, values in by_emotion.items()]
    axes.set_xticks(range(len(by_emotion)), names)
    figure.legend(
        [
            *(points, drawn["medians"][0], drawn["means"][0]),
            *(drawn["boxes"][0], drawn["whiskers"][0]),
        ],
        ["clip", "median", "mean", "quartiles", "farthest clip within 1.5 box lengths"],
        loc="outside lower center",
        ncols=3,
        fontsize=TICK_SIZE,
        edgecolor="none",
    )
    return figure, axes


def clips_by_speaker(path: Path, counts: pd.DataFrame) -> None:
    """Draw how many clips there are of each speaker and emotion.

    Many speakers are split into several columns.

    Args:
        path: the picture.
        counts: a row per speaker, a column per emotion.
    """
    columns = -(-len(counts) // _SPEAKERS_IN_A_COLUMN)
    rows = -(-len(counts) // columns)
    # In several columns the cells are narrow, so the emotions are written upwards.
    cell, rotation = (label_width(counts.columns, 0.85), 0) if columns == 1 else (0.36, 90)
    name = 0.085 * counts.index.str.len().max()
    figure = new_figure(
        max(5.5, 1.3 + columns * (0.3 + name + cell * counts.shape[1])), 1.5 + 0.27 * rows
    )
    grid = figure.subplots(1, columns, squeeze=False)
    vmax = max(1, int(counts.to_numpy().max()))
    for i, axes in enumerate(grid[0]):
        part = counts.iloc[i * rows : (i + 1) * rows]
        # Empty rows keep the rows of a short last column as high as the others.
        values = np.full((rows, counts.shape[1]), np.nan)
        values[: len(part)] = part.to_numpy()
        texts = [["" if np.isnan(v) else f"{v:.0f}" for v in row] for row in values]
        style(axes, grid="none")
        image = heat_map(axes, values, texts, vmax)
        axes.set_xticks(range(counts.shape[1]), list(counts.columns), rotation=rotation)
        axes.set_yticks(range(len(part)), list(part.index))
    whole_numbers(colour_bar(figure, list(grid[0]), image, "clips"))
    title = f"Clips per speaker and emotion ({counts.to_numpy().sum():,} in all)"
    shared_texts(figure, title, "emotion", "speaker")
    save(figure, path)
