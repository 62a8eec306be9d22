"""Find the channel of a recording that holds the voice."""

import numpy as np
import soxr

from ser.audio.change import CHANGE_RATE, MIN_SPEECH_CHANGE, spectral_change
from ser.audio.clipping import clipped_share
from ser.audio.highpass import remove_below, remove_offset
from ser.core.recording import Recording
from ser.core.typing import FloatArray

_BELOW_VOICES = 60.0  # Hz
_NEAR = 0.01  # share of the loudest channel's power; the microphone of a weaker one was far away
_CLIPPED = 0.01  # share of samples; above it, a weaker channel is preferred


def voice_channel(recording: Recording) -> Recording:
    """Return the one channel of a recording that holds the voice.

    Channels are not added up, because they may cancel each other. A delay of a few samples is
    enough to cancel some frequencies.

    Only channels whose sound changes as speech does are considered, or all channels if none does.
    Of these, only channels within 20 dB of the loudest are considered. An unclipped channel is
    preferred to a clipped one, then a louder one to a weaker one, then the first of equal ones.

    Args:
        recording: a recording with finite samples.
    """
    first, *others = recording.samples.T
    if all(np.array_equal(first, other) for other in others):
        return _one_channel(recording, first)
    channels = recording.samples.T
    filtered = [_without_rumble(channel, recording.sample_rate) for channel in channels]
    speaking = [
        n for n, sound in enumerate(filtered) if spectral_change(sound) >= MIN_SPEECH_CHANGE
    ]
    power = {n: _power(filtered[n]) for n in speaking or range(len(filtered))}
    # The power is NaN if a channel exceeds the range of float32. Then no channel counts as weaker.
    near = [n for n in power if not power[n] < _NEAR * max(power.values())]
    clipped = {n: clipped_share(channels[n]) > _CLIPPED for n in near}
    return _one_channel(recording, channels[min(near, key=lambda n: (clipped[n], -power[n]))])


def _one_channel(recording: Recording, channel: FloatArray) -> Recording:
    return Recording(channel[:, np.newaxis], recording.sample_rate, recording.subtype)


def _without_rumble(channel: FloatArray, rate: int) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):  # `standardise` rejects the result
        sound = remove_offset(channel)
        if rate != CHANGE_RATE:
            sound = soxr.resample(sound, rate, CHANGE_RATE)
        return remove_below(sound, CHANGE_RATE, _BELOW_VOICES)


def _power(waveform: FloatArray) -> float:
    return float(np.square(waveform, dtype=np.float64).sum())
