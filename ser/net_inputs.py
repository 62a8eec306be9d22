"""What each net takes in, so that params.yaml can be checked against it without loading torch."""

from collections.abc import Mapping

SPECTRA = ("logmel", "mfcc", "chroma")  # kinds whose neighbouring columns belong together
FIXED_LENGTHS = ("resize", "pad")  # ways to bring every clip to model.frames
FLATTENING = ("dummynet", "exponet")  # nets that take a clip's features as one row of numbers

MIN_FRAMES = 16  # the longest chain of halvings in any net leaves one frame of these
_RESNET4_COLUMNS = 32  # five halvings leave one of these
_REZONET_BANDS = 8  # three halvings leave one band of these
_STATPOOL_BANDS = 8  # as many groups of bands as their modulation is taken of
_DUMMYNET_VALUES = 57  # three unpadded convolutions and poolings leave one value of these


def min_frames(name: str) -> int:
    """Give the fewest frames that a net takes in: shorter clips are padded to these."""
    return 1 if name in ("mlp", "statpool") else MIN_FRAMES


def standardises_pooled(name: str) -> bool:
    """Tell whether a net takes a spectrogram as it is, and standardises what it pools of it."""
    return name == "statpool"


def problems(
    name: str,
    layers: int,
    pooling: str,
    length: str,
    frames: int,
    batch_size: int,
    dims: Mapping[str, int],
    normalisation: str,
    mixup: float,
) -> list[str]:
    """List what a net lacks in order to be trained with these settings.

    Args:
        name: model.name.
        layers: model.layers.
        pooling: model.pooling.
        length: model.length.
        frames: model.frames.
        batch_size: model.batch_size.
        dims: columns of each kind of features, such as {"logmel": 64}.
        normalisation: model.normalisation.
        mixup: model.mixup.

    Returns:
        One text per problem, with what would be needed; empty if there is none.
    """
    kinds, columns = list(dims), sum(dims.values())
    if (name == "mlp") != (kinds == ["functionals"]):
        return [
            f"model.name {name} and features.kinds {kinds} do not go together: mlp takes "
            "[functionals], all other nets take frames"
        ]
    found = []
    if name == "statpool":
        return _problems_of_statpool(kinds, columns, length, normalisation, mixup)
    if name in ("cnn", "resnet") and not any(kind in SPECTRA for kind in kinds):
        found.append(
            f"model.name {name} looks for patterns in a spectrogram: features.kinds needs one of "
            f"{', '.join(SPECTRA)}, it is {kinds}"
        )
    elif name == "cnn" and columns < 2**layers:
        found.append(
            f"model.name cnn with model.layers {layers} halves the features' {columns} column(s) "
            f"{layers} times: at least {2**layers} are needed (features.kinds, n_mels, n_mfcc)"
        )
    if name == "rezonet" and (kinds != ["logmel"] or columns < _REZONET_BANDS):
        found.append(
            f"model.name rezonet needs features.kinds [logmel] and features.n_mels of at least "
            f"{_REZONET_BANDS}, it got {columns} column(s) of {kinds}"
        )
    flattens = name in FLATTENING or (name == "cnn" and pooling == "flatten")
    if flattens and length not in FIXED_LENGTHS:
        what = "model.pooling flatten" if name == "cnn" else f"model.name {name}"
        found.append(
            f"{what} needs clips of one length: model.length {' or '.join(FIXED_LENGTHS)} with "
            f"model.frames, it is {length!r}"
        )
    elif name == "dummynet" and frames * columns < _DUMMYNET_VALUES:
        found.append(
            f"model.name dummynet needs at least {_DUMMYNET_VALUES} values per clip, model.frames "
            f"{frames} times {columns} column(s) are {frames * columns}"
        )
    if name == "resnet" and layers == 4 and batch_size == 1 and columns <= _RESNET4_COLUMNS:
        found.append(
            f"model.name resnet with model.layers 4 shrinks the shortest clips of {columns} "
            "column(s) to one value, of which its batch norms cannot learn: model.batch_size of 2 "
            f"or more, model.layers 3, or more than {_RESNET4_COLUMNS} columns"
        )
    if name == "exponet" and batch_size == 1:
        found.append(
            "model.name exponet has a batch norm that needs at least two clips: "
            "model.batch_size of 2 or more"
        )
    return found


def _problems_of_statpool(
    kinds: list[str], columns: int, length: str, normalisation: str, mixup: float
) -> list[str]:
    found = []
    if kinds != ["logmel"] or columns < _STATPOOL_BANDS:
        found.append(
            f"model.name statpool needs features.kinds [logmel] and features.n_mels of at least "
            f"{_STATPOOL_BANDS}, it got {columns} column(s) of {kinds}"
        )
    if length in FIXED_LENGTHS:
        found.append(
            f"model.name statpool takes clips at their own length: model.length own or crop, it is "
            f"{length!r}"
        )
    if normalisation == "clip":
        found.append(
            "model.normalisation must be train or speaker: statpool standardises what it pools of "
            "a clip, and a single clip's pooled numbers have no mean and deviation of their own"
        )
    if mixup > 0:
        found.append(
            f"model.mixup must be 0, it is {mixup:g}: mixed spectrograms, which statpool would pool, "
            "are none of a voice"
        )
    return found
