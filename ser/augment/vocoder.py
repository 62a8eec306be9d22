"""Longer or shorter at the same pitch, higher or lower at the same length: the phase vocoder.

Flanagan, Golden: Phase vocoder, Bell System Technical Journal 45(9), 1966; the variant is that of
librosa.effects, which computes it bin by bin with angles.
"""

from itertools import pairwise

import numpy as np
import soxr

from ser.audio.stft import istft, stft
from ser.core.framing import Spectra
from ser.core.typing import FloatArray

_N_FFT = 2048  # samples, as librosa's
# Added to every spectrum, 360 dB below full scale: digital silence gets a phase, 0.
_PHASE_OF_SILENCE = np.float32(1e-18)


def time_stretch(waveform: FloatArray, rate: float) -> FloatArray:
    """Make a waveform faster at the same pitch, as librosa.effects.time_stretch.

    Args:
        waveform: float32 [samples].
        rate: above 1 is faster.

    Returns:
        float32 [samples / rate].
    """
    return istft(stretch(stft(waveform, _N_FFT), rate), round(len(waveform) / rate))


def pitch_shift(waveform: FloatArray, sample_rate: int, semitones: float) -> FloatArray:
    """Make a waveform higher at the same length, as librosa.effects.pitch_shift.

    It is stretched, then read faster or slower.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        semitones: above 0 is higher.

    Returns:
        float32 [samples].
    """
    rate = 2 ** (-semitones / 12)
    shifted = soxr.resample(time_stretch(waveform, rate), sample_rate / rate, sample_rate)
    n = len(waveform)
    return np.pad(shifted[:n], (0, max(0, n - len(shifted))))


def stretch(spectra: Spectra, rate: float) -> Spectra:
    """Read spectra at another pace, with the phases that make them fit together.

    Frame t of the result lies at t * rate, between the frames i and i + 1. Its magnitudes are
    interpolated. Its phases are those of the result's frame t - 1, turned by as much as they turned
    from one frame to the next where that was read. As long as i goes up by 1, all that has been
    summed up is the phase of frame i and a constant: only where a frame is left out or read twice
    does the constant turn on.

    Args:
        spectra: complex64 [frames, bins].
        rate: above 1 is faster.

    Returns:
        complex64 [frames / rate, bins].
    """
    steps = np.arange(0, len(spectra), rate)
    before = steps.astype(np.int64)
    share = (steps - before).astype(np.float32)[:, np.newaxis]
    # After the last frame comes silence; by rounding, the last step may be the first behind it.
    spectra = np.pad(spectra, ((0, 2), (0, 0))) + _PHASE_OF_SILENCE
    magnitude = np.abs(spectra)
    growth = magnitude[1:] / magnitude[:-1] - 1
    stretched = spectra[before]
    stretched *= 1 + share * growth[before]
    turn = np.ones(spectra.shape[1], dtype=np.complex64)
    jumps = 1 + np.flatnonzero(np.diff(before) != 1)
    for start, end in pairwise([*jumps, len(steps)]):
        expected, read = before[start - 1] + 1, before[start]
        turn *= spectra[expected] * spectra[read].conj()
        turn /= magnitude[expected] * magnitude[read]
        stretched[start:end] *= turn
    return stretched
