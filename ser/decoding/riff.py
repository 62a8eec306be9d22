"""What the headers of a WAV state: RIFF, RIFX, RF64, BW64 and W64.

The chunks are described in "Multimedia Programming Interface and Data Specifications 1.0" (IBM and
Microsoft, 1991), files of more than 4 GB in EBU Tech 3306 and in Sonic Foundry's text on W64.
"""

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

from ser.core.rejection import Rejected
from ser.decoding import mp3
from ser.decoding.chunks import BIG, LITTLE, W64, Chunk, Layout, content, end_of_samples, walk
from ser.decoding.plain import WIDTHS, Plain
from ser.decoding.stated import Stated, check_held

_EXTENSIBLE = 0xFFFE  # the codec is stored further on
_PCM, _MS_ADPCM, _FLOAT, _ALAW, _ULAW, _IMA_ADPCM = 1, 2, 3, 6, 7, 0x11
_GSM, _NMS_ADPCM, _G721, _MPEG, _MP3 = 0x31, 0x38, 0x40, 0x50, 0x55
_SAMPLES = (_PCM, _FLOAT, _ALAW, _ULAW)  # a block is a sample of all channels
# FFmpeg decodes all others. libsndfile returns a block too many from a GSM with an odd number of
# blocks, and from an MP3 as many samples as its average bit rate implies; FFmpeg returns what is
# there. But FFmpeg misreads the packing of G.721, and does not know NMS.
_LIBSNDFILE = (*_SAMPLES, _MS_ADPCM, _IMA_ADPCM, _NMS_ADPCM, _G721)
# Sizes written before the size is known: ffmpeg 2^32 - 1, sox 0x7FFFF000, arecord 2^31, others
# something near these.
_UNKNOWN = (range(0x7FFFF000, 2**31 + 1), range(2**32 - 4096, 2**32))
_UNKNOWN_64 = (range(2**62, 2**64),)  # libsndfile 2^63 - 10001 and values near it
_IN_DS64 = 2**32 - 1  # size in an RF64: see the chunk ds64
_PLAIN_FORMS = {  # codec and bits of a sample -> subtype
    (_PCM, 16): "PCM_16",
    (_PCM, 24): "PCM_24",
    (_PCM, 32): "PCM_32",
    (_FLOAT, 32): "FLOAT",
}
_PLAIN_CHUNKS = {b"fmt ", b"fact", b"PEAK"}  # what most programs write before the samples
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # of Microsoft's codecs, after their number


@dataclass(frozen=True)
class _Form:
    """The content of the chunk fmt.

    Attributes:
        tag: number of the codec.
        channels: number of channels.
        block: bytes per block.
        samples: samples per channel and block; 0: they vary or are unknown.
    """

    tag: int
    channels: int
    block: int
    samples: int


