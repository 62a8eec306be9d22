"""Record a clip anew: in a room, with noise, by another microphone, over a line, with a codec.

The kinds of change are those that `scripts.robustness` tests, but the parameters are drawn from
ranges, the noise is coloured instead of white or babble, and the reverberation is random instead of
computed.
"""

from dataclasses import dataclass, replace

import numpy as np
import soxr

from ser.audio.standard import standardise
from ser.conditions.codecs import TELEPHONE_RATE, encoded, telephone
from ser.conditions.levels import add_at_snr, clip_peaks, within_full_scale
from ser.conditions.microphone import band_limit
from ser.conditions.noises import coloured_noise
from ser.conditions.rooms import decaying_response, reverberate
from ser.core.sections import AudioForm, RecordingChange
from ser.core.typing import FloatArray

_CODECS = ("libmp3lame", "libopus", "aac")
_LAWS = ("ALAW", "ULAW")
# Edges of the bands of telephone lines, in Hz: around those of the standard.
_LINE_LOW, _LINE_HIGH = (200.0, 400.0), (3000.0, 3700.0)


@dataclass(frozen=True)
class DrawnRecording:
    """How a copy is recorded; None where a change is not applied.

    Attributes:
        room_rt60: reverberation time in seconds.
        room_direct_db: energy of the direct sound above that of the reverberation.
        noise_snr_db: the clip's power above that of the noise.
        noise_tilt_db: of the noise's spectrum, per octave.
        band_low: lower edge of what the microphone hears, in Hz.
        band_high: upper edge, in Hz.
        clipped: share of the samples cut flat.
        line: ALAW or ULAW: the law of a telephone line of 8 kHz.
        line_low: lower edge of its band, in Hz.
        line_high: upper edge, in Hz.
        codec: FFmpeg's name of a codec.
        codec_kbps: its rate in kbit/s.
        room_seed: of the reverberation.
        noise_seed: of the noise.
    """

    room_rt60: float | None
    room_direct_db: float
    noise_snr_db: float | None
    noise_tilt_db: float
    band_low: float | None
    band_high: float
    clipped: float | None
    line: str | None
    line_low: float
    line_high: float
    codec: str | None
    codec_kbps: float
    room_seed: int
    noise_seed: int


def draw_recording(change: RecordingChange, rng: np.random.Generator) -> DrawnRecording | None:
    """Draw how a copy is re-recorded; None: no change is applied.

    Args:
        change: probability of each change, and the ranges.
        rng: source of all values. As many are drawn whatever is applied.
    """

    def applied() -> bool:
        return bool(rng.random() < change.probability)

    def drawn(low_high: tuple[float, float]) -> float:
        return float(rng.uniform(*low_high))

    which = room, noise, band, clipped, line, codec = [applied() for _ in range(6)]
    everything = DrawnRecording(
        room_rt60=drawn(change.rt60),
        room_direct_db=drawn(change.direct_db),
        noise_snr_db=drawn(change.snr_db),
        noise_tilt_db=drawn(change.tilt_db),
        band_low=drawn(change.low_hz),
        band_high=drawn(change.high_hz),
        clipped=drawn(change.clipped),
        codec_kbps=drawn(change.codec_kbps),
        line_low=drawn(_LINE_LOW),
        line_high=drawn(_LINE_HIGH),
        line=_LAWS[rng.integers(len(_LAWS))],
        codec=_CODECS[rng.integers(len(_CODECS))],
        room_seed=int(rng.integers(2**32)),
        noise_seed=int(rng.integers(2**32)),
    )
    if not any(which):
        return None
    return replace(
        everything,
        room_rt60=everything.room_rt60 if room else None,
        noise_snr_db=everything.noise_snr_db if noise else None,
        band_low=everything.band_low if band else None,
        clipped=everything.clipped if clipped else None,
        line=everything.line if line else None,
        codec=everything.codec if codec else None,
    )


def record(waveform: FloatArray, form: AudioForm, changes: DrawnRecording) -> FloatArray:
    """Record a waveform as drawn: room, noise, microphone, clipping, then line and codec.

    Args:
        waveform: float32 [samples] in -1..1.
        form: the standard form of waveforms, which the result is brought to again.
        changes: as drawn.

    Returns:
        float32 [samples] in -1..1.

    Raises:
        Rejected: nothing is left: see `ser.audio.standard.standardise`.
    """
    sample_rate = form.sample_rate
    n = len(waveform)
    if changes.room_rt60 is not None:
        response = decaying_response(
            changes.room_rt60, changes.room_direct_db, sample_rate, changes.room_seed
        )
        waveform = reverberate(waveform, response)
    if changes.noise_snr_db is not None:
        noise = coloured_noise(n, sample_rate, changes.noise_tilt_db, changes.noise_seed)
        waveform = add_at_snr(waveform, noise, changes.noise_snr_db)
    if changes.band_low is not None:
        waveform = band_limit(waveform, sample_rate, changes.band_low, changes.band_high)
    if changes.clipped is not None:
        waveform = clip_peaks(waveform, changes.clipped)
    waveform = within_full_scale(waveform)
    if changes.line is not None:
        band = (changes.line_low, changes.line_high)
        narrow = telephone(waveform, sample_rate, changes.line, band)
        waveform = soxr.resample(narrow, TELEPHONE_RATE, sample_rate)[:n]
        waveform = np.pad(waveform, (0, n - len(waveform)))
    if changes.codec is not None:
        waveform = encoded(waveform, sample_rate, changes.codec, round(1000 * changes.codec_kbps))
    return standardise(waveform, form)
