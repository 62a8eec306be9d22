"""Compare the answers of two programs that run the same nets."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4  # largest accepted difference of a probability
_CLIPS = 20
Item = TypeVar("Item")


def some_of(items: Sequence[Item]) -> list[Item]:
    """Return up to 20 items, spread evenly over all of them.

    >>> some_of("abc"), len(some_of(range(1000))), some_of(range(1000))[-1]
    (['a', 'b', 'c'], 20, 999)
    """
    count = min(_CLIPS, len(items))
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def largest_difference(answers: Sequence[Sequence[NDArray[np.floating]]]) -> float:
    """Return the largest difference between two programs' answers, NaN if one of these is NaN.

    >>> first, second = np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]])
    >>> largest_difference([(first, first), (first, second)])
    0.25

    Args:
        answers: for each clip, the probabilities [folds, emotions] of one program and of the other.
    """
    ours, theirs = np.moveaxis(np.array(answers), 1, 0) if answers else np.zeros((2, 0))
    return float(np.abs(ours - theirs).max(initial=0))  # Python's max would pass over NaN
