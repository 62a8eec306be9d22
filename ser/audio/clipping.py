"""Clipped samples, told by what they look like and not by their level."""

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_FLAT = 3  # neighbouring samples; the top of a wave that was not cut has one or two equal ones


def clipped_share(channel: FloatArray) -> float:
    """Compute the share of samples in runs at a channel's own largest or smallest value.

    Where a converter, a limiter or a program cut a wave, neighbouring samples are equal, at
    whatever level it was cut: A-law ends at 0.984, and a file may be turned down after it was cut.

    Args:
        channel: float32 [samples].

    Returns:
        0..1; 0 for a channel that never changes.
    """
    lowest, highest = channel.min(), channel.max()
    if lowest == highest:
        return 0.0
    # Zeros are pauses, which lie at an extreme where a recording has an offset.
    extremes = (extreme for extreme in (lowest, highest) if extreme != 0)
    return sum(_in_runs(channel == extreme) for extreme in extremes) / len(channel)


def _in_runs(marked: NDArray[np.bool_]) -> int:
    """Count what is marked in runs of at least _FLAT."""
    padded = np.concatenate([[False], marked, [False]])
    starts, ends = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2).T
    lengths = ends - starts
    return int(lengths[lengths >= _FLAT].sum())
