"""Speech is found anywhere in a recording, at any sample rate."""

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
import soxr
from small_model import RATE, speech

from ser.audio.change import spectral_change
from ser.use.speech import holds_speech


def noise(seconds, level):
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def test_speech_is_found_away_from_the_loudest_place():
    bang = noise(1.0, 0.5)
    quiet = np.zeros(2 * RATE, np.float32)
    spoken = 0.1 * speech(0, 2.0)
    assert np.abs(spoken).max() < np.abs(bang).max() / 5
    assert not holds_speech(np.concatenate([bang, quiet, quiet]), RATE)
    assert holds_speech(np.concatenate([bang, quiet, spoken]), RATE)
    assert holds_speech(np.concatenate([spoken, quiet, bang]), RATE)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_the_rate_does_not_matter(rate):
    assert holds_speech(soxr.resample(speech(0, 2.0), RATE, rate), rate)
    assert not holds_speech(soxr.resample(noise(2.0, 0.1), RATE, rate), rate)


def test_the_answer_does_not_depend_on_earlier_recordings():
    silence = np.zeros(RATE, np.float32)
    assert not holds_speech(silence, RATE)
    assert holds_speech(speech(0, 1.0), RATE)
    assert not holds_speech(silence, RATE)


def tone(frequency, seconds=2.0, modulation=0.0):
    times = np.arange(round(seconds * RATE)) / RATE
    samples = np.sin(2 * np.pi * frequency * times + modulation * np.sin(2 * np.pi * 5 * times))
    return (0.5 * samples).astype(np.float32)


CHORD = (tone(262) + tone(330) + tone(392)) / 3
SWELLING = tone(220) * (0.5 + 0.5 * tone(4) / 0.5)
TEXT = np.frombuffer(Path(__file__).read_bytes() * 4, np.uint8)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("frequency", [60, 110, 150, 220, 330, 440, 1000, 3000])
def test_a_tone_is_not_speech(frequency, seconds):
    assert not holds_speech(tone(frequency, seconds), RATE)


@pytest.mark.parametrize(
    "waveform",
    [CHORD, SWELLING, tone(220, modulation=5.0), np.zeros(RATE, np.float32), noise(2.0, 0.1)],
    ids=["chord", "swelling tone", "vibrato", "silence", "noise"],
)
def test_an_unchanging_sound_is_not_speech(waveform):
    assert spectral_change(waveform) < 2.5
    assert not holds_speech(waveform, RATE)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_arbitrary_bytes_are_not_speech(rate):
    packed = np.frombuffer(zlib.compress(random.Random(0).randbytes(100_000)), np.uint8)
    for data in (TEXT, packed):
        eight = data[: 3 * rate].astype(np.float32) / 128 - 1
        sixteen = data[: data.size // 2 * 2].view("<i2")[: 3 * rate].astype(np.float32) / 2**15
        assert not holds_speech(eight, rate)
        assert not holds_speech(sixteen, rate)


@pytest.mark.parametrize("seed", range(4))
def test_speech_changes_also_in_noise_and_by_telephone(seed):
    spoken = speech(seed, 1.0)
    level = np.std(spoken) * 10**-0.5
    telephone = soxr.resample(soxr.resample(spoken, RATE, 8000), 8000, RATE)
    assert spectral_change(spoken) > 4
    assert spectral_change(telephone) > 4
    assert spectral_change(spoken + noise(1.0, level)[: len(spoken)]) > 3
