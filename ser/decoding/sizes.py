"""The size that a film states, which FFmpeg does not check.

If a film was cut off, FFmpeg measures what is left, or reports only that it is damaged.
"""

import os
from typing import BinaryIO

from ser.core.rejection import Rejected

_HEAD = 4096  # bytes, which contain all objects that are needed
# Microsoft: Advanced Systems Format 01.20.06, 3.2: the mark of the file properties; from its start,
# the positions of the file's size and of the flags; the flag for a broadcast.
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE, _ASF_FLAGS, _ASF_BROADCAST = 40, 88, 1
# ISO/IEC 14496-12, 4.2, and Apple's QuickTime File Format: what a file consists of; other bytes
# may follow.
_BOXES = (
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"sidx",
    b"moof", b"mfra",
)  # fmt: skip


def check_size(file: BinaryIO, container: str) -> None:
    """Compare the size that an MP4, AVI or ASF file states with the file's.

    Raises:
        Rejected: truncated.
    """
    size = file.seek(0, os.SEEK_END)
    stated = _SIZES[container](file) if container in _SIZES else 0
    if size < stated:
        raise Rejected("truncated", f"{size} of {stated} bytes")


def _avi_size(file: BinaryIO) -> int:
    """Read the size of the first RIFF chunk, of which a large AVI has several; 0: unknown."""
    file.seek(4)
    size = int.from_bytes(file.read(4), "little")
    return 8 + size if 0 < size < 0xFFFFFFFF else 0


def _asf_size(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(_HEAD)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + _ASF_FLAGS + 4:
        return 0
    flags = int.from_bytes(head[at + _ASF_FLAGS :][:4], "little")
    size = int.from_bytes(head[at + _ASF_SIZE :][:8], "little")
    return 0 if flags & _ASF_BROADCAST else size


def _mp4_size(file: BinaryIO) -> int:
    """Add up the sizes of the boxes, up to the end of the file."""
    size, end = file.seek(0, os.SEEK_END), 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        if head[4:8] not in _BOXES:
            break
        length = int.from_bytes(head[:4], "big")
        if length == 1:  # it follows the name
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # 0: up to the end of the file, wherever that is
            break
        end += length
    return end


_SIZES = {"mp4": _mp4_size, "avi": _avi_size, "asf": _asf_size}
