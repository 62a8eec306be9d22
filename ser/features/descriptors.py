"""Compute low-level descriptors of each frame: spectrum, level, pitch, voicing.

Feature sets such as eGeMAPS are statistics of low-level descriptors. Eyben et al.: The Geneva
minimalistic acoustic parameter set, IEEE Transactions on Affective Computing 7(2), 2016.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ser.core.framing import in_blocks
from ser.core.kinds import HIGHEST_PITCH
from ser.core.typing import FloatArray
from ser.features import spectra

if TYPE_CHECKING:
    from ser.features.analysis import Analysis

_LOWEST_PITCH = 60.0  # Hz
_REFERENCE_PITCH = 100.0  # Hz at 0 semitones
_OCTAVE_COST = 0.1  # of the longest lag over the shortest; prevents errors of an octave downwards
_HIGHEST = 8000.0  # Hz, upper end of the spectral descriptors at any sample rate
_POWER_FLOOR = 1e-10


def compute_descriptors(analysis: "Analysis") -> dict[str, FloatArray]:
    """Compute the descriptors of every frame of a waveform.

    Returns:
        name of each descriptor -> float32 [frames]. Levels and ratios are in dB, frequencies in Hz,
        pitch in semitones above 100 Hz.
    """
    features, frames, mel_db = analysis.features, analysis.frames, analysis.mel_db
    squares = np.einsum("ij,ij->i", frames, frames)
    level = 10 * np.log10(np.maximum(squares / frames.shape[1], _POWER_FLOOR))
    pitch, voicing = track_pitch(frames, analysis.sample_rate)
    frequencies = scipy.fft.rfftfreq(features.n_fft, 1 / analysis.sample_rate)
    kept = np.searchsorted(frequencies, _HIGHEST, side="right")
    power, frequencies = analysis.power[:, :kept], frequencies[:kept]
    descriptors = {
        **_numbered("logmel", mel_db - mel_db.max()),
        **_numbered("mfcc", spectra.cepstrum(mel_db, features.n_mfcc)),
        "level": level - level.max(),
        "zcr": spectra.zero_crossing_rate(analysis.waveform, features)[:, 0],
        **spectral_shape(power, frequencies),
        "pitch": 12 * np.log2(pitch / _REFERENCE_PITCH),
        "voicing": voicing,
        **harmonic_differences(power, frequencies, pitch),
    }
    return {name: np.asarray(column, np.float32) for name, column in descriptors.items()}


def _numbered(name: str, columns: FloatArray) -> dict[str, FloatArray]:
    """Return the columns of [frames, n] by name, numbered from 1 to n."""
    return {f"{name}_{i}": column for i, column in enumerate(columns.T, start=1)}


def track_pitch(frames: FloatArray, sample_rate: int) -> tuple[FloatArray, FloatArray]:
    """Find each frame's pitch as the highest peak of its autocorrelation.

    The autocorrelation of the windowed frame is divided by the window's own, after Boersma:
    Accurate short-term analysis of the fundamental frequency, IFA Proceedings 17, 1993. A median
    over five frames removes isolated octave errors.

    Args:
        frames: float32 [frames, n_fft].
        sample_rate: in Hz.

    Returns:
        (pitch, voicing), float32 [frames] each. Pitch is in Hz, from 60 (higher if the frames are
        short) to 500. Voicing is the height of the peak: 0 for noise, about 1 for a periodic sound.

    >>> times = np.arange(1024) / 16_000
    >>> pitch, voicing = track_pitch(np.sin(2 * np.pi * 200 * times)[np.newaxis], 16_000)
    >>> pitch
    array([200.], dtype=float32)
    """
    n = frames.shape[1]
    shortest = max(1, int(sample_rate / HIGHEST_PITCH))
    # Lags beyond half the frame are compared over too few samples.
    longest = max(shortest + 1, min(int(sample_rate / _LOWEST_PITCH), n // 2))
    found = [_strongest_lag(frames[block], shortest, longest) for block in in_blocks(len(frames))]
    lag, voicing = (np.concatenate(values) for values in zip(*found, strict=True))
    neighbours = sliding_window_view(np.pad(sample_rate / lag, 2, mode="symmetric"), 5)
    # Of an odd number of values the median is the one in the middle.
    return np.sort(neighbours, axis=1)[:, 2].astype(np.float32), voicing


def _strongest_lag(
    frames: FloatArray, shortest: int, longest: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Find the lag of each frame's highest autocorrelation in a range, and its height."""
    n = frames.shape[1]
    # Zeros are appended because the transform is circular: lags would wrap around to the beginning.
    size = scipy.fft.next_fast_len(n + longest, real=True)
    window, factors = _pitch_window(n, shortest, longest)
    windowed = frames - frames.mean(axis=1, keepdims=True)
    windowed *= window
    spectrum = scipy.fft.rfft(windowed, size, axis=1)
    correlation = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)
    peaks = correlation[:, shortest:longest] * factors
    best = peaks.argmax(axis=1)
    energy = correlation[:, 0] + np.float32(1e-9)
    return best + shortest, peaks[np.arange(len(best)), best] / energy


