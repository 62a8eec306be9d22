"""What answers for a trained model, whichever program runs its nets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ser.core.typing import FloatArray
from ser.nets.description import Description
from ser.nets.lengths import fit_length
from ser.nets.normalisation import Statistics, normalise

WAVEFORM, FEATURES = "waveform", "features"  # the two inputs that nets can take


@dataclass(frozen=True)
class Nets:
    """The nets of all folds.

    Attributes:
        take: WAVEFORM: float32 [samples], as `checked_waveform` returns it; FEATURES: a clip's
            features, normalised for each fold, float32 [folds, frames, dims].
        answer: such an input -> [folds, emotions + dimensions]: the probabilities of the emotions,
            then the values of the dimensions that the model learned, if any: see `split_answers`.
        pool: a clip's features, float32 [frames, dims] -> what each net pools from it, float32
            [folds, pooled]; None: the nets do not adapt to a voice themselves.
        adapt: what was pooled from recordings of a speaker, float32 [recordings, folds, pooled] ->
            the nets, as they were trained, adapted to the speaker; None with `pool`.
    """

    take: str
    answer: Callable[[FloatArray], FloatArray]
    pool: Callable[[FloatArray], FloatArray] | None = None
    adapt: Callable[[FloatArray], "Nets"] | None = None


def split_answers(answers: FloatArray, description: Description) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities [folds, emotions] and the values [folds, dimensions] of answers."""
    emotions = len(description.emotions)
    return answers[:, :emotions], answers[:, emotions:]


def input_of_folds(
    features: FloatArray, description: Description, voice: Statistics | None
) -> FloatArray:
    """Return what the nets of all folds take: float32 [folds, frames, dims].

    Args:
        features: of a clip, float32 [frames, dims].
        description: of the model.
        voice: the statistics of the clip's speaker, for folds without statistics of their own;
            None: those of the clip.
    """
    dims = description.preprocessing.dims
    return np.stack(
        [
            fit_length(
                normalise(features, dims, voice if statistics is None else statistics),
                description.model,
            )
            for statistics in description.statistics
        ]
    )
