"""The pages of an Ogg file: whether all of them are there and undamaged.

RFC 3533: The Ogg encapsulation format, version 0.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from ser.core.rejection import Rejected

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4  # flags of a page: its stream begins, or ends, with it
_CHECKSUM = slice(22, 26)
FLAC, SPEEX = b"\x7fFLAC", b"Speex   "
_SOUND = (b"\x01vorbis", b"OpusHead", FLAC, SPEEX)  # what the first page of a stream begins with
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CUT = "the last page of the Ogg stream is missing or cut off"


@dataclass(frozen=True)
class Link:
    """One of the files in a chain.

    Attributes:
        codec: how its first page begins.
        start: position of its first byte.
        end: position after its last byte.
    """

    codec: bytes
    start: int
    end: int


def links(file: BinaryIO) -> list[Link]:
    """Read all pages and return the files in a chain.

    libsndfile takes a file with missing pages for a shorter one. Files written one after the other
    are a chain, and each may have several streams at once. Streams of sound must be complete. Bytes
    after the last page are ignored, because some programs add tags there.

    Args:
        file: a file that begins with a page.

    Raises:
        Rejected: truncated: pages are missing; or undecodable: one is damaged, or none holds sound.
    """
    found: list[Link] = []
    numbers: dict[int, int] = {}  # serial number of an open stream -> number of its next page
    others: set[int] = set()  # serial numbers: pictures, text
    codec, start, at = b"", 0, 0
    file.seek(0)
    while page := _read_page(file, at):
        _, _, flags, _, serial, number, _, parts = _HEADER.unpack_from(page)
        if flags & _FIRST and serial not in numbers:
            kind = next(filter(page[_HEADER.size + parts :].startswith, _SOUND), b"")
            (others.discard if kind else others.add)(serial)
            if kind and not numbers:
                codec, start = kind, at
            if kind:
                numbers[serial] = number
        at += len(page)
        if serial in others:
            continue
        due = numbers.get(serial, 0)
        if serial not in numbers or number != due:
            raise Rejected("truncated", f"page {due} of a stream in the Ogg file is missing")
        numbers[serial] = due + 1 & 0xFFFFFFFF
        if flags & _LAST:
            del numbers[serial]
            if not numbers:
                found.append(Link(codec, start, at))
    if numbers and file.read(1):
        raise Rejected("undecodable", f"a page of the Ogg stream should begin at byte {at}")
    if numbers:
        raise Rejected("truncated", _CUT)
    if not found:
        raise Rejected("undecodable", "an Ogg file without sound of a codec that is read")
    return found


def _read_page(file: BinaryIO, at: int) -> bytes:
    """Read the page at position `at` of a file; empty: there is none.

    Raises:
        Rejected: truncated or undecodable.
    """
    header = file.read(_HEADER.size)
    if not header or not header.startswith(b"OggS"[: len(header)]):
        file.seek(at)
        return b""
    sizes = file.read(header[-1])
    body = file.read(sum(sizes))
    if len(header) < _HEADER.size or len(sizes) < header[-1] or len(body) < sum(sizes):
        raise Rejected("truncated", _CUT)
    page = header + sizes + body
    if checksum(page) != int.from_bytes(page[_CHECKSUM], "little"):
        raise Rejected("undecodable", f"the page of the Ogg stream at byte {at} is damaged")
    return page


def checksum(page: bytes) -> int:
    """Compute the checksum of a page: a CRC-32 with polynomial 0x04C11DB7 that begins with 0.

    zlib's CRC-32 has the same polynomial, but takes the lowest bit of each byte first, begins with
    all bits set and inverts the result.
    """
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    reflected = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
