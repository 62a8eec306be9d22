"""Decoded recordings: say why one is of no use, bring the others into one form."""

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from ser import noise
from ser.arrays import FloatArray
from ser.params import Clean
from ser.recording import Recording
from ser.rejection import Rejected

SILENCE_DB = -80.0  # peak, relative to full scale; 16-bit dither lies near -90 dB
_FLAT = 3  # neighbouring samples; the top of a wave that was not cut has one or two equal ones
# Of the cutoff. At 60 Hz, the hum of both mains frequencies is gone and a voice of 80 Hz is whole.
_TRANSITION = 1 / 3


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
    check(recording, clean.min_seconds, clean.max_clipped)
    return standardise(
        recording, clean.sample_rate, clean.highpass, clean.noise_reduction, clean.noise_seconds
    )


def check(recording: Recording, min_seconds: float, max_clipped: float) -> None:
    """Refuse a recording without usable sound, as it came: nothing is filtered before.

    Args:
        recording: as decoded.
        min_seconds: shortest length kept, in seconds.
        max_clipped: largest share of clipped samples kept, 0..1: see `clipped_share`.

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
    # A constant offset is not sound.
    mean = np.array([channel.mean(dtype=np.float64) for channel in samples.T])
    peak = float(np.maximum(highest - mean, mean - lowest).max())
    if peak < 10 ** (SILENCE_DB / 20):
        level = f"{20 * np.log10(peak):.0f} dB" if peak > 0 else "digital silence"
        raise Rejected("silent", f"peak {level}, at least {SILENCE_DB:.0f} dB expected")
    clipped = clipped_share(samples)
    if clipped > max_clipped:
        raise Rejected(
            "clipped",
            f"{clipped:.2%} of the samples are cut flat at its loudest, at most {max_clipped:.2%} "
            "expected",
        )


def clipped_share(samples: FloatArray) -> float:
    """Compute the share of samples in runs at a channel's own largest or smallest value.

    Where a converter, a limiter or a program cut a wave, neighbouring samples are equal, at
    whatever level it was cut: A-law ends at 0.984, and a file may be turned down after it was cut.

    Args:
        samples: float32 [samples, channels].

    Returns:
        0..1, the largest of the channels. A channel that never changes counts 0.
    """
    return max(_clipped_share(np.ascontiguousarray(channel)) for channel in samples.T)


def _clipped_share(channel: FloatArray) -> float:
    lowest, highest = channel.min(), channel.max()
    if lowest == highest:
        return 0.0
    # Zeros are pauses, which lie at an extreme where a recording has an offset.
    extremes = (extreme for extreme in (lowest, highest) if extreme != 0)
    return sum(_in_runs(channel == extreme) for extreme in extremes) / len(channel)


def _in_runs(marked: NDArray[np.bool_]) -> int:
    """Count what is marked in runs of at least _FLAT."""
    padded = np.concatenate([[False], marked, [False]])
    starts, ends = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2).T
    lengths = ends - starts
    return int(lengths[lengths >= _FLAT].sum())


def standardise(
    recording: Recording,
    sample_rate: int,
    highpass: float,
    noise_reduction: str,
    noise_seconds: float,
) -> FloatArray:
    """Bring a recording into the form that features are computed from.

    Each channel is freed of its offset, resampled and high-passed; the one with most power is
    kept. The sum of channels is not used: they may cancel each other, and where one is late by a
    few samples some frequencies do. Then the waveform is freed of noise and scaled to peak 1.

    Args:
        recording: a recording that passed `check`.
        sample_rate: wanted, in Hz.
        highpass: what lies at or below is removed, in Hz; 0: the offset alone.
        noise_reduction: none or stationary.
        noise_seconds: length of the beginning that is taken as the noise profile, in seconds.

    Returns:
        float32 [samples] in -1..1.

    Raises:
        Rejected: silent: the filter, or the noise reduction, removes everything; or not_finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        waveform = max(
            (
                _filtered(channel, recording.sample_rate, sample_rate, highpass)
                for channel in recording.samples.T
            ),
            key=_power,
        )
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


def _filtered(channel: FloatArray, rate: int, wanted: int, highpass: float) -> FloatArray:
    # Before it is resampled: to the resampler, an offset is a step at either end.
    waveform = channel - np.float32(channel.mean(dtype=np.float64))
    if rate != wanted:
        waveform = soxr.resample(waveform, rate, wanted)
    return remove_below(waveform, wanted, highpass)


def _power(waveform: FloatArray) -> float:
    return float(np.square(waveform, dtype=np.float64).sum())


def remove_below(waveform: FloatArray, sample_rate: int, cutoff: float) -> FloatArray:
    """Remove what lies at or below a frequency, without any delay.

    The gain rises from 0 at the cutoff to 1 a third above it, as half a cosine. It is applied to
    the cosine transform, which continues the waveform at both ends as if it were mirrored there.

    Args:
        waveform: float32 [samples].
        sample_rate: in Hz.
        cutoff: in Hz; 0: nothing is removed.

    Returns:
        float32 [samples].
    """
    if cutoff == 0:
        return waveform
    hertz = np.arange(len(waveform)) * (sample_rate / (2 * len(waveform)))
    rise = np.clip((hertz / cutoff - 1) / _TRANSITION, 0, 1)
    gain = (0.5 - 0.5 * np.cos(np.pi * rise)).astype(np.float32)
    spectrum = scipy.fft.dct(waveform, norm="ortho")
    return np.asarray(scipy.fft.idct(spectrum * gain, norm="ortho"), dtype=np.float32)


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
