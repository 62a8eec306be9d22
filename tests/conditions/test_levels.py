import numpy as np
import pytest

from ser.conditions.levels import (
    add_at_snr,
    add_hum,
    add_offset,
    attenuate,
    clip_peaks,
    root_mean_square,
    within_full_scale,
)

RATE = 16000


def voice(samples=RATE, level=0.3, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 20.0])
def test_the_powers_differ_by_the_signal_to_noise_ratio(snr_db):
    clean, noise = voice(level=0.01), voice(seed=1)
    added = add_at_snr(clean, noise, snr_db) - clean
    ratio = 20 * np.log10(root_mean_square(clean) / root_mean_square(added))
    assert ratio == pytest.approx(snr_db, abs=1e-3)


def test_silence_as_noise_changes_nothing():
    assert np.array_equal(add_at_snr(voice(), np.zeros(RATE, np.float32), 10.0), voice())


@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_hum_has_the_harmonics_of_the_mains_and_nothing_else(hertz):
    clean = np.zeros(RATE, np.float32)
    clean[0] = 0.5
    hum = add_hum(clean, RATE, hertz, 0.0, phase=1.0) - clean
    spectrum = np.abs(np.fft.rfft(hum))  # one second: a bin for each Hz
    loud = np.flatnonzero(spectrum > spectrum.max() / 100)
    assert loud.tolist() == [n * hertz for n in (1, 2, 3, 5, 7)]
    levels = spectrum[loud] / spectrum[loud[0]]
    np.testing.assert_allclose(levels, [1, 1 / 2, 1 / 3, 1 / 5, 1 / 7], rtol=1e-3)


def test_an_offset_is_a_constant_within_full_scale():
    quiet = voice(level=0.05)
    np.testing.assert_allclose(add_offset(quiet, 0.1) - quiet, 0.1, atol=1e-7)
    assert np.abs(add_offset(within_full_scale(voice(level=1.0)), 0.5)).max() == 1


def test_a_quiet_recording_has_few_steps_of_16_bits():
    loud = within_full_scale(voice(level=1.0))
    quiet = attenuate(loud, 40.0)
    np.testing.assert_allclose(quiet, loud / 100, atol=0.5 / 2**15)
    np.testing.assert_array_equal(quiet * 2**15, np.round(quiet * 2**15))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_a_share_of_the_samples_lies_at_the_ceiling(share):
    cut = clip_peaks(voice(), share)
    at_ceiling = np.abs(cut) >= np.abs(cut).max() * (1 - 1e-6)
    assert at_ceiling.mean() == pytest.approx(share, abs=1 / RATE)
    np.testing.assert_array_equal(cut[~at_ceiling], voice()[~at_ceiling])


@pytest.mark.parametrize(
    "change",
    [
        lambda w: add_at_snr(w, w, 10.0),
        lambda w: add_hum(w, RATE, 50.0, 20.0),
        lambda w: add_offset(w, 0.1),
        lambda w: attenuate(w, 40.0),
        lambda w: clip_peaks(w, 0.05),
    ],
)
def test_no_samples_are_no_samples(change):
    changed = change(np.zeros(0, np.float32))
    assert changed.shape == (0,)
    assert changed.dtype == np.float32
