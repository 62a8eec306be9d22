"""What a file's headers state about its samples, and whether the file holds them."""

from dataclasses import dataclass

from ser.core.rejection import Rejected
from ser.decoding.plain import Plain


@dataclass(frozen=True)
class Stated:
    """What a file's headers state, after a comparison with what the file holds.

    Attributes:
        decoder: FFmpeg's name of the container; empty: libsndfile decodes it.
        samples: samples per channel; None: all that can be decoded.
        patches: (position in the file, bytes to read there instead): sizes that were never filled
            in, and bytes that the decoder would misread.
        plain: the samples, if they can be read without a decoder.
    """

    decoder: str = ""
    samples: int | None = None
    patches: tuple[tuple[int, bytes], ...] = ()
    plain: Plain | None = None


def never_completed(held: int) -> Rejected:
    """Return the rejection of a file whose writer was stopped before it completed the header."""
    return Rejected(
        "undecodable",
        f"{held} bytes of samples, but the header was never completed and does not state the "
        "number of samples",
    )


def check_held(held: int, stated: int, block: int = 1, unit: str = "bytes of samples") -> None:
    """Compare what a file holds with what its header states.

    Args:
        held: bytes in the file.
        stated: bytes according to the header.
        block: bytes of a sample of all channels; 1 if that is not a whole number.
        unit: unit for the message if `block` is 1.

    Raises:
        Rejected: truncated.

    >>> check_held(held=100, stated=400, block=4)
    Traceback (most recent call last):
    ser.core.rejection.Rejected: 25 of 100 samples per channel
    """
    if held // block < stated // block:
        unit = "samples per channel" if block > 1 else unit
        raise Rejected("truncated", f"{max(0, held) // block} of {stated // block} {unit}")
