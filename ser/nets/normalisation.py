"""Normalise features to mean 0 and standard deviation 1, by the statistics of one clip or many.

All columns of a kind share one mean and one deviation, which preserves the shape of a spectrum. The
columns of functionals differ in their units, so each has its own mean and deviation.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.core.columns import column_slices
from ser.core.kinds import KINDS
from ser.core.typing import FloatArray

# Kind of features -> (mean, standard deviation) of all its values; for functionals, of each column.
Scale = float | NDArray[np.float64]
Statistics = dict[str, tuple[Scale, Scale]]

_Moments = tuple[int, Any, Any]  # count, mean, sum of squared deviations

MIN_DEVIATION = 1e-8
MIN_POOLED_DEVIATION = 1e-4  # a column of pooled vectors that varies less counts as constant


def measure_statistics(clips: Iterable[FloatArray], dims: Mapping[str, int]) -> Statistics:
    """Compute mean and standard deviation of each kind over all values of all clips.

    Args:
        clips: at least one float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.

    >>> measure_statistics([np.array([[1, 3], [1, 3]], dtype=np.float32)], {"logmel": 2})
    {'logmel': (2.0, 1.0)}
    """
    merged: dict[str, _Moments] = dict.fromkeys(dims, (0, 0.0, 0.0))
    for features in clips:
        for kind, columns in column_slices(dims):
            values = features[:, columns].astype(np.float64)
            axis = 0 if KINDS[kind].mixed_units else None
            mean = values.mean(axis=axis)
            squares = np.square(values - mean).sum(axis=axis)
            merged[kind] = _merge(merged[kind], (values.size // mean.size, mean, squares))
    return {
        kind: (_plain(mean), _plain((squares / n) ** 0.5))
        for kind, (n, mean, squares) in merged.items()
    }


def identity_statistics(dims: Mapping[str, int]) -> Statistics:
    """Return statistics by which normalising changes nothing: mean 0, deviation 1."""
    return dict.fromkeys(dims, (0.0, 1.0))


def _plain(value: Any) -> Scale:  # noqa: ANN401 - a number or an array
    return value if np.ndim(value) else float(value)


def _merge(a: _Moments, b: _Moments) -> _Moments:
    """Merge the moments of two sets of values.

    Chan, Golub, LeVeque: Algorithms for computing the sample variance, The American Statistician
    37(3), 1983.
    """
    n = a[0] + b[0]
    step = b[1] - a[1]
    return n, a[1] + step * b[0] / n, a[2] + b[2] + step**2 * a[0] * b[0] / n


def check_statistics(statistics: Statistics | None, dims: Mapping[str, int]) -> None:
    """Check that statistics read from a file fit the features.

    Raises:
        ValueError: they do not fit, or are not finite.
    """
    found = {
        kind: tuple(np.shape(scale) for scale in scales)
        for kind, scales in (statistics or {}).items()
    }
    expected = {kind: ((n,) if KINDS[kind].mixed_units else (),) * 2 for kind, n in dims.items()}
    if found != expected:
        raise ValueError(f"statistics of the shapes {found}, expected are {expected}")
    with np.errstate(over="ignore"):
        for scales in (statistics or {}).values():
            if not all(np.isfinite(np.asarray(scale, np.float32)).all() for scale in scales):
                raise ValueError("statistics that are not numbers")


def measure_groups(
    read: Callable[[str], FloatArray], group_of: Mapping[str, str], dims: Mapping[str, int]
) -> dict[str, Statistics]:
    """Compute the statistics of each group of clips, such as each speaker.

    Args:
        read: returns the features float32 [frames, dims] of a clip.
        group_of: clip -> group.
        dims: columns of each kind.
    """
    members: dict[str, list[str]] = {}
    for clip, group in group_of.items():
        members.setdefault(group, []).append(clip)
    return {group: measure_statistics(map(read, names), dims) for group, names in members.items()}


def normalise(
    features: FloatArray, dims: Mapping[str, int], statistics: Statistics | None
) -> FloatArray:
    """Shift and scale each kind of a clip's features.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind.
        statistics: mean and deviation that become 0 and 1; None: the clip's own.

    >>> normalise(np.array([[1, 3], [3, 5]], dtype=np.float32), {"logmel": 2}, {"logmel": (3, 2)})
    array([[-1.,  0.],
           [ 0.,  1.]], dtype=float32)
    """
    if statistics is None:
        statistics = measure_statistics([features], dims)
    normalised = np.empty_like(features)
    for kind, columns in column_slices(dims):
        mean, deviation = statistics[kind]
        scale = np.maximum(deviation, MIN_DEVIATION).astype(np.float32)
        normalised[:, columns] = (features[:, columns] - np.float32(mean)) / scale
    return normalised
