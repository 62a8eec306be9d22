"""Compute power, mel bands, cepstra, zero crossings and chroma of frames.

The results equal those of librosa's functions, but come from one shared spectrogram in single
precision.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import scipy.fft

from ser.core.framing import frame_count, spectra_of
from ser.core.sections import Features
from ser.core.typing import FloatArray

POWER_FLOOR = 1e-10  # librosa.power_to_db's amin
_MEL_GROUPS = 4  # more groups skip more zeros, but their matrix products are smaller


def power_spectrogram(frames: FloatArray, win_length: int) -> FloatArray:
    """Compute the squared magnitudes of windowed frames' spectra.

    Args:
        frames: float32 [frames, n_fft].
        win_length: samples of the window in the middle of each frame.

    Returns:
        float32 [frames, 1 + n_fft // 2].
    """
    power = np.empty((len(frames), frames.shape[1] // 2 + 1), dtype=np.float32)
    for block, spectra in spectra_of(frames, win_length):
        np.add(spectra.real**2, spectra.imag**2, out=power[block])
    return power


def mel_power(power: FloatArray, bank: FloatArray) -> FloatArray:
    """Apply a filter bank to power spectra, where each filter covers only a few bins.

    Args:
        power: squared magnitudes [frames, bins].
        bank: weights [n_mels, bins], bands in ascending order.

    Returns:
        float32 [frames, n_mels].
    """
    mel = np.empty((len(power), len(bank)), dtype=np.float32)
    for bands, bins in _groups(bank):
        np.matmul(power[:, bins], bank[bands, bins].T, out=mel[:, bands])
    return mel


def _groups(bank: FloatArray) -> Iterator[tuple[slice, slice]]:
    """Yield groups of neighbouring bands, each with the bins that it covers."""
    for bands in np.array_split(np.arange(len(bank)), min(_MEL_GROUPS, len(bank))):
        rows = slice(bands[0], bands[-1] + 1)
        covered = np.flatnonzero(bank[rows].any(axis=0))
        # A narrow band may not cover any bin.
        yield rows, slice(covered[0], covered[-1] + 1) if len(covered) else slice(0, 0)


class ToDecibels(Protocol):
    """`power_to_db`, or librosa's."""

    def __call__(self, power: FloatArray, /, *, top_db: float) -> FloatArray:
        """Convert power to dB."""


def power_to_db(power: FloatArray, /, *, top_db: float) -> FloatArray:
    """Convert power to dB relative to full scale, clipped at top_db below the highest.

    Equals librosa.power_to_db bit for bit, without importing librosa.

    >>> power_to_db(np.array([1, 0.01, 0], dtype=np.float32), top_db=80.0).round(3)
    array([  0., -20., -80.], dtype=float32)
    """
    level = 10 * np.log10(np.maximum(power, POWER_FLOOR))
    floored: FloatArray = np.maximum(level, level.max() - top_db)
    return floored


def cepstrum(mel_db: FloatArray, n_mfcc: int) -> FloatArray:
    """Compute the first coefficients of each frame's cosine transform: [frames, n_mfcc]."""
    coefficients: FloatArray = scipy.fft.dct(mel_db, type=2, norm="ortho", axis=1)
    return coefficients[:, :n_mfcc]


def zero_crossing_rate(waveform: FloatArray, features: Features) -> FloatArray:
    """Compute the share of neighbouring samples that differ in sign, per frame: [frames, 1].

    The waveform is extended with its first and its last sample.
    """
    padded = np.pad(waveform, features.n_fft // 2, mode="edge")
    # librosa.zero_crossings counts values up to 1e-10 as zero, and zero as positive.
    negative = padded < -1e-10
    places = np.flatnonzero(negative[1:] != negative[:-1])
    first = np.arange(frame_count(len(waveform), features.hop_length)) * features.hop_length
    crossings = np.searchsorted(places, first + features.n_fft - 1)
    crossings -= np.searchsorted(places, first)
    rate: FloatArray = (crossings[:, np.newaxis] / features.n_fft).astype(np.float32)
    return rate


def chroma(power: FloatArray, bank: FloatArray) -> FloatArray:
    """Compute the energy per pitch class relative to the frame's strongest: [frames, 12]."""
    energy = power @ bank.T
    strongest = energy.max(axis=1, keepdims=True)
    # As librosa.util.normalize: a frame without energy is not scaled.
    scale: FloatArray = np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)
    return energy / scale
