import numpy as np
import pytest

from ser.conditions.rooms import decaying_response, reverberate

RATE = 16000


def decay_db(response):
    """Return the energy that is left from each sample on, in dB (Schroeder, JASA 37, 1965)."""
    left = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    return 10 * np.log10(left / left[0])


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.0])
def test_the_tail_decays_by_60_db_in_its_time(rt60):
    tail = decaying_response(rt60, 0.0, RATE, seed=1)[1:]
    left = decay_db(tail)
    five, thirty_five = np.argmax(left <= -5), np.argmax(left <= -35)
    assert 2 * (thirty_five - five) / RATE == pytest.approx(rt60, rel=0.1)


@pytest.mark.parametrize("direct_db", [-3.0, 0.0, 12.0])
def test_the_direct_sound_is_so_much_stronger(direct_db):
    response = decaying_response(0.5, direct_db, RATE, seed=2)
    assert response[0] == 1
    assert -10 * np.log10(np.sum(response[1:] ** 2)) == pytest.approx(direct_db, abs=1e-3)


def test_a_click_sounds_like_the_room():
    response = decaying_response(0.3, 0.0, RATE, seed=3)
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    heard = reverberate(click, response)
    assert heard.shape == click.shape
    np.testing.assert_allclose(heard[100 : 100 + len(response)], response, atol=1e-6)
    np.testing.assert_allclose(heard[:100], 0, atol=1e-6)
