"""What lies below voices: offset, rumble, the hum of the mains."""

import numpy as np
import scipy.fft

from ser.core.typing import FloatArray

# Of the cutoff. At 60 Hz, the hum of both mains frequencies is gone and a voice of 80 Hz is whole.
TRANSITION = 1 / 3


def remove_offset(waveform: FloatArray) -> FloatArray:
    """Return a waveform float32 [samples] without its mean."""
    return waveform - np.float32(waveform.mean(dtype=np.float64))


def remove_below(waveform: FloatArray, sample_rate: int, cutoff: float) -> FloatArray:
    """Remove what lies at or below a frequency, without any delay.

    The gain rises from 0 at the cutoff to 1 a third above it, as half a cosine. It is applied to
    the cosine transform, which continues the waveform at both ends as if it were mirrored there.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        cutoff: in Hz; 0: nothing is removed.

    Returns:
        float32 [samples].
    """
    if cutoff == 0 or len(waveform) == 0:
        return waveform
    hertz = np.arange(len(waveform)) * (sample_rate / (2 * len(waveform)))
    rise = np.clip((hertz / cutoff - 1) / TRANSITION, 0, 1)
    gain = (0.5 - 0.5 * np.cos(np.pi * rise)).astype(np.float32)
    spectrum = scipy.fft.dct(waveform, norm="ortho")
    return np.asarray(scipy.fft.idct(spectrum * gain, norm="ortho"), dtype=np.float32)
