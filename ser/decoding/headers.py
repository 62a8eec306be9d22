"""What headers of a fixed form state: AU, NIST SPHERE, VOC, and older ones that libsndfile reads.

The forms are those of libsndfile's sources. An IRCAM, PAF or PVF file does not state its length,
nor does a FastTracker instrument as libsndfile writes it. If a file's writer was stopped before
filling in the number of samples, the samples in the file are read.
"""

import re
import struct
from collections.abc import Callable
from typing import BinaryIO, Literal

from ser.core.rejection import Rejected
from ser.decoding.signatures import HTK
from ser.decoding.stated import Stated, check_held

_AU_UNKNOWN = 0xFFFFFFFF
_AU_WIDTHS = {
    1: 1,
    2: 1,
    3: 2,
    4: 3,
    5: 4,
    6: 4,
    7: 8,
    27: 1,
}  # bytes; other codecs: not a whole number
_AU_LIBSNDFILE = (*_AU_WIDTHS, 23, 25, 26)  # and G.721 and G.723, for which FFmpeg's decoder drifts
_MOST_TEXT = 1 << 16  # bytes of a NIST header: usually 1024
_MAT4_WIDTHS = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}  # bytes by the tens digit of the type
_MAT5_EXCESS = 8  # bytes that libsndfile states but does not write
_VOC_HEADS = {1: 2, 9: 12}  # bytes by the type of a block of samples
_SDS_SAMPLES = slice(10, 13)
_MOST_BLOCKS = 1_000_000  # of a VOC: each has some kB


def read_au(file: BinaryIO, end: int) -> Stated:
    """Compare what a Sun AU states with what it holds."""
    head = _head(file, 24, end)
    order: Literal["little", "big"] = "little" if head[:4] == b"dns." else "big"
    start, size, codec, _, channels = (
        int.from_bytes(head[at : at + 4], order) for at in range(4, 24, 4)
    )
    held = end - start
    block = max(1, _AU_WIDTHS.get(codec, 0) * channels)
    decoder = "" if codec in _AU_LIBSNDFILE else "au"
    if size in (0, _AU_UNKNOWN) and held >= block:
        filled = min(held - held % block, _AU_UNKNOWN - 1)
        return Stated(decoder, patches=((8, filled.to_bytes(4, order)),))
    if size not in (0, _AU_UNKNOWN):
        check_held(held, size, block)
    return Stated(decoder)


def read_nist(file: BinaryIO, end: int) -> Stated:
    """Compare what a NIST SPHERE file states with what it holds."""
    head = _head(file, 16, end)
    length = int(head[8:].strip()) if head[8:].strip().isdigit() else 1024
    text = _head(file, min(length, _MOST_TEXT), end)
    # LDC's corpora: "pcm,embedded-shorten-v2.00".
    if packed := re.search(rb"\nsample_coding -s\d+ (\w+,[\w.,-]+)", text):
        raise Rejected(
            "undecodable",
            f"NIST SPHERE with the coding {packed[1].decode()} is not read: convert it to WAV "
            "with LDC's sph2pipe",
        )
    count, channels, width = (
        int(found[1]) if (found := re.search(rb"\n%s -\w+ (\d{1,15})" % name, text)) else 0
        for name in (b"sample_count", b"channel_count", b"sample_n_bytes")
    )
    check_held(end - length, count * channels * width, max(1, channels * width))
    return Stated()


def read_voc(file: BinaryIO, end: int) -> Stated:
    """Follow the blocks of a Creative Voice file to its end.

    FFmpeg decodes it: libsndfile takes the headers of all blocks but the first for samples.
    """
    at = int.from_bytes(_head(file, 26, end)[20:22], "little")
    # The first block without samples, as written before there are any, and its end.
    unfilled, samples = None, 0
    for _ in range(_MOST_BLOCKS):
        file.seek(at)
        head = file.read(4)
        if not head or head[0] == 0:
            break
        size = int.from_bytes(head[1:], "little")
        own = _VOC_HEADS.get(head[0], -1)
        if unfilled is None and size <= own:
            unfilled, samples = at, at + 4 + own
        if unfilled is not None and end - at - 4 < size:
            break
        check_held(end - at - 4, size)
        at += 4 + size
    # One byte ends a file.
    if unfilled is not None and samples + 1 >= end:
        raise Rejected("zero_length", f"{end} bytes of header without samples")
    if at + 1 >= end:
        return Stated("voc")
    if unfilled is not None:
        return Stated("voc", patches=((unfilled + 1, bytes(3)),))  # to FFmpeg: up to the end
    raise Rejected("undecodable", f"its blocks end {end - at} bytes before the file does")


