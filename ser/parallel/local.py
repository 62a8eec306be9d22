"""Work on many items spread over the processes of this computer."""

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


def single_threaded() -> None:
    """Keep this process's numeric libraries on one core, for good.

    The sum of a matrix product depends on the number of threads. OpenMP keeps the number for each
    thread of Python, so every thread that computes must call this, and after the libraries that it
    uses are imported.
    """
    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def local_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Do as `ser.parallel.ordered_map` does; one worker computes in this process."""
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
