"""Read the samples of plain WAV files without libsndfile: the same samples in less time.

libsndfile asks Python for every few kB and converts sample by sample. Here a block is read at once
and converted by NumPy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ser.core import recording
from ser.core.recording import Stream, check_form
from ser.core.rejection import Rejected
from ser.core.typing import FloatArray
from ser.decoding.views import reading_failed

WIDTHS = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}  # bytes of a sample


@dataclass(frozen=True)
class Plain:
    """Where a file holds samples of a plain form, little-endian and without gaps.

    Attributes:
        subtype: a key of WIDTHS, named as in libsndfile.
        channels: number of channels.
        sample_rate: in Hz.
        start: position of the first sample in the file.
        samples: samples per channel, which the file was found to hold.
    """

    subtype: str
    channels: int
    sample_rate: int
    start: int
    samples: int


def open_plain(file: BinaryIO, plain: Plain) -> Stream:
    """Open the samples of an open file.

    Raises:
        Rejected: undecodable.
    """
    check_form(plain.sample_rate, plain.channels)
    return Stream(_blocks(file, plain), plain.sample_rate, plain.subtype)


def _blocks(file: BinaryIO, plain: Plain) -> Iterator[FloatArray]:
    """Yield the blocks of a file's samples.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    if plain.samples == 0:
        raise Rejected("zero_length", "no samples")
    width = plain.channels * WIDTHS[plain.subtype]
    most = max(1, recording.BLOCK // plain.channels)
    for first in range(0, plain.samples, most):
        size = min(most, plain.samples - first) * width
        data = np.empty(size + 1, np.uint8)  # a byte more: see `_to_float`
        try:
            file.seek(plain.start + first * width)
            found = file.readinto(data[:size].data)  # type: ignore[attr-defined]
        except OSError as error:
            raise reading_failed(error) from None
        if found < size:
            held = first + found // width
            raise Rejected("truncated", f"{held} of {plain.samples} samples per channel")
        yield _to_float(data, plain.subtype).reshape(-1, plain.channels)


def _to_float(data: NDArray[np.uint8], subtype: str) -> FloatArray:
    """Convert the bytes of samples, and one byte after them, to float32 in -1..1: [samples]."""
    if subtype == "FLOAT":
        return np.asarray(data[:-1].view("<f4"), np.float32)
    if subtype == "PCM_24":
        # Four bytes from each sample on; the shift removes the fourth, which is not the sample's.
        fours = np.ndarray(len(data) // 3, "<u4", data.data, strides=(3,))
        integers = np.left_shift(fours, 8).view(np.int32)
    else:
        integers = data[:-1].view({"PCM_16": "<i2", "PCM_32": "<i4"}[subtype])
    samples: FloatArray = integers.astype(np.float32)
    samples *= np.float32(0.5 ** (8 * integers.itemsize - 1))
    return samples