def read_avr(file: BinaryIO, end: int) -> Stated:
    """Compare what an Audio Visual Research file states with what it holds."""
    stereo, bits, frames = struct.unpack_from(">HH10xI", _head(file, 128, end), 12)
    block = (2 if stereo else 1) * bits // 8
    check_held(end - 128, frames * block, max(1, block))
    return Stated()


def read_wve(file: BinaryIO, end: int) -> Stated:
    """Compare what a Psion file states with what it holds."""
    check_held(end - 32, int.from_bytes(_head(file, 32, end)[18:22], "big"))
    return Stated()


def read_mpc(file: BinaryIO, end: int) -> Stated:
    """Compare what an Akai MPC 2000 file states with what it holds."""
    head = _head(file, 42, end)
    block = 4 if head[21] else 2
    check_held(end - 42, int.from_bytes(head[30:34], "little") * block, block)
    return Stated()


def read_sds(file: BinaryIO, end: int) -> Stated:
    """Compare what a MIDI sample dump states with what it holds."""
    head = _head(file, 21, end)
    samples = sum(byte << 7 * place for place, byte in enumerate(head[_SDS_SAMPLES]))
    # Packets of 127 bytes hold 120 of samples, 7 bits a byte.
    per_packet = max(1, 120 // max(1, -(-head[6] // 7)))
    if samples == 0:
        samples = min((end - 21) // 127 * per_packet, 1 << 21)
        filled = bytes(samples >> 7 * place & 0x7F for place in range(3))
        return Stated(patches=((_SDS_SAMPLES.start, filled),))
    check_held(end - 21, -(-samples // per_packet) * 127)
    return Stated()


def read_htk(file: BinaryIO, end: int) -> Stated:
    """Compare what an HTK waveform states with what it holds."""
    samples, held = int.from_bytes(_head(file, 12, end)[:4], "big"), end - 12
    if samples == 0:
        return Stated(patches=((0, (held // 2).to_bytes(4, "big")),))
    check_held(held, samples * 2, 2)
    return Stated()


def read_mat4(file: BinaryIO, end: int) -> Stated:
    """Compare the matrices of a MATLAB 4 file with what it holds."""
    order = "<" if _head(file, 20, end)[:2] == b"\0\0" else ">"
    at = 0
    for _ in range(2):  # the sample rate and the samples
        file.seek(at)
        check_held(end, at + 20, unit="bytes")
        kind, rows, columns, _, name = struct.unpack(order + "5I", file.read(20))
        block = rows * _MAT4_WIDTHS.get(kind // 10 % 10, 1)
        start = at + 20 + name
        if columns == 0 < block:
            filled = struct.pack(order + "I", max(0, end - start) // block)
            return Stated(patches=((at + 8, filled),))
        at = start + block * columns
        check_held(end, at, unit="bytes")
    return Stated()


def read_mat5(file: BinaryIO, end: int) -> Stated:
    """Compare the elements of a MATLAB 5 file with what it holds."""
    order = "<" if _head(file, 128, end)[126:] == b"IM" else ">"
    at = 128
    for _ in range(2):  # the sample rate and the samples
        file.seek(at)
        check_held(end, at + 8, unit="bytes")
        at += 8 + struct.unpack(order + "4xI", file.read(8))[0]
        check_held(end + _MAT5_EXCESS, at, unit="bytes")
    return Stated()


def _head(file: BinaryIO, size: int, end: int) -> bytes:
    """Read the header of a file.

    Raises:
        Rejected: truncated.
    """
    check_held(end, size, unit="bytes of a header")
    file.seek(0)
    return file.read(size)


# (how a file begins, function that compares its header with its size and raises Rejected: truncated
# or undecodable)
READERS: tuple[tuple[re.Pattern[bytes], Callable[[BinaryIO, int], Stated]], ...] = tuple(
    (re.compile(mark, re.DOTALL), read)
    for mark, read in (
        (rb"\.snd|dns\.", read_au),
        (rb"NIST_1A\n", read_nist),
        (rb"Creative Voice File", read_voc),
        (rb"2BIT", read_avr),
        (rb"ALawSoundFile\*\*\0", read_wve),
        (rb"\x01\x04", read_mpc),
        (rb"\xf0\x7e", read_sds),
        (rb"\0\0\0\0\x01\0\0\0\x01\0\0\0|\0\0\x03\xe8\0\0\0\x01\0\0\0\x01", read_mat4),
        (rb"MATLAB 5\.0 MAT-file", read_mat5),
        (HTK, read_htk),
    )
)
