"""Who speaks is found wherever it is, at any rate."""

import numpy as np
import pytest
import soxr
from small_model import RATE, speech

from ser.speech import holds_speech


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


def test_what_came_before_does_not_matter():
    silence = np.zeros(RATE, np.float32)
    assert not holds_speech(silence, RATE)
    assert holds_speech(speech(0, 1.0), RATE)
    assert not holds_speech(silence, RATE)
