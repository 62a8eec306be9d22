"""What the headers of a Core Audio file state.

They are described in "Apple Core Audio Format Specification 1.0".
"""

from typing import BinaryIO

from ser.core.rejection import Rejected
from ser.decoding.chunks import CAF, Chunk, content, end_of_samples, walk
from ser.decoding.stated import Stated, check_held, never_completed

_SAMPLES = (b"lpcm", b"alaw", b"ulaw")  # a packet is a sample of all channels
_UNKNOWN = -1
_EDIT_COUNT = 4  # bytes before the samples


def read_caf_header(file: BinaryIO, end: int) -> Stated:
    """Compare what a Core Audio file states with what it holds.

    Args:
        file: a file that begins as one.
        end: its size in bytes.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    found: dict[bytes, Chunk] = {}
    for chunk in walk(file, CAF, end):
        found[chunk.name] = chunk
    if b"data" not in found:
        raise Rejected("truncated", f"{end} bytes, none of them samples")
    data = found[b"data"]
    form = content(file, found[b"desc"]) if b"desc" in found else b""
    codec, packet = form[8:12], int.from_bytes(form[16:20], "big")
    # The only codec that libsndfile reads is Apple Lossless, as it writes it itself; packets that
    # could not be compressed become noise.
    decoder = "" if codec in (b"", *_SAMPLES) else "caf"
    block = max(1, packet) if codec in _SAMPLES else 1
    start = data.start + _EDIT_COUNT
    held, size = end - start, data.size - _EDIT_COUNT
    if size <= 0:  # _UNKNOWN; or 0: the writer was stopped
        held = end_of_samples(file, CAF, data.start + max(0, data.size), end) - start
        if held < block:
            raise Rejected("zero_length", f"{end} bytes with an empty data chunk")
        if decoder and data.size != _UNKNOWN:
            raise never_completed(held)
        size = held - held % block + _EDIT_COUNT
        return Stated(decoder, patches=((data.start - 8, size.to_bytes(8, "big", signed=True)),))
    check_held(held, size, block)
    if not decoder or b"pakt" not in found:
        return Stated(decoder)
    packets = found[b"pakt"]
    # FFmpeg skips the first samples as the chunk says. But it also cuts the padding of the last
    # packet off its end if the packet itself is shorter, as in Apple Lossless; and libsndfile
    # states a whole packet of padding if there is none.
    return Stated(
        decoder,
        samples=int.from_bytes(content(file, packets)[8:16], "big") or None,
        patches=((packets.start + 20, bytes(4)),),
    )
