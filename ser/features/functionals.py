"""Compute functionals: statistics of a clip from the descriptors of its frames."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_ACTIVE_DB = 40.0  # frames further below the loudest count as silence
_VOICED = 0.5  # a frame with more voicing is voiced
_PEAK_DB = 20.0  # peaks of the level further below the loudest frame are ignored
_MIN_VOICED = 5  # with fewer voiced frames, the most voiced frames are used instead
_PERCENTILES = (5, 25, 50, 75, 95)

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class FunctionalGroup(NamedTuple):
    """Functionals of a clip that differ only in what they describe.

    Attributes:
        template: name of each functional, with {} in place of what it describes.
        described: what each describes, such as the name of a descriptor.
        values: float64, one for each.
    """

    template: str
    described: Sequence[str]
    values: Floats


def compute_functionals(
    descriptors: Mapping[str, FloatArray],
    broad: Sequence[str],
    correlated: Sequence[str],
    frame_seconds: float,
) -> list[FunctionalGroup]:
    """Compute the functionals of a clip, as many for each length.

    Over the active frames (at most 40 dB below the loudest), and again over the voiced ones: mean,
    deviation and five percentiles of every descriptor, and how it moves. Then the correlations of
    descriptors over voiced frames, their means in each third of the clip, and the clip's rhythm.

    Args:
        descriptors: name -> float32 [frames]; level (in dB below the loudest frame), voicing and
            pitch must be among them.
        broad: names of descriptors whose mean in each third is computed.
        correlated: names of descriptors whose correlations are computed.
        frame_seconds: from one frame to the next.
    """
    table = np.stack(list(descriptors.values()), axis=1).astype(np.float64)
    names = list(descriptors)
    broad_columns = table[:, [names.index(name) for name in broad]]
    correlated_columns = table[:, [names.index(name) for name in correlated]]
    level = descriptors["level"]
    active, voiced = active_and_voiced(level, descriptors["voicing"])
    groups = []
    for which, frames in (("active", active), ("voiced", voiced)):
        for name, values in (statistics(table[frames]) | steps(table, frames)).items():
            groups.append(FunctionalGroup(f"{which}.{{}}.{name}", names, values))
    pairs = correlations(correlated_columns[voiced])
    for i, name in enumerate(correlated):
        others, values = correlated[i + 1 :], pairs[i, i + 1 :]
        groups.append(FunctionalGroup(f"voiced.{name}.{{}}", others, values))
    for third, values in means_of_thirds(broad_columns, active).items():
        groups.append(FunctionalGroup(f"{third}.{{}}", broad, values))
    pace = rhythm(level, active, voiced, frame_seconds)
    groups.append(FunctionalGroup("{}", list(pace), np.array(list(pace.values()))))
    return groups


def compute_slopes(
    descriptors: Mapping[str, FloatArray], broad: Sequence[str]
) -> list[FunctionalGroup]:
    """Compute the statistics of descriptors' slopes, over the active and over the voiced frames.

    Args:
        descriptors: name -> float32 [frames]; level and voicing must be among them.
        broad: names of those whose slopes are computed.
    """
    table = np.stack([descriptors[name] for name in broad], axis=1).astype(np.float64)
    active, voiced = active_and_voiced(descriptors["level"], descriptors["voicing"])
    return [
        FunctionalGroup(f"{which}.{{}}.slope_{name}", broad, values)
        for which, frames in (("active", active), ("voiced", voiced))
        for name, values in statistics(slopes(table, frames)).items()
    ]


def active_and_voiced(level: FloatArray, voicing: FloatArray) -> tuple[Mask, Mask]:
    """Return which frames are not silent, and which of these have a pitch, at least five if any.

    Args:
        level: of each frame, in dB below the loudest.
        voicing: of each frame, 0..1.
    """
    active = level >= -_ACTIVE_DB
    voiced = active & (voicing > _VOICED)
    if voiced.sum() < _MIN_VOICED:
        threshold = np.sort(voicing[active])[-_MIN_VOICED:][0]
        voiced = active & (voicing >= threshold)
    return active, voiced


def statistics(values: Floats) -> dict[str, Floats]:
    """Compute mean, deviation and percentiles of each column: [frames, n] -> [n] each."""
    # Same result as np.percentile, which is slower than sorting all values.
    ordered = np.sort(np.ascontiguousarray(values.T), axis=1)
    place = np.array(_PERCENTILES) / 100 * (len(values) - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, len(values) - 1)
    percentiles = ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (place - below)
    names = [f"p{percent}" for percent in _PERCENTILES]
    return {
        "mean": values.mean(axis=0),
        "deviation": values.std(axis=0),
        **dict(zip(names, percentiles.T, strict=True)),
    }


def steps(values: Floats, frames: Mask) -> dict[str, Floats]:
    """Compute how much each column moves over two frames, wherever three frames in a row count.

    Args:
        values: [frames, n].
        frames: those that count.

    Returns:
        step: the mean size of the steps [n]; jitter: their standard deviation [n]; both 0 if no
        three frames in a row count.

    >>> ramp = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> steps(ramp, np.full(4, True))
    {'step': array([2.]), 'jitter': array([0.])}
    """
    inside = frames[2:] & frames[1:-1] & frames[:-2]
    moved = (values[2:] - values[:-2])[inside]
    if len(moved) == 0:
        moved = np.zeros((1, values.shape[1]))
    return {"step": np.abs(moved).mean(axis=0), "jitter": moved.std(axis=0)}


def slopes(values: Floats, frames: Mask) -> Floats:
    """Compute the slope of each column over five frames, wherever five frames in a row count.

    Young et al.: The HTK Book, version 3.4, Cambridge University 2006, section 5.9.

    Args:
        values: [frames, n].
        frames: those that count.

    Returns:
        [slopes, n], per frame; a single slope of 0 if no five frames in a row count.

    >>> ramp = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> slopes(ramp, np.full(5, True))
    array([[1.2]])
    """
    inside = frames[4:] & frames[3:-1] & frames[2:-2] & frames[1:-3] & frames[:-4]
    near, far = values[3:-1] - values[1:-3], values[4:] - values[:-4]
    found: Floats = ((near + 2 * far) / 10)[inside]
    return found if len(found) else np.zeros((1, values.shape[1]))


def correlations(values: Floats) -> Floats:
    """Compute Pearson's correlation of each pair of columns: [frames, n] -> [n, n].

    A constant column has the correlation 0 with every other.

    >>> correlations(np.array([[0.0, 5.0, 1.0], [1.0, 4.0, 1.0], [2.0, 3.0, 1.0]])).round(6)
    array([[ 1., -1.,  0.],
           [-1.,  1.,  0.],
           [ 0.,  0.,  0.]])
    """
    centred = values - values.mean(axis=0)
    lengths = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(lengths > 1e-9, lengths, np.inf)
    found: Floats = unit.T @ unit
    return found


def means_of_thirds(values: Floats, active: Mask) -> dict[str, Floats]:
    """Compute each column's mean over each third, from the first active frame to the last.

    Args:
        values: [frames, n].
        active: the frames that count.

    Returns:
        The means of the first, second and third, [n] each. A third without active frames gets the
        mean over all active frames.
    """
    inside = np.flatnonzero(active)
    thirds = np.array_split(np.arange(inside[0], inside[-1] + 1), 3)
    means = {}
    for name, third in zip(("first", "second", "third"), thirds, strict=True):
        counted = third[active[third]]
        means[name] = values[counted if len(counted) else inside].mean(axis=0)
    return means


def rhythm(level: FloatArray, active: Mask, voiced: Mask, frame_seconds: float) -> dict[str, float]:
    """Compute the clip's length, pauses (including the one before the first word) and pace.

    Args:
        level: of each frame, in dB relative to the loudest (at most 0).
        active: frames that are not silent.
        voiced: frames with a pitch.
        frame_seconds: from one frame to the next.
    """
    seconds = len(level) * frame_seconds
    middle = level[1:-1]
    peaks = (middle > level[:-2]) & (middle > level[2:]) & (middle > -_PEAK_DB)
    return {
        "log_seconds": np.log(seconds),
        "active_share": active.mean(),
        "voiced_share": voiced.mean(),
        "voiced_per_active": voiced.sum() / active.sum(),
        "voicing_changes_per_second": np.count_nonzero(voiced[1:] != voiced[:-1]) / seconds,
        "pauses_per_second": np.count_nonzero(active[1:] & ~active[:-1]) / seconds,
        "peaks_per_second": np.count_nonzero(peaks) / seconds,
    }
