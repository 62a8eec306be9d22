"""What each net takes in, so that params.yaml can be checked against it without loading torch."""

from collections.abc import Mapping

from ser.core.kinds import SPECTRA
from ser.core.sections import FIXED_LENGTHS, Model

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


def problems(model: Model, dims: Mapping[str, int]) -> list[str]:
    """List what a net lacks in order to be trained with its settings.

    Args:
        model: the net and how it is trained.
        dims: columns of each kind of features, such as {"logmel": 64}.

    Returns:
        One text per problem, with what would be needed; empty if there is none.
    """
    name, layers, length = model.name, model.layers, model.length
    kinds, columns = list(dims), sum(dims.values())
    if (name == "mlp") != (kinds == ["functionals"]):
        return [
            f"model.name {name} and features.kinds {kinds} do not go together: mlp takes "
            "[functionals], all other nets take frames"
        ]
    found = []
    if name == "statpool":
        return _problems_of_statpool(model, kinds, columns)
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
    flattens = name in FLATTENING or (name == "cnn" and model.pooling == "flatten")
    if flattens and length not in FIXED_LENGTHS:
        what = "model.pooling flatten" if name == "cnn" else f"model.name {name}"
        found.append(
            f"{what} needs clips of one length: model.length {' or '.join(FIXED_LENGTHS)} with "
            f"model.frames, it is {length!r}"
        )
    elif name == "dummynet" and model.frames * columns < _DUMMYNET_VALUES:
        found.append(
            f"model.name dummynet needs at least {_DUMMYNET_VALUES} values per clip, model.frames "
            f"{model.frames} times {columns} column(s) are {model.frames * columns}"
        )
    if name == "resnet" and layers == 4 and model.batch_size == 1 and columns <= _RESNET4_COLUMNS:
        found.append(
            f"model.name resnet with model.layers 4 shrinks the shortest clips of {columns} "
            "column(s) to one value, of which its batch norms cannot learn: model.batch_size of 2 "
            f"or more, model.layers 3, or more than {_RESNET4_COLUMNS} columns"
        )
    if name == "exponet" and model.batch_size == 1:
        found.append(
            "model.name exponet has a batch norm that needs at least two clips: "
            "model.batch_size of 2 or more"
        )
    return found


def _problems_of_statpool(model: Model, kinds: list[str], columns: int) -> list[str]:
    found = []
    if kinds != ["logmel"] or columns < _STATPOOL_BANDS:
        found.append(
            f"model.name statpool needs features.kinds [logmel] and features.n_mels of at least "
            f"{_STATPOOL_BANDS}, it got {columns} column(s) of {kinds}"
        )
    if model.length in FIXED_LENGTHS:
        found.append(
            f"model.name statpool takes clips at their own length: model.length own or crop, it is "
            f"{model.length!r}"
        )
    if model.mixup > 0:
        found.append(
            f"model.mixup must be 0, it is {model.mixup:g}: statpool would pool "
            "mixed spectrograms, which are no voice's"
        )
    return found
