"""Files -> decoded recordings, whole or block by block; what is damaged is refused.

libsndfile reads WAV, FLAC, Ogg and Opus; FFmpeg, by PyAV, MP3 (of which libsndfile only guesses the
length where no header states it), what phones and browsers record (AAC in MP4, .m4a, or on its own;
WebM), FLAC that was streamed or lies in Ogg, and what else `ser.signatures` says.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from ser import recording
from ser.arrays import FloatArray
from ser.containers import check_ogg, check_riff, container_of
from ser.ffmpeg import open_with_ffmpeg
from ser.recording import Recording, Stream, check_form
from ser.rejection import Rejected


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
    """Open a file to decode it in blocks: memory holds as much as the caller keeps.

    What a file is, its first bytes say, not its name.

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
        Rejected: as `open_stream`.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if not head:
            raise Rejected("zero_length", "an empty file")
        file.seek(0)
        container = container_of(file)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        check_riff(path)
    elif head[:4] == b"OggS":
        check_ogg(path)
    if container:
        return open_with_ffmpeg(path, container, stack)
    try:
        # As bytes: soundfile cannot open a name that is no text.
        opened = stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from None
    if opened.format == "MP3":  # behind bytes that are none
        return open_with_ffmpeg(path, "mp3", stack)
    check_form(opened.samplerate, opened.channels)
    return Stream(_blocks(opened), opened.samplerate, opened.subtype)


def _undecodable(error: soundfile.LibsndfileError) -> Rejected:
    # What it says of damaged files is at times of no use, such as that there is no file.
    said = error.error_string.rstrip(".")
    vague = ("File does not exist", "Unspecified", "Internal")
    detail = "damaged, or of a kind that is not read" if said.startswith(vague) else said
    return Rejected("undecodable", f"libsndfile: {detail}")


def _blocks(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    """Read what libsndfile decodes.

    Raises:
        Rejected: zero_length or truncated.
    """
    size, found = max(1, recording.BLOCK // file.channels), 0
    try:
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            found += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from None
    if found == 0:
        raise Rejected("zero_length", "no samples")
    if found < file.frames:
        raise Rejected("truncated", f"{found} of {file.frames} samples per channel")
