import librosa
import numpy as np
import pytest

from ser.audio.stft import stft
from ser.augment.vocoder import pitch_shift, stretch, time_stretch

RATE = 16000
RATES = [0.5, 0.9, 0.97, 1.0, 1.1, 1.37, 2.0]


def speech_like(samples=24000):
    """Return a gliding voice with noise, so that no bin is empty, as in a recording."""
    times = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * times)) / RATE
    voice = sum(np.sin(i * phase) / i for i in range(1, 40))
    noise = np.random.default_rng(0).standard_normal(samples)
    return (0.2 * np.sin(2 * np.pi * times) * voice + 1e-3 * noise).astype(np.float32)


def by_angles(spectra, rate):
    """Compute the textbook phase vocoder in double precision: [frames, bins]."""
    spectra = np.pad(spectra.astype(np.complex128), ((0, 2), (0, 0)))
    phase = np.angle(spectra[0])
    frames = []
    for step in np.arange(0, len(spectra) - 2, rate):
        one, two = spectra[int(step)], spectra[int(step) + 1]
        share = step % 1
        magnitude = (1 - share) * np.abs(one) + share * np.abs(two)
        frames.append(magnitude * np.exp(1j * phase))
        phase = phase + np.angle(two) - np.angle(one)
    return np.array(frames)


@pytest.mark.parametrize("rate", RATES)
def test_spectra_are_stretched_as_by_angles(rate):
    spectra = stft(speech_like(), 512)
    result, expected = stretch(spectra, rate), by_angles(spectra, rate)
    assert result.dtype == np.complex64
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()


# librosa sums phases up in single precision when the waveform is of single precision: then it is
# 30 to 50 dB further from what it computes in double precision than this is.
@pytest.mark.parametrize("rate", RATES)
def test_a_waveform_is_stretched_as_by_librosa_in_double_precision(rate):
    waveform = speech_like()
    expected = librosa.effects.time_stretch(waveform.astype(np.float64), rate=rate)
    result = time_stretch(waveform, rate)
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < 1e-3 * np.abs(expected).max()
    assert np.std(result - expected) < 1e-4 * np.std(expected)


@pytest.mark.parametrize("semitones", [-12.0, -2.0, -0.3, 0.0, 0.5, 2.0, 7.0])
def test_a_waveform_is_shifted_as_by_librosa_in_double_precision(semitones):
    waveform = speech_like()
    expected = librosa.effects.pitch_shift(waveform.astype(np.float64), sr=RATE, n_steps=semitones)
    result = pitch_shift(waveform, RATE, semitones)
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < 1e-3 * np.abs(expected).max()
    assert np.std(result - expected) < 1e-4 * np.std(expected)


def test_a_rate_of_1_changes_nothing():
    waveform = speech_like()
    assert time_stretch(waveform, 1.0) == pytest.approx(waveform, abs=1e-5)


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.1])
def test_sound_after_digital_silence_is_stretched_as_by_librosa(rate):
    waveform = speech_like()
    waveform[:8192] = 0
    expected = librosa.effects.time_stretch(waveform.astype(np.float64), rate=rate)
    result = time_stretch(waveform, rate)
    assert np.isfinite(result).all()
    assert np.std(result - expected) < 1e-3 * np.std(expected)


@pytest.mark.parametrize("samples", [1, 2, 511, 2048])
@pytest.mark.parametrize("rate", [0.8, 1.3])
def test_short_waveforms_are_stretched_to_their_length(samples, rate):
    stretched = time_stretch(speech_like(samples), rate)
    assert len(stretched) == round(samples / rate)
    assert np.isfinite(stretched).all()
    assert len(pitch_shift(speech_like(samples), RATE, 3.0)) == samples


@pytest.mark.parametrize(("rate", "frames"), [(0.82, 205), (0.816, 102), (0.938, 469)])
def test_a_last_step_rounded_up_to_the_end_is_silence(rate, frames):
    assert np.arange(0, frames, rate)[-1] == frames
    spectra = np.ones((frames, 5), dtype=np.complex64)
    stretched = stretch(spectra, rate)
    assert np.abs(stretched[-1]).max() < 1e-9
    np.testing.assert_allclose(np.abs(stretched[:-2]), 1, rtol=1e-5)
