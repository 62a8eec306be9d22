"""Files -> decoded recordings, whole or block by block; damaged files are rejected.

A file must hold all samples that its headers state (`containers.read_headers`, `ogg`). Then the
samples of plain WAV files are read as they are (`plain`). libsndfile decodes the rest of the WAV
family, FLAC, Vorbis and Opus. FFmpeg, by PyAV, decodes MP3 (libsndfile only guesses its length if
no header states it), the codecs in WAV, AIFF and CAF from which libsndfile returns too much or too
little, the recordings of phones and browsers (AAC in MP4, .m4a, or alone; WebM), FLAC that was
streamed or is in Ogg, and the other formats in `signatures`.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from ser.core import recording
from ser.core.recording import Recording, Stream, check_form
from ser.core.rejection import Rejected
from ser.core.typing import FloatArray
from ser.core.uninterrupted import uninterrupted
from ser.decoding import ogg
from ser.decoding.containers import container_of, read_headers
from ser.decoding.ffmpeg import open_with_ffmpeg
from ser.decoding.plain import open_plain
from ser.decoding.stated import Stated
from ser.decoding.views import require_read, view

# Raised by libsndfile, and by soundfile for numbers in a header beyond its limits.
_ERRORS = (soundfile.LibsndfileError, TypeError, ValueError)


def decode(path: Path) -> Recording:
    """Decode a whole file.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    with open_stream(path) as stream:
        blocks = list(stream.blocks)
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return Recording(samples, stream.sample_rate, stream.subtype)


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Open a file to decode it in blocks: memory holds only what the caller keeps.

    The first bytes decide what a file is, not its name.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    with ExitStack() as stack:
        try:
            stream = _open(path, stack)
        except OSError as error:
            raise Rejected("undecodable", f"{error.strerror or error}: '{path}'") from None
        yield stream


def _open(path: Path, stack: ExitStack) -> Stream:
    """Open a file for as long as the stack is open.

    Raises:
        Rejected: as in `open_stream`.
        OSError: it cannot be read.
    """
    file = stack.enter_context(path.open("rb"))
    end = os.fstat(file.fileno()).st_size
    head = file.read(4)
    if not head:
        raise Rejected("zero_length", "an empty file")
    if head == b"OggS":
        return _open_ogg(file, stack)
    stated = read_headers(file, end)
    if stated is not None and stated.plain:
        return open_plain(file, stated.plain)
    if stated is not None:
        return _open_stated(view(file, 0, end, stated.patches), stated, stack)
    file.seek(0)
    if container := container_of(file):
        return open_with_ffmpeg(file, container, stack)
    opened = _open_soundfile(view(file, 0, end), stack)
    if opened.format == "MP3":  # after other bytes
        return open_with_ffmpeg(file, "mp3", stack)
    return _stream(opened)


def _open_stated(file: BinaryIO, stated: Stated, stack: ExitStack) -> Stream:
    """Open a file whose headers were compared with what it holds.

    Raises:
        Rejected: as in `open_stream`.
    """
    if stated.decoder:
        stream = open_with_ffmpeg(file, stated.decoder, stack)
    else:
        stream = _stream(_open_soundfile(file, stack))
    if stated.samples is None:
        return stream
    return replace(stream, blocks=_cut(stream.blocks, stated.samples))


def _open_ogg(file: BinaryIO, stack: ExitStack) -> Stream:
    """Open an Ogg file, which may be a chain of several.

    Raises:
        Rejected: as in `open_stream`.
    """
    first, *others = ogg.links(file)
    if any(link.codec != first.codec for link in others):
        raise Rejected("undecodable", "its codec changes")
    if first.codec in (ogg.FLAC, ogg.SPEEX):  # libsndfile reads neither FFmpeg's FLAC nor Speex
        file.seek(0)
        return open_with_ffmpeg(file, "ogg", stack)
    opened = _open_soundfile(view(file, first.start, first.end), stack)
    stream = _stream(opened)
    return replace(stream, blocks=_chained(stream.blocks, opened, file, others))


def _chained(
    blocks: Iterator[FloatArray],
    first: soundfile.SoundFile,
    file: BinaryIO,
    others: Sequence[ogg.Link],
) -> Iterator[FloatArray]:
    """Decode all files of a chain: libsndfile decodes the first and ignores the others.

    Raises:
        Rejected: as in `_blocks`, or undecodable.
    """
    yield from blocks
    for link in others:
        with ExitStack() as stack:
            opened = _open_soundfile(view(file, link.start, link.end), stack)
            if (opened.samplerate, opened.channels) != (first.samplerate, first.channels):
                raise Rejected("undecodable", "its sample rate or its channels change")
            yield from _blocks(opened)


def _open_soundfile(file: BinaryIO, stack: ExitStack) -> soundfile.SoundFile:
    """Open a file with libsndfile.

    Args:
        file: a view, which has no name: soundfile, and libsndfile for unknown content, would
            otherwise judge a file by its name.
        stack: closes what is opened here.

    Raises:
        Rejected: undecodable.
    """
    try:
        # libsndfile reads through Python callbacks, whose exceptions are lost: an interruption
        # would look like a damaged file.
        with uninterrupted():
            opened = soundfile.SoundFile(file)
            stack.callback(_close, opened)
    except _ERRORS as error:
        require_read(file)
        raise _undecodable(error) from None
    require_read(file)
    return opened


def _stream(opened: soundfile.SoundFile) -> Stream:
    check_form(opened.samplerate, opened.channels)
    return Stream(_blocks(opened), opened.samplerate, opened.subtype)


def _cut(blocks: Iterator[FloatArray], samples: int) -> Iterator[FloatArray]:
    """Yield the first `samples` samples per channel of the blocks.

    Raises:
        Rejected: truncated.
    """
    left = samples
    for block in blocks:
        if left:
            yield block[:left]
        left -= min(left, len(block))
    if left:
        raise Rejected("truncated", f"{samples - left} of {samples} samples per channel")


def _undecodable(error: Exception) -> Rejected:
    # Its message about damaged files is sometimes useless, such as that the file does not exist.
    said = getattr(error, "error_string", str(error)).rstrip(".")
    vague = ("File does not exist", "Unspecified", "Internal")
    detail = "damaged, or of a kind that is not read" if said.startswith(vague) else said
    return Rejected("undecodable", f"libsndfile: {detail}")


def _close(file: soundfile.SoundFile) -> None:
    with uninterrupted():  # else it could be closed twice, which crashes
        file.close()


def _read(file: soundfile.SoundFile, size: int) -> FloatArray:
    with uninterrupted():
        block: FloatArray = file.read(size, dtype="float32", always_2d=True)
    return block


def _blocks(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    """Yield the blocks that libsndfile decodes.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    size, found = max(1, recording.BLOCK // file.channels), 0
    try:
        while len(block := _read(file, size)):
            found += len(block)
            yield block
    except _ERRORS as error:
        require_read(file.name)
        raise _undecodable(error) from None
    require_read(file.name)
    if found == 0:
        raise Rejected("zero_length", "no samples")
    if found < file.frames:
        raise Rejected("truncated", f"{found} of {file.frames} samples per channel")
