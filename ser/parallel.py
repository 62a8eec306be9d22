"""Per-clip work spread over local processes, with results in the order of the input."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

from ser.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count() -> int:
    """How many processes to use: SER_WORKERS, or one per available core.

    Raises:
        UserError: SER_WORKERS is no whole number from 1 on.
    """
    text = os.environ.get("SER_WORKERS", "")
    if not text:
        return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"SER_WORKERS={text!r}: a whole number from 1 on is expected")
    return int(text)


def _single_threaded() -> None:
    """Keep each process on one core; the sum of a matrix product depends on its threads."""
    threadpool_limits(1)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` processes.

    At most a few results per process are waiting at any time, so memory does not grow with the
    number of items. One worker computes in this process. Results never depend on `workers`.
    """
    if workers == 1:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    # Linux's fork starts a worker without importing everything again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_single_threaded) as pool:
        source = iter(items)
        waiting: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(source, 4 * workers)
        )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result