@cache
def _pitch_window(n: int, shortest: int, longest: int) -> tuple[FloatArray, FloatArray]:
    """Return a Hann window of n samples, and what the autocorrelation is multiplied by at each lag.

    The factors, [longest - shortest], are the octave cost over the window's own autocorrelation
    relative to lag 0.
    """
    window = np.hanning(n).astype(np.float32)
    spectrum = scipy.fft.rfft(window, 2 * n)
    correlation = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2)[shortest:longest]
    relative = np.maximum(correlation / np.square(window).sum(), np.float32(1e-3))
    costs = np.linspace(1, 1 - _OCTAVE_COST, longest - shortest, dtype=np.float32)
    return window, costs / relative


def spectral_shape(power: FloatArray, frequencies: FloatArray) -> dict[str, FloatArray]:
    """Describe how each frame's power is distributed over frequency.

    Args:
        power: squared magnitudes [frames, bins].
        frequencies: of the bins, in Hz.

    Returns:
        Eight descriptors, [frames] each: centroid and spread, in Hz; rolloff_25 and rolloff_85: the
        frequencies below which 25 and 85 % of the power lie, in Hz; flux: Euclidean distance
        of the square roots of the shares of power from those of the frame before; flatness:
        logarithm of the geometric over the arithmetic mean; alpha_ratio: 50 to 1000 Hz over 1000 to
        5000 Hz, in dB; tilt: 50 to 2000 Hz over 2000 to 5000 Hz, in dB.
    """
    shares = power / (power.sum(axis=1, keepdims=True) + np.float32(1e-12))
    centroid, square = (shares @ np.stack([frequencies, frequencies**2], axis=1)).T
    spread = np.sqrt(np.maximum(square - centroid**2, 0))
    below = np.cumsum(shares, axis=1)
    below[:, -1] = 1  # also of silence
    rolloffs = {
        f"rolloff_{percent}": frequencies[(below >= percent / 100).argmax(axis=1)]
        for percent in (25, 85)
    }
    moved = np.diff(np.sqrt(shares), axis=0)
    flux = np.pad(np.sqrt(np.einsum("ij,ij->i", moved, moved)), (1, 0))
    floored = power + np.float32(_POWER_FLOOR)
    flatness = np.log(floored).mean(axis=1) - np.log(floored.mean(axis=1))

    def band(low: float, high: float) -> FloatArray:
        inside = slice(*np.searchsorted(frequencies, (low, high)))
        level: FloatArray = 10 * np.log10(power[:, inside].sum(axis=1) + _POWER_FLOOR)
        return level

    return {
        "centroid": centroid,
        "spread": spread,
        **rolloffs,
        "flux": flux,
        "flatness": flatness,
        "alpha_ratio": band(50, 1000) - band(1000, 5000),
        "tilt": band(50, 2000) - band(2000, 5000),
    }


def harmonic_differences(
    power: FloatArray, frequencies: FloatArray, pitch: FloatArray
) -> dict[str, FloatArray]:
    """Compute how far the second and the third harmonic lie below the first, in dB.

    Args:
        power: squared magnitudes [frames, bins].
        frequencies: of the bins, in Hz.
        pitch: [frames] in Hz.

    Returns:
        h1_h2 and h1_h3, float [frames] each.
    """
    rows = np.arange(len(power))
    levels = []
    for harmonic in (1, 2, 3):
        nearest = np.round(harmonic * pitch / frequencies[1]).astype(np.int64)
        nearest = np.clip(nearest, 1, len(frequencies) - 2)
        # The highest of three bins: the pitch may be off by a bin.
        strongest = np.max([power[rows, nearest + i] for i in (-1, 0, 1)], axis=0)
        levels.append(10 * np.log10(strongest + _POWER_FLOOR))
    return {"h1_h2": levels[0] - levels[1], "h1_h3": levels[0] - levels[2]}
