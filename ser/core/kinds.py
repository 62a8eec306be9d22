"""The kinds of features, and what is known of each without computing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ser.core.functional_names import functional_group, functional_names, slope_names

LOGMEL: Final = "logmel"
OPENSMILE: Final = "opensmile"
TABLE: Final = "table"
ENCODER: Final = "encoder"

N_CHROMA = 12  # pitch classes
HIGHEST_PITCH = 500.0  # Hz, of the voice
MOST_COLUMNS = 65_536  # of a table or an encoder
ENCODER_RATE = 16_000  # Hz that encoders of speech take
OPENSMILE_RATE = 16_000  # Hz that openSMILE is given: its levels and formants depend on the rate


@dataclass(frozen=True)
class Kind:
    """The properties of a kind of features.

    Attributes:
        columns: features.n_mels and features.n_mfcc -> number of columns.
        spectrum: whether neighbouring columns belong together.
        whole_clip: whether one row describes the clip, instead of one per frame.
        mixed_units: whether its columns have different units.
        pitch: whether it measures the pitch, for which a frame must hold two periods.
        own_frames: whether its frames are not those of features.n_fft and hop_length.
        package: the optional package that computes it; empty: this project does.
        hertz: the highest frequency that it measures, whatever features.fmax is; None: fmax.
        open_columns: whether only its table or its encoder tells how many columns there are:
            `columns` is then the least.
        given: whether its values are not computed from waveforms.
        groups: features.n_mels and features.n_mfcc -> the group of related columns that each column
            belongs to; None: its columns have no names.
    """

    columns: Callable[[int, int], int]
    spectrum: bool = False
    whole_clip: bool = False
    mixed_units: bool = False
    pitch: bool = False
    own_frames: bool = False
    package: str = ""
    hertz: float | None = None
    open_columns: bool = False
    given: bool = False
    groups: Callable[[int, int], list[str]] | None = None


def _of_opensmile(columns: int, own_frames: bool) -> Kind:
    """Return the properties of one of openSMILE's sets, of clips or of frames."""
    return Kind(
        lambda n_mels, n_mfcc: columns,
        whole_clip=not own_frames,
        mixed_units=True,
        own_frames=own_frames,
        package=OPENSMILE,
        hertz=OPENSMILE_RATE / 2,
    )


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
    "slopes": Kind(
        lambda n_mels, n_mfcc: len(slope_names(n_mfcc)),
        whole_clip=True,
        mixed_units=True,
        pitch=True,
        groups=lambda n_mels, n_mfcc: [functional_group(name) for name in slope_names(n_mfcc)],
    ),
    "egemaps": _of_opensmile(88, own_frames=False),
    "compare": _of_opensmile(6373, own_frames=False),
    "egemaps_lld": _of_opensmile(25, own_frames=True),
    "compare_lld": _of_opensmile(65, own_frames=True),
    TABLE: Kind(
        lambda n_mels, n_mfcc: 1,
        whole_clip=True,
        mixed_units=True,
        open_columns=True,
        given=True,
    ),
    ENCODER: Kind(
        lambda n_mels, n_mfcc: 1,
        whole_clip=True,
        mixed_units=True,
        package="transformers",
        hertz=ENCODER_RATE / 2,
        open_columns=True,
    ),
}
SPECTRA = tuple(name for name, kind in KINDS.items() if kind.spectrum)


def packages_of(kinds: Iterable[str]) -> list[str]:
    """Return the optional packages that compute these kinds, sorted.

    >>> packages_of(["functionals", "egemaps", "compare"])
    ['opensmile']
    """
    return sorted({KINDS[kind].package for kind in kinds} - {""})


def needs_given(kinds: Iterable[str]) -> bool:
    """Return whether any of these kinds cannot be computed from a waveform."""
    return any(KINDS[kind].given for kind in kinds)


def describes_whole_clips(kinds: Iterable[str]) -> bool:
    """Return whether any of these kinds describes a clip as a whole instead of its frames."""
    return any(KINDS[kind].whole_clip for kind in kinds)
