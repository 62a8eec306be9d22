"""The kinds of features: what is known of each without computing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ser.core.functional_names import functional_names

LOGMEL: Final = "logmel"

N_CHROMA = 12  # pitch classes
HIGHEST_PITCH = 500.0  # Hz, of the voice


@dataclass(frozen=True)
class Kind:
    """What is known of a kind of features.

    Attributes:
        columns: their number, of features.n_mels and features.n_mfcc.
        spectrum: neighbouring columns belong together.
        whole_clip: it describes the clip, in one row, not its frames.
        unlike_units: its columns have no common scale.
        pitch: it tells the pitch, of which a frame must hold two periods.
    """

    columns: Callable[[int, int], int]
    spectrum: bool = False
    whole_clip: bool = False
    unlike_units: bool = False
    pitch: bool = False


KINDS: Mapping[str, Kind] = {
    LOGMEL: Kind(lambda n_mels, n_mfcc: n_mels, spectrum=True),
    "mfcc": Kind(lambda n_mels, n_mfcc: n_mfcc, spectrum=True),
    "zcr": Kind(lambda n_mels, n_mfcc: 1),
    "rms": Kind(lambda n_mels, n_mfcc: 1),
    "chroma": Kind(lambda n_mels, n_mfcc: N_CHROMA, spectrum=True),
    "functionals": Kind(
        lambda n_mels, n_mfcc: len(functional_names(n_mels, n_mfcc)),
        whole_clip=True,
        unlike_units=True,
        pitch=True,
    ),
}
SPECTRA = tuple(name for name, kind in KINDS.items() if kind.spectrum)


def describe_clips(kinds: Iterable[str]) -> bool:
    """Return whether features describe clips as a whole, not their frames."""
    return any(KINDS[kind].whole_clip for kind in kinds)
