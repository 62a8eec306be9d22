"""Decoded recordings: say why one is of no use, bring the others into one form."""

import numpy as np
import soxr

from ser import noise
from ser.arrays import FloatArray
from ser.recording import Recording
from ser.rejection import Rejected

SILENCE_DB = -80.0  # peak, relative to full scale; 16-bit dither lies near -90 dB
_FULL_SCALE = 0.9995  # 16-bit full scale is 0.99997, 8-bit 0.992


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
