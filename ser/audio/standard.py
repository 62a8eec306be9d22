"""Check decoded recordings and convert them to one standard form."""

import numpy as np
import soxr

from ser.audio.channels import voice_channel
from ser.audio.clipping import clipped_share
from ser.audio.highpass import remove_below, remove_offset
from ser.audio.noise import spectral_gate
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.core.sections import AudioForm, AudioLimits
from ser.core.typing import FloatArray

SILENCE_DB = -80.0  # peak relative to full scale; 16-bit dither peaks near -90 dB


def checked_waveform(recording: Recording, limits: AudioLimits, sample_rate: int) -> FloatArray:
    """Return a usable recording's waveform, with only its offset removed and its rate changed.

    Args:
        recording: as decoded.
        limits: what is usable.
        sample_rate: of the result, in Hz.

    Returns:
        float32 [samples]: see `resample`.

    Raises:
        Rejected: see `require_usable`.
    """
    return _at_rate(_usable_voice(recording, limits), recording.sample_rate, sample_rate)


def require_usable(recording: Recording, limits: AudioLimits) -> None:
    """Check that a recording has usable sound, before any filter.

    Args:
        recording: as decoded; if it has several channels, `voice_channel` is checked for silence
            and clipping.
        limits: shortest length accepted, in seconds, and largest share of clipped samples accepted,
            0..1: see `clipped_share`.

    Raises:
        Rejected: not_finite, too_short, silent or clipped.
    """
    _usable_voice(recording, limits)


def _usable_voice(recording: Recording, limits: AudioLimits) -> FloatArray:
    """Return the voice channel of a usable recording without its offset: float32 [samples].

    Raises:
        Rejected: see `require_usable`.
    """
    _require_finite(recording.samples)
    if recording.seconds < limits.min_seconds:
        raise Rejected(
            "too_short", f"{recording.seconds:.3f} s, at least {limits.min_seconds} s expected"
        )
    channel = voice_channel(recording).samples[:, 0]
    # A constant offset is not sound.
    centred = _without_offset(channel)
    peak = float(max(centred.max(), -centred.min()))
    if peak < 10 ** (SILENCE_DB / 20):
        level = f"{20 * np.log10(peak):.0f} dB" if peak > 0 else "digital silence"
        raise Rejected("silent", f"peak {level}, at least {SILENCE_DB:.0f} dB expected")
    clipped = clipped_share(channel)
    if clipped > limits.max_clipped:
        raise Rejected(
            "clipped",
            f"{clipped:.2%} of the samples are cut flat at its loudest, at most "
            f"{limits.max_clipped:.2%} expected",
        )
    return centred


def _require_finite(samples: FloatArray) -> None:
    # Channel by channel: numpy is ten times slower along an axis of two.
    if not all(np.isfinite([channel.min(), channel.max()]).all() for channel in samples.T):
        bad = np.count_nonzero(~np.isfinite(samples))
        raise Rejected("not_finite", f"{bad} samples are NaN or infinite")


def resample(recording: Recording, sample_rate: int) -> FloatArray:
    """Remove the offset of a recording's voice channel and resample it.

    Args:
        recording: a recording that passed `require_usable`.
        sample_rate: of the result, in Hz.

    Returns:
        float32 [samples].
    """
    waveform = _without_offset(voice_channel(recording).samples[:, 0])
    return _at_rate(waveform, recording.sample_rate, sample_rate)


def _without_offset(channel: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):  # `standardise` rejects the result
        return remove_offset(channel)


def _at_rate(waveform: FloatArray, rate: int, wanted: int) -> FloatArray:
    """Resample a waveform without offset, which would be a step at either end."""
    if rate == wanted:
        return waveform
    with np.errstate(over="ignore", invalid="ignore"):  # `standardise` rejects the result
        resampled: FloatArray = soxr.resample(waveform, rate, wanted)
    return resampled


def level_db(waveform: FloatArray) -> float:
    """Compute the RMS level of a waveform that is not silent, in dB; a square wave of 1 has 0 dB.

    >>> round(level_db(np.array([0.1, -0.1], dtype=np.float32)), 3)
    -20.0
    """
    return float(10 * np.log10(np.mean(np.square(waveform, dtype=np.float64))))


def standardise(waveform: FloatArray, form: AudioForm) -> FloatArray:
    """Return the standard form of a waveform: high-passed, noise reduced, scaled to peak 1.

    Args:
        waveform: float32 [samples] at the form's rate, as `resample` returns it.
        form: highpass: frequencies up to this one are removed, in Hz; 0: only the offset.
            noise_seconds: length of the beginning that is used as the noise profile, in seconds.

    Returns:
        float32 [samples] in -1..1.

    Raises:
        Rejected: silent, if the filter or the noise reduction removes everything; or not_finite.

    >>> form = AudioForm(
    ...     sample_rate=16_000, highpass=0.0, noise_reduction="none", noise_seconds=0.0
    ... )
    >>> standardise(np.array([0, 0.1, -0.2], dtype=np.float32), form)
    array([ 0. ,  0.5, -1. ], dtype=float32)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        waveform = remove_below(waveform, form.sample_rate, form.highpass)
    if form.noise_reduction == "stationary":
        waveform = reduce_noise(waveform, form.sample_rate, form.noise_seconds)
    peak = float(max(waveform.max(initial=0), -waveform.min(initial=0)))
    if not np.isfinite(peak):
        raise Rejected("not_finite", "its samples exceed the range of float32")
    if peak < 10 ** (SILENCE_DB / 20):
        raise Rejected(
            "silent",
            f"nothing is left above {form.highpass:g} Hz (clean.highpass) and above the noise",
        )
    return np.asarray(waveform / np.float32(peak), dtype=np.float32)


def reduce_noise(waveform: FloatArray, sample_rate: int, noise_seconds: float) -> FloatArray:
    """Reduce stationary noise by spectral gating.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        noise_seconds: length of the beginning that is the noise profile, in seconds.

    Returns:
        float32 [samples].
    """
    beginning = waveform[: max(1, round(noise_seconds * sample_rate))]
    return spectral_gate(waveform, sample_rate, beginning)
