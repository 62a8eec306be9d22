"""Which channel of a recording holds the voice."""

import numpy as np
import soxr

from ser.audio.change import CHANGE_RATE, LEAST_OF_SPEECH, spectral_change
from ser.audio.clipping import clipped_share
from ser.audio.highpass import remove_below, remove_offset
from ser.core.recording import Recording
from ser.core.typing import FloatArray

_BELOW_VOICES = 60.0  # Hz
_NEAR = 0.01  # of the power of the loudest: a weaker channel hears the voice from afar
_CLIPPED = 0.01  # share of samples from which on a weaker channel is the better one


def voice_channel(recording: Recording) -> Recording:
    """Return the one channel of a recording that holds the voice.

    A sum of channels is not used: they may cancel each other, and where one is late by a few
    samples some frequencies do. Of the channels whose sound changes as speech does (of all, if none
    does), those within 20 dB of the loudest count; one that is not clipped comes before others, a
    louder one before a weaker one, an earlier one before its equal.

    Args:
        recording: of finite samples.
    """
    first, *others = recording.samples.T
    if all(np.array_equal(first, other) for other in others):
        return _with(recording, first)
    channels = recording.samples.T
    heard = [_above_rumble(channel, recording.sample_rate) for channel in channels]
    speaking = [n for n, sound in enumerate(heard) if spectral_change(sound) >= LEAST_OF_SPEECH]
    power = {n: _power(heard[n]) for n in speaking or range(len(heard))}
    # Not a number, where a channel is beyond what a float32 holds: no channel is weaker.
    near = [n for n in power if not power[n] < _NEAR * max(power.values())]
    clipped = {n: clipped_share(channels[n]) > _CLIPPED for n in near}
    return _with(recording, channels[min(near, key=lambda n: (clipped[n], -power[n]))])


def _with(recording: Recording, channel: FloatArray) -> Recording:
    return Recording(channel[:, np.newaxis], recording.sample_rate, recording.subtype)


def _above_rumble(channel: FloatArray, rate: int) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):  # refused when it is standardised
        sound = remove_offset(channel)
        if rate != CHANGE_RATE:
            sound = soxr.resample(sound, rate, CHANGE_RATE)
        return remove_below(sound, CHANGE_RATE, _BELOW_VOICES)


def _power(waveform: FloatArray) -> float:
    return float(np.square(waveform, dtype=np.float64).sum())
