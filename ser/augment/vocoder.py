"""Change the pace or the pitch of a waveform with a phase vocoder.

Flanagan, Golden: Phase vocoder, Bell System Technical Journal 45(9), 1966. Same variant as in
librosa.effects, which computes it bin by bin with angles.
"""

from itertools import pairwise

import numpy as np
import soxr

from ser.audio.stft import istft, stft
from ser.core.framing import Spectra
from ser.core.typing import FloatArray

_N_FFT = 2048  # samples, as librosa's
# 360 dB below full scale. Added to every spectrum, so that digital silence has a phase, 0.
_PHASE_OF_SILENCE = np.float32(1e-18)


def time_stretch(waveform: FloatArray, rate: float) -> FloatArray:
    """Make a waveform faster or slower at the same pitch, as librosa.effects.time_stretch.

    Args:
        waveform: float32 [samples].
        rate: above 1 is faster.

    Returns:
        float32 [samples / rate].

    >>> len(time_stretch(np.zeros(16_000, dtype=np.float32), 1.25))
    12800
    """
    return istft(stretch(stft(waveform, _N_FFT), rate), round(len(waveform) / rate))


def pitch_shift(waveform: FloatArray, sample_rate: int, semitones: float) -> FloatArray:
    """Make a waveform higher or lower at the same length, as librosa.effects.pitch_shift.

    It is stretched, then resampled to its former length.

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
    """Stretch or compress spectra in time, with phases that are continuous from frame to frame.

    Frame t of the result is read at t * rate, between the input frames i and i + 1. Its magnitudes
    are interpolated. From frame t - 1 of the result to frame t, the phases advance by as much as
    between the two input frames where t - 1 was read. As long as i grows by 1, the sum of these
    advances is the phase of frame i plus a constant. The constant changes only where an input frame
    is skipped or read twice.

    Args:
        spectra: complex64 [frames, bins].
        rate: above 1 is faster.

    Returns:
        complex64 [frames / rate, bins].
    """
    steps = np.arange(0, len(spectra), rate)
    before = steps.astype(np.int64)
    share = (steps - before).astype(np.float32)[:, np.newaxis]
    # Silence follows the last frame. By rounding, the last step may fall on the first silent frame.
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
