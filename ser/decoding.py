"""Files -> decoded recordings, whole or block by block; what is damaged is refused.

libsndfile reads WAV, FLAC, Ogg and Opus; FFmpeg, by PyAV, MP3 (of which libsndfile only guesses the
length where no header states it), what phones and browsers record (AAC in MP4, .m4a, or on its own;
WebM), and FLAC that was streamed or lies in Ogg.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from ser import mp3
from ser.arrays import FloatArray
from ser.rejection import Rejected

if TYPE_CHECKING:
    import av

_BLOCK = 1 << 20  # samples of all channels that are read at once
CHANNELS = range(1, 65)
RATES = range(1_000, 1_000_000)  # Hz
# What programs write that stream a WAV of yet unknown length: ffmpeg 0xFFFFFFFF, sox 0x7FFFF000.
_UNKNOWN_SIZE = 0x7FFFF000
_LONGEST_OGG_PAGE = 65307  # bytes
_END_OF_STREAM = 4  # flag of an Ogg page
_MOST_LOST = 0.1  # seconds that a whole file of FFmpeg's may lack: encoders pad their first frame
_MP3_FRAME = 1152  # samples per channel, at most
_MOST_STRANGE = 10  # frames of another form that an MP3 may have: junk that looks like frames


@dataclass(frozen=True)
class Recording:
    """A decoded recording, or a stretch of one.

    Attributes:
        samples: float32 [samples, channels], integer formats scaled to -1..1.
        sample_rate: in Hz.
        subtype: sample format as libsndfile names it, such as PCM_16, or FFmpeg's name of a codec.
    """

    samples: FloatArray
    sample_rate: int
    subtype: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Stream:
    """A file as it is decoded.

    Attributes:
        blocks: float32 [samples, channels] one after the other; raises Rejected where the file
            turns out to be damaged, at its end at the latest.
        sample_rate: in Hz.
        subtype: as of `Recording`.
    """

    blocks: Iterator[FloatArray]
    sample_rate: int
    subtype: str


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
        container = _container(file)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        _check_riff(path)
    elif head[:4] == b"OggS":
        _check_ogg(path)
    if container:
        return _open_with_ffmpeg(path, container, stack)
    try:
        # As bytes: soundfile cannot open a name that is no text.
        opened = stack.enter_context(soundfile.SoundFile(os.fsencode(path)))
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from None
    if opened.format == "MP3":  # behind bytes that are none
        return _open_with_ffmpeg(path, "mp3", stack)
    _check_form(opened.samplerate, opened.channels)
    return Stream(_blocks(opened), opened.samplerate, opened.subtype)


def _undecodable(error: soundfile.LibsndfileError) -> Rejected:
    # What it says of damaged files is at times of no use, such as that there is no file.
    said = error.error_string.rstrip(".")
    vague = ("File does not exist", "Unspecified", "Internal")
    detail = "damaged, or of a kind that is not read" if said.startswith(vague) else said
    return Rejected("undecodable", f"libsndfile: {detail}")


def _check_form(sample_rate: int, channels: int) -> None:
    """Refuse what no recording of speech has, but a damaged header: it can cost any memory.

    Raises:
        Rejected: undecodable.
    """
    if sample_rate not in RATES or channels not in CHANNELS:
        raise Rejected(
            "undecodable",
            f"{channels} channels at {sample_rate} Hz: 1 to {CHANNELS[-1]} channels at "
            f"{RATES[0]} to {RATES[-1]} Hz can be recordings of speech",
        )


def _blocks(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    """Read what libsndfile decodes.

    Raises:
        Rejected: zero_length or truncated.
    """
    size, found = max(1, _BLOCK // file.channels), 0
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


def _check_riff(path: Path) -> None:
    """Compare what a WAV file's chunk headers promise with what the file holds.

    libsndfile reads a WAV that was cut off as if it were merely shorter.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        riff = file.read(12)
        promised = struct.unpack("<I", riff[4:8])[0] + 8
        block_align = 1
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            start = file.tell()
            if name == b"fmt " and length >= 16:
                block_align = max(1, int.from_bytes(file.read(14)[12:], "little"))
            elif name == b"data":
                held = size - start
                if length == 0 and held == 0:
                    raise Rejected("zero_length", f"{size} bytes with an empty data chunk")
                if length < _UNKNOWN_SIZE and held // block_align < length // block_align:
                    raise Rejected(
                        "truncated",
                        f"{held // block_align} of {length // block_align} samples per channel",
                    )
                return
            file.seek(start + length + length % 2)
    if size < promised < _UNKNOWN_SIZE:
        raise Rejected("truncated", f"{size} of {promised} bytes, none of them samples")
    raise Rejected("zero_length", f"{size} bytes of header without a data chunk")


