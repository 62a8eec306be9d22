"""Encode and decode a recording as files and calls do."""

from io import BytesIO
from typing import TYPE_CHECKING, cast

import numpy as np
import soundfile
import soxr

from ser.conditions.microphone import band_limit
from ser.core.typing import FloatArray

if TYPE_CHECKING:
    import av

TELEPHONE_RATE = 8000  # Hz
TELEPHONE_BAND = (300.0, 3400.0)  # Hz: ITU-T G.712
_CONTAINERS = {"libmp3lame": "mp3", "libopus": "ogg", "aac": "mp4"}


def telephone(
    waveform: FloatArray,
    sample_rate: int,
    law: str,
    band: tuple[float, float] = TELEPHONE_BAND,
) -> FloatArray:
    """Send a recording over a telephone line: 8 kHz, 8 bits by ITU-T G.711.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        law: ALAW or ULAW.
        band: of the line, in Hz.

    Returns:
        float32 [samples] at TELEPHONE_RATE.
    """
    narrow = soxr.resample(band_limit(waveform, sample_rate, *band), sample_rate, TELEPHONE_RATE)
    file = BytesIO()
    soundfile.write(file, np.clip(narrow, -1, 1), TELEPHONE_RATE, law, format="WAV")
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


def can_encode(codec: str) -> bool:
    """Return whether this machine's FFmpeg has an encoder, by FFmpeg's name of it."""
    import av

    try:
        av.Codec(codec, "w")
    except ValueError:  # UnknownCodecError
        return False
    return True


def encoded(waveform: FloatArray, sample_rate: int, codec: str, bits_per_second: int) -> FloatArray:
    """Encode a recording with loss and decode it, by FFmpeg.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz; the codec gets the next rate that it knows.
        codec: libmp3lame, libopus or aac.
        bits_per_second: of the encoded stream.

    Returns:
        float32 [samples], as many and at the same rate.
    """
    file = BytesIO()
    _encode(waveform, sample_rate, codec, bits_per_second, file)
    file.seek(0)
    decoded, rate = _decode(file)
    if rate != sample_rate:
        decoded = soxr.resample(decoded, rate, sample_rate)
    decoded = decoded[: len(waveform)]
    return np.pad(decoded, (0, len(waveform) - len(decoded)))


def _encode(
    waveform: FloatArray, sample_rate: int, codec: str, bits_per_second: int, file: BytesIO
) -> None:
    import av

    known = av.Codec(codec, "w").audio_rates or [sample_rate]
    rate = min((rate for rate in known if rate >= sample_rate), default=max(known))
    with av.open(file, "w", _CONTAINERS[codec]) as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate, layout="mono"))
        stream.bit_rate = bits_per_second
        if rate != sample_rate:
            waveform = soxr.resample(waveform, sample_rate, rate)
        # PyAV converts the samples, and cuts them into the codec's frames.
        frame = av.AudioFrame.from_ndarray(waveform[None], "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0  # without pts, AAC keeps its delay
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _decode(file: BytesIO) -> tuple[FloatArray, int]:
    """Decode a file; return float32 [samples] and their rate in Hz."""
    import av

    with av.open(file, "r") as container:
        stream = container.streams.audio[0]
        to_float = av.AudioResampler("fltp", "mono")
        parts = [to_float.resample(frame)[0].to_ndarray()[0] for frame in container.decode(stream)]
        return np.concatenate(parts), stream.sample_rate
