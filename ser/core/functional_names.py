"""The names of a frame's descriptors and of a clip's functionals and slopes; computes none."""

from itertools import combinations

SPECTRAL_SHAPE = (
    "centroid",
    "spread",
    "rolloff_25",
    "rolloff_85",
    "flux",
    "flatness",
    "alpha_ratio",
    "tilt",
)
STATISTICS = ("mean", "deviation", "p5", "p25", "p50", "p75", "p95")
SLOPES = tuple(f"slope_{name}" for name in STATISTICS)
RHYTHM = (
    "log_seconds",
    "active_share",
    "voiced_share",
    "voiced_per_active",
    "voicing_changes_per_second",
    "pauses_per_second",
    "peaks_per_second",
)
CORRELATED_MFCC = 13
# Name of a descriptor, without the number at its end -> the group that it belongs to.
_GROUPS = {
    "logmel": "mel bands",
    "mfcc": "cepstrum",
    "level": "level",
    "zcr": "zero crossings",
    "pitch": "pitch",
    "voicing": "voicing",
    "h1": "harmonics",
}
PARTS = ("first", "second", "third")  # thirds of a clip


def descriptor_names(n_mels: int, n_mfcc: int) -> list[str]:
    """Return the names of a frame's descriptors, in the order of `ser.features.descriptors`."""
    bands = [f"logmel_{i}" for i in range(1, n_mels + 1)]
    return [*bands, *broad_names(n_mfcc)]


def broad_names(n_mfcc: int) -> list[str]:
    """Return the descriptors without the single mel bands, which the cepstrum summarises."""
    return [
        *(f"mfcc_{i}" for i in range(1, n_mfcc + 1)),
        "level",
        "zcr",
        *SPECTRAL_SHAPE,
        "pitch",
        "voicing",
        "h1_h2",
        "h1_h3",
    ]


def correlated_names(n_mfcc: int) -> list[str]:
    """Return the descriptors whose correlations are taken: of the cepstrum, only the lower half."""
    broad = broad_names(n_mfcc)
    return broad[: min(n_mfcc, CORRELATED_MFCC)] + broad[n_mfcc:]


def functional_group(name: str) -> str:
    """Return the group of related functionals that one belongs to, by its name.

    >>> [functional_group(f"active.{name}.mean") for name in ("logmel_7", "mfcc_1", "tilt")]
    ['mel bands', 'cepstrum', 'spectral shape']
    >>> functional_group("voiced.mfcc_2.slope_p5")
    'cepstrum'
    >>> [functional_group(n) for n in ("voiced.pitch.p5", "voiced.pitch.level", "log_seconds")]
    ['pitch', 'correlations', 'rhythm']
    """
    _, *others = name.split(".")
    if not others:
        return "rhythm"
    if len(others) == 2 and others[1] not in (*STATISTICS, *SLOPES, "step", "jitter"):
        return "correlations"
    descriptor = others[0]
    if descriptor in SPECTRAL_SHAPE:
        return "spectral shape"
    return _GROUPS[descriptor.rsplit("_", 1)[0]]


def functional_names(n_mels: int, n_mfcc: int) -> list[str]:
    """Return the names of a clip's functionals, in the order of `ser.features.functionals`.

    >>> names = functional_names(n_mels=64, n_mfcc=24)
    >>> len(names), names[0], names[-1]
    (2308, 'active.logmel_1.mean', 'peaks_per_second')
    """
    every, broad = descriptor_names(n_mels, n_mfcc), broad_names(n_mfcc)
    names = []
    for frames in ("active", "voiced"):
        names += [f"{frames}.{name}.{which}" for which in STATISTICS for name in every]
        names += [f"{frames}.{name}.{which}" for which in ("step", "jitter") for name in every]
    names += [f"voiced.{a}.{b}" for a, b in combinations(correlated_names(n_mfcc), 2)]
    names += [f"{part}.{name}" for part in PARTS for name in broad]
    return [*names, *RHYTHM]


def slope_names(n_mfcc: int) -> list[str]:
    """Return the names of the statistics of a clip's slopes, in the order they are computed in.

    >>> names = slope_names(n_mfcc=24)
    >>> len(names), names[0], names[-1]
    (532, 'active.mfcc_1.slope_mean', 'voiced.h1_h3.slope_p95')
    """
    return [
        f"{frames}.{name}.{which}"
        for frames in ("active", "voiced")
        for which in SLOPES
        for name in broad_names(n_mfcc)
    ]
