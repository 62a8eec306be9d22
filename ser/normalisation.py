"""Features -> mean 0 and standard deviation 1, by the statistics of a clip or of many."""

from collections.abc import Iterable, Mapping

import numpy as np

from ser.arrays import FloatArray
from ser.columns import blocks

# Kind of features -> (mean, standard deviation) of all its values.
Statistics = dict[str, tuple[float, float]]

_LEAST_DEVIATION = 1e-8


def measure(clips: Iterable[FloatArray], dims: Mapping[str, int]) -> Statistics:
    """Compute mean and standard deviation of each kind over all values of all clips.

    Args:
        clips: at least one float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.
    """
    merged = dict.fromkeys(dims, (0, 0.0, 0.0))  # number, mean, sum of squared deviations
    for features in clips:
        for kind, columns in blocks(dims):
            values = features[:, columns].astype(np.float64)
            mean = float(values.mean())
            own = (values.size, mean, float(np.square(values - mean).sum()))
            merged[kind] = _merge(merged[kind], own)
    return {kind: (mean, (squares / n) ** 0.5) for kind, (n, mean, squares) in merged.items()}


def _merge(a: tuple[int, float, float], b: tuple[int, float, float]) -> tuple[int, float, float]:
    """Join two parts' (number, mean, sum of squared deviations).

    Chan, Golub, LeVeque: Algorithms for computing the sample variance, The American Statistician
    37(3), 1983.
    """
    n = a[0] + b[0]
    step = b[1] - a[1]
    return n, a[1] + step * b[0] / n, a[2] + b[2] + step**2 * a[0] * b[0] / n


def measure_groups(
    clips: Mapping[str, FloatArray], group_of: Mapping[str, str], dims: Mapping[str, int]
) -> dict[str, Statistics]:
    """Measure the clips of each group, such as each speaker.

    Args:
        clips: clip -> float32 [frames, dims].
        group_of: clip -> group.
        dims: columns of each kind.
    """
    members: dict[str, list[str]] = {}
    for clip, group in group_of.items():
        members.setdefault(group, []).append(clip)
    return {
        group: measure((clips[clip] for clip in names), dims) for group, names in members.items()
    }


def normalise(
    features: FloatArray, dims: Mapping[str, int], statistics: Statistics | None
) -> FloatArray:
    """Shift and scale each kind of a clip's features.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind.
        statistics: mean and deviation that become 0 and 1; None: the clip's own.
    """
    if statistics is None:
        statistics = measure([features], dims)
    normalised = np.empty_like(features)
    for kind, columns in blocks(dims):
        mean, deviation = statistics[kind]
        scale = np.float32(max(deviation, _LEAST_DEVIATION))
        normalised[:, columns] = (features[:, columns] - np.float32(mean)) / scale
    return normalised
