"""Windows and filter banks: what frames and spectra are weighted with.

The filter banks equal librosa's (McFee et al.: librosa: Audio and music signal analysis in Python,
SciPy 2015), which takes a second to import.
"""

import numpy as np
from numpy.typing import NDArray

from ser.arrays import FloatArray

# Slaney: Auditory toolbox, version 2, technical report 1998-010, Interval Research: mel are linear
# in frequency up to 1000 Hz and logarithmic above, 27 of them to a factor of 6.4.
_HZ_PER_MEL = 200 / 3
_LINEAR_UP_TO = 1000.0  # Hz
_LINEAR_MELS = _LINEAR_UP_TO / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27

_LOWEST_A = 27.5  # Hz, the A of octave 0
_CENTRE_OCTAVE = 5.0  # chroma: where the weight of octaves is highest
_OCTAVE_WIDTH = 2.0  # chroma: standard deviation of that weight, in octaves


def hann(length: int) -> FloatArray:
    """Compute the periodic Hann window: float32 [length], its maximum of 1 in the middle."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def hz_to_mel(hz: float) -> float:
    """Convert a frequency in Hz to mel (Slaney's)."""
    if hz < _LINEAR_UP_TO:
        return hz / _HZ_PER_MEL
    return float(_LINEAR_MELS + np.log(hz / _LINEAR_UP_TO) / _LOG_STEP)


def mel_frequencies(n: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Divide fmin..fmax into n frequencies evenly spaced in mel: [n], in Hz."""
    mels = np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), n)
    above = np.maximum(mels - _LINEAR_MELS, 0)
    return np.where(above > 0, _LINEAR_UP_TO * np.exp(_LOG_STEP * above), _HZ_PER_MEL * mels)


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> FloatArray:
    """Compute the weight of each frequency bin in each mel band.

    Triangles from the centre of the band below to that of the band above, of equal area.

    Args:
        sample_rate: in Hz.
        n_fft: samples of a frame.
        n_mels: bands.
        fmin: where the lowest band begins, in Hz.
        fmax: where the highest band ends, in Hz.

    Returns:
        float32 [n_mels, 1 + n_fft // 2], as librosa.filters.mel.
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    edges = mel_frequencies(n_mels + 2, fmin, fmax)[:, np.newaxis]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (high - low)).astype(np.float32)


def chroma_filters(sample_rate: int, n_fft: int, n_chroma: int) -> FloatArray:
    """Compute the weight of each frequency bin in each pitch class, from C, tuned to A = 440 Hz.

    A Gaussian around each pitch class, as wide as a bin; octaves far from the middle count less.
    Ellis: Chroma feature analysis and synthesis, 2007.

    Args:
        sample_rate: in Hz.
        n_fft: samples of a frame.
        n_chroma: pitch classes to the octave.

    Returns:
        float32 [n_chroma, 1 + n_fft // 2], as librosa.filters.chroma.
    """
    # One bin beyond the last one wanted, which tells how wide that is.
    hz = np.arange(1, n_fft // 2 + 2) * sample_rate / n_fft
    classes = n_chroma * np.log2(hz / _LOWEST_A)
    # Bin 0 has no pitch: it is put one and a half octaves below bin 1.
    classes = np.concatenate([classes[:1] - 1.5 * n_chroma, classes])
    widths = np.maximum(np.diff(classes), 1)
    classes = classes[:-1]
    half = np.round(n_chroma / 2)
    away = classes - np.arange(n_chroma)[:, np.newaxis]
    away = np.remainder(away + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * np.square(2 * away / widths))
    weights /= np.sqrt(np.square(weights).sum(axis=0))
    weights *= np.exp(-0.5 * np.square((classes / n_chroma - _CENTRE_OCTAVE) / _OCTAVE_WIDTH))
    # Classes count from A; C is three semitones higher.
    return np.roll(weights, -3 * (n_chroma // 12), axis=0).astype(np.float32)
