"""Recordings: decode them, say why one is of no use, bring the others into one form."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser import noise
from ser.arrays import FloatArray
from ser.rejection import Rejected

SILENCE_DB = -80.0  # peak, relative to full scale; 16-bit dither lies near -90 dB
_FULL_SCALE = 0.9995  # 16-bit full scale is 0.99997, 8-bit 0.992
_BLOCK = 1 << 20  # samples read at once
# What programs write that stream a WAV of yet unknown length: ffmpeg 0xFFFFFFFF, sox 0x7FFFF000.
_UNKNOWN_SIZE = 0x7FFFF000
_LONGEST_OGG_PAGE = 65307  # bytes
_END_OF_STREAM = 4  # flag of an Ogg page


@dataclass(frozen=True)
class Recording:
    """A decoded file.

    Attributes:
        samples: float32 [samples, channels], integer formats scaled to -1..1.
        sample_rate: in Hz.
        subtype: sample format as libsndfile names it, such as PCM_16.
    """

    samples: FloatArray
    sample_rate: int
    subtype: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def decode(path: Path) -> Recording:
    """Decode a recording of any format that libsndfile reads.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    try:
        if path.suffix.lower() == ".wav":
            _check_riff(path)
        elif path.suffix.lower() in (".ogg", ".oga", ".opus"):
            _check_ogg(path)
        with soundfile.SoundFile(path) as file:
            promised = file.frames
            # Block by block: a damaged header may promise more than memory holds.
            block = max(1, _BLOCK // file.channels)
            blocks = [file.read(block, dtype="float32", always_2d=True)]
            while len(blocks[-1]) == block:
                blocks.append(file.read(block, dtype="float32", always_2d=True))
            rate, subtype = file.samplerate, file.subtype
    except (soundfile.LibsndfileError, OSError) as error:
        raise Rejected("undecodable", str(getattr(error, "error_string", error))) from None
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if len(samples) == 0:
        raise Rejected("zero_length", "no samples")
    if len(samples) < promised:
        raise Rejected("truncated", f"{len(samples)} of {promised} samples per channel")
    return Recording(samples, rate, subtype)


def _check_riff(path: Path) -> None:
    """Compare what a WAV file's chunk headers promise with what the file holds.

    libsndfile reads a WAV that was cut off as if it were merely shorter.

    Raises:
        Rejected: zero_length, truncated or undecodable.
    """
    size = path.stat().st_size
    if size == 0:
        raise Rejected("zero_length", "an empty file")
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            return  # some other format behind the name: libsndfile will tell
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


def check(recording: Recording, min_seconds: float, max_clipped: float) -> None:
    """Refuse a recording without usable speech.

    Args:
        recording: as decoded.
        min_seconds: shortest length kept, in seconds.
        max_clipped: largest share of samples at full scale kept, 0..1.

    Raises:
        Rejected: not_finite, too_short, silent or clipped.
    """
    samples = recording.samples
    # Each channel's least and greatest value tell most of it without another array; channel by
    # channel, as numpy takes ten times as long over an axis of two.
    lowest = np.array([channel.min() for channel in samples.T])
    highest = np.array([channel.max() for channel in samples.T])
    if not np.isfinite([lowest, highest]).all():
        bad = np.count_nonzero(~np.isfinite(samples))
        raise Rejected("not_finite", f"{bad} samples are NaN or infinite")
    if recording.seconds < min_seconds:
        raise Rejected("too_short", f"{recording.seconds:.3f} s, at least {min_seconds} s expected")
    # A constant offset is no sound.
    mean = np.array([channel.mean(dtype=np.float64) for channel in samples.T])
    peak = float(np.maximum(highest - mean, mean - lowest).max())
    if peak < 10 ** (SILENCE_DB / 20):
        level = f"{20 * np.log10(peak):.0f} dB" if peak > 0 else "digital silence"
        raise Rejected("silent", f"peak {level}, at least {SILENCE_DB:.0f} dB expected")
    clipped = 0.0
    if max(highest.max(), -lowest.min()) >= _FULL_SCALE:
        clipped = float(np.mean(np.abs(samples) >= _FULL_SCALE))
    if clipped > max_clipped:
        raise Rejected(
            "clipped", f"{clipped:.2%} of the samples at full scale, at most {max_clipped:.2%}"
        )


def standardise(
    recording: Recording, sample_rate: int, noise_reduction: str, noise_seconds: float
) -> FloatArray:
    """Bring a recording into the form that features are computed from.

    Channels are averaged, then the waveform is resampled, freed of noise and scaled to peak 1.

    Args:
        recording: a recording that passed `check`.
        sample_rate: wanted, in Hz.
        noise_reduction: none or stationary.
        noise_seconds: length of the beginning that is taken as the noise profile, in seconds.

    Returns:
        float32 [samples] in -1..1.

    Raises:
        Rejected: silent: the channels, or the noise reduction, cancel everything; or not_finite.
    """
    waveform, *others = recording.samples.T
    if others:
        with np.errstate(over="ignore"):  # refused below
            waveform = sum(others, start=waveform) / np.float32(1 + len(others))
    if recording.sample_rate != sample_rate:
        waveform = soxr.resample(waveform, recording.sample_rate, sample_rate)
    if noise_reduction == "stationary":
        waveform = reduce_noise(waveform, sample_rate, noise_seconds)
    peak = float(max(waveform.max(initial=0), -waveform.min(initial=0)))
    if not np.isfinite(peak):
        raise Rejected("not_finite", "the sum of its channels is beyond what a float32 holds")
    if peak < 10 ** (SILENCE_DB / 20):
        raise Rejected("silent", "nothing is left after the channels are averaged and cleaned")
    return np.asarray(waveform / np.float32(peak), dtype=np.float32)


def reduce_noise(waveform: FloatArray, sample_rate: int, noise_seconds: float) -> FloatArray:
    """Reduce stationary noise by spectral gating.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        noise_seconds: the first so many seconds are the noise profile.

    Returns:
        float32 [samples].
    """
    beginning = waveform[: max(1, round(noise_seconds * sample_rate))]
    return noise.gate(waveform, sample_rate, beginning)
