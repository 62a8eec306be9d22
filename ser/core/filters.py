"""Filter banks: what spectra are weighted with.

librosa computes them (McFee et al.: librosa: Audio and music signal analysis in Python,
SciPy 2015). It takes most of a second to import: the banks are computed once and kept with the
features and with the model, so that whoever predicts does without it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.core.kinds import N_CHROMA
from ser.core.sections import Features
from ser.core.typing import FloatArray

# The weight of each frequency bin in each band, float32 [bands, 1 + n_fft // 2]: "mel", triangles
# of equal area, evenly spaced in mel; "chroma", pitch classes from C, where they are wanted.
FilterBanks = Mapping[str, FloatArray]


def filter_banks(sample_rate: int, features: Features) -> FilterBanks:
    """Compute the filter banks that some features need.

    Args:
        sample_rate: in Hz.
        features: n_fft, the mel bands, and whether chroma is wanted.

    Raises:
        ModuleNotFoundError: librosa, or what it needs, is not installed.
    """
    import librosa.filters

    f = features
    mel = librosa.filters.mel(
        sr=sample_rate, n_fft=f.n_fft, n_mels=f.n_mels, fmin=f.fmin, fmax=f.fmax
    )
    if "chroma" not in f.kinds:
        return {"mel": mel}
    return {"mel": mel, "chroma": librosa.filters.chroma(sr=sample_rate, n_fft=f.n_fft)}


def mel_band_hertz(features: Features) -> NDArray[np.float64]:
    """The middle of each mel band in Hz [n_mels]."""
    import librosa

    f = features
    # The first and the last are the outer edges of the outer bands.
    edges: NDArray[np.float64] = librosa.mel_frequencies(f.n_mels + 2, fmin=f.fmin, fmax=f.fmax)
    return edges[1:-1]


def to_json(banks: FilterBanks) -> dict[str, Any]:
    """Write filter banks as what JSON knows: of each band its first bin and the weights from it on.

    The weights come back to the last bit.
    """
    return {name: [_trimmed(weights) for weights in bank] for name, bank in banks.items()}


def from_json(described: Mapping[str, Sequence[Any]], features: Features) -> FilterBanks:
    """Read what `to_json` wrote of the filter banks that some features need.

    Raises:
        ValueError, LookupError, TypeError: it is damaged, or of other features.
    """
    bins = 1 + features.n_fft // 2
    bands = {"mel": features.n_mels} | ({"chroma": N_CHROMA} if "chroma" in features.kinds else {})
    return {name: _bank(described[name], count, bins) for name, count in bands.items()}


def _trimmed(weights: FloatArray) -> list[Any]:
    covered = np.flatnonzero(weights)
    # Narrow bands may cover no bin at all.
    first, end = (int(covered[0]), int(covered[-1]) + 1) if len(covered) else (0, 0)
    return [first, weights[first:end].tolist()]


def _bank(rows: Sequence[Any], bands: int, bins: int) -> FloatArray:
    if len(rows) != bands:
        raise ValueError(f"a filter bank of {len(rows)} bands, {bands} are expected")
    bank = np.zeros((bands, bins), dtype=np.float32)
    for band, (first, weights) in zip(bank, rows, strict=True):
        band[first : first + len(weights)] = weights
    return bank
