"""Recordings that FFmpeg decodes, by PyAV."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ser import mp3, recording
from ser.arrays import FloatArray
from ser.recording import Stream, check_form
from ser.rejection import Rejected

if TYPE_CHECKING:
    import av

_MOST_LOST = 0.1  # seconds that a whole file of FFmpeg's may lack: encoders pad their first frame
# Nothing states the length of AAC on its own; that of the others was looked at before.
_LENGTH_UNKNOWN = ("aac", "aiff", "au", "caf", "voc", "w64", "wav")
# Whose sound other bytes lie between: an MP3's tags, and the padding that FFmpeg counts in a W64.
_LENIENT = ("mp3", "w64")
_MP3_FRAME = 1152  # samples per channel, at most
_MOST_STRANGE = 10  # frames of another form that an MP3 may have: junk that looks like frames


def open_with_ffmpeg(file: BinaryIO, container: str, stack: ExitStack) -> Stream:
    """Decode an open file by FFmpeg, for as long as the stack is open.

    Raises:
        Rejected: undecodable; from the blocks zero_length, truncated or undecodable too.
        OSError: it cannot be read.
    """
    # Imported only here: most recordings do without.
    import av

    av.logging.set_level(None)
    # An open file and one container: no name within it makes FFmpeg open anything else.
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
    check_form(rate, track.codec_context.channels)
    promised = 0.0
    if container == "mp3":  # of which FFmpeg guesses the length
        promised = stated / rate
    elif container in _LENGTH_UNKNOWN:
        pass  # likewise
    elif track.duration and track.time_base:
        promised = float(track.duration * track.time_base)
    elif opened.duration and len(opened.streams) == 1:
        promised = opened.duration / av.time_base
    blocks = _ffmpeg_blocks(_decoded(opened, track, container in _LENIENT), rate, promised)
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
        lenient: pass over what is no frame.

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
        if sum(part.size for part in parts) >= recording.BLOCK:
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
