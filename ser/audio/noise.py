"""Stationary noise reduction by spectral gating.

Same result as the package noisereduce with stationary=True, in single precision. Sainburg, Zorea:
Noisereduce: Domain general noise reduction for time series signals, 2024.
"""

import numpy as np
from numpy.typing import NDArray

from ser.audio.stft import OVERLAP, istft, stft
from ser.core.typing import FloatArray

_N_FFT = 1024  # samples
_HOP = _N_FFT // OVERLAP
_AMPLITUDE = 2 / _N_FFT  # amplitude of a sine / magnitude of its bin, 1 / the window's sum
_DEVIATIONS = 1.5  # how far above the noise's mean level the threshold lies
_TOP_DB = 80.0  # levels are clipped to this range below each bin's loudest frame
_FLOOR = float(np.finfo(np.float64).eps)  # amplitude
_SMOOTH_HZ, _SMOOTH_SECONDS = 500, 0.05  # reach of the smoothing of the mask
_CHUNK, _CONTEXT = 600_000, 30_000  # samples gated at once; samples of context on either side


def spectral_gate(waveform: FloatArray, sample_rate: int, noise: FloatArray) -> FloatArray:
    """Attenuate everything that is not louder than the noise.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        noise: float32 [samples], a noise profile; if it is short, it is repeated.

    Returns:
        float32 [samples].
    """
    if len(waveform) == 0:
        return waveform
    threshold = noise_threshold(np.resize(noise, max(_N_FFT, len(noise)))[:_CHUNK])
    # At very low rates a hop is longer than the smoothing. noisereduce refuses these rates.
    bins = int(_SMOOTH_HZ / (sample_rate / (_N_FFT / 2)))
    frames = max(1, int(_SMOOTH_SECONDS * 1000 / (_HOP / sample_rate * 1000)))
    # Less silence is padded around a clip than in noisereduce, but its frames must lie in the same
    # places.
    margin = (frames + OVERLAP + 1) * _HOP
    chunks = []
    for start in range(0, len(waveform), _CHUNK):
        first, end = max(0, start - _CONTEXT), start + _CHUNK + _CONTEXT
        lead = 0 if start else margin + _CONTEXT % _HOP
        trail = min(margin, max(0, end - len(waveform)))
        part = np.pad(waveform[first:end], (lead, trail))
        gated = gate_chunk(part, threshold, bins, frames)
        chunks.append(gated[lead + start - first :][: min(_CHUNK, len(waveform) - start)])
    return np.concatenate(chunks)


def decibels(power: FloatArray) -> NDArray[np.float64]:
    """Convert squared magnitudes of spectra to dB relative to a sine of amplitude 1."""
    level: NDArray[np.float64] = 20 * np.log10(
        np.sqrt(power, dtype=np.float64) * _AMPLITUDE + _FLOOR
    )
    return level


def noise_threshold(noise: FloatArray) -> NDArray[np.float64]:
    """Compute the level in dB up to which each bin counts as noise: [1 + 1024 // 2].

    Args:
        noise: float32 [samples], at least 1024 samples.
    """
    spectra = stft(noise, _N_FFT)
    level = decibels(spectra.real**2 + spectra.imag**2)
    level = np.maximum(level, level.max(axis=0) - _TOP_DB)
    threshold: NDArray[np.float64] = level.mean(axis=0) + _DEVIATIONS * level.std(axis=0)
    return threshold


def gate_chunk(
    waveform: FloatArray, threshold: NDArray[np.float64], bins: int, frames: int
) -> FloatArray:
    """Gate a stretch of a waveform.

    Args:
        waveform: float32 [samples].
        threshold: level of each bin in dB, see `noise_threshold`.
        bins: reach of the mask's smoothing over frequency.
        frames: reach of the mask's smoothing over time.

    Returns:
        float32 [samples].
    """
    spectra = stft(waveform, _N_FFT)
    power = spectra.real**2 + spectra.imag**2
    # Squared magnitudes are compared, because logarithms of all frames would be slow.
    amplitude = np.maximum(10 ** (threshold / 20) - _FLOOR, 0) / _AMPLITUDE
    always = decibels(power.max(axis=0)) - _TOP_DB > threshold
    limit = np.where(always, -1, np.square(amplitude)).astype(np.float32)
    spectra *= smooth_mask(power > limit, bins, frames)
    return istft(spectra, len(waveform))


def smooth_mask(mask: NDArray[np.bool_], bins: int, frames: int) -> FloatArray:
    """Convolve a mask with a triangle over frequency and a triangle over time.

    Args:
        mask: [frames, bins]; False is assumed around it.
        bins: reach of the triangle over frequency, to either side.
        frames: reach of the triangle over time, to either side.

    Returns:
        float32 [frames, bins], 0..1.
    """
    # A triangle is a box convolved with itself, and a box is the difference of two running sums.
    sums = np.pad(mask, ((0, 0), (bins + 2, bins)))
    for _ in range(2):
        sums = np.cumsum(sums, axis=1, dtype=np.int32)
        sums = sums[:, bins + 1 :] - sums[:, : -bins - 1]
    # Over the few frames, the weights are applied one by one.
    padded = np.pad(sums.astype(np.float32), ((frames, frames), (0, 0)))
    smoothed = np.zeros(mask.shape, dtype=np.float32)
    for i in range(2 * frames + 1):
        weight = (frames + 1 - abs(i - frames)) / ((bins + 1) * (frames + 1)) ** 2
        smoothed += np.float32(weight) * padded[i : i + len(mask)]
    return smoothed
