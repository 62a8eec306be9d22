"""Compute known transforms of mel spectrograms, used as initial weights of convolutions."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PITCHES = 60.0 * 2.0 ** (np.arange(74) / 24)  # Hz, 60 to 494 in quarter tones
_MAX_SPACING = 0.6  # of the bands, in harmonics: wider bands cannot resolve the harmonics


def cosine_transform(n_coefficients: int, n_bands: int) -> Tensor:
    """Return the first rows of the orthonormal DCT-II: float32 [coefficients, bands].

    Applied to a log-mel spectrum, they yield the cepstrum (MFCC). Davis, Mermelstein: Comparison of
    parametric representations for monosyllabic word recognition, IEEE TASSP 28(4), 1980.
    """
    k, n = torch.arange(n_coefficients)[:, None], torch.arange(n_bands)
    rows = torch.cos(math.pi * k * (2 * n + 1) / (2 * n_bands)) * math.sqrt(2 / n_bands)
    rows[0] /= math.sqrt(2)
    return rows


def harmonic_combs(band_hertz: NDArray[np.float64]) -> Tensor:
    """Return a comb filter for each pitch: positive at its harmonics, negative between them.

    The product with a log-mel spectrum is largest for the comb of the voice's pitch, as in
    subharmonic summation. Hermes: Measurement of pitch by subharmonic summation, JASA 83(1), 1988.

    Args:
        band_hertz: the centre of each mel band, in Hz.

    Returns:
        float32 [pitches, bands], each comb with mean 0 and norm 1; 0 at bands that are too wide to
        resolve the harmonics.
    """
    spacing = np.gradient(band_hertz)
    combs = np.zeros((len(PITCHES), len(band_hertz)))
    for comb, pitch in zip(combs, PITCHES, strict=True):
        harmonic = band_hertz / pitch
        resolved = (harmonic > 0.5) & (spacing < _MAX_SPACING * pitch)
        if resolved.sum() > 1:
            # Higher harmonics are weaker, and their frequencies are less certain.
            teeth = np.cos(2 * np.pi * harmonic[resolved]) / np.sqrt(
                np.maximum(harmonic[resolved], 1)
            )
            comb[resolved] = teeth - teeth.mean()
            comb /= np.linalg.norm(comb)
    return torch.from_numpy(combs.astype(np.float32))


def modulation_filters(n_frames: int, n_rates: int) -> Tensor:
    """Return windowed cosines, then sines, of 1, 2 ... cycles per n_frames.

    The magnitude of a cosine-sine pair's output is the modulation spectrum at that rate. In speech
    it is largest at the rate of the syllables. Greenberg, Kingsbury: The modulation spectrogram,
    ICASSP 1997.

    Returns:
        float32 [2 * rates, frames]; a cosine of amplitude 1 yields about 0.5 at its rate.
    """
    time = torch.arange(n_frames) - (n_frames - 1) / 2
    phase = 2 * math.pi * torch.arange(1, n_rates + 1)[:, None] * time / n_frames
    window = torch.hann_window(n_frames, periodic=False)
    return torch.cat([phase.cos(), phase.sin()]) * window * (2 / n_frames)


def band_groups(n_groups: int, n_bands: int) -> Tensor:
    """Return the matrix that averages neighbouring bands: float32 [groups, bands].

    >>> band_groups(2, 4)
    tensor([[0.5000, 0.5000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    matrix = torch.zeros(n_groups, n_bands)
    for row, bands in zip(matrix, np.array_split(np.arange(n_bands), n_groups), strict=True):
        row[bands] = 1 / len(bands)
    return matrix
