import numpy as np
import pytest
import soxr
from small_model import RATE, speech

from ser.use.narrowband import is_narrowband


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_what_came_over_8_khz_stays_narrow_at_any_rate(rate):
    narrow = soxr.resample(speech(3), RATE, 8000)
    assert is_narrowband(narrow, 8000)
    assert is_narrowband(soxr.resample(narrow, 8000, rate), rate)


@pytest.mark.parametrize("peak_db", [-3, -20, -30])
def test_a_quiet_call_in_16_bits_is_narrow(peak_db):
    narrow = soxr.resample(soxr.resample(speech(3), RATE, 8000), 8000, RATE)
    quiet = narrow / np.abs(narrow).max() * 10 ** (peak_db / 20)
    stored = np.round(quiet * 2**15) / np.float32(2**15)
    assert is_narrowband(stored.astype(np.float32), RATE)


@pytest.mark.parametrize("db", [-40, -20])
def test_a_little_sound_above_is_enough_to_be_wide(db):
    times = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * hertz * times).astype(np.float32) for hertz in (300, 6000))
    assert is_narrowband(low, RATE)
    assert not is_narrowband(low + np.float32(10 ** (db / 20)) * high, RATE)
