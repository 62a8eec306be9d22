"""The room that uploads may take on disk: of one visitor, and of all together."""

import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from starlette.exceptions import HTTPException

from ser.use.page.uploads import DELETED_AFTER, MAX_BYTES

MOST_BYTES = 10 * MAX_BYTES
MOST_OF_VISITOR = MOST_BYTES // 2  # bytes from one address
MOST_FILES = 2000
_LATER = {"Retry-After": str(DELETED_AFTER)}


class Upload:
    """An upload that arrives.

    Attributes:
        is_kept: whether its files stay; set when that is known.
    """

    def __init__(self, room: "Room", visitor: str) -> None:
        """Begin an upload of a visitor, given by an address."""
        self._room = room
        self._visitor = visitor
        self._arrived = 0
        self.is_kept = False

    def take(self, size: int) -> None:
        """Take room for bytes that arrived.

        Raises:
            HTTPException: 503, there is none.
        """
        self._arrived += size
        self._room.take(self._visitor, size)

    def end(self) -> None:
        """Give the room back: what is kept is on disk from now on."""
        self._room.give_back(self._visitor, self._arrived, self.is_kept)


class Room:
    """The room for uploads in a folder."""

    def __init__(self, folder: Path) -> None:
        """Watch a folder, in which nobody else writes much."""
        self._folder = folder
        self._left = self._arriving = 0
        self._of = Counter[str]()  # bytes of each visitor that arrive or were not deleted yet
        self._kept = deque[tuple[float, str, int]]()  # since when, of whom, bytes

    @contextmanager
    def upload(self, visitor: str) -> Iterator[Upload]:
        """Let an upload of a visitor arrive.

        Raises:
            HTTPException: 503, there is no room.
        """
        while self._kept and self._kept[0][0] < monotonic() - DELETED_AFTER:
            _, whose, size = self._kept.popleft()
            self._forget(whose, size)
        held, files = measure(self._folder)
        free = shutil.disk_usage(self._folder).free
        self._left = min(MOST_BYTES - held, free) if files < MOST_FILES else 0
        upload = Upload(self, visitor)
        try:
            upload.take(0)
            yield upload
        finally:
            upload.end()

    def take(self, visitor: str, size: int) -> None:
        """Take room for bytes that arrive; see `Upload.take`."""
        self._of[visitor] += size
        self._arriving += size
        if self._of[visitor] >= MOST_OF_VISITOR:
            raise HTTPException(
                503, "You have uploaded enough for now: please try again in ten minutes.", _LATER
            )
        # What arrives is also found on disk: counted twice, it is never counted too late.
        if self._arriving >= self._left:
            raise HTTPException(
                503,
                "This page holds as many recordings as it can: please try again in ten minutes.",
                _LATER,
            )

    def give_back(self, visitor: str, size: int, is_kept: bool) -> None:
        """Note that bytes arrive no longer; see `Upload.end`."""
        self._arriving -= size
        if is_kept:
            self._left -= size
            self._kept.append((monotonic(), visitor, size))
        else:
            self._forget(visitor, size)

    def _forget(self, visitor: str, size: int) -> None:
        self._of[visitor] -= size
        if not self._of[visitor]:
            del self._of[visitor]


def measure(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of the files in a folder and below it."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it may be removed meanwhile
                sizes.append(Path(parent, name).lstat().st_size)
    return sum(sizes), len(sizes)
