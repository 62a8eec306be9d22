"""Two ways of one work, measured in turn in the same run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """A line of results.csv.

    Attributes:
        work: what is done.
        against: what a user would do otherwise.
        ours: seconds, the median of all repeats.
        theirs: seconds of the other way, likewise.
        goal: the least ratio wanted.
        bound: what the work cannot go below on this machine.
        bound_seconds: how long that alone takes, in seconds; NaN if it was not found.
        note: what a reader must know of the comparison.
    """

    work: str
    against: str
    ours: float
    theirs: float
    goal: float
    bound: str
    bound_seconds: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as fast as the other way."""
        return self.theirs / self.ours


def seconds_of(function: Callable[[], object]) -> float:
    """Time one call, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleave(*ways: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Time ways of one work in turn, so that a busy moment hits all of them alike.

    Each is called once before, uncounted.

    Returns:
        The median seconds of each.
    """
    for way in ways:
        way()
    times = [[seconds_of(way) for way in ways] for _ in range(repeats)]
    return [median(column) for column in zip(*times, strict=True)]
