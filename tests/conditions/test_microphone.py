import numpy as np
import pytest

from ser.conditions.microphone import band_limit

RATE = 16000


def gain_db(hertz, low, high):
    times = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * hertz * times).astype(np.float32)
    passed = band_limit(tone, RATE, low, high)[RATE // 2 :]  # without the transient
    return 20 * np.log10(passed.std() / tone[RATE // 2 :].std())


@pytest.mark.parametrize(
    ("hertz", "expected"),
    [(300, -3.0), (3000, -3.0), (150, -24.1), (1000, 0.0), (75, -48.2)],
)
def test_it_is_a_butterworth_filter_of_the_fourth_order(hertz, expected):
    assert gain_db(hertz, 300.0, 3000.0) == pytest.approx(expected, abs=0.15)


def test_it_reaches_24_db_in_an_octave():
    # A digital filter falls a little faster towards half the rate.
    assert gain_db(1000, 0.0, 500.0) == pytest.approx(-24.1, abs=0.5)


def test_edges_outside_of_what_the_rate_holds_remove_nothing():
    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert np.array_equal(band_limit(noise, RATE, 0.0, RATE / 2), noise)
