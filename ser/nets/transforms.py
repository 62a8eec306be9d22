"""Known transforms of a mel spectrogram's frames, as weights that convolutions start from."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PITCHES = 60.0 * 2.0 ** (np.arange(74) / 24)  # Hz, 60 to 494 in quarter tones
_LEAST_BANDS = 0.6  # bands to a harmonic, at most: closer harmonics cannot be told apart


def cosine_transform(n_coefficients: int, n_bands: int) -> Tensor:
    """Give the first rows of the orthonormal DCT-II: float32 [coefficients, bands].

    Of a log-mel spectrum they make the cepstrum (MFCC; Davis, Mermelstein: Comparison of parametric
    representations for monosyllabic word recognition, IEEE TASSP 28(4), 1980).
    """
    k, n = torch.arange(n_coefficients)[:, None], torch.arange(n_bands)
    rows = torch.cos(math.pi * k * (2 * n + 1) / (2 * n_bands)) * math.sqrt(2 / n_bands)
    rows[0] /= math.sqrt(2)
    return rows


def harmonic_combs(band_hertz: NDArray[np.float64]) -> Tensor:
    """Give a comb for each pitch: positive at its harmonics, negative between them.

    Laid on a log-mel spectrum, the comb of the voice's pitch fits best, as in subharmonic summation
    (Hermes: Measurement of pitch by subharmonic summation, JASA 83(1), 1988).

    Args:
        band_hertz: the middle of each mel band, in Hz.

    Returns:
        float32 [pitches, bands] of mean 0 and norm 1 each; 0 where bands are wider apart than the
        harmonics.
    """
    spacing = np.gradient(band_hertz)
    combs = np.zeros((len(PITCHES), len(band_hertz)))
    for comb, pitch in zip(combs, PITCHES, strict=True):
        harmonic = band_hertz / pitch
        told = (harmonic > 0.5) & (spacing < _LEAST_BANDS * pitch)
        if told.sum() > 1:
            # Higher harmonics are weaker, and less sure to be where they should.
            teeth = np.cos(2 * np.pi * harmonic[told]) / np.sqrt(np.maximum(harmonic[told], 1))
            comb[told] = teeth - teeth.mean()
            comb /= np.linalg.norm(comb)
    return torch.from_numpy(combs.astype(np.float32))


def modulation_filters(n_frames: int, n_rates: int) -> Tensor:
    """Give windowed cosines, then sines, of 1, 2 ... cycles in so many frames.

    The size of the pair's answer is how much a level goes up and down at that rate: the modulation
    spectrum, which speech has most of at the rate of its syllables (Greenberg, Kingsbury: The
    modulation spectrogram, ICASSP 1997).

    Returns:
        float32 [2 * rates, frames]; a cosine of amplitude 1 at a rate is answered by about 0.5.
    """
    time = torch.arange(n_frames) - (n_frames - 1) / 2
    phase = 2 * math.pi * torch.arange(1, n_rates + 1)[:, None] * time / n_frames
    window = torch.hann_window(n_frames, periodic=False)
    return torch.cat([phase.cos(), phase.sin()]) * window * (2 / n_frames)


def band_groups(n_groups: int, n_bands: int) -> Tensor:
    """Give the matrix that averages neighbouring bands: float32 [groups, bands]."""
    matrix = torch.zeros(n_groups, n_bands)
    for row, bands in zip(matrix, np.array_split(np.arange(n_bands), n_groups), strict=True):
        row[bands] = 1 / len(bands)
    return matrix
