import noisereduce
import numpy as np
import pytest
import scipy.signal

from ser.audio.noise import noise_threshold, smooth_mask, spectral_gate

RATE = 16000


def speech_like(seconds, rate=RATE, seed=0):
    """Return noise, with syllables of a gliding voice from 0.3 s on."""
    times = np.arange(round(seconds * rate)) / rate
    pitch = 140 + 30 * np.sin(2 * np.pi * 0.7 * times)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(i * phase) / i for i in range(1, int(rate / 2 / 200)))
    loudness = np.maximum(np.sin(2 * np.pi * 2 * times), 0) * (times > 0.3)
    rng = np.random.default_rng(seed)
    return (0.2 * loudness * voice + 0.01 * rng.standard_normal(len(times))).astype(np.float32)


def by_noisereduce(waveform, rate, noise):
    return noisereduce.reduce_noise(
        y=waveform.astype(float), sr=rate, y_noise=noise.astype(float), stationary=True
    )


def assert_equal(result, expected):
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    # Single precision. A level within 1e-7 of the threshold may fall on its other side, which moves
    # the smoothed mask by 1 % at that bin.
    error = np.abs(result - expected)
    assert error.max() < 1e-4 * np.abs(expected).max()
    assert np.sqrt(np.mean(error**2)) < 1e-5 * np.std(expected)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 4.321])
def test_speech_is_gated_as_by_noisereduce(rate, seconds):
    waveform = speech_like(seconds, rate)
    noise = waveform[: max(1024, rate // 4)]
    assert_equal(spectral_gate(waveform, rate, noise), by_noisereduce(waveform, rate, noise))


@pytest.mark.parametrize("samples", [599_999, 600_001, 629_000, 631_000, 1_250_000])
def test_long_recordings_are_gated_in_the_chunks_of_noisereduce(samples):
    waveform = speech_like(samples / RATE)[:samples]
    waveform[600_000:] *= 0.3
    noise = waveform[:4000]
    assert_equal(spectral_gate(waveform, RATE, noise), by_noisereduce(waveform, RATE, noise))


def test_a_silent_beginning_and_silence_within_are_gated_as_by_noisereduce():
    waveform = speech_like(2.0)
    waveform[:3000] = 0
    waveform[16000:20000] = 0
    noise = waveform[:4000]
    assert_equal(spectral_gate(waveform, RATE, noise), by_noisereduce(waveform, RATE, noise))


def test_a_short_noise_is_repeated():
    waveform = speech_like(1.0)
    repeated = np.tile(waveform[:300], 4)[:1024]
    np.testing.assert_array_equal(
        spectral_gate(waveform, RATE, waveform[:300]), spectral_gate(waveform, RATE, repeated)
    )


def test_low_sample_rates_are_smoothed_over_neighbouring_frames():
    waveform = speech_like(2.0, 4000)
    reduced = spectral_gate(waveform, 4000, waveform[:1000])
    assert reduced.shape == waveform.shape
    assert np.std(reduced[:1000]) < np.std(waveform[:1000]) / 3


def test_the_threshold_of_a_steady_sine_is_its_level():
    times = np.arange(1024 * 40)
    sine = (0.5 * np.sin(2 * np.pi * 100 / 1024 * times)).astype(np.float32)
    # Half of the amplitude of 0.5 belongs to the positive and half to the negative frequency.
    inside = noise_threshold(sine)[100]
    levels = 20 * np.log10(np.full(161, 0.25))
    levels[[0, -1]] = levels[1] - 20 * np.log10(2)
    assert inside == pytest.approx(levels.mean() + 1.5 * levels.std(), abs=0.3)


@pytest.mark.parametrize(("bins", "frames"), [(1, 1), (16, 3), (3, 16)])
def test_smoothing_is_a_convolution_with_two_triangles(bins, frames):
    mask = np.random.default_rng(0).random((40, 60)) < 0.3
    triangles = [reach + 1 - np.abs(np.arange(-reach, reach + 1)) for reach in (frames, bins)]
    weights = np.outer(*triangles)
    expected = scipy.signal.convolve2d(mask, weights / weights.sum(), mode="same")
    assert smooth_mask(mask, bins, frames) == pytest.approx(expected, abs=1e-6)
    assert smooth_mask(np.ones((40, 60), bool), bins, frames).max() == pytest.approx(1)


def test_an_empty_waveform_stays_empty():
    assert len(spectral_gate(np.zeros(0, np.float32), 16000, np.ones(2000, np.float32))) == 0
