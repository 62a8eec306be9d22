"""Map a function over many items in processes of this computer."""

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

# Items read ahead per process, so that no process is idle while an earlier item takes long.
ITEMS_AHEAD = 4


def limit_to_one_thread() -> None:
    """Limit the numeric libraries of this process to one thread, permanently.

    The sums of a matrix product depend on the number of threads. OpenMP keeps a limit for each
    Python thread, so every thread that computes must call this, after importing its libraries.
    """
    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def local_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Do the same as `ser.parallel.ordered_map`; a single worker runs in this process."""
    if workers == 1:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    # On Linux, fork starts workers without importing everything again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin_worker, initargs=(reader, writer)
    )
    try:
        source = iter(items)
        waiting: deque[Future[Result]] = deque(
            pool.submit(function, item) for item in islice(source, ITEMS_AHEAD * workers)
        )
        for place in count(1):
            if not waiting:
                return
            try:
                result = waiting.popleft().result()
            except BrokenProcessPool:
                ahead = ITEMS_AHEAD * workers
                raise UserError(
                    f"a process was killed at item {place} or one of the {ahead} after it, most "
                    "likely for lack of memory (see `dmesg`); fewer processes need less, such as "
                    f"SER_WORKERS={workers // 2}"
                ) from None
            waiting.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result
    finally:
        # If the caller stops early, cancel the pending work.
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


def _begin_worker(reader: Connection, writer: Connection) -> None:
    """Set up a worker process, which exits when its parent closes the pipe or dies."""
    limit_to_one_thread()
    # Ctrl-C reaches all processes of a terminal. The parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer.close()

    def exit_with_parent() -> None:
        reader.poll(None)
        os._exit(1)

    Thread(target=exit_with_parent, daemon=True).start()
