"""What an MP3 says of itself before its sound begins.

The headers are described at http://gabriel.mp3-tech.org/mp3infotag.html (Xing, Info) and in
Fraunhofer IIS's "VBR header format" (VBRI).
"""

from typing import BinaryIO

LOOKED_THROUGH = 1 << 16  # bytes behind the tags: padding, then the first frame
# Where, counted from the frame's start, the mark of each kind stands, and the number of frames.
_XING_PLACES = (36, 21, 13)
_VBRI_PLACE, _VBRI_COUNT = 36, 14


def end_of_tags(file: BinaryIO, start: int = 0) -> int:
    """Say where the ID3v2 tags that begin at `start` of a file end: there, if it has none."""
    end = start
    while True:
        file.seek(end)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return end
        size = 0
        for byte in head[6:10]:  # of 7 bits each
            size = size << 7 | byte & 0x7F
        footer = 10 if head[5] & 0x10 else 0
        end += 10 + size + footer


def begins_frame(data: bytes) -> bool:
    """Whether bytes begin with the head of a frame of MPEG audio of layer 1, 2 or 3."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def stated_samples(file: BinaryIO) -> int:
    """Say how many samples per channel a header of the file promises; 0: none does.

    Encoders pad the sound, by less than three frames.
    """
    file.seek(end_of_tags(file))
    data = file.read(LOOKED_THROUGH)
    for mark in (b"Xing", b"Info"):
        at = data.find(mark)
        for place in _XING_PLACES:
            # Behind the mark stand 4 bytes of flags; the last bit: the number of frames follows.
            flags = int.from_bytes(data[at + 4 : at + 8], "big")
            if at >= place and begins_frame(data[at - place :]) and flags & 1:
                return _samples(data, at - place, at + 8)
    at = data.find(b"VBRI")
    if at >= _VBRI_PLACE and begins_frame(data[at - _VBRI_PLACE :]):
        return _samples(data, at - _VBRI_PLACE, at + _VBRI_COUNT)
    return 0


def _samples(data: bytes, frame: int, count: int) -> int:
    """Multiply the number of frames that stands at `count` by the length of the one at `frame`."""
    per_frame = 1152 if data[frame + 1] & 0x18 == 0x18 else 576  # MPEG 1; 2 and 2.5
    return int.from_bytes(data[count : count + 4], "big") * per_frame
