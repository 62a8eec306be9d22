"""What the headers of an AIFF, and of the older 8SVX, state.

They are described in "Audio Interchange File Format AIFF-C" (Apple, 1991) and in 'EA IFF 85'.
"""

from typing import BinaryIO

from ser.core.rejection import Rejected
from ser.decoding.chunks import BIG, Chunk, content, end_of_samples, walk
from ser.decoding.stated import Stated, check_held, never_completed

_LIBSNDFILE = (
    *(b"NONE", b"twos", b"sowt", b"raw ", b"in24", b"in32", b"42ni", b"23ni"),
    *(b"fl32", b"FL32", b"fl64", b"FL64", b"alaw", b"ALAW", b"ulaw", b"ULAW"),
    *(b"GSM ", b"DWVW"),
)
_PACKED = (b"GSM ", b"DWVW")  # a sample is not a whole number of bytes
# If sox cannot go back to fill in the size, it writes a whole number of samples near this.
_UNKNOWN = range(0x7F000008 - 1024, 0x7F000008 + 1)


def read_aiff_header(file: BinaryIO, end: int) -> Stated:
    """Compare what an AIFF, AIFF-C, 8SVX or 16SV states with what it holds.

    libsndfile reads a file that was cut off as if it were merely shorter.

    Args:
        file: a file that begins as one.
        end: its size in bytes.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    file.seek(0)
    head = file.read(12)
    found: dict[bytes, Chunk] = {}
    for chunk in walk(file, BIG, end):
        found[chunk.name] = chunk
        if b"BODY" in found or {b"COMM", b"SSND"} <= found.keys():
            break
    sound = found.get(b"SSND") or found.get(b"BODY")
    if sound is None or (sound.name == b"SSND" and b"COMM" not in found):
        promised = int.from_bytes(head[4:8], "big") + 8
        lacks = "none of them samples" if sound is None else "without the chunk COMM"
        if end < promised:
            raise Rejected("truncated", f"{end} of {promised} bytes, {lacks}")
        if sound is not None:
            raise Rejected("undecodable", f"{end} bytes {lacks}, which says what the samples are")
        raise Rejected("zero_length", f"{end} bytes of header without samples")
    if sound.name == b"BODY":
        check_held(end - sound.start, sound.size)
        return Stated()
    return _of_aiff(file, found[b"COMM"], sound, end)


def _of_aiff(file: BinaryIO, common: Chunk, sound: Chunk, end: int) -> Stated:
    form = content(file, common)
    channels, frames, bits = (int.from_bytes(form[i:j], "big") for i, j in ((0, 2), (2, 6), (6, 8)))
    codec = form[18:22] or b"NONE"
    # libsndfile's IMA ADPCM drifts: QuickTime's continues from block to block, as FFmpeg does.
    decoder = "" if codec in _LIBSNDFILE else "aiff"
    is_plain = not decoder and codec not in _PACKED
    width = {b"alaw": 1, b"ulaw": 1}.get(codec.lower(), -(-bits // 8))
    block = max(1, channels * width) if is_plain else 1
    # Before the samples are an offset, usually 0, and a block size that nobody uses.
    start = sound.start + 8 + int.from_bytes(content(file, sound)[:4], "big")
    size, held = sound.size - (start - sound.start), end - start
    if size <= 0 and frames == 0:
        # FFmpeg writes a size of 0 at first, libsndfile that of an empty chunk.
        held = end_of_samples(file, BIG, sound.start + sound.size, end) - start
        if held < block:
            raise Rejected("zero_length", f"{end} bytes, none of them samples")
        if not is_plain:
            raise never_completed(held)
    elif sound.size not in _UNKNOWN:
        check_held(held, size, block)
        stated = max(0, min(frames, size // block)) if is_plain else 0
        return Stated(decoder, samples=stated or None)
    return Stated(
        decoder,
        patches=(
            (sound.start - 4, min(held + 8, 2**32 - 1).to_bytes(4, "big")),
            (common.start + 2, min(held // block, 2**32 - 1).to_bytes(4, "big")),
        ),
    )
