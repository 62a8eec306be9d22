"""A part of a file, read like a file of its own."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from ser.core.rejection import Rejected

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1 << 16  # bytes; libsndfile asks for some kB at a time


def view(
    file: BinaryIO, start: int, end: int, patches: Sequence[tuple[int, bytes]] = ()
) -> BinaryIO:
    """Open a part of a file to read.

    Args:
        file: open file, which may also be read elsewhere meanwhile.
        start: where the part begins.
        end: where it ends.
        patches: (position in the file, bytes to read there instead).
    """
    return io.BufferedReader(_View(file, start, end, patches), _BUFFER)


def require_read(part: BinaryIO) -> None:
    """Check that no read of a `view` has failed.

    libsndfile reads through Python callbacks. Their exceptions are lost, and libsndfile would take
    the part that was read for the whole file.

    Raises:
        Rejected: undecodable.
    """
    raw = getattr(part, "raw", None)
    if isinstance(raw, _View) and raw.failure:
        raise reading_failed(raw.failure)


def reading_failed(error: OSError) -> Rejected:
    """Return the rejection of a file that could not be read."""
    return Rejected("undecodable", f"reading it failed: {error.strerror or error}")


class _View(io.RawIOBase):
    def __init__(
        self, file: BinaryIO, start: int, end: int, patches: Sequence[tuple[int, bytes]]
    ) -> None:
        self._file, self._at, self._start, self._end = file, start, start, end
        self._patches = patches
        self.failure: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(self._start, offset + (self._start, self._at, self._end)[whence])
        return self._at - self._start

    def readinto(self, buffer: "WriteableBuffer") -> int:
        wanted = memoryview(buffer)
        if self._at >= self._end:  # possibly far beyond, if a damaged header says so
            return 0
        try:
            self._file.seek(self._at)
            data = self._file.read(min(len(wanted), self._end - self._at))
        except OSError as error:
            self.failure = error
            raise
        wanted[: len(data)] = data
        for place, replaced in self._patches:
            first = max(place, self._at)
            last = min(place + len(replaced), self._at + len(data))
            if first < last:
                wanted[first - self._at : last - self._at] = replaced[first - place : last - place]
        self._at += len(data)
        return len(data)
