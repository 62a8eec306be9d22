"""Recordings that FFmpeg decodes, with PyAV."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ser.core import recording
from ser.core.recording import Stream, check_form
from ser.core.rejection import Rejected
from ser.core.typing import FloatArray
from ser.decoding import mp3
from ser.decoding.sizes import check_size

if TYPE_CHECKING:
    import av

_MOST_LOST = 0.1  # seconds that a complete file may lack: encoders pad their first frame
_MP3_FRAME = 1152  # samples per channel, at most
_MOST_LOST_OF_A_FILM = 1.0  # seconds: no header states how long the last picture is shown
_MOST_STRANGE = 10  # frames of another form allowed in an MP3: junk that looks like frames

# Containers that do not state their length: FFmpeg guesses it from their size.
_STATE_NO_LENGTH = ("aac", "ac3", "amr", "eac3", "mpeg", "mpegts")
# Their headers were compared with the content before: see `ser.decoding.containers.read_headers`.
_COMPARED = ("aiff", "au", "caf", "voc", "w64", "wav")
# Other bytes may be among the frames: an MP3's tags, the padding that FFmpeg counts in a W64.
_LENIENT = ("mp3", "w64")
_MPEG = ("mp3", "mp2", "mp1")  # how the names of these codecs begin, also in a WAV


def open_with_ffmpeg(file: BinaryIO, container: str, stack: ExitStack) -> Stream:
    """Decode an open file with FFmpeg, for as long as the stack is open.

    If there are several audio tracks, the file's default track is decoded, or else the first.

    Args:
        file: open file.
        container: FFmpeg's name of the container; no other is tried.
        stack: closes what is opened here.

    Raises:
        Rejected: undecodable or truncated; the blocks may also raise zero_length.
        OSError: it cannot be read.
    """
    # Imported only here: most recordings do not need it.
    import av

    av.logging.set_level(None)
    # With an open file and one container, no name inside it makes FFmpeg open another file.
    check_size(file, container)
    stated = mp3.stated_samples(file) if container == "mp3" else 0
    file.seek(0)
    try:
        opened = stack.enter_context(
            av.open(
                file,
                "r",
                container,
                container_options={"protocol_whitelist": "none"},
                metadata_errors="replace",
            )
        )
    except (av.FFmpegError, ValueError) as error:
        raise _refused_by_ffmpeg(error) from None
    if not opened.streams.audio:
        raise Rejected("undecodable", "no sound in it")
    track = _choose(opened.streams.audio)
    if track.codec_context is None:
        raise Rejected("undecodable", "its codec is unknown")
    rate = track.codec_context.sample_rate
    check_form(rate, track.codec_context.channels)
    alone = len(opened.streams) == 1
    sound = film = 0.0  # seconds that are stated
    if container == "mp3":
        sound = stated / rate
    elif container in _STATE_NO_LENGTH + _COMPARED:
        pass
    elif track.duration and track.time_base and (alone or container != "asf"):  # ASF: the film's
        sound = float(track.duration * track.time_base)
    elif opened.duration:
        film = opened.duration / av.time_base
        sound = film if alone else 0.0
    is_mpeg = container == "wav" and track.codec_context.name.startswith(_MPEG)
    reader = _Reader(opened, track, container in _LENIENT or is_mpeg)
    return Stream(_blocks(reader, rate, sound, film), rate, track.codec_context.name)


def _choose(tracks: "Sequence[av.AudioStream]") -> "av.AudioStream":
    from av.stream import Disposition

    return next((t for t in tracks if t.disposition & Disposition.default), tracks[0])


def _refused_by_ffmpeg(error: Exception) -> Rejected:
    return Rejected("undecodable", f"FFmpeg: {getattr(error, 'strerror', None) or error}")


class _Reader:
    """Decodes a track of a file.

    Attributes:
        reached: latest end of any track, in seconds, in what was read of the file.
    """

    def __init__(
        self, opened: "av.container.InputContainer", track: "av.AudioStream", lenient: bool
    ) -> None:
        """Prepare to decode a track.

        Args:
            opened: the file.
            track: its audio track.
            lenient: skip bytes that are not frames, such as tags in an MP3.
        """
        self.reached = 0.0
        self._opened, self._track, self._lenient = opened, track, lenient

    def frames(self) -> Iterator["av.AudioFrame"]:
        """Decode all frames, which must be of one form.

        Raises:
            Rejected: undecodable.
        """
        import av

        form, strange = None, 0
        try:
            for packet in self._packets():
                try:
                    frames = self._track.decode(packet)
                except av.InvalidDataError:
                    if not self._lenient:
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
        if strange > (_MOST_STRANGE if self._lenient else 0):
            raise Rejected("undecodable", "its sample rate or its channels change")

    def _packets(self) -> Iterator["av.Packet[av.stream.Stream]"]:
        for packet in self._opened.demux():
            if packet.pts is not None and packet.time_base:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.reached = max(self.reached, float(end))
            if packet.stream is self._track:
                yield packet


def _blocks(reader: _Reader, rate: int, sound: float, film: float) -> Iterator[FloatArray]:
    """Yield what FFmpeg decodes, at the file's own rate, as float32 [samples, channels].

    Args:
        reader: reader of the file.
        rate: sample rate in Hz.
        sound: stated length of the sound in seconds; 0: not stated.
        film: stated length of the longest track in seconds; 0: not stated.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    import av

    # Interleaved, because PyAV reads some planar frames beyond their memory.
    as_float = av.AudioResampler(format="flt")
    found = 0
    parts: list[FloatArray] = []
    for frame in reader.frames():
        parts += [
            part.to_ndarray().reshape(-1, part.layout.nb_channels).astype(np.float32)
            for part in as_float.resample(frame)
        ]
        if sum(part.size for part in parts) >= recording.BLOCK:
            found += sum(map(len, parts))
            yield np.concatenate(parts)
            parts = []
    if parts:
        found += sum(map(len, parts))
        yield np.concatenate(parts)
    if found == 0:
        raise (
            Rejected("truncated", f"0 of {sound:.1f} s")
            if sound
            else Rejected("zero_length", "no samples")
        )
    lost = max(_MOST_LOST, 3 * _MP3_FRAME / rate)
    if found / rate < sound - lost:
        raise Rejected("truncated", f"{found / rate:.1f} of {sound:.1f} s")
    if max(found / rate, reader.reached) < film - _MOST_LOST_OF_A_FILM:
        raise Rejected("truncated", f"{reader.reached:.1f} of {film:.1f} s of the film")
