"""Tell recordings from telephone lines by their band."""

import numpy as np
import scipy.fft

from ser.core.typing import FloatArray

_ABOVE = 4200.0  # Hz: lines of 8 kHz end at 4 kHz, and resampling leaves a little above
_NOTHING = 1e-6  # share of the power, -60 dB; noise and consonants of wider recordings are above


def is_narrowband(waveform: FloatArray, sample_rate: int) -> bool:
    """Return whether a recording holds nothing above the band of a telephone line, 4 kHz.

    Args:
        waveform: float32 [samples], at any rate that it was resampled to.
        sample_rate: in Hz.

    >>> is_narrowband(np.sin(np.arange(8000, dtype=np.float32) / 8), 8000)
    True
    """
    power = np.square(np.abs(scipy.fft.rfft(waveform)))
    above = power[int(np.ceil(_ABOVE * len(waveform) / sample_rate)) :]
    return bool(above.sum(dtype=np.float64) <= _NOTHING * power.sum(dtype=np.float64))
