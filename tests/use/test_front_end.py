"""The front end of exported files agrees with the functions that it replaces."""

import numpy as np
import pytest
import scipy.fft
import torch
from settings import PLAIN_MODEL, audio_form
from small_model import FEATURES, RATE, speech

from ser.audio.highpass import remove_below
from ser.audio.standard import resample, standardise
from ser.core.filters import filter_banks
from ser.core.recording import Recording
from ser.core.sections import Features, Model
from ser.features.extract import logmel
from ser.nets.lengths import fit_length
from ser.nets.normalisation import normalise
from ser.use.front_end import FitLength, HighPass, LogMel, Normalise, StandardForm

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTHS = [1, 2, 255, 256, 257, 4001, RATE, 100_003]


def applied(module, array):
    with torch.inference_mode():
        return module(torch.from_numpy(array)).numpy()


@pytest.mark.parametrize("samples", LENGTHS)
def test_the_high_pass_is_that_of_the_cosine_transform(samples):
    rng = np.random.default_rng(samples)
    hum = np.sin(2 * np.pi * 70 * np.arange(samples) / RATE + 1)  # where its gain is a half
    waveform = (0.3 + hum + rng.normal(0, 0.1, samples)).astype(np.float32)
    expected = remove_below(waveform, RATE, 60.0)
    assert applied(HighPass(RATE, 60.0), waveform) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(("rate", "cutoff"), [(8000, 20.0), (16000, 300.0), (22050, 5000.0)])
def test_the_high_pass_has_the_same_gain_at_any_rate_and_cutoff(rate, cutoff):
    impulse = np.zeros(rate, np.float32)
    impulse[rate // 3] = 1
    passed = scipy.fft.dct(applied(HighPass(rate, cutoff), impulse).astype(float))
    expected = scipy.fft.dct(remove_below(impulse, rate, cutoff).astype(float))
    assert passed == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("highpass", [0.0, 60.0])
def test_the_standard_form_is_that_of_a_recording(highpass):
    waveform = 0.2 + speech(3) / 3
    expected = standardise(
        resample(Recording(waveform[:, np.newaxis], RATE, ""), RATE), audio_form(highpass=highpass)
    )
    assert applied(StandardForm(RATE, highpass), waveform) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_fft": 1024, "win_length": 512, "n_mels": 64},
        {"n_fft": 500, "win_length": 401, "hop_length": 160, "fmin": 0.0, "fmax": 4000.0},
        {"top_db": 55.0},
    ],
)
def test_the_spectrogram_is_that_of_extract(changes):
    features = Features.model_validate(FEATURES | changes)
    banks = filter_banks(RATE, features)
    module = LogMel(features, banks["mel"])
    for waveform in (speech(3), speech(60)[:100], speech(60)[:1000]):
        expected = logmel(waveform, RATE, features, banks)
        assert applied(module, waveform) == pytest.approx(expected, abs=1e-3)


def test_silence_is_a_number():
    silence = np.zeros(RATE, np.float32)
    features = Features.model_validate(FEATURES)
    layers = (
        StandardForm(RATE, 60.0),
        LogMel(features, filter_banks(RATE, features)["mel"]),
        Normalise([None]),
    )
    assert not applied(torch.nn.Sequential(*layers), silence).any()


def test_features_are_normalised_by_the_clip_or_by_each_folds_train_clips():
    features = np.random.default_rng(0).normal(-30, 9, (40, 16)).astype(np.float32)
    train_statistics = [{"logmel": (-31.5, 8.25)}, {"logmel": (-29.0, 0.0)}]
    for statistics in ([None, None], train_statistics):
        expected = [normalise(features, {"logmel": 16}, each) for each in statistics]
        assert applied(Normalise(statistics), features) == pytest.approx(
            np.stack(expected), rel=1e-5, abs=1e-5
        )


@pytest.mark.parametrize("length", ["own", "crop", "pad", "resize"])
def test_lengths_are_fitted_as_for_prediction(length):
    rng = np.random.default_rng(0)
    model = Model.model_validate(PLAIN_MODEL | {"length": length, "frames": 32})
    module = FitLength(model)
    for frames in (1, 15, 16, 31, 32, 33, 100, 3751):
        features = rng.normal(size=(2, frames, 8)).astype(np.float32)
        expected = np.stack([fit_length(clip, model) for clip in features])
        assert applied(module, features) == pytest.approx(expected, abs=1e-6)
