"""The bands of frequencies that microphones and telephone lines let through."""

import numpy as np

from ser.core.typing import FloatArray

_ORDER = 4  # 24 dB per octave


def band_limit(waveform: FloatArray, sample_rate: int, low: float, high: float) -> FloatArray:
    """Remove all frequencies outside a band, by Butterworth filters of 24 dB per octave.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        low: lower edge, where 3 dB are lost, in Hz; 0: nothing is removed below the band.
        high: upper edge, likewise; from half the sample rate on, nothing is removed above.
    """
    from scipy import signal  # takes a third of a second, and most work needs no filter

    for hertz, side in ((low, "highpass"), (high, "lowpass")):
        if 0 < hertz < sample_rate / 2:
            sections = signal.butter(_ORDER, hertz, side, fs=sample_rate, output="sos")
            waveform = signal.sosfilt(sections, waveform).astype(np.float32)
    return waveform
