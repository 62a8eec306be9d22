"""Pictures of the dataset: waveforms, mel spectrograms, durations, who speaks how often."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.plots.style import (
    ACCENT,
    DARK,
    GREY,
    LABEL_SIZE,
    LIGHT,
    colour_bar,
    heat_map,
    legend,
    new_figure,
    save,
    shared_texts,
    style,
    whole_numbers,
)

FloatArray = NDArray[np.float32]

_AMPLITUDE = "amplitude (fraction of full scale)"
_HERTZ_TICKS = (16000, 8000, 4000, 2000, 1000, 500, 250, 125)
_SPEAKERS_IN_A_COLUMN = 30


def waveform(path: Path, samples: FloatArray, sample_rate: int, title: str) -> None:
    """Draw one clip over time."""
    figure = new_figure(9, 2.8)
    axes = figure.add_subplot()
    axes.plot(np.arange(len(samples)) / sample_rate, samples, color=DARK, linewidth=0.4)
    axes.set(xlim=(0, len(samples) / sample_rate), ylim=(-1.05, 1.05))
    style(axes, title, "time (s)", _AMPLITUDE.replace(" (", "\n("), grid="both")
    save(figure, path)


def waveforms(path: Path, samples: Mapping[str, FloatArray], sample_rate: int) -> None:
    """Draw clips below each other on one time axis.

    Args:
        path: the picture.
        samples: what stands above a clip -> its waveform [samples].
        sample_rate: in Hz.
    """
    figure = new_figure(9, 0.8 + 1.15 * len(samples))
    grid = figure.subplots(len(samples), 1, sharex=True, sharey=True, squeeze=False)
    for axes, (name, values) in zip(grid[:, 0], samples.items(), strict=True):
        axes.plot(np.arange(len(values)) / sample_rate, values, color=DARK, linewidth=0.4)
        style(axes, grid="both")
        axes.set_title(name, fontsize=LABEL_SIZE, loc="left", pad=3)
    longest = max(len(values) for values in samples.values())
    grid[0, 0].set(xlim=(0, longest / sample_rate), ylim=(-1.05, 1.05))
    shared_texts(figure, "One clip per emotion", "time (s)", _AMPLITUDE)
    save(figure, path)


def mel_spectrograms(
    path: Path,
    spectrograms: Mapping[str, FloatArray],
    seconds_per_frame: float,
    band_hertz: NDArray[np.float64],
) -> None:
    """Draw mel spectrograms below each other on one time axis and one scale of levels.

    Args:
        path: the picture.
        spectrograms: what stands above a clip -> [frames, n_mels] in dB, at most 0.
        seconds_per_frame: from one frame to the next.
        band_hertz: [n_mels] the middle of each mel band in Hz.
    """
    figure = new_figure(9, 0.8 + 1.6 * len(spectrograms))
    grid = figure.subplots(len(spectrograms), 1, sharex=True, sharey=True, squeeze=False)
    for axes, (name, values) in zip(grid[:, 0], spectrograms.items(), strict=True):
        image = axes.imshow(
            values.T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="viridis",
            vmin=-80,
            vmax=0,
            # A frame's middle is at a multiple of the step, so it begins half a step before.
            extent=(
                -0.5 * seconds_per_frame,
                (len(values) - 0.5) * seconds_per_frame,
                -0.5,
                len(band_hertz) - 0.5,
            ),
        )
        style(axes, grid="none")
        axes.set_title(name, fontsize=LABEL_SIZE, loc="left", pad=3)
    ticks = _hertz_ticks(band_hertz)
    grid[0, 0].set_yticks(list(ticks.values()), [f"{hertz}" for hertz in ticks])
    longest = max(len(values) for values in spectrograms.values())
    grid[0, 0].set_xlim(-0.5 * seconds_per_frame, (longest - 0.5) * seconds_per_frame)
    colour_bar(
        figure, list(grid[:, 0]), image, "level (dB relative to the clip's maximum)", aspect=40
    )
    shared_texts(figure, "Mel spectrogram per emotion", "time (s)", "frequency (Hz, mel scale)")
    save(figure, path)


def _hertz_ticks(band_hertz: NDArray[np.float64]) -> dict[int, float]:
    """Round frequencies and where they lie among the bands, far enough apart for their texts."""
    bands = len(band_hertz)
    ticks: dict[int, float] = {}
    for hertz in _HERTZ_TICKS:
        if band_hertz[0] <= hertz <= band_hertz[-1]:
            position = float(np.interp(hertz, band_hertz, np.arange(bands)))
            if not ticks or min(ticks.values()) - position > bands / 7:
                ticks[hertz] = position
    return ticks


def histogram(path: Path, values: NDArray[np.float64], title: str, label: str, unit: str) -> None:
    """Draw how often each value occurs, with the median and the mean.

    Args:
        path: the picture.
        values: one per clip.
        title: of the picture.
        label: what the values are.
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
    """Draw every clip's duration as a point, and a box per emotion around the middle half.

    Args:
        path: the picture.
        seconds: emotion -> durations of its clips in s.
    """
    figure = new_figure(max(6.0, 1.2 + 1.1 * len(seconds)), 4)
    axes = figure.add_subplot()
    for position, values in enumerate(seconds.values()):
        # Multiples of the golden ratio spread the points evenly, without drawing lots.
        beside = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.5
        axes.scatter(position + beside, values, s=9, color=GREY, alpha=0.45, linewidths=0)
    axes.boxplot(
        list(seconds.values()),
        positions=range(len(seconds)),
        widths=0.62,
        showfliers=False,
        boxprops={"color": DARK, "linewidth": 1.4},
        whiskerprops={"color": DARK, "linewidth": 1.2},
        capprops={"color": DARK, "linewidth": 1.2},
        medianprops={"color": ACCENT, "linewidth": 2.5},
    )
    style(axes, "Durations per emotion: clips, quartiles and median", "", "duration (s)")
    names = [f"{emotion}\n(n = {len(values)})" for emotion, values in seconds.items()]
    axes.set_xticks(range(len(seconds)), names)
    axes.set_ylim(0, 1.05 * max(values.max() for values in seconds.values()))
    save(figure, path)


