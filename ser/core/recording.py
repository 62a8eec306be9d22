"""Decoded recordings, whole or block by block."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ser.core.rejection import Rejected
from ser.core.typing import FloatArray

BLOCK = 1 << 20  # samples of all channels that are decoded at once
CHANNELS = range(1, 65)
RATES = range(1_000, 1_000_000)  # Hz


@dataclass(frozen=True)
class Recording:
    """A decoded recording, or a stretch of one.

    Attributes:
        samples: float32 [samples, channels], integer formats scaled to -1..1.
        sample_rate: in Hz.
        subtype: sample format as libsndfile names it, such as PCM_16, or FFmpeg's name of a codec.
    """

    samples: FloatArray
    sample_rate: int
    subtype: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Stream:
    """A file as it is decoded.

    Attributes:
        blocks: float32 [samples, channels], one after the other; raises Rejected when the file
            turns out to be damaged, at its end at the latest.
        sample_rate: in Hz.
        subtype: as in `Recording`.
    """

    blocks: Iterator[FloatArray]
    sample_rate: int
    subtype: str


class SamplesDigest:
    """Identifies a recording by its samples and its rate, while it is read block by block.

    Lossless copies have the same digest; any other change of the samples makes another one. It does
    not depend on the machine, as the result of a filter or a resampler would.
    """

    def __init__(self, sample_rate: int) -> None:
        self._hash = hashlib.blake2b(sample_rate.to_bytes(4, "little"), digest_size=8)

    def update(self, block: FloatArray) -> None:
        """Add the next samples, float32 [samples] or [samples, channels]."""
        self._hash.update(np.ascontiguousarray(block, "<f4").data)

    def reading(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """Yield blocks unchanged, and add each of them."""
        for block in blocks:
            self.update(block)
            yield block

    def hex(self) -> str:
        """Return the digest of all samples so far, 16 hexadecimal digits."""
        return self._hash.hexdigest()


def check_form(sample_rate: int, channels: int) -> None:
    """Check the numbers in a header: absurd ones mean damage, and could take any amount of memory.

    Raises:
        Rejected: undecodable.
    """
    if sample_rate not in RATES or channels not in CHANNELS:
        raise Rejected(
            "undecodable",
            f"{channels} channels at {sample_rate} Hz: 1 to {CHANNELS[-1]} channels at "
            f"{RATES[0]} to {RATES[-1]} Hz can be recordings of speech",
        )
