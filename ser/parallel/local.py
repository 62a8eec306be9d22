"""Work on many items spread over processes, with results in the order of the input.

Where it runs is said by the environment alone: SER_WORKERS local processes, or the workers of the
Dask cluster whose scheduler SER_DASK_SCHEDULER names.
"""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count, islice
from multiprocessing.connection import Connection
from threading import Thread
from typing import TypeVar

from threadpoolctl import threadpool_limits

from ser.core.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items taken ahead per process, so that none waits for work while an earlier item takes long.
AHEAD = 4


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


def single_threaded() -> None:
    """Keep this process's numeric libraries on one core, for good.

    The sum of a matrix product depends on the number of threads. OpenMP keeps the number for each
    thread of Python, so every thread that computes must call this, and after the libraries that it
    uses are imported.
    """
    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


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
        from ser.parallel import cluster

        return cluster.ordered_map(function, items, address)
    return local_map(function, items, worker_count())


def local_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Do as `ordered_map` does, on this computer; one worker computes in this process."""
    if workers == 1:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    # Linux's fork starts a worker without importing everything again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin_worker, initargs=(reader, writer)
    )
    try:
        source = iter(items)
        waiting: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(source, AHEAD * workers)
        )
        for place in count(1):
            if not waiting:
                return
            try:
                result = waiting.popleft().result()
            except BrokenProcessPool:
                raise UserError(
                    f"a process was killed at item {place} or one of the {AHEAD * workers} after "
                    "it: mostly memory was short (see `dmesg`); fewer processes need less, such as "
                    f"SER_WORKERS={workers // 2}"
                ) from None
            waiting.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result
    finally:
        # Who stops early does not wait for what nobody will look at.
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


def _begin_worker(reader: Connection, writer: Connection) -> None:
    """Prepare a worker that ends as soon as its parent closes the pipe or dies."""
    single_threaded()
    # Ctrl-C reaches all processes of a terminal; it is the parent that ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer.close()

    def watch() -> None:
        reader.poll(None)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
