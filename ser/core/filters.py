"""Filter banks: the weights that turn a spectrum into bands.

librosa computes them (McFee et al.: librosa: Audio and music signal analysis in Python,
SciPy 2015). Importing it takes most of a second. The banks are therefore computed once and stored
with the features and with the model, and prediction works without librosa.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.core.kinds import N_CHROMA
from ser.core.sections import Features
from ser.core.typing import FloatArray

# The mel scale: the width of a mel below the bend, the bend, and the growth of a mel's width above.
_LINEAR_HERTZ = 200 / 3
_BEND_HERTZ = 1000.0
_BEND_MEL = _BEND_HERTZ / _LINEAR_HERTZ
_STEP = np.log(6.4) / 27

# The weight of each frequency bin in each band, float32 [bands, 1 + n_fft // 2]: "mel", triangles
# of equal area, evenly spaced in mel; "chroma", if it is wanted, pitch classes from C on.
FilterBanks = Mapping[str, FloatArray]


def filter_banks(sample_rate: int, features: Features) -> FilterBanks:
    """Compute the filter banks that features need.

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
    """Return the centre of each mel band in Hz [n_mels]: the same as librosa's.

    The mel scale is that of Slaney's Auditory Toolbox (1998), linear up to 1 kHz and logarithmic
    above. librosa would take more memory here than all else of a training that does not need it.
    """
    # The first and the last are the outer edges of the outer bands.
    mels = np.linspace(_mel(features.fmin), _mel(features.fmax), features.n_mels + 2)[1:-1]
    linear = _LINEAR_HERTZ * mels
    logarithmic = _BEND_HERTZ * np.exp(_STEP * (mels - _BEND_MEL))
    hertz: NDArray[np.float64] = np.where(mels < _BEND_MEL, linear, logarithmic)
    return hertz


def _mel(hertz: float) -> float:
    if hertz < _BEND_HERTZ:
        return hertz / _LINEAR_HERTZ
    return float(_BEND_MEL + np.log(hertz / _BEND_HERTZ) / _STEP)


def to_json(banks: FilterBanks) -> dict[str, Any]:
    """Return filter banks as JSON values: for each band its first bin and the weights from there.

    `from_json` restores the weights bit for bit.
    """
    return {name: [_trimmed(weights) for weights in bank] for name, bank in banks.items()}


def from_json(described: Mapping[str, Sequence[Any]], features: Features) -> FilterBanks:
    """Read the filter banks that `to_json` wrote for these features.

    Raises:
        ValueError, LookupError, TypeError: they are damaged, or belong to other features.
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
        raise ValueError(f"a filter bank has {len(rows)} bands, expected {bands}")
    bank = np.zeros((bands, bins), dtype=np.float32)
    for band, (first, weights) in zip(bank, rows, strict=True):
        band[first : first + len(weights)] = weights
    return bank
