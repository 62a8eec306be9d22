"""Time two ways to do the same work, alternately in the same run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

REPEATS = 5

Clock = Callable[[], float]  # in seconds


@dataclass(frozen=True)
class Row:
    """A line of results.csv.

    Attributes:
        work: the work that is timed.
        against: the alternative that a user would have.
        ours: median seconds of this project.
        theirs: median seconds of the alternative.
        goal: the lowest acceptable ratio.
        bound: the part of the work that no program can avoid on this machine.
        bound_seconds: the time of that part alone, in seconds; NaN if unknown.
        note: what a reader must know about the comparison.
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
        """How many times as fast as the alternative."""
        return self.theirs / self.ours


def seconds_of(function: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Time one call, in seconds."""
    start = clock()
    function()
    return clock() - start


def interleave(
    *ways: Callable[[], object], repeats: int = REPEATS, clock: Clock = time.perf_counter
) -> list[float]:
    """Time several ways to do the same work alternately, so that other load affects them equally.

    Each is called once before the timing.

    >>> len(interleave(lambda: sum(range(10)), lambda: 45, repeats=3))
    2

    Args:
        ways: what to time.
        repeats: how often each is timed.
        clock: time.perf_counter, or time.process_time for work of this process alone.

    Returns:
        The median seconds of each.
    """
    for way in ways:
        way()
    times = [[seconds_of(way, clock) for way in ways] for _ in range(repeats)]
    return [median(column) for column in zip(*times, strict=True)]
