"""Detect recordings from telephone lines by their bandwidth."""

from collections.abc import Sequence

import numpy as np
import scipy.fft

from ser.core.typing import FloatArray

ABOVE = 4200.0  # Hz: lines of 8 kHz end at 4 kHz, and resampling leaves a little above
# Share of the power, -45 dB: quiet telephone recordings in 16 bits stay below, and the consonants
# of wider ones are above -28 dB.
_NOTHING = 10**-4.5


def is_narrowband(waveform: FloatArray, sample_rate: int) -> bool:
    """Return whether a recording holds nothing above the band of a telephone line, 4 kHz.

    Args:
        waveform: float32 [samples], at any rate that it was resampled to.
        sample_rate: in Hz.

    >>> is_narrowband(np.sin(np.arange(8000, dtype=np.float32) / 8), 8000)
    True
    """
    power = np.square(np.abs(scipy.fft.rfft(waveform)))
    above = power[int(np.ceil(ABOVE * len(waveform) / sample_rate)) :]
    return bool(above.sum(dtype=np.float64) <= _NOTHING * power.sum(dtype=np.float64))


def mostly_narrow(parts: Sequence[bool]) -> bool:
    """Return whether more than half of some recordings, or parts of one, are narrow.

    >>> mostly_narrow([True, False, True]), mostly_narrow([True, False])
    (True, False)
    """
    return 2 * sum(parts) > len(parts)
