"""The kinds of features, and what is known of each without computing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ser.core.functional_names import functional_group, functional_names

LOGMEL: Final = "logmel"

N_CHROMA = 12  # pitch classes
HIGHEST_PITCH = 500.0  # Hz, of the voice


@dataclass(frozen=True)
class Kind:
    """The properties of a kind of features.

    Attributes:
        columns: features.n_mels and features.n_mfcc -> number of columns.
        spectrum: whether neighbouring columns belong together.
        whole_clip: whether one row describes the clip, instead of one per frame.
        mixed_units: whether its columns have different units.
        pitch: whether it measures the pitch, for which a frame must hold two periods.
        groups: features.n_mels and features.n_mfcc -> the group of related columns that each column
            belongs to; None: its columns have no names.
    """

    columns: Callable[[int, int], int]
    spectrum: bool = False
    whole_clip: bool = False
    mixed_units: bool = False
    pitch: bool = False
    groups: Callable[[int, int], list[str]] | None = None


KINDS: Mapping[str, Kind] = {
    LOGMEL: Kind(lambda n_mels, n_mfcc: n_mels, spectrum=True),
    "mfcc": Kind(lambda n_mels, n_mfcc: n_mfcc, spectrum=True),
    "zcr": Kind(lambda n_mels, n_mfcc: 1),
    "rms": Kind(lambda n_mels, n_mfcc: 1),
    "chroma": Kind(lambda n_mels, n_mfcc: N_CHROMA, spectrum=True),
    "functionals": Kind(
        lambda n_mels, n_mfcc: len(functional_names(n_mels, n_mfcc)),
        whole_clip=True,
        mixed_units=True,
        pitch=True,
        groups=lambda n_mels, n_mfcc: [
            functional_group(name) for name in functional_names(n_mels, n_mfcc)
        ],
    ),
}
SPECTRA = tuple(name for name, kind in KINDS.items() if kind.spectrum)


def describes_whole_clips(kinds: Iterable[str]) -> bool:
    """Return whether any of these kinds describes a clip as a whole instead of its frames."""
    return any(KINDS[kind].whole_clip for kind in kinds)
