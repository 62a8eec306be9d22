"""The frames of MPEG audio, AAC in ADTS, AC-3 and E-AC-3: their headers and sizes."""

import re
from dataclasses import dataclass

from ser.decoding import mp3

# kbit/s by the index in the header, from 1 on: ISO/IEC 11172-3, 2.4.2.3, of layers II and III, and
# ISO/IEC 13818-3, 2.4.2.3, of both at the low rates. Layer I is left out: it is not in use, and its
# header is the byte order mark of UTF-16.
_MPEG1_KBITS = {
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_KBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG_RATES = (44_100, 48_000, 32_000)
_MPEG_DIVISORS = {3: 1, 2: 2, 0: 4}  # of MPEG 1, 2 and 2.5
# ETSI TS 102 366, table 4.13.
_AC3_KBITS = (
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
)  # fmt: skip
_AC3_RATES = (48_000, 44_100, 32_000)


@dataclass(frozen=True)
class Frame:
    """The header of a frame.

    Attributes:
        kind: mp3 (of layer II or III), aac, ac3 or eac3.
        size: in bytes.
        head: its first bytes.
        same: mask of the bits that all frames of a file share.
    """

    kind: str
    size: int
    head: bytes
    same: bytes

    def agrees_with(self, other: bytes) -> bool:
        """Return whether other bytes begin a frame of the same form."""
        return len(other) == len(self.head) and not any(
            (a ^ b) & bits for a, b, bits in zip(self.head, other, self.same, strict=True)
        )


def has_mp3(data: bytes) -> bool:
    """Return whether an MP3 begins somewhere in the bytes: three frames in a row."""
    return any(_three_agree(data, found.start()) for found in re.finditer(b"\xff[\xe0-\xff]", data))


def _three_agree(data: bytes, at: int) -> bool:
    frame = first(data[at : at + 6])
    for _ in range(2):
        if frame is None or frame.kind != "mp3":
            return False
        at += frame.size
        following = data[at : at + 6]
        if not frame.agrees_with(following[: len(frame.head)]):
            return False
        frame = first(following)
    return True


def first(data: bytes) -> Frame | None:
    """Read the header of a frame at the beginning of the bytes; None: there is none."""
    if len(data) < 6:
        return None
    if mp3.begins_frame(data):
        size, kind, same = _mpeg_size(data), "mp3", b"\xff\xfe\x0c"
    elif begins_adts(data):
        # ISO/IEC 13818-7, 6.2.
        size, kind, same = int.from_bytes(data[3:6], "big") >> 5 & 0x1FFF, "aac", b"\xff\xff\xfc"
    elif data[:2] == b"\x0b\x77":
        size, kind, same = _ac3_size(data), "eac3" if data[5] >> 3 > 10 else "ac3", b"\xff\xff"
    else:
        return None
    return Frame(kind, size, data[: len(same)], same) if size > len(same) else None


def begins_adts(data: bytes) -> bool:
    """Return whether bytes begin like an AAC frame: the sync word of MPEG audio without a layer."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


def _mpeg_size(data: bytes) -> int:
    """Compute the size of a frame of MPEG audio; 0: its header states none or makes no sense."""
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    index, rate_index, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version not in _MPEG_DIVISORS or layer == 3 or index in (0, 15) or rate_index == 3:
        return 0
    bits = 1000 * (_MPEG1_KBITS[layer] if version == 3 else _MPEG2_KBITS)[index - 1]
    rate = _MPEG_RATES[rate_index] // _MPEG_DIVISORS[version]
    return (72 if layer == 1 and version != 3 else 144) * bits // rate + padding


def _ac3_size(data: bytes) -> int:
    """Compute the size of a frame of AC-3 or E-AC-3; 0: its header makes no sense.

    ETSI TS 102 366, 4.4.1 and E.1.3.1.3.
    """
    version, rate_index, index = data[5] >> 3, data[4] >> 6, data[4] & 0x3F
    if version > 16:
        return 0
    if version > 10:
        return 2 * ((int.from_bytes(data[2:4], "big") & 0x07FF) + 1)
    if rate_index == 3 or index >= 2 * len(_AC3_KBITS):
        return 0
    # 1536 samples in words of 16 bits; at 44.1 kHz every other frame has one more.
    words = _AC3_KBITS[index // 2] * 1000 * 1536 // _AC3_RATES[rate_index] // 16
    return 2 * (words + (index % 2 if rate_index == 1 else 0))
