"""The descriptors of a clip's frames -> numbers about the clip (functionals)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_ACTIVE_DB = 40.0  # frames so far below the loudest count as silence
_VOICED = 0.5  # voicing from which on a frame is voiced
_PEAK_DB = 20.0  # a peak of the level further below the loudest frame is none
_LEAST_FRAMES = 5  # fewer voiced frames say nothing: the most voiced are taken
_PERCENTILES = (5, 25, 50, 75, 95)

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Part(NamedTuple):
    """Some of a clip's functionals, all of one sort.

    Attributes:
        name: of each, with {} where what it describes is named.
        described: what each describes, such as names of descriptors.
        values: float64, one of each.
    """

    name: str
    described: Sequence[str]
    values: Floats


def summarise(
    descriptors: Mapping[str, FloatArray],
    broad: Sequence[str],
    correlated: Sequence[str],
    frame_seconds: float,
) -> list[Part]:
    """Summarise a clip in equally many numbers, whatever its length.

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
        The functionals, part by part.
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
    for which, frames in (("active", active), ("voiced", voiced)):
        found = statistics(every[frames]) | steps(every, frames)
        parts += [Part(f"{which}.{{}}.{name}", names, values) for name, values in found.items()]
    of_pairs = correlations(of_correlated[voiced])
    for i, name in enumerate(correlated):
        parts.append(Part(f"voiced.{name}.{{}}", correlated[i + 1 :], of_pairs[i, i + 1 :]))
    for third, values in means_of_thirds(of_broad, active).items():
        parts.append(Part(f"{third}.{{}}", broad, values))
    of_clip = rhythm(level, active, voiced, frame_seconds)
    parts.append(Part("{}", list(of_clip), np.array(list(of_clip.values()))))
    return parts


def statistics(values: Floats) -> dict[str, Floats]:
    """Compute mean, deviation and percentiles of each column: [frames, n] -> [n] each."""
    # As np.percentile, which looks for its values in a slower way than by sorting all.
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
    """Describe how each column moves over two frames, where both and the one between count.

    Args:
        values: [frames, n].
        frames: those that count.

    Returns:
        step: the means of the steps' sizes [n]; jitter: the steps' deviations [n]; both 0 where
        nothing counts.
    """
    inside = frames[2:] & frames[1:-1] & frames[:-2]
    moved = (values[2:] - values[:-2])[inside]
    if len(moved) == 0:
        moved = np.zeros((1, values.shape[1]))
    return {"step": np.abs(moved).mean(axis=0), "jitter": moved.std(axis=0)}


def correlations(values: Floats) -> Floats:
    """Compute Pearson's correlation of each column with each: [frames, n] -> [n, n].

    A column that does not vary goes with no other: 0.
    """
    centred = values - values.mean(axis=0)
    lengths = np.sqrt(np.square(centred).sum(axis=0))
    unit = centred / np.where(lengths > 1e-9, lengths, np.inf)
    found: Floats = unit.T @ unit
    return found


def means_of_thirds(values: Floats, active: Mask) -> dict[str, Floats]:
    """Average each column over each third of the clip, from its first active frame to its last.

    Args:
        values: [frames, n].
        active: the frames that count.

    Returns:
        The means of the first, the second and the third, [n] each; a third without active frames is
        like the whole.
    """
    inside = np.flatnonzero(active)
    thirds = np.array_split(np.arange(inside[0], inside[-1] + 1), 3)
    means = {}
    for name, third in zip(("first", "second", "third"), thirds, strict=True):
        counted = third[active[third]]
        means[name] = values[counted if len(counted) else inside].mean(axis=0)
    return means


def rhythm(level: FloatArray, active: Mask, voiced: Mask, frame_seconds: float) -> dict[str, float]:
    """Describe length, pauses (with the one before the first word) and pace.

    Args:
        level: of each frame, in dB below the loudest.
        active: frames that are no silence.
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
