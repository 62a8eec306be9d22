"""Compute the learning rate over a training."""

import math

from ser.core.sections import Model

_WARM_UP = 0.3  # share of the steps of one_cycle in which the learning rate rises
_START = 1 / 25  # of the peak, where one_cycle starts


def learning_rate(model: Model, progress: float) -> float:
    """Compute the learning rate at a point of the training, by model.schedule.

    constant; step: a tenth from model.decay_epoch on; cosine: half a cosine down to 0; one_cycle:
    up from peak / 25 during the first 30 %, then half a cosine down to 0 (Smith, Topin:
    Super-convergence, 2019).

    Args:
        model: its schedule, peak, epochs and batch size are used.
        progress: share of the steps completed, 0..1.
    """
    peak = model.learning_rate * batch_factor(model)
    if model.schedule == "constant":
        return peak
    if model.schedule == "step":
        return peak if progress < model.decay_epoch / model.epochs else peak / 10
    if model.schedule == "cosine":
        return peak * _half_cosine(progress)
    if progress < _WARM_UP:
        return peak * (1 + (_START - 1) * _half_cosine(progress / _WARM_UP))
    return peak * _half_cosine((progress - _WARM_UP) / (1 - _WARM_UP))


def batch_factor(model: Model) -> float:
    """Compute the factor of learning rate and weight decay that depends on the batch size.

    The rate is proportional to the square root of the batch size. Malladi et al.: On the SDEs and
    scaling rules for adaptive gradient algorithms, NeurIPS 2022; only their rule for the rate is
    used. With the same factor for the decay, the product of both is proportional to the batch size:
    weights decay equally in an epoch of many small steps and one of few large steps.
    """
    if model.learning_rate_batch == 0:
        return 1.0
    return math.sqrt(model.batch_size / model.learning_rate_batch)


def _half_cosine(x: float) -> float:
    """Return half a cosine that falls from 1 at x = 0 to 0 at x = 1."""
    return 0.5 * (1 + math.cos(math.pi * x))
