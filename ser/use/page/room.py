"""The room that all uploads together may take on disk."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from starlette.exceptions import HTTPException

from ser.use.page.uploads import KEPT, MAX_BYTES

MOST_BYTES = 10 * MAX_BYTES
MOST_FILES = 2000
_FULL = "This page holds as many recordings as it can: please try again in ten minutes."


class Room:
    """The room for all uploads together."""

    def __init__(self, folder: Path) -> None:
        """Watch the room in a folder."""
        self._folder = folder
        self._left = 0
        self._arriving = 0

    @contextmanager
    def upload(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes room for bytes of an upload while they arrive.

        Raises:
            HTTPException: 503, there is no room: also raised by the function.
        """
        held, files = measure(self._folder)
        free = shutil.disk_usage(self._folder).free
        self._left = min(MOST_BYTES - held, free) if files < MOST_FILES else 0
        arrived = 0

        def take(size: int) -> None:
            nonlocal arrived
            arrived += size
            self._arriving += size
            # What arrives is also found on disk: counted twice, it is never counted too late.
            if self._arriving >= self._left:
                raise HTTPException(503, _FULL, {"Retry-After": str(2 * KEPT)})

        try:
            take(0)
            yield take
        finally:
            self._arriving -= arrived
            self._left -= arrived


def measure(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of the files in a folder and below it."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # it may be removed meanwhile
                sizes.append(Path(parent, name).lstat().st_size)
    return sum(sizes), len(sizes)
