"""Whether a net fits the other params: checked before any work is done."""

from collections.abc import Mapping

from ser.core.kinds import KINDS, SPECTRA
from ser.core.needs import FIXED_LENGTHS, NEEDS, needs_of
from ser.core.sections import Model

# Settings of the steps and epochs of a training -> the value without effect.
_OF_EPOCHS = {
    "dimension_weight": 0,
    "mixup": 0,
    "patience": 0,
    "precision": "float32",
    "snapshots": False,
    "stop_after": 0,
}


def net_problems(model: Model, dims: Mapping[str, int]) -> list[str]:
    """Return what prevents a net from being trained with its settings.

    Args:
        model: the net and how it is trained.
        dims: columns of each kind of features, such as {"logmel": 64}.

    Returns:
        One text per problem, with what would be needed; empty if there are none.
    """
    needs = needs_of(model)
    net, kinds, columns = f"model.name {model.name}", list(dims), sum(dims.values())
    of_clips = [kind for kind in kinds if KINDS[kind].whole_clip]
    if of_clips != (kinds if needs.whole_clip else []):
        takers = [name for name in NEEDS if NEEDS[name](model).whole_clip]
        return [
            f"{net} and features.kinds {kinds} do not go together: {', '.join(takers)} take "
            f"[{', '.join(k for k in KINDS if KINDS[k].whole_clip)}], all other nets take frames"
        ]
    found = []
    if needs.only is not None and kinds != [needs.only]:
        wide = f" of at least {needs.min_columns} columns" if needs.min_columns > 1 else ""
        found.append(f"{net} needs features.kinds [{needs.only}]{wide}, got {kinds}")
    elif needs.spectrum and not set(kinds) & set(SPECTRA):
        found.append(
            f"{net} looks for patterns in a spectrogram: features.kinds needs one of "
            f"{', '.join(SPECTRA)}, got {kinds}"
        )
    elif columns < needs.min_columns:
        found.append(
            f"{net} needs at least {needs.min_columns} columns of features, got {columns} of "
            f"{kinds} (features.kinds, n_mels, n_mfcc): {needs.why_columns}"
        )
    if needs.length == "fixed" and model.length not in FIXED_LENGTHS:
        found.append(
            f"{needs.why_length or net} needs clips of one length: model.length "
            f"{' or '.join(FIXED_LENGTHS)} with model.frames, got {model.length!r}"
        )
    elif model.frames * columns < needs.min_values:
        found.append(
            f"{net} needs at least {needs.min_values} values per clip, model.frames "
            f"{model.frames} times {columns} column(s) are {model.frames * columns}"
        )
    if needs.length == "own" and model.length in FIXED_LENGTHS:
        found.append(
            f"{net} takes clips at their own length: model.length own or crop, got {model.length!r}"
        )
    if needs.standardises_pooled and model.mixup > 0:
        found.append(
            f"model.mixup must be 0, got {model.mixup:g}: {model.name} would pool mixed "
            "spectrograms, which are not the voice of any speaker"
        )
    if needs.learner:
        found += [
            f"model.{key} must be {str(off).lower()}, got {value}: "
            f"{model.name} is fitted to all clips at once, without steps and epochs"
            for key, off in _OF_EPOCHS.items()
            if (value := getattr(model, key)) != off
        ]
    if model.dimension_weight > 0 and model.batch_size == 1:
        found.append(
            f"model.dimension_weight {model.dimension_weight:g} compares the clips of a batch, and "
            "one clip has nothing to be compared with: model.batch_size of 2 or more, the more the "
            "better"
        )
    if model.batch_size < needs.min_batch:
        found.append(
            f"{net} has a batch norm that needs at least {needs.min_batch} clips: "
            f"model.batch_size of {needs.min_batch} or more"
        )
    return found
