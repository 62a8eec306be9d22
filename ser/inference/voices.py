"""Adapt nets that standardise what they pool from a clip: to a voice, by what they pool from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ser.core.errors import UserError
from ser.core.typing import FloatArray
from ser.inference.nets import FEATURES, Nets
from ser.nets.normalisation import MIN_POOLED_DEVIATION

_CLIPS_BEHIND_MEAN = 3  # the mean of the train clips counts as much as so many clips of a voice


@dataclass(frozen=True)
class Standard:
    """What the nets of all folds standardise pooled vectors by.

    Attributes:
        centre: the mean, float32 [folds, pooled].
        scale: the deviation, float32 [folds, pooled].
    """

    centre: FloatArray
    scale: FloatArray


# Features [folds, frames, dims] -> (answers as of `Nets.answer`, pooled [folds, pooled]).
Run = Callable[[FloatArray, Standard], tuple[FloatArray, FloatArray]]


def adaptable_nets(run: Run, trained: Standard, of_each_voice: bool) -> Nets:
    """Return nets that can be adapted to a voice.

    Args:
        run: computes the answers by a standard, and the pooled vectors whatever the standard.
        trained: the standard of the train clips.
        of_each_voice: whether the nets were trained on clips standardised by those of their voice.
    """

    def pool(features: FloatArray) -> FloatArray:
        return run(np.stack([features] * len(trained.centre)), trained)[1]

    def adapt(pooled: FloatArray) -> Nets:
        if pooled.shape[1:] != trained.centre.shape:
            raise UserError(
                f"what is kept of a voice, {pooled.shape[1:]}, is of another model: this one pools "
                f"{trained.centre.shape}"
            )
        return by((measured if of_each_voice else leaning)(trained, pooled))

    def by(standard: Standard) -> Nets:
        return Nets(FEATURES, lambda features: run(features, standard)[0], pool, adapt)

    return by(trained)


def measured(_: Standard, pooled: FloatArray) -> Standard:
    """Return the mean and deviation of pooled vectors [clips, folds, pooled] of a voice.

    A column that is constant has the deviation 1.
    """
    deviation = pooled.std(axis=0)
    return Standard(
        pooled.mean(axis=0), np.where(deviation > MIN_POOLED_DEVIATION, deviation, np.float32(1))
    )


def leaning(trained: Standard, pooled: FloatArray) -> Standard:
    """Return a standard whose mean moved towards that of a voice's clips; more move it further.

    Adaptation with a relevance factor, as of the means in Reynolds, Quatieri, Dunn: Speaker
    verification using adapted Gaussian mixture models, Digital Signal Processing 10(1-3), 2000.

    Args:
        trained: the standard of the train clips.
        pooled: float32 [clips, folds, pooled], of unlabelled clips of one voice.
    """
    share = np.float32(len(pooled) / (len(pooled) + _CLIPS_BEHIND_MEAN))
    return Standard(trained.centre + share * (pooled.mean(axis=0) - trained.centre), trained.scale)