def _check_ogg(path: Path) -> None:
    """Look for the last page of an Ogg file: libsndfile reads one that was cut off as shorter.

    RFC 3533: The Ogg encapsulation format, version 0.

    Raises:
        Rejected: truncated.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_OGG_PAGE))
        _, _, page = file.read().rpartition(b"OggS")
    # After the mark: version, flags, 20 bytes of other numbers, n, the sizes of n parts, the parts.
    sizes = page[23 : 23 + page[22]] if len(page) > 22 else b""
    if not sizes or not page[1] & _END_OF_STREAM or len(page) < 23 + len(sizes) + sum(sizes):
        raise Rejected("truncated", "the last page of the Ogg stream is missing or cut off")


def _container(file: BinaryIO) -> str:
    """Name, as FFmpeg does, the container that a file's first bytes tell of; empty: none of its."""
    head = file.read(42)
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"  # WebM is a part of it
    if head[:4] == b"OggS":
        return "ogg" if head[28:33] == b"\x7fFLAC" else ""
    # RFC 9639, 8.2: the low 36 bits are the number of samples; 0: it was not known yet.
    if head[:8] == b"fLaC\0\0\0\x22":
        return "" if int.from_bytes(head[18:26], "big") & (1 << 36) - 1 else "flac"
    file.seek(mp3.end_of_tags(file))
    sync = file.read(2)
    if mp3.begins_frame(sync):
        return "mp3"
    # ADTS: the same mark, and no layer.
    return "aac" if len(sync) == 2 and sync[0] == 0xFF and sync[1] & 0xF6 == 0xF0 else ""


def _open_with_ffmpeg(path: Path, container: str, stack: ExitStack) -> Stream:
    """Open a file that FFmpeg decodes, for as long as the stack is open.

    Raises:
        Rejected: undecodable; from the blocks zero_length, truncated or undecodable too.
        OSError: it cannot be read.
    """
    # Imported only here: most recordings do without.
    import av

    av.logging.set_level(None)
    # An open file and one container: no name within it makes FFmpeg open anything else.
    file = stack.enter_context(path.open("rb"))
    stated = mp3.stated_samples(file) if container == "mp3" else 0
    file.seek(0)
    try:
        opened = stack.enter_context(av.open(file, "r", container, metadata_errors="replace"))
    except (av.FFmpegError, ValueError) as error:
        raise _refused_by_ffmpeg(error) from None
    if not opened.streams.audio:
        raise Rejected("undecodable", "no sound in it")
    track = opened.streams.audio[0]
    if track.codec_context is None:
        raise Rejected("undecodable", "its codec is unknown")
    rate = track.codec_context.sample_rate
    _check_form(rate, track.codec_context.channels)
    promised = 0.0
    if container == "mp3":  # of which FFmpeg guesses the length
        promised = stated / rate
    elif container == "aac":
        pass  # likewise, and nothing states it
    elif track.duration and track.time_base:
        promised = float(track.duration * track.time_base)
    elif opened.duration and len(opened.streams) == 1:
        promised = opened.duration / av.time_base
    blocks = _ffmpeg_blocks(_decoded(opened, track, container == "mp3"), rate, promised)
    return Stream(blocks, rate, track.codec_context.name)


def _refused_by_ffmpeg(error: Exception) -> Rejected:
    return Rejected("undecodable", f"FFmpeg: {getattr(error, 'strerror', None) or error}")


def _decoded(
    opened: "av.container.InputContainer", track: "av.AudioStream", lenient: bool
) -> Iterator["av.AudioFrame"]:
    """Decode all frames, which must be of one form.

    Args:
        opened: the file.
        track: its sound.
        lenient: pass over what is no frame, as MP3s have tags and other bytes between theirs.

    Raises:
        Rejected: undecodable.
    """
    import av

    form, strange = None, 0
    try:
        for packet in opened.demux(track):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                if not lenient:
                    raise
                continue
            for frame in frames:
                form = form or (frame.sample_rate, frame.layout.name)
                if form == (frame.sample_rate, frame.layout.name):
                    yield frame
                else:
                    strange += 1
    except (av.FFmpegError, ValueError) as error:
        raise _refused_by_ffmpeg(error) from None
    if strange > (_MOST_STRANGE if lenient else 0):
        raise Rejected("undecodable", "its sample rate or its channels change")


def _ffmpeg_blocks(
    frames: Iterator["av.AudioFrame"], rate: int, promised: float
) -> Iterator[FloatArray]:
    """Gather what FFmpeg decodes, in the file's own rate, as float32.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    import av

    as_float = av.AudioResampler(format="fltp")
    found = 0
    parts: list[FloatArray] = []
    for frame in frames:
        parts += [part.to_ndarray().T.astype(np.float32) for part in as_float.resample(frame)]
        if sum(part.size for part in parts) >= _BLOCK:
            found += sum(map(len, parts))
            yield np.concatenate(parts)
            parts = []
    if parts:
        found += sum(map(len, parts))
        yield np.concatenate(parts)
    if found == 0:
        raise Rejected("zero_length", "no samples")
    lost = max(_MOST_LOST, 3 * _MP3_FRAME / rate)
    if found / rate < promised - lost:
        raise Rejected("truncated", f"{found / rate:.1f} of {promised:.1f} s")
