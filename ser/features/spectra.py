"""Waveform -> frames -> spectra, mel bands, cepstra, zero crossings, chroma.

Every frame is n_fft samples around a multiple of hop_length, the waveform padded by n_fft // 2 on
both sides: there are 1 + samples // hop_length of them, whatever is computed. All equals librosa's
functions of the same names, computed from one shared spectrogram in single precision.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from ser.core.filters import hann
from ser.core.sections import Features
from ser.core.typing import FloatArray

ToDecibels = Callable[[FloatArray], FloatArray]  # of power

FRAMES_AT_ONCE = 64  # so that their spectra stay in the processor's cache
TOP_DB = 80.0  # range below the loudest point that is kept, in dB
POWER_FLOOR = 1e-10  # librosa.power_to_db's amin
_MEL_GROUPS = 4  # more of them weight fewer zeros, in smaller matrix products


def frame_count(samples: int, hop_length: int) -> int:
    """Count the frames of a waveform of so many samples."""
    return 1 + samples // hop_length


def cut_frames(waveform: FloatArray, features: Features, padding: str) -> FloatArray:
    """Cut a waveform into overlapping frames [frames, n_fft], as a view."""
    padded = np.pad(waveform, features.n_fft // 2, mode=padding)  # type: ignore[call-overload]
    wanted = frame_count(len(waveform), features.hop_length)
    return sliding_window_view(padded, features.n_fft)[:: features.hop_length][:wanted]


@cache
def _window(win_length: int, n_fft: int) -> FloatArray:
    """Hann window of win_length samples in the middle of n_fft."""
    window = np.zeros(n_fft, dtype=np.float32)
    start = (n_fft - win_length) // 2
    window[start : start + win_length] = hann(win_length)
    return window


def power_spectrogram(frames: FloatArray, features: Features) -> FloatArray:
    """Compute the squared magnitude of each frame's spectrum [frames, 1 + n_fft // 2]."""
    window = _window(features.win_length, features.n_fft)
    power = np.empty((len(frames), features.n_fft // 2 + 1), dtype=np.float32)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        block = slice(start, start + FRAMES_AT_ONCE)
        spectrum = scipy.fft.rfft(frames[block] * window, axis=1)
        np.add(spectrum.real**2, spectrum.imag**2, out=power[block])
    return power


def mel_power(power: FloatArray, bank: FloatArray) -> FloatArray:
    """Weight spectra by a bank of filters, of which each covers a few bins.

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
        # Narrow bands may cover no bin at all.
        yield rows, slice(covered[0], covered[-1] + 1) if len(covered) else slice(0, 0)


def power_to_db(power: FloatArray) -> FloatArray:
    """Give power in dB relative to full scale, no more than TOP_DB below the highest.

    As librosa.power_to_db, bit for bit, for those who do not import librosa.
    """
    level = 10 * np.log10(np.maximum(power, POWER_FLOOR))
    return np.maximum(level, level.max() - TOP_DB)


def cepstrum(mel_db: FloatArray, n_mfcc: int) -> FloatArray:
    """Take the first coefficients of each frame's cosine transform [frames, n_mfcc]."""
    coefficients: FloatArray = scipy.fft.dct(mel_db, type=2, norm="ortho", axis=1)
    return coefficients[:, :n_mfcc]


def zero_crossing_rate(waveform: FloatArray, features: Features) -> FloatArray:
    """Share of neighbouring samples of unlike sign, per frame [frames, 1].

    The waveform goes on beyond its ends as at its first and its last sample.
    """
    padded = np.pad(waveform, features.n_fft // 2, mode="edge")
    # librosa.zero_crossings counts values up to 1e-10 as zero, and zero as positive.
    negative = np.signbit(np.where(np.abs(padded) <= 1e-10, np.float32(0), padded))
    # Crossings up to each sample: frames overlap, each sample is looked at once.
    crossed = np.pad(np.cumsum(negative[1:] != negative[:-1]), (1, 0))
    first = np.arange(frame_count(len(waveform), features.hop_length)) * features.hop_length
    crossings = crossed[first + features.n_fft - 1] - crossed[first]
    return (crossings[:, np.newaxis] / features.n_fft).astype(np.float32)


def chroma(power: FloatArray, bank: FloatArray) -> FloatArray:
    """Energy per pitch class relative to the frame's strongest [frames, 12]."""
    energy = power @ bank.T
    strongest = energy.max(axis=1, keepdims=True)
    # As librosa.util.normalize: a frame without energy stays as it is.
    scale: FloatArray = np.where(strongest < np.finfo(np.float32).tiny, 1, strongest)
    return energy / scale
