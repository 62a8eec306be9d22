"""Map a function over many items in parallel, with results in the order of the input.

The environment alone decides where it runs: in SER_WORKERS local processes, or on the Dask cluster
whose scheduler listens at SER_DASK_SCHEDULER.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterable

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.parallel.local import Item, Result, local_map


def worker_count() -> int:
    """Return how many processes to use: SER_WORKERS, or one per available core.

    Raises:
        UserError: SER_WORKERS is not a whole number from 1 on.
    """
    text = os.environ.get("SER_WORKERS", "")
    if not text:
        return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"SER_WORKERS={text!r}: a whole number from 1 on is expected")
    return int(text)


def scheduler_address() -> str:
    """Return the address of the Dask scheduler, SER_DASK_SCHEDULER; empty without one."""
    return os.environ.get("SER_DASK_SCHEDULER", "")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], size: int = 1
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, computed by several processes.

    Only a few items per process are read ahead, and as many results are kept, so memory does not
    grow with the number of items. Items, results and the function's data are pickled; instead of a
    large array, pass the name of its file. Results do not depend on where they are computed.
    Close the generator when it is no longer needed, with `contextlib.closing`: that ends the
    processes at once, also after an error or Ctrl-C.

    Args:
        function: applied to each item; it must not depend on the process that it runs in.
        items: read one by one.
        size: how many of what a user counts an item holds: errors name the first of them.

    Raises:
        UserError: a process was killed, or the cluster failed: see `ser.parallel.cluster`.
        Exception: whatever `function` or `items` raise, in place of that item's result.

    >>> list(ordered_map(abs, [-2, 3, -1]))
    [2, 3, 1]
    """
    if address := scheduler_address():
        # Imported only here: it takes half a second.
        with needed_by(
            f"SER_DASK_SCHEDULER={address!r}", "; or unset the variable to work on this computer"
        ):
            from ser.parallel import cluster

        return cluster.cluster_map(function, items, address, size)
    return local_map(function, items, worker_count(), size)