def clips_by_speaker(path: Path, counts: pd.DataFrame) -> None:
    """Draw how many clips there are of each speaker and emotion.

    Many speakers stand in several columns side by side.

    Args:
        path: the picture.
        counts: a row per speaker, a column per emotion.
    """
    columns = -(-len(counts) // _SPEAKERS_IN_A_COLUMN)
    rows = -(-len(counts) // columns)
    # Side by side the cells are narrow, and the emotions are written upwards.
    cell, rotation = (0.85, 0) if columns == 1 else (0.36, 90)
    name = 0.085 * counts.index.str.len().max()
    figure = new_figure(
        max(5.5, 1.3 + columns * (0.3 + name + cell * counts.shape[1])), 1.5 + 0.27 * rows
    )
    grid = figure.subplots(1, columns, squeeze=False)
    vmax = max(1, int(counts.to_numpy().max()))
    for i, axes in enumerate(grid[0]):
        part = counts.iloc[i * rows : (i + 1) * rows]
        # Short last columns keep the height of a row.
        values = np.full((rows, counts.shape[1]), np.nan)
        values[: len(part)] = part.to_numpy()
        texts = [["" if np.isnan(v) else f"{v:.0f}" for v in row] for row in values]
        style(axes, grid="none")
        image = heat_map(axes, values, texts, vmax)
        axes.set_xticks(range(counts.shape[1]), list(counts.columns), rotation=rotation)
        axes.set_yticks(range(len(part)), list(part.index))
    whole_numbers(colour_bar(figure, list(grid[0]), image, "clips"))
    shared_texts(figure, "Clips per speaker and emotion", "emotion", "speaker")
    save(figure, path)
