"""Cut a recording into windows while it is read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ser.arrays import FloatArray

_END = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Windows:
    """How a recording is cut, in seconds.

    Attributes:
        whole: recordings up to this length stay whole.
        length: of a window.
        hop: from the start of one window to the next.
    """

    whole: float
    length: float
    hop: float


def cut(
    blocks: Iterable[FloatArray], sample_rate: int, windows: Windows
) -> Iterator[tuple[int, FloatArray, bool]]:
    """Cut a recording: memory holds a window, or the longest recording that stays whole.

    All windows have one length; the last one ends where the recording ends.

    Args:
        blocks: float32 [samples, channels] one after the other.
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
    # begin: the recording's sample that buffer begins with; start: the next window's first.
    buffer, begin, start = np.concatenate(kept), 0, 0
    while True:
        missing = start + length - (begin + len(buffer))
        fresh: list[FloatArray] = []
        while missing > 0 and (block := next(source, _END)) is not _END:
            fresh.append(block)
            missing -= len(block)
        # The window before stays: one that ends where the recording ends may overlap it.
        old = max(0, start - hop - begin)
        buffer, begin = np.concatenate([buffer[old:], *fresh]), begin + old
        if missing > 0:
            end = begin + len(buffer)
            if end > start - hop + length:
                yield end - length, buffer[-length:], False
            return
        yield start, buffer[start - begin : start - begin + length], False
        start += hop
