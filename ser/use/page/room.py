"""The room that uploads may take on disk: of one visitor, and of all together."""

import os
import shutil
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from starlette.exceptions import HTTPException

from ser.use.page.forms import Parts
from ser.use.page.uploads import DELETED_AFTER, MAX_BYTES

MOST_BYTES = 10 * MAX_BYTES
MOST_FILES = 2000
_LATER = {"Retry-After": str(DELETED_AFTER)}


class Size(NamedTuple):
    """The size of uploads."""

    bytes_: int = 0
    files: int = 0

    def plus(self, other: "Size") -> "Size":
        """Return the size of both together."""
        return Size(self.bytes_ + other.bytes_, self.files + other.files)

    def minus(self, other: "Size") -> "Size":
        """Return the size without another."""
        return Size(self.bytes_ - other.bytes_, self.files - other.files)

    def fits(self, room: "Size") -> bool:
        """Return whether something of this size fits into a room."""
        return self.bytes_ < room.bytes_ and self.files <= room.files


MOST_OF_VISITOR = Size(MOST_BYTES // 2, MOST_FILES // 2)


class Upload:
    """An upload that arrives.

    Attributes:
        is_kept: whether its files stay; set when that is known.
    """

    def __init__(self, room: "Room", visitor: str, parts: Parts) -> None:
        """Begin an upload of a visitor, whose form has these parts."""
        self._room = room
        self._visitor = visitor
        self._parts = parts
        self._arrived = Size()
        self.is_kept = False

    def take(self, block: bytes) -> None:
        """Take room for a block of the form that arrived.

        Raises:
            HTTPException: 503, there is none.
        """
        size = Size(len(block), self._parts.count(block))
        self._arrived = self._arrived.plus(size)
        self._room.take(self._visitor, size)

    def end(self) -> None:
        """Return the room: what is kept is on disk from now on."""
        self._room.give_back(self._visitor, self._arrived, self.is_kept)


class Room:
    """The room for uploads in a folder."""

    def __init__(self, folder: Path) -> None:
        """Watch a folder, in which nobody else writes much."""
        self._folder = folder
        self._left = self._arriving = Size()
        # Of each visitor, what arrives or was not deleted yet.
        self._of: defaultdict[str, Size] = defaultdict(Size)
        self._kept = deque[tuple[float, str, Size]]()  # since when, of whom

    @contextmanager
    def upload(self, visitor: str, parts: Parts) -> Iterator[Upload]:
        """Admit an upload of a visitor, whose form has these parts.

        Raises:
            HTTPException: 503, there is no room.
        """
        while self._kept and self._kept[0][0] < monotonic() - DELETED_AFTER:
            _, whose, size = self._kept.popleft()
            self._forget(whose, size)
        held, free = measure(self._folder), shutil.disk_usage(self._folder).free
        left = Size(MOST_BYTES, MOST_FILES).minus(held)
        self._left = left._replace(bytes_=min(left.bytes_, free))
        upload = Upload(self, visitor, parts)
        try:
            upload.take(b"")
            yield upload
        finally:
            upload.end()

    def take(self, visitor: str, size: Size) -> None:
        """Take room for what arrived; see `Upload.take`."""
        self._of[visitor] = self._of[visitor].plus(size)
        self._arriving = self._arriving.plus(size)
        if not self._of[visitor].fits(MOST_OF_VISITOR):
            raise HTTPException(
                503, "You have uploaded enough for now: please try again in ten minutes.", _LATER
            )
        # What arrives is also found on disk: counted twice, it is never counted too late.
        if not self._arriving.fits(self._left):
            raise HTTPException(
                503,
                "This page holds as many recordings as it can: please try again in ten minutes.",
                _LATER,
            )

    def give_back(self, visitor: str, size: Size, is_kept: bool) -> None:
        """Note that something arrives no longer; see `Upload.end`."""
        self._arriving = self._arriving.minus(size)
        if is_kept:
            self._left = self._left.minus(size)
            self._kept.append((monotonic(), visitor, size))
        else:
            self._forget(visitor, size)

    def _forget(self, visitor: str, size: Size) -> None:
        self._of[visitor] = self._of[visitor].minus(size)
        if self._of[visitor] == Size():
            del self._of[visitor]


def measure(folder: Path) -> Size:
    """Return the size of the files in a folder and below it."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it may be removed meanwhile
                sizes.append(Path(parent, name).lstat().st_size)
    return Size(sum(sizes), len(sizes))
