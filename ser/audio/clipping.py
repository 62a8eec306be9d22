"""Detect clipped samples by their shape instead of their level."""

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_MIN_RUN = 3  # equal neighbours; the top of an unclipped wave has only one or two


def clipped_share(channel: FloatArray) -> float:
    """Compute the share of samples in runs at a channel's own largest or smallest value.

    A clipped wave has runs of equal samples, at any level. The level says nothing: A-law ends at
    0.984, and a file may have been turned down after it was clipped.

    Args:
        channel: float32 [samples].

    Returns:
        0..1; 0 for a constant channel.

    >>> clipped_share(np.array([0, 1, 1, 1, -0.5], dtype=np.float32))
    0.6
    """
    lowest, highest = channel.min(), channel.max()
    if lowest == highest:
        return 0.0
    # Zeros are pauses. With an offset, they may be the largest or the smallest value.
    extremes = (extreme for extreme in (lowest, highest) if extreme != 0)
    return sum(_count_in_runs(channel == extreme) for extreme in extremes) / len(channel)


def _count_in_runs(marked: NDArray[np.bool_]) -> int:
    """Count the marked samples in runs of at least _MIN_RUN."""
    places = np.flatnonzero(marked)
    last = np.flatnonzero(np.diff(places) > 1)  # of every run but the last one
    lengths = np.diff(last, prepend=-1, append=len(places) - 1)
    return int(lengths[lengths >= _MIN_RUN].sum())
