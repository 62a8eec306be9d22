"""What each net needs of features and settings: a table that is read without loading torch.

params.yaml is checked against it, and training, export and tuning read it in place of a net's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ser.core.sections import Model

FUNCTIONALS = "functionals"  # the one kind that describes clips, not frames
SPECTRA = ("logmel", "mfcc", "chroma")  # kinds whose neighbouring columns belong together
FIXED_LENGTHS = ("resize", "pad")  # ways to bring every clip to model.frames
MIN_FRAMES = 16  # the longest chain of halvings in any net leaves one frame of these


@dataclass(frozen=True)
class Needs:
    """What a net needs in order to be trained.

    Attributes:
        only: the one kind of features that it takes; None: any that describe frames.
        spectrum: whether a spectrum must be among the kinds.
        min_columns: columns of features.
        why_columns: why there must be so many, for the refusal.
        min_values: frames times columns of a clip.
        length: fixed: clips of one length; own: clips that keep theirs; any: either.
        why_length: the setting that makes the length fixed, if it is not the net's name.
        min_frames: shorter clips are padded to these.
        min_batch: clips.
        standardises_pooled: whether it takes log-mel in dB as it is, measures what it pools of
            clips, and standardises that. Mixed clips would be no voice's there.
        one_thread: whether its training steps are too short to be shared among threads.
        blind_to_padding: whether a step gives the same, but for rounding, however far clips are
            padded. Batch norms see padding, and dropout of frames draws for it.
        sizes: the settings of its size that are worth a search.
    """

    only: str | None = None
    spectrum: bool = False
    min_columns: int = 1
    why_columns: str = ""
    min_values: int = 1
    length: Literal["fixed", "own", "any"] = "any"
    why_length: str = ""
    min_frames: int = MIN_FRAMES
    min_batch: int = 1
    standardises_pooled: bool = False
    one_thread: bool = False
    blind_to_padding: bool = False
    sizes: tuple[Literal["layers", "width"], ...] = ()


def _resnet(model: "Model") -> Needs:
    if model.layers == 4 and model.batch_size == 1:
        return Needs(
            spectrum=True,
            min_columns=33,  # five halvings leave one of 32
            why_columns=(
                "model.layers 4 shrinks the shortest clips of fewer to one value, of which its "
                "batch norms cannot learn: model.batch_size of 2 or more or model.layers 3 would "
                "do as well"
            ),
            sizes=("layers",),
        )
    return Needs(spectrum=True, sizes=("layers",))


def _cnn(model: "Model") -> Needs:
    return Needs(
        spectrum=True,
        min_columns=2**model.layers,
        why_columns=f"model.layers {model.layers} halves them {model.layers} times",
        length="fixed" if model.pooling == "flatten" else "any",
        why_length="model.pooling flatten",
        blind_to_padding=not model.batch_norm,
        sizes=("layers",),
    )


# model.name -> what that net needs with the other settings of the section.
NEEDS: dict[str, Callable[["Model"], Needs]] = {
    "statpool": lambda model: Needs(
        only="logmel",
        min_columns=8,
        why_columns="their modulation is taken of 8 groups",
        length="own",
        min_frames=1,
        standardises_pooled=True,
        blind_to_padding=True,
        sizes=("width",),
    ),
    "mlp": lambda model: Needs(only=FUNCTIONALS, min_frames=1, one_thread=True, sizes=("width",)),
    "resnet": _resnet,
    "cnn": _cnn,
    "conv1d": lambda model: Needs(),
    # Three convolutions without padding, each with a pooling, leave one value of 57.
    "dummynet": lambda model: Needs(length="fixed", min_values=57),
    "rezonet": lambda model: Needs(
        only="logmel", min_columns=8, why_columns="three halvings leave one of 8"
    ),
    "exponet": lambda model: Needs(length="fixed", min_batch=2),
}


def needs_of(model: "Model") -> Needs:
    """Look up what a net needs with its settings."""
    return NEEDS[model.name](model)


def problems(model: "Model", dims: Mapping[str, int]) -> list[str]:
    """List what a net lacks in order to be trained with its settings.

    Args:
        model: the net and how it is trained.
        dims: columns of each kind of features, such as {"logmel": 64}.

    Returns:
        One text per problem, with what would be needed; empty if there is none.
    """
    needs = needs_of(model)
    net, kinds, columns = f"model.name {model.name}", list(dims), sum(dims.values())
    if (needs.only == FUNCTIONALS) != (kinds == [FUNCTIONALS]):
        takers = [name for name in NEEDS if _takes_functionals(name, model)]
        return [
            f"{net} and features.kinds {kinds} do not go together: {', '.join(takers)} takes "
            f"[{FUNCTIONALS}], all other nets take frames"
        ]
    found = []
    if needs.only is not None and kinds != [needs.only]:
        found.append(f"{net} needs features.kinds [{needs.only}], it is {kinds}")
    elif needs.spectrum and not set(kinds) & set(SPECTRA):
        found.append(
            f"{net} looks for patterns in a spectrogram: features.kinds needs one of "
            f"{', '.join(SPECTRA)}, it is {kinds}"
        )
    elif columns < needs.min_columns:
        found.append(
            f"{net} needs at least {needs.min_columns} columns of features, it got {columns} of "
            f"{kinds} (features.kinds, n_mels, n_mfcc): {needs.why_columns}"
        )
    if needs.length == "fixed" and model.length not in FIXED_LENGTHS:
        found.append(
            f"{needs.why_length or net} needs clips of one length: model.length "
            f"{' or '.join(FIXED_LENGTHS)} with model.frames, it is {model.length!r}"
        )
    elif model.frames * columns < needs.min_values:
        found.append(
            f"{net} needs at least {needs.min_values} values per clip, model.frames "
            f"{model.frames} times {columns} column(s) are {model.frames * columns}"
        )
    if needs.length == "own" and model.length in FIXED_LENGTHS:
        found.append(
            f"{net} takes clips at their own length: model.length own or crop, it is "
            f"{model.length!r}"
        )
    if needs.standardises_pooled and model.mixup > 0:
        found.append(
            f"model.mixup must be 0, it is {model.mixup:g}: {model.name} would pool mixed "
            "spectrograms, which are no voice's"
        )
    if model.batch_size < needs.min_batch:
        found.append(
            f"{net} has a batch norm that needs at least {needs.min_batch} clips: "
            f"model.batch_size of {needs.min_batch} or more"
        )
    return found


def _takes_functionals(name: str, model: "Model") -> bool:
    return NEEDS[name](model).only == FUNCTIONALS
