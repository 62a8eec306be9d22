"""The standard form without offset, rumble, hum and further channels."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import soundfile
import soxr
from settings import LIMITS, audio_form, audio_limits
from small_model import speech

from ser.audio.highpass import remove_below
from ser.audio.standard import checked_waveform, require_usable, resample, standardise
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.use.page.answering import overview

RATE = 16000


def tone(frequency, seconds=2.0, rate=RATE, level=0.5):
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def formed(samples, rate=RATE, highpass=60.0):
    samples = np.asarray(samples, np.float32)
    recording = Recording(samples.reshape(len(samples), -1), rate, "FLOAT")
    return standardise(resample(recording, RATE), audio_form(highpass=highpass))


def gain_db(frequency, highpass=60.0, rate=RATE):
    samples = tone(frequency, 4.0, rate).astype(np.float32)
    inside = slice(rate, 3 * rate)
    filtered = remove_below(samples, rate, highpass)
    return 20 * np.log10(np.std(filtered[inside]) / np.std(samples[inside]))


# Offset


@pytest.mark.parametrize("highpass", [0, 60.0])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("offset", [1e-4, 0.05, -0.4])
def test_a_constant_offset_changes_nothing(offset, rate, highpass):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate)
    plain = formed(samples, rate, highpass)
    np.testing.assert_allclose(formed(samples + offset, rate, highpass), plain, atol=1e-5)


def test_the_mean_is_removed_even_if_nothing_else_is():
    waveform = formed(tone(440) + 0.2, highpass=0)
    np.testing.assert_allclose(waveform, tone(440, level=1), atol=1e-3)


# High-pass


@pytest.mark.parametrize("cutoff", [20.0, 60.0, 150.0])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_filter_equals_scipys_linear_phase_filter_without_its_delay(cutoff, rate):
    samples = np.random.default_rng(0).standard_normal(6 * rate).astype(np.float32)
    rise = np.linspace(0, 1, 100)
    hertz = np.concatenate([[0], cutoff * (1 + rise / 3), [rate / 2]])
    gains = np.concatenate([[0], 0.5 - 0.5 * np.cos(np.pi * rise), [1]])
    taps = scipy.signal.firwin2(2 * rate + 1, hertz, gains, fs=rate)
    expected = scipy.signal.oaconvolve(samples, taps, "same")
    inside = slice(rate, -rate)  # the filters extend the ends differently
    filtered = remove_below(samples, rate, cutoff)[inside]
    np.testing.assert_allclose(filtered, expected[inside], atol=2e-3)


@pytest.mark.parametrize("cutoff", [20.0, 60.0, 300.0])
@pytest.mark.parametrize("samples", [255, 4001, 16000, 65537])  # primes too
def test_the_filter_is_a_gain_on_the_cosine_transform_of_the_waveform(samples, cutoff):
    rng = np.random.default_rng(samples)
    hum = np.sin(2 * np.pi * 1.2 * cutoff * np.arange(samples) / RATE + 1)  # amid the transition
    waveform = (hum + rng.normal(0, 0.1, samples)).astype(np.float32)
    hertz = np.arange(samples) * RATE / 2 / samples
    gain = 0.5 - 0.5 * np.cos(np.pi * np.clip((hertz / cutoff - 1) * 3, 0, 1))
    expected = scipy.fft.idct(gain * scipy.fft.dct(waveform.astype(np.float64)))
    np.testing.assert_allclose(remove_below(waveform, RATE, cutoff), expected, atol=5e-6)


def test_hum_and_rumble_are_removed_and_voices_are_not():
    assert all(gain_db(frequency) < -60 for frequency in (5, 20, 50, 60))
    assert gain_db(70) == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert all(abs(gain_db(frequency)) < 0.01 for frequency in (80, 100, 200, 1000, 7000))
    assert gain_db(100, highpass=120.0) < -60


def test_nothing_is_delayed():
    samples = np.zeros(RATE, np.float32)
    samples[5000] = 1
    filtered = remove_below(samples, RATE, 60.0)
    assert filtered.argmax() == 5000
    np.testing.assert_allclose(filtered[5000 - 999 : 5000], filtered[5999:5000:-1], atol=1e-6)


def test_zero_removes_nothing():
    samples = tone(10).astype(np.float32)
    np.testing.assert_array_equal(remove_below(samples, RATE, 0), samples)


@pytest.mark.parametrize("samples", [1, 2, 7, 800, 16001])
def test_clips_of_any_length_are_filtered(samples):
    filtered = remove_below(np.ones(samples, np.float32), RATE, 60.0)
    assert filtered.shape == (samples,)
    np.testing.assert_allclose(filtered, 0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 2, 5, 20])
@pytest.mark.parametrize("rate", [1000, 44100, 192000, 999999])
def test_clips_too_short_to_survive_resampling_are_rejected(rate, samples, channels):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)
    recording = Recording(noise, rate, "FLOAT")
    with pytest.raises(Rejected) as caught:
        require_usable(recording, audio_limits(0.5, 0.2))
    assert caught.value.reason == "too_short"
    with pytest.raises(Rejected) as caught:
        checked_waveform(recording, LIMITS, RATE)
    assert caught.value.reason == "too_short"
    try:
        waveform = formed(noise, rate)
    except Rejected as verdict:
        assert verdict.reason == "silent"  # noqa: PT017
    else:
        assert np.abs(waveform).max() == 1


@pytest.mark.parametrize("hertz", [5, 16, 30])
def test_infrasound_as_loud_as_the_voice_does_not_change_the_voice(hertz):
    voice = speech(0, 2.0)
    rumble = tone(hertz, len(voice) / RATE, level=np.abs(voice).max())[: len(voice)]
    inside = slice(1600, -1600)  # at its ends the rumble is not a tone
    with_rumble, plain = remove_below((voice + rumble).astype(np.float32), RATE, 60.0), voice
    difference = with_rumble[inside] - remove_below(plain, RATE, 60.0)[inside]
    assert np.std(difference) < 0.01 * np.std(plain)


def test_a_recording_of_rumble_alone_is_silent():
    rumble = 0.01 * np.cos(2 * np.pi * 4 * np.arange(RATE) / RATE)
    with pytest.raises(Rejected, match="nothing is left above 60 Hz") as caught:
        formed(rumble)
    assert caught.value.reason == "silent"


# Channels


NOISE = np.random.default_rng(0).standard_normal(2 * RATE)


def test_the_loudest_of_several_voices_is_used():
    loud, soft = speech(0, 2.0), 0.5 * speech(1, 2.0)
    for channels in ([loud, soft], [soft, loud], [soft, 0.1 * soft, loud]):
        np.testing.assert_array_equal(formed(np.stack(channels, axis=1)), formed(loud))


@pytest.mark.parametrize(
    "other",
    [
        0.3 * NOISE,
        tone(1000, level=0.9),
        0.9 * np.sign(tone(100)),
        np.cumsum(NOISE) / np.abs(np.cumsum(NOISE)).max(),
    ],
    ids=["white noise", "tone", "buzz", "brown noise"],
)
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_voice_is_preferred_to_something_louder_that_is_not_speech(other, rate):
    voice = soxr.resample(0.1 * speech(0, 2.0), RATE, rate)
    other = soxr.resample(other, RATE, rate)[: len(voice)]
    for channels in ([voice, other], [other, voice]):
        np.testing.assert_array_equal(formed(np.stack(channels, axis=1), rate), formed(voice, rate))


def test_a_distant_voice_is_not_used_even_if_the_near_one_is_clipped():
    voice = speech(0, 2.0) / np.abs(speech(0, 2.0)).max()
    near, afar = np.clip(3 * voice, -1, 1), 0.02 * voice
    for channels in ([near, afar], [afar, near]):
        np.testing.assert_array_equal(formed(np.stack(channels, axis=1)), formed(near))
    for channels in ([near, 0.3 * voice], [0.3 * voice, near]):
        np.testing.assert_array_equal(formed(np.stack(channels, axis=1)), formed(0.3 * voice))


@pytest.mark.parametrize("channels", [2, 6, 64])
def test_equal_channels_count_as_one(channels):
    voice = speech(0, 1.0)
    before = np.stack([voice] * channels, axis=1)
    samples = before.copy()
    np.testing.assert_array_equal(formed(samples), formed(voice))
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("late", [0, 1, 5, 40])
@pytest.mark.parametrize("sign", [1, -1])
def test_channels_that_cancel_each_other_lose_nothing(late, sign):
    voice = np.pad(speech(0, 1.0), 100)
    other = sign * np.roll(voice, late)
    waveform = formed(np.stack([voice, other], axis=1))
    candidates = [formed(voice), formed(other)]
    assert any(np.array_equal(waveform, candidate) for candidate in candidates)


@pytest.mark.parametrize("dead", [np.zeros(32000), np.full(32000, 0.9), tone(20, level=0.9)])
def test_a_channel_without_sound_is_not_used(dead):
    voice = speech(0, 2.0)
    for channels in ([voice, dead], [dead, voice]):
        np.testing.assert_array_equal(formed(np.stack(channels, axis=1)), formed(voice))


def test_samples_beyond_the_range_of_float32_are_rejected():
    samples = np.full((RATE, 2), 1e-3, np.float32)
    samples[100] = 3e38
    samples[5, 0] = 0  # so that the channels differ
    for columns in (samples, samples[:, :1]):
        with pytest.raises(Rejected) as caught:
            formed(columns)
        assert caught.value.reason == "not_finite"


@pytest.mark.parametrize("order", [1, -1])
def test_the_page_draws_the_voice_even_if_channels_cancel_each_other(tmp_path, order):
    voice = speech(0, 1.0)
    file = tmp_path / "a.wav"
    rumble = tone(20, 1.0, level=0.9)[: len(voice)]
    channels = [voice, -0.5 * voice, np.full_like(voice, 0.7), rumble][::order]
    soundfile.write(file, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(overview(file, RATE), voice, atol=1e-6)
