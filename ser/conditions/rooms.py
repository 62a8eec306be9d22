"""Reverberation, as an exponentially decaying tail."""

import numpy as np
import scipy.fft

from ser.conditions.noises import white_noise
from ser.core.typing import FloatArray


def decaying_response(rt60: float, direct_db: float, sample_rate: int, seed: int) -> FloatArray:
    """Draw the impulse response of a room: the direct sound, then noise that decays evenly.

    Polack: Playing billiards in the concert hall: the mathematical foundations of geometrical room
    acoustics, Applied Acoustics 38(2-4), 1993.

    Args:
        rt60: time in which the tail decays by 60 dB, in seconds.
        direct_db: energy of the direct sound above that of the tail.
        sample_rate: in Hz.
        seed: of the noise.

    Returns:
        float32 [rt60 * sample_rate], 1 at its first sample.
    """
    seconds = np.arange(max(2, round(rt60 * sample_rate))) / sample_rate
    tail = white_noise(len(seconds), seed) * 10 ** (-3 * seconds / rt60)
    tail[0] = 0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    return tail.astype(np.float32)


def reverberate(waveform: FloatArray, response: FloatArray) -> FloatArray:
    """Convolve a waveform with a room's response; cut off the tail beyond its end.

    Args:
        waveform: float32 [samples].
        response: float32 [any], the room's impulse response at the same rate.
    """
    samples = scipy.fft.next_fast_len(len(waveform) + len(response), real=True)
    spectrum = scipy.fft.rfft(waveform, samples) * scipy.fft.rfft(response, samples)
    return np.asarray(scipy.fft.irfft(spectrum, samples)[: len(waveform)], dtype=np.float32)
