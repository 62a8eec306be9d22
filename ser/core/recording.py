"""Decoded recordings, whole or block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

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
