"""Clipping is found at any level, in any format, and nowhere else."""

import io

import numpy as np
import pytest
import soundfile
from settings import audio_limits
from small_model import speech

from ser.audio.clipping import clipped_share
from ser.audio.standard import require_usable
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.decoding.decoding import decode

RATE = 16000


def tone(frequency=440.0, level=1.0, rate=RATE):
    return level * np.sin(2 * np.pi * frequency * np.arange(rate) / rate)


def share(samples):
    return clipped_share(np.asarray(samples, np.float32))


def written(folder, samples, subtype, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    path = folder / "a.wav"
    path.write_bytes(file.getvalue())
    return decode(path).samples[:, 0]


@pytest.mark.parametrize("drive", [1.05, 1.5, 2.0, 8.0])
@pytest.mark.parametrize("level", [1.0, 0.5, 0.03])
def test_the_clipped_share_of_a_sine_is_the_share_above_its_clipping_level(drive, level):
    samples = level * np.clip(tone(100, drive), -1, 1)
    assert share(samples) == pytest.approx(1 - 2 * np.arcsin(1 / drive) / np.pi, abs=0.01)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW", "ULAW"])
@pytest.mark.parametrize("level", [1.0, 0.6])
def test_the_format_does_not_matter(tmp_path, subtype, level):
    samples = level * np.clip(tone(300, 4.0), -1, 1)
    expected = 1 - 2 * np.arcsin(1 / 4) / np.pi
    # With 8 bits, a little of the slopes is rounded to the extreme values.
    assert clipped_share(written(tmp_path, samples, subtype)) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("level", [1.0, 0.9999, 0.5])
def test_a_sine_that_reaches_full_scale_and_was_not_cut_is_not_clipped(tmp_path, subtype, level):
    assert clipped_share(written(tmp_path, tone(441, level, 44100), subtype)) == 0


@pytest.mark.parametrize("subtype", ["PCM_U8", "ALAW", "ULAW"])
def test_loud_noise_in_8_bits_is_hardly_clipped(tmp_path, subtype):
    noise = np.random.default_rng(0).standard_normal(RATE)
    assert clipped_share(written(tmp_path, noise / np.abs(noise).max(), subtype)) < 0.001


def test_clipping_on_one_side_counts():
    samples = np.minimum(tone(100), 0.5)
    assert share(samples) == pytest.approx(1 / 3, abs=0.01)
    assert share(-samples) == pytest.approx(1 / 3, abs=0.01)


def test_a_recording_cut_below_an_offset_is_clipped():
    assert share(np.clip(tone(100, 3.0), -0.5, 0.5) + 0.3) > 0.5


def test_pauses_do_not_count_if_an_offset_makes_them_extreme():
    samples = 0.1 * tone() - 0.2
    samples[:8000] = 0
    assert share(samples) == 0


def test_three_equal_samples_are_a_run_and_two_are_not():
    samples = 0.5 * tone()
    samples[100:102] = 0.9
    assert share(samples) == 0
    samples[102] = 0.9
    assert share(samples) == 3 / RATE
    samples[[0, 1, 2, -3, -2, -1]] = 0.9  # at the ends too
    assert share(samples) == 9 / RATE


def test_a_constant_channel_is_not_clipped():
    assert share(np.full(RATE, 0.3)) == 0


def reason(*channels, most=0.01):
    samples = np.stack(channels, axis=1).astype(np.float32)
    try:
        require_usable(Recording(samples, RATE, "FLOAT"), audio_limits(0.1, most))
    except Rejected as verdict:
        return verdict.reason
    return None


VOICE = speech(0, 1.0)
TOGGLING = -np.random.default_rng(0).integers(0, 2, len(VOICE)) / 2**15


@pytest.mark.parametrize(
    "other",
    [
        np.zeros(len(VOICE)),
        np.full(len(VOICE), 0.3),
        TOGGLING,
        0.3 + TOGGLING,
        np.repeat(TOGGLING[::100], 100)[: len(VOICE)],
        np.where(np.arange(len(VOICE)) == 5, 0.9, 0.3),
        0.002 * np.sign(tone(50)),
        0.02 * np.sign(tone(1000)),
        np.clip(3 * VOICE / np.abs(VOICE).max(), -1, 1),
    ],
    ids=["silence", "offset", "converter", "offset, converter", "slow", "click", "hum", "bleep",
         "clipped copy"],
)  # fmt: skip
def test_only_the_channel_that_is_used_is_judged(other):
    for channels in ((VOICE, other), (other, VOICE)):
        assert reason(*channels) is None
    clipped = np.clip(3 * VOICE / np.abs(VOICE).max(), -0.5, 0.5)
    for channels in ((clipped, other), (other, clipped)):
        assert reason(*channels) == "clipped"


def test_a_clipped_share_of_max_clipped_is_accepted():
    samples = 0.5 * tone()
    samples[:160] = 0.8
    assert reason(samples) is None
    recording = Recording(samples.astype(np.float32)[:, np.newaxis], RATE, "FLOAT")
    with pytest.raises(Rejected, match=r"^1\.00% of the samples .* at most 0\.90%") as caught:
        require_usable(recording, audio_limits(0.1, 0.009))
    assert caught.value.reason == "clipped"
