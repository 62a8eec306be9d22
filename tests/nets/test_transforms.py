"""Known transforms, against scipy and against sounds of known pitch and rate."""

import numpy as np
import pytest
import scipy.fft
import torch

from ser.core.filters import filter_banks, mel_band_hertz
from ser.core.sections import Features
from ser.features.extract import logmel
from ser.nets.transforms import (
    PITCHES,
    band_groups,
    cosine_transform,
    harmonic_combs,
    modulation_filters,
)

RATE = 16000
FEATURES = Features(
    kinds=["logmel"],
    n_fft=1024,
    win_length=512,
    hop_length=256,
    n_mels=64,
    n_mfcc=24,
    fmin=50.0,
    fmax=8000.0,
    top_db=80.0,
)


def spectrogram(waveform):
    """Log-mel [bands, frames]."""
    return logmel(waveform.astype(np.float32), RATE, FEATURES, filter_banks(RATE, FEATURES)).T


def test_the_cosine_transform_is_scipys():
    mel = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    expected = scipy.fft.dct(mel, axis=0, norm="ortho")[:24]
    np.testing.assert_allclose(cosine_transform(24, 64).numpy() @ mel, expected, atol=1e-5)


def harmonics(pitch):
    """Half a second of a voice's harmonics, which fall by 6 dB an octave."""
    time = np.arange(RATE // 2) / RATE
    numbers = np.arange(1, int(8000 / pitch))
    return sum(np.sin(2 * np.pi * n * pitch * time + n * n) / n for n in numbers)


@pytest.mark.parametrize("pitch", [140, 200, 280, 400])
def test_the_comb_of_a_voices_pitch_fits_best(pitch):
    combs = harmonic_combs(mel_band_hertz(FEATURES)).numpy()
    found = np.maximum(spectrogram(harmonics(pitch))[:, 4:-4], -60)
    fits = combs @ found
    told = PITCHES[fits.argmax(axis=0)]
    assert np.abs(12 * np.log2(told / pitch)).max() < 1
    noise = spectrogram(np.random.default_rng(0).normal(size=RATE // 2))[:, 4:-4]
    assert fits.max(axis=0).min() > 1.5 * (combs @ np.maximum(noise, -60)).max(axis=0).max()


def test_combs_are_of_mean_0_and_norm_1_but_where_no_harmonics_are_told_apart():
    combs = harmonic_combs(mel_band_hertz(FEATURES))
    assert combs.shape == (len(PITCHES), 64)
    torch.testing.assert_close(combs.mean(dim=1), torch.zeros(len(PITCHES)), atol=1e-6, rtol=0)
    told = torch.from_numpy(PITCHES > 77).float()
    torch.testing.assert_close(combs.norm(dim=1), told)


def test_bands_too_wide_for_any_harmonics_leave_the_combs_empty():
    assert not harmonic_combs(np.linspace(500, 8000, 8)).any()


@pytest.mark.parametrize("rate", [1, 3, 8, 16])
def test_a_level_that_goes_up_and_down_is_answered_at_its_rate(rate):
    filters = modulation_filters(64, 16).numpy()
    phase = 2 * np.pi * rate * np.arange(64) / 64
    for shift in (0.0, 1.0, 2.5):
        answers = filters @ np.cos(phase + shift)
        size = np.hypot(*answers.reshape(2, 16))
        assert size.argmax() == rate - 1
        assert size[rate - 1] == pytest.approx(0.5, abs=0.3 if rate == 1 else 0.02)
        far = np.abs(np.arange(1, 17) - rate) > 1
        assert size[far].max() < 0.05


def test_groups_average_neighbouring_bands():
    mel = np.arange(20, dtype=np.float32)
    expected = [part.mean() for part in np.array_split(mel, 8)]
    np.testing.assert_allclose(band_groups(8, 20).numpy() @ mel, expected, rtol=1e-6)
