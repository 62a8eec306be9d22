"""Map a function over many items in processes of this computer."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from ser.core.errors import UserError
from ser.core.uninterrupted import uninterrupted

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
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, size: int = 1
) -> Generator[Result, None, None]:
    """Do the same as `ser.parallel.ordered_map`; a single worker runs in this process."""
    if workers == 1:
        with threadpool_limits(1):
            yield from map(function, items)
        return
    processes = _Processes(function, workers)
    # One thread waits for each process. The processes were forked before any thread began.
    threads = ThreadPoolExecutor(workers)
    try:
        source = iter(items)
        waiting: deque[Future[Result]] = deque(
            threads.submit(processes.compute, item)
            for item in islice(source, ITEMS_AHEAD * workers)
        )
        for place in count(1, size):
            if not waiting:
                return
            try:
                result = waiting.popleft().result()
            except _ProcessDiedError:
                raise UserError(
                    f"a process was killed at item {place}, most likely for lack of memory (see "
                    f"`dmesg`); fewer processes need less, such as SER_WORKERS={workers // 2}"
                ) from None
            waiting.extend(threads.submit(processes.compute, item) for item in islice(source, 1))
            yield result
    finally:
        # If the caller stops early, what is at work is ended and the rest never begun.
        processes.kill()
        threads.shutdown(cancel_futures=True)


class _ProcessDiedError(Exception):
    """The process that worked on an item has died."""


class _Processes:
    """Processes that compute one function, each behind a pipe of its own.

    Unlike those of `concurrent.futures`, no two share a pipe or a lock. The death of one is always
    seen as the end of its pipe, and nobody waits for the rest of a message that it was sending.
    """

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        # On Linux, fork starts workers without importing everything again.
        linux = sys.platform == "linux"
        start = multiprocessing.get_context
        context = start("fork") if linux else start("spawn")
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._all = []
        # Only this process keeps the writing end, so that its death ends the reading.
        reader, self._alive = context.Pipe(duplex=False)
        # Signals are held back until every process has its handlers.
        with uninterrupted():
            for _ in range(workers):
                ours, theirs = context.Pipe()
                arguments = (function, theirs, reader, self._alive)
                process = context.Process(target=_work, args=arguments, daemon=True)
                process.start()
                theirs.close()
                self._all.append(process)
                self._idle.put(ours)
        reader.close()

    def compute(self, item: Any) -> Any:  # noqa: ANN401 - whatever the function takes and returns
        """Return what an idle process computes of an item, or raise what it raises."""
        connection = self._idle.get()
        try:
            connection.send(item)
            result, error = connection.recv()
        except (EOFError, ConnectionError):
            raise _ProcessDiedError from None
        finally:
            self._idle.put(connection)
        if error is not None:
            raise error
        return result

    def kill(self) -> None:
        """End all processes, whatever they do."""
        for process in self._all:
            process.kill()
        for process in self._all:
            process.join()
        self._alive.close()


def _work(
    function: Callable[[Any], Any], connection: Connection, parent: Connection, writer: Connection
) -> None:
    """Compute the items that come through a pipe, until the parent kills this process or dies."""
    # Ctrl-C reaches all processes of a terminal. The parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limit_to_one_thread()
    writer.close()

    def exit_with_parent() -> None:
        parent.poll(None)
        os._exit(1)

    Thread(target=exit_with_parent, daemon=True).start()
    while True:
        item = connection.recv()
        try:
            connection.send((function(item), None))
        except Exception as error:
            error.add_note(f"In another process:\n{traceback.format_exc()}")
            connection.send((None, error))
