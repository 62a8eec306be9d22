import numpy as np
import pytest
import scipy.signal

from ser.conditions.codecs import (
    TELEPHONE_BAND,
    TELEPHONE_RATE,
    can_encode,
    encoded,
    telephone,
)
from ser.conditions.microphone import band_limit

CODECS = [("libmp3lame", 32), ("libmp3lame", 64), ("libopus", 24), ("aac", 32), ("aac", 64)]


@pytest.fixture(scope="module")
def sweep():
    """A second from 200 Hz to 3 kHz, at 16 kHz."""
    times = np.arange(16000) / 16000
    return (0.5 * scipy.signal.chirp(times, 200, 1, 3000)).astype(np.float32)


@pytest.mark.parametrize(("codec", "kilobits"), CODECS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_a_codec_keeps_length_place_and_sound(codec, kilobits, rate, sweep):
    waveform = scipy.signal.resample_poly(sweep, rate // 100, 160).astype(np.float32)
    heard = encoded(waveform, rate, codec, 1000 * kilobits)
    assert heard.dtype == np.float32
    assert heard.shape == waveform.shape
    lag = scipy.signal.correlate(heard, waveform, method="fft").argmax() - (len(waveform) - 1)
    assert abs(lag) <= 1
    assert np.corrcoef(heard, waveform)[0, 1] > 0.9


def test_fewer_bits_lose_more(sweep):
    noisy = sweep + np.random.default_rng(0).normal(0, 0.05, len(sweep)).astype(np.float32)
    lost = [np.std(encoded(noisy, 16000, "libopus", bits) - noisy) for bits in (48000, 12000)]
    assert lost[0] < lost[1]


@pytest.mark.parametrize("law", ["ALAW", "ULAW"])
def test_a_telephone_line_has_8_bits_and_its_band(law):
    times = np.arange(TELEPHONE_RATE) / TELEPHONE_RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    heard = telephone(tone, TELEPHONE_RATE, law)
    assert len(np.unique(heard)) <= 256
    # G.711 promises a ratio of 33 dB or more between a sine and the error of its steps.
    inner = slice(1000, -1000)
    plain = band_limit(tone, TELEPHONE_RATE, *TELEPHONE_BAND)
    noise_db = 20 * np.log10(plain[inner].std() / (heard - plain)[inner].std())
    assert 33 < noise_db < 45


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_telephone_line_ends_at_its_band(rate):
    noise = np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32)
    heard = telephone(noise, rate, "ALAW")
    assert len(heard) == TELEPHONE_RATE
    hertz, power = scipy.signal.welch(heard, TELEPHONE_RATE, nperseg=1024)
    inside = power[(hertz > 400) & (hertz < 3000)].mean()
    assert 10 * np.log10(power[hertz < 120].mean() / inside) < -20


def test_an_unknown_encoder_is_known_to_be_missing():
    assert can_encode("aac")
    assert not can_encode("no_such_codec")
    assert not can_encode("cook")  # FFmpeg can only decode it
