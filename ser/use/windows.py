"""Cut a recording into windows while it is read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray

_END = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Windows:
    """How a recording is cut, in seconds.

    Attributes:
        whole: recordings up to this length are not cut.
        length: of a window.
        hop: from the start of one window to the next, at most a window.
    """

    whole: float
    length: float
    hop: float


def cut(
    blocks: Iterable[FloatArray], sample_rate: int, windows: Windows
) -> Iterator[tuple[int, FloatArray, bool]]:
    """Cut a recording into windows while it is read.

    All windows have the same length; the last one ends where the recording ends. Memory holds one
    window, or the longest recording that is not cut.

    >>> second = np.zeros((10, 1), np.float32)
    >>> windows = cut([second] * 5, 10, Windows(whole=3.0, length=2.0, hop=1.5))
    >>> [(first, len(samples)) for first, samples, _ in windows]
    [(0, 20), (15, 20), (30, 20)]

    Args:
        blocks: float32 [samples, channels], consecutive.
        sample_rate: in Hz.
        windows: lengths in seconds.

    Yields:
        (first sample, float32 [samples, channels], whether it is the whole recording).
    """
    whole, length, hop = (
        max(1, round(seconds * sample_rate))
        for seconds in (windows.whole, windows.length, windows.hop)
    )
    source = iter(blocks)
    kept: list[FloatArray] = []
    read = 0
    for block in source:
        kept.append(block)
        read += len(block)
        if read > max(whole, length):
            break
    else:
        if kept:
            yield 0, np.concatenate(kept), True
        return
    # buffer holds the recording's samples begin..end; the next window begins at start.
    buffer, begin, end, start = np.concatenate(kept), 0, read, 0
    while True:
        while start + length <= end:
            yield start, buffer[start - begin : start - begin + length], False
            start += hop
        if (block := next(source, _END)) is _END:
            break
        # The last window, which ends where the recording ends, may begin before the next one.
        old = max(0, end - length - begin)
        buffer, begin, end = np.concatenate([buffer[old:], block]), begin + old, end + len(block)
    if end > start - hop + length:
        yield end - length, buffer[-length:], False


def shared_seconds(spans: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return how many seconds each window stands for: where windows overlap, they share the time.

    With these as weights, every moment of a recording counts once, however many windows cover it.

    >>> shared_seconds([(0, 4), (4, 8), (6, 10)])
    array([4., 3., 3.])

    Args:
        spans: (start, end) of each window, in seconds.

    Returns:
        seconds [windows]; their sum is the time that the windows cover.
    """
    edges, places = np.unique(spans, return_inverse=True)
    starts, ends = places.reshape(-1, 2).T
    covering = np.cumsum(np.bincount(starts, minlength=len(edges)) - np.bincount(ends))
    # From each edge to the next, a window that covers this stretch gets its part of it.
    parts = np.diff(edges) / np.maximum(covering[:-1], 1)
    until = np.concatenate([[0.0], np.cumsum(parts)])
    shares: NDArray[np.float64] = until[ends] - until[starts]
    return shares
