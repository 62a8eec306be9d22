"""What each net needs of features and settings: a table that can be read without loading torch.

params.yaml is checked against it. Training, export and tuning read it instead of naming nets.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ser.core.kinds import LOGMEL

FIXED_LENGTHS = ("resize", "pad")  # values of model.length that bring every clip to model.frames
MIN_FRAMES = 16  # the most halvings in any net reduce these to one frame


class NetSettings(Protocol):
    """The settings that a net's needs depend on, as `ser.core.sections.Model` has them."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def layers(self) -> int: ...  # noqa: D102
    @property
    def batch_norm(self) -> bool: ...  # noqa: D102
    @property
    def pooling(self) -> str: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Needs:
    """What a net needs in order to be trained.

    Attributes:
        whole_clip: whether it takes kinds of features that describe the clip, not its frames.
        only: the only kind of features that it takes; None: any.
        spectrum: whether a spectrum must be among the kinds.
        min_columns: fewest columns of features.
        why_columns: the reason for min_columns, for the error.
        min_values: fewest values of a clip, frames times columns.
        length: fixed: all clips have one length; own: clips keep their length; any: either.
        why_length: the setting that requires one length, if it is not the net's name.
        min_frames: shorter clips are padded to this number.
        min_batch: fewest clips of a batch.
        standardises_pooled: whether it takes log-mel in dB without normalisation, and standardises
            the pooled values instead. A mix of two clips would not be the voice of any speaker.
        one_thread: whether its training steps are too short to be shared among threads.
        learner: whether it is fitted to all clips at once, instead of by steps and epochs.
        blind_to_padding: whether a step gives the same result, except for rounding, however far
            clips are padded. Batch norms see padding, and dropout of frames draws for it.
        sizes: the settings of its size that are worth tuning.
        pace: the setting that decides how closely it follows the train clips, for tuning.
    """

    whole_clip: bool = False
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
    learner: bool = False
    blind_to_padding: bool = False
    sizes: tuple[Literal["layers", "width"], ...] = ()
    pace: Literal["learning_rate", "c"] = "learning_rate"


def _resnet(model: NetSettings) -> Needs:
    if model.layers == 4 and model.batch_size == 1:
        return Needs(
            spectrum=True,
            min_columns=33,  # five halvings leave one of 32
            why_columns=(
                "with fewer, model.layers 4 shrinks the shortest clips to one value, from which "
                "batch norm cannot learn; model.batch_size of 2 or more, or model.layers 3, would "
                "also do"
            ),
            sizes=("layers",),
        )
    return Needs(spectrum=True, sizes=("layers",))


_LEARNER = Needs(whole_clip=True, min_frames=1, one_thread=True, learner=True)


def _cnn(model: NetSettings) -> Needs:
    return Needs(
        spectrum=True,
        min_columns=2**model.layers,
        why_columns=f"model.layers {model.layers} halves them {model.layers} times",
        length="fixed" if model.pooling == "flatten" else "any",
        why_length="model.pooling flatten",
        blind_to_padding=model.pooling == "mean" and not model.batch_norm,
        sizes=("layers",),
    )


# model.name -> function from the settings of the section to what the net needs.
NEEDS: dict[str, Callable[[NetSettings], Needs]] = {
    "statpool": lambda model: Needs(
        only=LOGMEL,
        min_columns=8,
        why_columns="it measures the modulation of 8 groups of them",
        length="own",
        min_frames=1,
        standardises_pooled=True,
        one_thread=True,
        blind_to_padding=True,
        sizes=("width",),
    ),
    "mlp": lambda model: Needs(whole_clip=True, min_frames=1, one_thread=True, sizes=("width",)),
    "logistic_regression": lambda model: replace(_LEARNER, pace="c"),
    "svm": lambda model: replace(_LEARNER, pace="c"),
    "gradient_boosting": lambda model: replace(_LEARNER, sizes=("layers",)),
    "resnet": _resnet,
    "cnn": _cnn,
    "conv1d": lambda model: Needs(),
    # Three convolutions without padding, each with a pooling, leave one value of 57.
    "dummynet": lambda model: Needs(length="fixed", min_values=57),
    "rezonet": lambda model: Needs(
        only=LOGMEL, min_columns=8, why_columns="three halvings leave one of 8"
    ),
    "exponet": lambda model: Needs(length="fixed", min_batch=2),
}


def needs_of(model: NetSettings) -> Needs:
    """Return what a net needs with its settings."""
    return NEEDS[model.name](model)