def read_riff_header(file: BinaryIO, end: int) -> Stated:
    """Compare what a WAV states with what it holds.

    libsndfile reads a WAV that was cut off as if it were merely shorter.

    Args:
        file: a file that begins as a WAV.
        end: its size in bytes.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    file.seek(0)
    head = file.read(24)
    layout = {b"RIFX": BIG, b"riff": W64}.get(head[:4], LITTLE)
    found: dict[bytes, Chunk] = {}
    repeated = False
    for chunk in walk(file, layout, end):
        if chunk.name == b"data":
            stated = _stated(file, layout, found | {b"data": chunk}, end)
            if head[:4] == b"RIFF" and not stated.patches and not repeated:
                return replace(stated, plain=_plain(file, found, chunk, end))
            # A BW64 is an RF64 under a name that libsndfile does not know.
            renamed = ((0, b"RF64"),) if head[:4] == b"BW64" else ()
            return replace(stated, patches=(*stated.patches, *renamed))
        repeated = repeated or chunk.name in found
        found[chunk.name] = chunk
    if layout is W64:
        promised = int.from_bytes(head[16:24], "little")
    elif head[:4] in (b"RF64", b"BW64"):
        if b"ds64" not in found or found[b"ds64"].start + 8 > end:
            raise Rejected("truncated", f"{end} bytes, none of them samples")
        promised = int.from_bytes(content(file, found[b"ds64"])[:8], "little") + 8
    else:
        promised = int.from_bytes(head[4:8], layout.order) + 8
    if end < promised and not _is_unknown(promised - 8, layout):
        raise Rejected("truncated", f"{end} of {promised} bytes, none of them samples")
    raise Rejected("zero_length", f"{end} bytes of header without a data chunk")


def _plain(file: BinaryIO, found: dict[bytes, Chunk], data: Chunk, end: int) -> Plain | None:
    """Return the samples of a WAV as most programs write it; None: libsndfile judges what it is.

    Args:
        file: open file.
        found: the chunks before the samples.
        data: the samples, which the file holds.
        end: size of the file.
    """
    names = list(found)
    if names[:1] != [b"fmt "] or not _PLAIN_CHUNKS.issuperset(names):
        return None
    fmt = content(file, found[b"fmt "])
    if len(fmt) < 16 or end > data.start + data.size + 1:
        return None
    tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and fmt[26:40] == _GUID:
        tag = int.from_bytes(fmt[24:26], "little")
    subtype = _PLAIN_FORMS.get((tag, bits), "")
    sizes = {b"fact": 4, b"PEAK": 8 + 8 * channels}
    odd = any(found[name].size != size for name, size in sizes.items() if name in found)
    if odd or not subtype or channels == 0 or block != channels * WIDTHS[subtype]:
        return None
    return Plain(subtype, channels, rate, data.start, data.size // block)


def _is_unknown(size: int, layout: Layout) -> bool:
    return any(size in sizes for sizes in (_UNKNOWN_64 if layout is W64 else _UNKNOWN))


def _stated(file: BinaryIO, layout: Layout, found: dict[bytes, Chunk], end: int) -> Stated:
    """Compare the chunk of samples with the chunks before it."""
    form = _form(content(file, found[b"fmt "]), layout) if b"fmt " in found else _Form(0, 1, 1, 0)
    data = found[b"data"]
    size, unknown = data.size, _is_unknown(data.size, layout)
    # Where the size is stored, in how many bytes, and what it counts besides the samples.
    place, width, more = data.start - 4, 4, 0
    patches: tuple[tuple[int, bytes], ...] = ()
    if layout is W64:
        place, width, more = data.start - 8, 8, layout.header.size
    elif b"ds64" in found and size in (0, _IN_DS64):
        patches = ((place, _IN_DS64.to_bytes(4, "little")),)
        place, width = found[b"ds64"].start + 8, 8
        size = int.from_bytes(content(file, found[b"ds64"])[8:16], "little")
        unknown = size in _UNKNOWN_64[0]
    held = end - data.start
    if unknown or size <= 0:  # the writer was stopped before it filled in the size
        unknown = True
        held = end_of_samples(file, layout, data.start, end) - data.start
        if held < form.block:
            raise Rejected("zero_length", f"{end} bytes with an empty data chunk")
    if form.tag in (_MPEG, _MP3):
        # FFmpeg would join a tag and the frame after it to one invalid frame.
        tags = min(end, mp3.end_of_tags(file, data.start)) - data.start
        patches = (*patches, (data.start, bytes(tags)))
    decoder = "" if form.tag in (0, *_LIBSNDFILE) else "w64" if layout is W64 else "wav"
    if unknown:
        filled = min(held - held % form.block + more, 2 ** (8 * width) - 1)
        samples = held // form.block if form.tag in _SAMPLES else None
        return Stated(decoder, samples, (*patches, (place, filled.to_bytes(width, layout.order))))
    check_held(held, size, form.block if form.tag in _SAMPLES else 1)
    return Stated(decoder, _samples(file, layout, found, form, size), patches)


def _form(fmt: bytes, layout: Layout) -> _Form:
    def number(at: int) -> int:
        return int.from_bytes(fmt[at : at + 2], layout.order)

    tag = number(24) if number(0) == _EXTENSIBLE else number(0)
    channels, block = number(2), max(1, number(12))
    if tag in _SAMPLES:
        return _Form(tag, channels, block, 1)
    if tag in (_MS_ADPCM, _IMA_ADPCM, _GSM):
        return _Form(tag, channels, block, number(18))
    if tag == _NMS_ADPCM:
        return _Form(tag, channels, block, 160)
    if tag == _G721:
        return _Form(tag, channels, 60, 120)
    return _Form(tag, channels, 1, 0)


def _samples(
    file: BinaryIO, layout: Layout, found: dict[bytes, Chunk], form: _Form, size: int
) -> int | None:
    """Return the samples per channel without the padding of the last block; None: not stated.

    Some programs write nonsense into the chunk fact. It is used only if it is more than 0 and less
    than a block below the number that the size implies. For IMA ADPCM, libsndfile divides it by the
    channels.
    """
    if b"fact" not in found:
        return None
    fact = content(file, found[b"fact"], 8 if layout is W64 else 4)
    stated, padded = int.from_bytes(fact, layout.order), size // form.block * form.samples
    is_divided = form.tag == _IMA_ADPCM and form.channels > 1 and stated == padded // form.channels
    fits = max(0, padded - form.samples) < stated <= padded
    return stated if fits and not is_divided else None
