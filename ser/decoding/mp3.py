"""What an MP3 states before its sound begins.

The headers are described at http://gabriel.mp3-tech.org/mp3infotag.html (Xing, Info) and in
Fraunhofer IIS's "VBR header format" (VBRI).
"""

from typing import BinaryIO

LOOKED_THROUGH = 1 << 16  # bytes after the tags: padding, then the first frame
# Position of the marks, and of the number of frames, from the start of the frame.
_XING_PLACES = (36, 21, 13)
_VBRI_PLACE, _VBRI_COUNT = 36, 14


def end_of_tags(file: BinaryIO, start: int = 0) -> int:
    """Return where the ID3v2 tags that begin at `start` end; `start` itself if there are none."""
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
    """Return whether bytes begin with the header of an MPEG audio frame of layer 1, 2 or 3.

    >>> begins_frame(bytes.fromhex("fffb90")), begins_frame(b"RIFF")
    (True, False)
    """
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def stated_samples(file: BinaryIO) -> int:
    """Return the number of samples per channel that a header of the file states; 0: none does.

    Encoders pad the sound by less than three frames.
    """
    file.seek(end_of_tags(file))
    data = file.read(LOOKED_THROUGH)
    for mark in (b"Xing", b"Info"):
        at = data.find(mark)
        for place in _XING_PLACES:
            # 4 bytes of flags follow the mark; the last bit: the number of frames follows.
            flags = int.from_bytes(data[at + 4 : at + 8], "big")
            if at >= place and begins_frame(data[at - place :]) and flags & 1:
                return _samples(data, at - place, at + 8)
    at = data.find(b"VBRI")
    if at >= _VBRI_PLACE and begins_frame(data[at - _VBRI_PLACE :]):
        return _samples(data, at - _VBRI_PLACE, at + _VBRI_COUNT)
    return 0


def _samples(data: bytes, frame: int, count: int) -> int:
    """Multiply the number of frames stored at `count` by the samples of the frame at `frame`."""
    per_frame = 1152 if data[frame + 1] & 0x18 == 0x18 else 576  # MPEG 1; 2 and 2.5
    return int.from_bytes(data[count : count + 4], "big") * per_frame
