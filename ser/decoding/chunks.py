"""Files that consist of chunks, each with its name and size: the RIFF family, AIFF, CAF."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from ser.core.rejection import Rejected

_TAIL = 1 << 16  # bytes
_MOST_CHUNKS = 10_000  # a file of zeros has a chunk every 8 bytes


@dataclass(frozen=True)
class Layout:
    """How the chunks of a kind of file are laid out.

    Attributes:
        order: byte order of its numbers.
        header: format of a chunk's name and size.
        first: where the first chunk begins.
        align: the content of a chunk is padded to a multiple of this many bytes.
        counts_header: whether the size of a chunk includes its header.
    """

    order: Literal["little", "big"]
    header: struct.Struct
    first: int
    align: int = 2
    counts_header: bool = False


LITTLE = Layout("little", struct.Struct("<4sI"), 12)  # RIFF, RF64, BW64
BIG = Layout("big", struct.Struct(">4sI"), 12)  # RIFX, AIFF, 8SVX
# Names are GUIDs, the first four bytes of which are those of RIFF.
W64 = Layout("little", struct.Struct("<4s12xQ"), 40, align=8, counts_header=True)
CAF = Layout("big", struct.Struct(">4sq"), 8, align=1)


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name, where its content begins, and the size of the content in its header."""

    name: bytes
    start: int
    size: int


def walk(file: BinaryIO, layout: Layout, end: int, first: int = 0) -> Iterator[Chunk]:
    """Yield the chunks of a file; the last may state that it ends after the file.

    Args:
        file: open file.
        layout: layout of its chunks.
        end: size of the file.
        first: where to begin; 0: at the first chunk.

    Raises:
        Rejected: undecodable.
    """
    at = first or layout.first
    for _ in range(_MOST_CHUNKS):
        if at + layout.header.size > end:
            return
        file.seek(at)
        name, size = layout.header.unpack(file.read(layout.header.size))
        if layout.counts_header:
            size -= layout.header.size
        start = at + layout.header.size
        yield Chunk(name, start, size)
        if size < 0:
            return
        at = start + size + -size % layout.align
    raise Rejected("undecodable", f"more than {_MOST_CHUNKS} chunks")


def content(file: BinaryIO, chunk: Chunk, most: int = 64) -> bytes:
    """Read the beginning of a chunk's content."""
    file.seek(chunk.start)
    return file.read(max(0, min(chunk.size, most)))


def end_of_samples(file: BinaryIO, layout: Layout, start: int, end: int) -> int:
    """Return where samples of unknown number end: before the chunks at the end of the file.

    Bytes count as chunks only if their names are readable and their sizes lead from one to the next
    and exactly to the end of the file: a 32-bit size is rarely right by chance. The search covers
    `start` and the last 64 kB.

    Args:
        file: open file.
        layout: layout of its chunks.
        start: where the samples begin.
        end: size of the file.

    Returns:
        `start` if there are no samples; `end` if there are no chunks.
    """
    if _chunks_fill(file, layout, start, end):
        return start
    first = max(start, end - _TAIL - (end - _TAIL - start) % layout.align)
    file.seek(first)
    tail = file.read(end - first)
    found = {end}
    header = layout.header.size
    for at in range(end - header - (end - header - first) % layout.align, first - 1, -layout.align):
        name, size = layout.header.unpack_from(tail, at - first)
        behind = at + size + (0 if layout.counts_header else header)
        if _is_readable(name) and (behind == end or behind + -size % layout.align in found):
            found.add(at)
    return min(found)


def _chunks_fill(file: BinaryIO, layout: Layout, start: int, end: int) -> bool:
    """Return whether the rest of a file is whole chunks with readable names, unlike samples."""
    last = None
    for last in walk(file, layout, end, start):
        if not _is_readable(last.name):
            return False
    return last is not None and 0 <= end - (last.start + last.size) < layout.align


def _is_readable(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name)
