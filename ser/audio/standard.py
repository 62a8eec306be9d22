"""Decoded recordings: say why one is of no use, bring the others into one form."""

import numpy as np
import soxr

from ser.audio import noise
from ser.audio.channels import voice_channel
from ser.audio.clipping import clipped_share
from ser.audio.highpass import remove_below, remove_offset
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.core.sections import Clean
from ser.core.typing import FloatArray

SILENCE_DB = -80.0  # peak, relative to full scale; 16-bit dither lies near -90 dB


def standard_form(recording: Recording, clean: Clean) -> FloatArray:
    """Return the waveform that features are computed from, if the recording is of use.

    Args:
        recording: as decoded.
        clean: what is of use, and the form.

    Returns:
        float32 [samples] in -1..1, at clean.sample_rate.

    Raises:
        Rejected: see `check` and `standardise`.
    """
    c = clean
    return standardise(
        sound(recording, c), c.sample_rate, c.highpass, c.noise_reduction, c.noise_seconds
    )


def sound(recording: Recording, clean: Clean) -> FloatArray:
    """Return what is heard in a recording, as it came but for its offset and rate.

    Args:
        recording: as decoded.
        clean: what is of use, and the rate.

    Returns:
        float32 [samples], at clean.sample_rate: see `resample`.

    Raises:
        Rejected: see `check`.
    """
    _require_finite(recording.samples)
    one = voice_channel(recording)  # once for both
    check(one, clean.min_seconds, clean.max_clipped)
    return resample(one, clean.sample_rate)


def check(recording: Recording, min_seconds: float, max_clipped: float) -> None:
    """Refuse a recording without usable sound, as it came: nothing is filtered before.

    Args:
        recording: as decoded; of several channels, silence and clipping are those of
            `voice_channel`.
        min_seconds: shortest length kept, in seconds.
        max_clipped: largest share of clipped samples kept, 0..1: see `clipped_share`.

    Raises:
        Rejected: not_finite, too_short, silent or clipped.
    """
    _require_finite(recording.samples)
    if recording.seconds < min_seconds:
        raise Rejected("too_short", f"{recording.seconds:.3f} s, at least {min_seconds} s expected")
    channel = voice_channel(recording).samples[:, 0]
    # A constant offset is not sound.
    mean = channel.mean(dtype=np.float64)
    peak = float(max(channel.max() - mean, mean - channel.min()))
    if peak < 10 ** (SILENCE_DB / 20):
        level = f"{20 * np.log10(peak):.0f} dB" if peak > 0 else "digital silence"
        raise Rejected("silent", f"peak {level}, at least {SILENCE_DB:.0f} dB expected")
    clipped = clipped_share(channel)
    if clipped > max_clipped:
        raise Rejected(
            "clipped",
            f"{clipped:.2%} of the samples are cut flat at its loudest, at most {max_clipped:.2%} "
            "expected",
        )


def _require_finite(samples: FloatArray) -> None:
    # Channel by channel, as numpy takes ten times as long over an axis of two.
    if not all(np.isfinite([channel.min(), channel.max()]).all() for channel in samples.T):
        bad = np.count_nonzero(~np.isfinite(samples))
        raise Rejected("not_finite", f"{bad} samples are NaN or infinite")


def resample(recording: Recording, sample_rate: int) -> FloatArray:
    """Resample a recording, freed of its offset; of several channels the one with the voice.

    Args:
        recording: a recording that passed `check`.
        sample_rate: wanted, in Hz.

    Returns:
        float32 [samples].
    """
    with np.errstate(over="ignore", invalid="ignore"):  # `standardise` refuses what comes of it
        # Before it is resampled: to the resampler, an offset is a step at either end.
        waveform = remove_offset(voice_channel(recording).samples[:, 0])
        if recording.sample_rate != sample_rate:
            waveform = soxr.resample(waveform, recording.sample_rate, sample_rate)
    return waveform


def standardise(
    waveform: FloatArray,
    sample_rate: int,
    highpass: float,
    noise_reduction: str,
    noise_seconds: float,
) -> FloatArray:
    """Bring a waveform into the form that features are computed from.

    It is high-passed, freed of noise and scaled to peak 1.

    Args:
        waveform: float32 [samples], as `resample` gives it.
        sample_rate: in Hz.
        highpass: what lies at or below is removed, in Hz; 0: the offset alone.
        noise_reduction: none or stationary.
        noise_seconds: length of the beginning that is taken as the noise profile, in seconds.

    Returns:
        float32 [samples] in -1..1.

    Raises:
        Rejected: silent: the filter, or the noise reduction, removes everything; or not_finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        waveform = remove_below(waveform, sample_rate, highpass)
    if noise_reduction == "stationary":
        waveform = reduce_noise(waveform, sample_rate, noise_seconds)
    peak = float(max(waveform.max(initial=0), -waveform.min(initial=0)))
    if not np.isfinite(peak):
        raise Rejected("not_finite", "its samples are beyond what a float32 holds")
    if peak < 10 ** (SILENCE_DB / 20):
        raise Rejected(
            "silent", f"nothing is left above {highpass:g} Hz (clean.highpass) and of the noise"
        )
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
