"""Bring recordings from files or memory to blocks of samples."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.core.errors import UserError
from ser.core.recording import CHANNELS, Recording
from ser.core.rejection import TOO_LONG, Rejected
from ser.core.typing import FloatArray
from ser.decoding.decoding import open_stream
from ser.use.windows import Windows, cut


def read_windows(path: Path, windows: Windows, longest: float = np.inf) -> Iterator[Recording]:
    """Read a file as one recording, or window by window if it is long.

    Args:
        path: of the file.
        windows: how it is cut.
        longest: in seconds; longer recordings are rejected.

    Raises:
        Rejected: the file is damaged or too long.
    """
    with open_stream(path) as stream:
        blocks = limited(stream.blocks, longest * stream.sample_rate)
        for _, samples, _ in cut(blocks, stream.sample_rate, windows):
            yield Recording(samples, stream.sample_rate, stream.subtype)


def limited(blocks: Iterable[FloatArray], most: float) -> Iterator[FloatArray]:
    """Yield blocks [samples, channels] unchanged, up to a number of samples.

    Raises:
        Rejected: too_long: there are more than `most` samples per channel.
    """
    read = 0
    for block in blocks:
        read += len(block)
        if read > most:
            raise Rejected(TOO_LONG, f"more than {most:.0f} samples per channel")
        yield block


def as_float(samples: NDArray[Any]) -> FloatArray:
    """Return samples as float32 [samples, channels] in -1..1."""
    array = np.asarray(samples)
    if array.dtype.newbyteorder("=") in (np.int16, np.int32):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    channels = array.shape[1] if array.ndim == 2 else 1
    if array.ndim not in (1, 2) or channels not in CHANNELS or array.dtype.kind != "f":
        raise UserError(
            f"samples of shape {array.shape} and type {array.dtype}: [samples] or [samples, "
            f"channels] of up to {CHANNELS[-1]} channels are expected, floating point in -1..1, or "
            "int16 or int32"
        )
    with np.errstate(over="ignore"):  # values beyond float32 are later rejected as not_finite
        return (array[:, np.newaxis] if array.ndim == 1 else array).astype(np.float32)
