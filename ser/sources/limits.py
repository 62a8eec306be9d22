"""How much a server may send, and how slowly, so that every download ends."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_POLL = 0.2  # seconds until a request to stop is noticed


@dataclass(frozen=True)
class Limits:
    """What is accepted from a server.

    Attributes:
        seconds: in every such time, `least` bytes must arrive.
        least: bytes. The default is as slow as eight downloads at once over a modem.
        file: bytes of one recording.
        archive: bytes of one archive.
        listing: bytes of one answer that is not a file.
        entries: files and folders of a repository.
        folders: folders of a repository, each of which takes a request.
        depth: of folders within folders.
    """

    seconds: float = 60.0
    least: int = 30_000
    file: int = 2 * 10**9
    archive: int = 50 * 10**9
    listing: int = 100 * 10**6
    entries: int = 200_000
    folders: int = 10_000
    depth: int = 32


class TooMuchError(Exception):
    """More bytes arrive than are accepted."""


class TooSlowError(Exception):
    """Fewer bytes arrive than are accepted."""


class StoppedError(Exception):
    """The download was given up for another reason."""


class Transfer:
    """Counts what arrives.

    Attributes:
        received: bytes so far.
    """

    def __init__(self, most: int) -> None:
        self.received = 0
        self._most = most
        self._given_up = Event()

    def give_up(self) -> None:
        """End the thread that receives as soon as it wakes up."""
        self._given_up.set()

    def check(self) -> None:
        """Check that the transfer may go on.

        Raises:
            StoppedError: it was given up.
            TooMuchError: too much has arrived.
        """
        if self._given_up.is_set():
            raise StoppedError
        if self.received > self._most:
            raise TooMuchError(f"more than {self._most:,} bytes")

    def count(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on what arrives.

        Raises:
            StoppedError, TooMuchError: as in `check`, before the block that is too much.
        """
        for block in blocks:
            self.received += len(block)
            self.check()
            yield block


def supervise(
    call: Callable[[], T],
    received: Callable[[], int],
    limits: Limits,
    stopped: Event | None = None,
) -> T:
    """Call in a thread of its own, and wait for the result while enough arrives.

    Socket timeouts cover neither name look-ups nor a slow trickle, and while a thread waits for a
    socket, no signal ends it. This one does not keep the program from ending.

    Args:
        call: receives something.
        received: bytes so far.
        limits: how slow it may be.
        stopped: ends the wait when it is set.

    Raises:
        TooSlowError: too little arrives.
        StoppedError: `stopped` was set.
    """
    future: Future[T] = Future()
    Thread(target=_settle, args=(future, call), daemon=True).start()
    before, since = received(), time.monotonic()
    while not wait([future], timeout=_POLL).done:
        if stopped is not None and stopped.is_set():
            raise StoppedError
        now = received()
        if time.monotonic() - since >= limits.seconds:
            if abs(now - before) < limits.least:
                raise TooSlowError(
                    f"fewer than {limits.least:,} bytes within {limits.seconds:g} seconds"
                )
            before, since = now, time.monotonic()
    return future.result()


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
