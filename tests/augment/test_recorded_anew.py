from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.signal

from scripts import experiments
from ser.augment.copies import draw_changes
from ser.augment.recording import DrawnRecording, draw_recording, record
from ser.core import params
from ser.core.rejection import Rejected
from ser.core.sections import AudioForm

FORM = AudioForm(sample_rate=16000, highpass=60.0, noise_reduction="none", noise_seconds=0.0)
APPLIED = ("room_rt60", "noise_snr_db", "band_low", "clipped", "line", "codec")


PARAMS = experiments.resolve({})


def settings(probability, **ranges):
    changes = {"augment": {"recording": {"probability": probability, **ranges}}}
    return params.parse_params(experiments.merge(PARAMS, changes), "params.yaml").augment


def draw(probability, seed=0):
    return draw_recording(settings(probability).recording, np.random.default_rng(seed))


def only(**changes):
    """Return changes of which only those given are applied."""
    return replace(draw(1.0), **dict.fromkeys(APPLIED) | changes)


@pytest.fixture(scope="module")
def sweep():
    """A second from 200 Hz to 7 kHz at full scale."""
    times = np.arange(16000) / 16000
    return scipy.signal.chirp(times, 200, 1, 7000).astype(np.float32)


def level_db(waveform, low, high):
    hertz, power = scipy.signal.welch(waveform, 16000, nperseg=512)
    return 10 * np.log10(power[(hertz >= low) & (hertz < high)].mean())


def test_each_change_is_applied_as_often_as_the_probability_says():
    drawn = [draw(0.3, seed) for seed in range(1000)]
    for field in APPLIED:
        share = np.mean([one is not None and getattr(one, field) is not None for one in drawn])
        assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 1000))
    assert draw(0.0) is None


def test_what_is_not_applied_does_not_affect_what_else_is_drawn():
    every, some = draw(1.0), draw(0.5)
    for field, value in asdict(some).items():
        assert value in (None, getattr(every, field))


def test_values_fill_their_ranges():
    drawn = [draw(1.0, seed) for seed in range(500)]
    change = settings(1.0).recording
    for field, key in (
        ("room_rt60", "rt60"),
        ("room_direct_db", "direct_db"),
        ("noise_snr_db", "snr_db"),
        ("noise_tilt_db", "tilt_db"),
        ("band_low", "low_hz"),
        ("band_high", "high_hz"),
        ("clipped", "clipped"),
        ("codec_kbps", "codec_kbps"),
    ):
        low, high = getattr(change, key)
        values = [getattr(one, field) for one in drawn]
        assert low <= min(values) <= low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) <= max(values) <= high
    assert {one.line for one in drawn} == {"ALAW", "ULAW"}
    assert {one.codec for one in drawn} == {"libmp3lame", "libopus", "aac"}


def test_the_other_changes_of_a_copy_stay_as_they_are():
    with_it, without = (
        asdict(draw_changes(settings(probability), "clip", 1)) for probability in (1.0, 0.0)
    )
    assert without.pop("recording") is None
    assert set(with_it.pop("recording")) == set(DrawnRecording.__dataclass_fields__)
    assert with_it == without


@pytest.mark.parametrize("codec", [None, "libmp3lame", "libopus", "aac"])
def test_the_result_is_in_standard_form_again(codec, sweep):
    changes = replace(draw(1.0), codec=codec)
    recorded = record(sweep, FORM, changes)
    assert recorded.dtype == np.float32
    assert recorded.shape == sweep.shape
    assert np.abs(recorded).max() == pytest.approx(1)
    np.testing.assert_array_equal(record(sweep, FORM, changes), recorded)


def test_a_line_lets_nothing_above_its_band_through(sweep):
    recorded = record(sweep, FORM, only(line="ULAW"))
    assert level_db(recorded, 4300, 8000) < level_db(recorded, 500, 3000) - 40


def test_a_microphone_has_its_band(sweep):
    recorded = record(sweep, FORM, only(band_low=300.0, band_high=2000.0))
    assert level_db(recorded, 4000, 6000) < level_db(recorded, 500, 1500) - 20


def test_noise_fills_the_pauses(sweep):
    voice = np.concatenate([sweep, np.zeros(16000, np.float32)])
    recorded = record(voice, FORM, only(noise_snr_db=20.0, noise_tilt_db=0.0))
    ratio = 20 * np.log10(recorded[:16000].std() / recorded[17000:].std())
    # The voice is 3 dB louder while it lasts.
    assert ratio == pytest.approx(23, abs=0.5)


def test_a_room_sounds_on_in_the_pauses(sweep):
    voice = np.concatenate([sweep, np.zeros(16000, np.float32)])
    dry, wet = (
        record(voice, FORM, only(room_rt60=rt60, room_direct_db=0.0)) for rt60 in (0.1, 0.9)
    )
    assert wet[18000:20000].std() > 100 * dry[18000:20000].std()


def test_silence_is_refused():
    with pytest.raises(Rejected, match="nothing is left"):
        record(np.zeros(16000, np.float32), FORM, only(clipped=0.1))
