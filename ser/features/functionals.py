"""The descriptors of a clip's frames -> one row of numbers about the clip (functionals)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_ACTIVE_DB = 40.0  # frames so far below the loudest count as silence
_VOICED = 0.5  # voicing from which on a frame is voiced
_PEAK_DB = 20.0  # a peak of the level further below the loudest frame is none
_LEAST_FRAMES = 5  # fewer voiced frames say nothing: the most voiced are taken
_PERCENTILES = (5, 25, 50, 75, 95)

Mask = NDArray[np.bool_]


def summarise(
    descriptors: Mapping[str, FloatArray],
    broad: Sequence[str],
    correlated: Sequence[str],
    frame_seconds: float,
) -> FloatArray:
    """Summarise a clip in one row of numbers, of the same size for clips of any length.

    Over the active frames (not 40 dB below the loudest), and again over those that are voiced:
    mean, deviation and five percentiles of every descriptor, and how it moves. Then how the
    descriptors of voiced frames go together, their means in each third of the clip, and its rhythm.

    Args:
        descriptors: name -> float32 [frames]; level (in dB below the loudest frame), voicing and
            pitch must be among them.
        broad: names of those whose means in each third are taken.
        correlated: names of those whose correlations are taken.
        frame_seconds: from one frame to the next.

    Returns:
        float32 [functionals], named by `functional_names`.
    """
    every = np.stack(list(descriptors.values()), axis=1).astype(np.float64)
    names = list(descriptors)
    of_broad = every[:, [names.index(name) for name in broad]]
    of_correlated = every[:, [names.index(name) for name in correlated]]
    level, voicing = descriptors["level"], descriptors["voicing"]
    active = level >= -_ACTIVE_DB
    voiced = active & (voicing > _VOICED)
    if voiced.sum() < _LEAST_FRAMES:
        least = np.sort(voicing[active])[-_LEAST_FRAMES:][0]
        voiced = active & (voicing >= least)
    parts = []
    for frames in (active, voiced):
        parts += [statistics(every[frames]), steps(every, frames)]
    parts += [
        correlations(of_correlated[voiced]),
        means_of_thirds(of_broad, active),
        rhythm(level, active, voiced, frame_seconds),
    ]
    return np.concatenate(parts).astype(np.float32)


def statistics(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute mean, deviation and percentiles of each column: [frames, n] -> [7 * n]."""
    # As np.percentile, which looks for its values in a slower way than by sorting all.
    ordered = np.sort(np.ascontiguousarray(values.T), axis=1)
    place = np.array(_PERCENTILES) / 100 * (len(values) - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, len(values) - 1)
    percentiles = ordered[:, below] + (ordered[:, above] - ordered[:, below]) * (place - below)
    return np.concatenate([values.mean(axis=0), values.std(axis=0), percentiles.T.ravel()])


def steps(values: NDArray[np.float64], frames: Mask) -> NDArray[np.float64]:
    """Describe how each column moves over two frames, where both and the one between count.

    Args:
        values: [frames, n].
        frames: those that count.

    Returns:
        [2 * n]: the means of the steps' sizes, then the steps' deviations; 0 where nothing counts.
    """
    inside = frames[2:] & frames[1:-1] & frames[:-2]
    moved = (values[2:] - values[:-2])[inside]
    if len(moved) == 0:
        return np.zeros(2 * values.shape[1])
    return np.concatenate([np.abs(moved).mean(axis=0), moved.std(axis=0)])


def correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Pearson's correlation of each pair of columns: [frames, n] -> [n * (n - 1) / 2].

    A column that does not vary goes with no other: 0.
    """
    centred = values - values.mean(axis=0)
    lengths = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(lengths > 1e-9, lengths, np.inf)
    return (unit.T @ unit)[np.triu_indices(values.shape[1], 1)]


def means_of_thirds(values: NDArray[np.float64], active: Mask) -> NDArray[np.float64]:
    """Average each column over each third of the clip, from its first active frame to its last.

    Args:
        values: [frames, n].
        active: the frames that count.

    Returns:
        [3 * n], one third after the other; a third without active frames is like the whole.
    """
    inside = np.flatnonzero(active)
    means = []
    for third in np.array_split(np.arange(inside[0], inside[-1] + 1), 3):
        counted = third[active[third]]
        means.append(values[counted if len(counted) else inside].mean(axis=0))
    return np.concatenate(means)


def rhythm(
    level: FloatArray, active: Mask, voiced: Mask, frame_seconds: float
) -> NDArray[np.float64]:
    """Describe length, pauses (with the one before the first word) and pace.

    Args:
        level: of each frame, in dB below the loudest.
        active: frames that are no silence.
        voiced: frames with a pitch.
        frame_seconds: from one frame to the next.

    Returns:
        [7], named by `functional_names.RHYTHM`.
    """
    seconds = len(level) * frame_seconds
    middle = level[1:-1]
    peaks = (middle > level[:-2]) & (middle > level[2:]) & (middle > -_PEAK_DB)
    return np.array(
        [
            np.log(seconds),
            active.mean(),
            voiced.mean(),
            voiced.sum() / active.sum(),
            np.count_nonzero(voiced[1:] != voiced[:-1]) / seconds,
            np.count_nonzero(active[1:] & ~active[:-1]) / seconds,
            np.count_nonzero(peaks) / seconds,
        ]
    )
