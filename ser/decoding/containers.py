"""What the first bytes of a file tell: its container, and which module reads its headers."""

from typing import BinaryIO

from ser.core.rejection import Rejected
from ser.decoding import aiff, caf, headers, mp3, riff
from ser.decoding.frames import begins_adts, has_mp3
from ser.decoding.signatures import LIBSNDFILE, TAGGED, W64, kind_of
from ser.decoding.stated import Stated


def container_of(file: BinaryIO) -> str:
    """Return FFmpeg's name of the container that a file's first bytes show; empty: not FFmpeg's.

    Raises:
        Rejected: undecodable: files of its kind are not read.
    """
    kind = kind_of(file)
    if kind and not kind.reader:
        raise Rejected("undecodable", f"{kind.name} is not read: convert it to WAV or FLAC")
    file.seek(mp3.end_of_tags(file))
    head = file.read(26)
    # RFC 9639, 8.2: the low 36 bits are the number of samples; 0: unknown when written.
    if head[:8] == b"fLaC\0\0\0\x22" and not int.from_bytes(head[18:26], "big") & (1 << 36) - 1:
        return "flac"
    if kind and kind != TAGGED:
        return "" if kind.reader == LIBSNDFILE else kind.reader
    # The caller names it as a recording, so one frame is enough.
    if mp3.begins_frame(head):
        return "mp3"
    if begins_adts(head):
        return "aac"
    file.seek(mp3.end_of_tags(file))
    return "mp3" if has_mp3(file.read(mp3.LOOKED_THROUGH)) else ""  # after padding or junk


def read_headers(file: BinaryIO, end: int) -> Stated | None:
    """Compare what a file's headers state with what it holds; None: a kind without a reader here.

    Args:
        file: open file.
        end: its size in bytes.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    file.seek(0)
    head = file.read(32)
    kind = head[8:12]
    if (head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and kind == b"WAVE") or head[:16] == W64:
        return riff.read_riff_header(file, end)
    if head[:4] == b"FORM" and kind in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        return aiff.read_aiff_header(file, end)
    if head[:4] == b"caff":
        return caf.read_caf_header(file, end)
    read = next((read for mark, read in headers.READERS if mark.match(head)), None)
    return read(file, end) if read else None
