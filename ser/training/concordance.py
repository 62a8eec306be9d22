"""Measure and improve how well a net's values of the dimensions agree with the ratings."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TINY = 1e-12  # keeps the quotient of two zeros at 0, and its gradient finite


def concordance(values: Tensor, ratings: Tensor, weights: Tensor) -> Tensor:
    """Compute the concordance correlation coefficient of each dimension, -1..1.

    It is 1 only if all values equal the ratings: another mean or another spread lower it, unlike a
    correlation. If all values or all ratings are equal, it is 0 up to rounding. Variances are
    those of the population.

    Lin: A concordance correlation coefficient to evaluate reproducibility, Biometrics 45(1), 1989.

    Args:
        values: floats [clips, dimensions].
        ratings: floats [clips, dimensions], finite.
        weights: floats [clips, dimensions], how much each clip counts; 0: not at all.

    Returns:
        [dimensions].
    """
    shares = weights / weights.sum(dim=0).clamp(min=_TINY)
    value_mean, rating_mean = (shares * values).sum(dim=0), (shares * ratings).sum(dim=0)
    value, rating = values - value_mean, ratings - rating_mean
    covariance = (shares * value * rating).sum(dim=0)
    variances = (shares * (value.square() + rating.square())).sum(dim=0)
    apart = variances + (value_mean - rating_mean).square()
    return 2 * covariance / apart.clamp(min=_TINY)


def rated_concordance(
    values: Tensor, ratings: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the concordance of each dimension over the clips that are rated in it.

    Args:
        values: floats [clips, dimensions].
        ratings: floats [clips, dimensions]; NaN: not rated.
        weights: floats [clips], how much each clip counts; None: all alike.

    Returns:
        (concordance [dimensions], whether two clips or more are rated and have a weight above 0
        [dimensions], without which it means nothing).
    """
    rated = ~ratings.isnan()
    shares = rated.to(values.dtype)
    if weights is not None:
        shares = shares * weights[:, None]
    # Nothing is selected by the mask, because a GPU would have to wait for the number of clips.
    found = concordance(values, ratings.nan_to_num(), shares)
    return found, (shares > 0).sum(dim=0) >= 2


def mean_concordance(values: NDArray[np.float32], ratings: NDArray[np.float32]) -> float | None:
    """Compute the mean concordance over the dimensions in which two clips or more are rated.

    Args:
        values: float32 [clips, dimensions].
        ratings: float32 [clips, dimensions]; NaN: not rated.

    Returns:
        The mean, -1..1; None if there is no such dimension.
    """
    found, known = rated_concordance(*(torch.from_numpy(a).double() for a in (values, ratings)))
    return float(found[known].mean()) if known.any() else None
