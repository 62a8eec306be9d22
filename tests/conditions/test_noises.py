import numpy as np
import pytest
import scipy.signal
import scipy.stats

from ser.conditions.levels import root_mean_square
from ser.conditions.noises import babble, coloured_noise, white_noise

RATE = 16000


@pytest.mark.parametrize("tilt_db", [-6.0, -3.0, 0.0, 3.0])
def test_the_spectrum_is_tilted_by_so_much_per_octave(tilt_db):
    noise = coloured_noise(60 * RATE, RATE, tilt_db, seed=1)
    hertz, power = scipy.signal.welch(noise, RATE, nperseg=4096)
    inside = (hertz > 100) & (hertz < 6000)
    slope = scipy.stats.linregress(np.log2(hertz[inside]), 10 * np.log10(power[inside])).slope
    assert slope == pytest.approx(tilt_db, abs=0.1)
    flat = 10 * np.log10(power[(hertz > 8) & (hertz < 40)] / power[np.searchsorted(hertz, 50)])
    assert np.abs(flat).max() < 1.5


def test_without_a_tilt_it_is_white():
    np.testing.assert_allclose(
        coloured_noise(1000, RATE, 0.0, seed=5), white_noise(1000, 5), atol=1e-5
    )


def test_all_voices_of_a_babble_are_equally_loud():
    rng = np.random.default_rng(0)
    times = np.arange(RATE) / RATE
    tones = [
        (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
        for level, hertz in ((1.0, 200), (0.01, 300), (0.3, 500))
    ]
    spectrum = np.abs(np.fft.rfft(babble(RATE, tones, rng)))
    loud = spectrum[[200, 300, 500]]
    np.testing.assert_allclose(loud, loud[0], rtol=1e-3)


def test_a_short_voice_is_repeated():
    click = np.zeros(100, np.float32)
    click[0] = 1
    mixed = babble(1000, [click], np.random.default_rng(3))
    assert np.count_nonzero(mixed) == 10
    assert set(np.diff(np.flatnonzero(mixed))) == {100}
    assert root_mean_square(mixed) == pytest.approx(1)


def test_white_noise_is_equally_strong_in_all_octaves():
    octaves = np.array_split(np.abs(np.fft.rfft(white_noise(RATE, 3))) ** 2, 8)
    assert 10 * np.log10([np.mean(part) for part in octaves]) == pytest.approx(
        10 * np.log10(np.mean(np.concatenate(octaves))), abs=0.7
    )


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_gaussian(seed):
    noise = white_noise(100_001, seed)
    assert noise.dtype == np.float32
    assert scipy.stats.kstest(noise, "norm").pvalue > 1e-3
    assert np.abs(noise).max() > 4
    # Each two values come from one draw: they must have nothing to do with each other.
    assert abs(np.corrcoef(noise[:50_000], noise[50_001:])[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[:50_000] ** 2, noise[50_001:] ** 2)[0, 1]) < 0.02


def test_noise_is_finite_and_may_be_empty():
    assert np.isfinite(white_noise(2_000_000, 0)).all()
    assert len(white_noise(0, 0)) == 0
    assert len(white_noise(1, 0)) == 1
