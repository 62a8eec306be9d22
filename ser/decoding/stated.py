"""What the headers of a file state of its samples, and whether the file holds them."""

from dataclasses import dataclass

from ser.core.rejection import Rejected


@dataclass(frozen=True)
class Stated:
    """What a file states, after it was compared with what the file holds.

    Attributes:
        decoder: FFmpeg's name of the container; empty: libsndfile decodes it.
        samples: per channel; None: all that can be decoded.
        patches: (place in the file, bytes that are to be read there): sizes that were never filled
            in, and what the decoder would take amiss.
    """

    decoder: str = ""
    samples: int | None = None
    patches: tuple[tuple[int, bytes], ...] = ()


def never_completed(held: int) -> Rejected:
    """Say that whoever wrote so many bytes of samples was stopped before the header was whole."""
    return Rejected(
        "undecodable",
        f"{held} bytes of samples, of which the header, never completed, does not say how many "
        "there are",
    )


def check_held(held: int, stated: int, block: int = 1, unit: str = "bytes of samples") -> None:
    """Compare what a file holds with what its header states.

    Args:
        held: bytes that are there.
        stated: bytes that should be.
        block: bytes of a sample of all channels; 1 where that is no whole number.
        unit: of what there is a number, where `block` is 1.

    Raises:
        Rejected: truncated.
    """
    if held // block < stated // block:
        unit = "samples per channel" if block > 1 else unit
        raise Rejected("truncated", f"{max(0, held) // block} of {stated // block} {unit}")
