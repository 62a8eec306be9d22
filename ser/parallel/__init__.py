"""Work on many items spread over processes, with results in the order of the input.

Where it runs is said by the environment alone: SER_WORKERS local processes, or the workers of the
Dask cluster whose scheduler SER_DASK_SCHEDULER names.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.parallel.local import Item, Result, local_map


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


def scheduler_address() -> str:
    """Where the Dask scheduler listens, SER_DASK_SCHEDULER; empty if there is none."""
    return os.environ.get("SER_DASK_SCHEDULER", "")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by several processes.

    At most a few items per process are taken ahead, and as many results wait, so memory does not
    grow with the number of items. Items, results and what the function holds travel by pickle: of
    large arrays, rather name the file. Results never depend on where they are computed.

    Args:
        function: what to do with an item; it must not depend on the process that it runs in.
        items: taken one by one.

    Raises:
        UserError: a process was killed; or the cluster cannot do it, see `ser.parallel.cluster`.
        Exception: whatever `function` or `items` raise, in its item's place.
    """
    if address := scheduler_address():
        # Imported only here: it takes half a second.
        with needed_by(
            f"SER_DASK_SCHEDULER={address!r}", "; or unset the variable to work on this computer"
        ):
            from ser.parallel import cluster

        return cluster.ordered_map(function, items, address)
    return local_map(function, items, worker_count())
