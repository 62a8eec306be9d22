"""Remove what lies below voices: offset, rumble, mains hum."""

import numpy as np
import scipy.fft

from ser.core.typing import FloatArray

# Share of the cutoff. A cutoff of 60 Hz removes mains hum of 50 and 60 Hz, and keeps a voice of
# 80 Hz intact.
TRANSITION = 1 / 3
_REACH = 60  # periods of the cutoff; what lies further away changes a sample by less than rounding


def remove_offset(waveform: FloatArray) -> FloatArray:
    """Return a waveform float32 [samples] minus its mean.

    >>> remove_offset(np.array([1, 2, 3], dtype=np.float32))
    array([-1.,  0.,  1.], dtype=float32)
    """
    return waveform - np.float32(waveform.mean(dtype=np.float64))


def remove_below(waveform: FloatArray, sample_rate: int, cutoff: float) -> FloatArray:
    """Remove all frequencies up to a cutoff, without any delay.

    The gain rises from 0 at the cutoff to 1 a third above it, along half a cosine. It is applied
    to the cosine transform, which mirrors the waveform at both ends.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        cutoff: in Hz; 0 removes nothing.

    Returns:
        float32 [samples].
    """
    if cutoff == 0 or len(waveform) == 0:
        return waveform
    # Mirrored at its end, beyond the filter's reach, up to a length that is fast to transform: one
    # with large prime factors takes several times as long. Below 1 Hz the reach would fill the
    # memory.
    reach = int(_REACH * sample_rate / max(cutoff, 1.0))
    size = scipy.fft.next_fast_len(len(waveform) + reach, real=True)
    mirrored = np.pad(waveform, (0, size - len(waveform)), mode="symmetric")
    spectrum = scipy.fft.dct(mirrored, norm="ortho")
    step = sample_rate / (2 * size)  # Hz from one bin to the next
    # Above, the gain is 1.
    changed = spectrum[: int(cutoff * (1 + TRANSITION) / step) + 2]
    rise = np.clip((np.arange(len(changed)) * step / cutoff - 1) / TRANSITION, 0, 1)
    changed *= (0.5 - 0.5 * np.cos(np.pi * rise)).astype(np.float32)
    filtered = scipy.fft.idct(spectrum, norm="ortho")[: len(waveform)]
    return np.asarray(filtered, dtype=np.float32)
