"""What the bytes of a file say of it: its container, and whether all of it is there."""

import struct
from pathlib import Path
from typing import BinaryIO

from ser import mp3
from ser.frames import begins_adts
from ser.rejection import Rejected
from ser.signatures import LIBSNDFILE, TAGGED, kind_of

# What programs write that stream a WAV of yet unknown length: ffmpeg 0xFFFFFFFF, sox 0x7FFFF000.
_UNKNOWN_SIZE = 0x7FFFF000
_LONGEST_OGG_PAGE = 65307  # bytes
_END_OF_STREAM = 4  # flag of an Ogg page


def container_of(file: BinaryIO) -> str:
    """Name, as FFmpeg does, the container that a file's first bytes tell of; empty: none of its.

    Raises:
        Rejected: undecodable: it is of a kind that is not read.
    """
    kind = kind_of(file)
    if kind and not kind.reader:
        raise Rejected("undecodable", f"{kind.name} is not read: convert it to WAV or FLAC")
    file.seek(mp3.end_of_tags(file))
    head = file.read(26)
    # RFC 9639, 8.2: the low 36 bits are the number of samples; 0: it was not known yet.
    if head[:8] == b"fLaC\0\0\0\x22" and not int.from_bytes(head[18:26], "big") & (1 << 36) - 1:
        return "flac"
    if kind and kind != TAGGED:
        return "" if kind.reader == LIBSNDFILE else kind.reader
    # It is called a recording: one frame is enough.
    if mp3.begins_frame(head):
        return "mp3"
    return "aac" if begins_adts(head) else ""


def check_riff(path: Path) -> None:
    """Compare what a WAV file's chunk headers promise with what the file holds.

    libsndfile reads a WAV that was cut off as if it were merely shorter.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        riff = file.read(12)
        promised = struct.unpack("<I", riff[4:8])[0] + 8
        block_align = 1
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            start = file.tell()
            if name == b"fmt " and length >= 16:
                block_align = max(1, int.from_bytes(file.read(14)[12:], "little"))
            elif name == b"data":
                held = size - start
                if length == 0 and held == 0:
                    raise Rejected("zero_length", f"{size} bytes with an empty data chunk")
                if length < _UNKNOWN_SIZE and held // block_align < length // block_align:
                    raise Rejected(
                        "truncated",
                        f"{held // block_align} of {length // block_align} samples per channel",
                    )
                return
            file.seek(start + length + length % 2)
    if size < promised < _UNKNOWN_SIZE:
        raise Rejected("truncated", f"{size} of {promised} bytes, none of them samples")
    raise Rejected("zero_length", f"{size} bytes of header without a data chunk")


def check_ogg(path: Path) -> None:
    """Look for the last page of an Ogg file: libsndfile reads one that was cut off as shorter.

    RFC 3533: The Ogg encapsulation format, version 0.

    Raises:
        Rejected: truncated.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_OGG_PAGE))
        _, _, page = file.read().rpartition(b"OggS")
    # After the mark: version, flags, 20 bytes of other numbers, n, the sizes of n parts, the parts.
    sizes = page[23 : 23 + page[22]] if len(page) > 22 else b""
    if not sizes or not page[1] & _END_OF_STREAM or len(page) < 23 + len(sizes) + sum(sizes):
        raise Rejected("truncated", "the last page of the Ogg stream is missing or cut off")
