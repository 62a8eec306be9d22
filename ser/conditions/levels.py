"""Faults of the level: an offset, a recording that is too quiet or clipped, mains hum."""

import numpy as np

from ser.core.typing import FloatArray

_HARMONICS = (1, 2, 3, 5, 7)  # of the mains; a rectifier hums mostly at odd ones and at the second


def root_mean_square(waveform: FloatArray) -> float:
    """Compute the root mean square of a waveform float32 [samples].

    >>> root_mean_square(np.array([0.5, -0.5], dtype=np.float32))
    0.5
    """
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0


def add_offset(waveform: FloatArray, share: float) -> FloatArray:
    """Add a constant, and scale down what would then exceed full scale.

    Args:
        waveform: float32 [samples] in -1..1.
        share: the constant, as a share of full scale.
    """
    return within_full_scale(waveform + np.float32(share))


def attenuate(waveform: FloatArray, db: float) -> FloatArray:
    """Record a waveform too quietly, in 16 bits.

    Args:
        waveform: float32 [samples] in -1..1.
        db: by how much it is quieter.
    """
    steps = np.round(waveform * np.float32(2**15 * 10 ** (-db / 20)))
    return np.asarray(steps / np.float32(2**15), dtype=np.float32)


def clip_peaks(waveform: FloatArray, share: float) -> FloatArray:
    """Cut the loudest samples flat, as an overloaded microphone does.

    Args:
        waveform: float32 [samples] in -1..1.
        share: of the samples that are cut, 0..1.
    """
    if len(waveform) == 0:
        return waveform
    ceiling = np.quantile(np.abs(waveform), 1 - share)
    return np.clip(waveform, -ceiling, ceiling).astype(np.float32)


def add_hum(
    waveform: FloatArray, sample_rate: int, hertz: float, snr_db: float, phase: float = 0.0
) -> FloatArray:
    """Add mains hum: the fundamental and some harmonics, 1 / n as strong each.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        hertz: of the mains, 50 or 60.
        snr_db: the waveform's power above that of the hum.
        phase: of the fundamental at the first sample, in radians.
    """
    angle = 2 * np.pi * hertz / sample_rate * np.arange(len(waveform)) + phase
    hum = sum(np.sin(n * angle) / n for n in _HARMONICS)
    return add_at_snr(waveform, np.asarray(hum, dtype=np.float32), snr_db)


def add_at_snr(waveform: FloatArray, noise: FloatArray, snr_db: float) -> FloatArray:
    """Add a noise float32 [samples], scaled so that its power lies snr_db below the waveform's."""
    power = root_mean_square(noise)
    if power == 0:
        return waveform
    scale = root_mean_square(waveform) * 10 ** (-snr_db / 20) / power
    return within_full_scale(waveform + np.float32(scale) * noise)


def within_full_scale(waveform: FloatArray) -> FloatArray:
    """Scale a waveform down to a peak of 1 if it exceeds that.

    >>> within_full_scale(np.array([2, -1], dtype=np.float32))
    array([ 1. , -0.5], dtype=float32)
    """
    peak = max(waveform.max(initial=0), -waveform.min(initial=0))
    return waveform / peak if peak > 1 else waveform
