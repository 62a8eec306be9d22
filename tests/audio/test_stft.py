import librosa
import numpy as np
import pytest

from ser.audio.stft import add_overlapping, istft, stft


def noise(samples, seed=0):
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


@pytest.mark.parametrize("n_fft", [64, 1024])
@pytest.mark.parametrize("samples", [1024, 1025, 5000])
def test_spectra_equal_librosas(samples, n_fft):
    waveform = noise(samples)
    expected = librosa.stft(waveform.astype(float), n_fft=n_fft)
    spectra = stft(waveform, n_fft)
    assert spectra.dtype == np.complex64
    np.testing.assert_allclose(spectra.T, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 15, 16, 17, 1000, 5000])
def test_the_inverse_returns_the_waveform(samples):
    waveform = noise(samples)
    assert istft(stft(waveform, 64), samples) == pytest.approx(waveform, abs=1e-5)


@pytest.mark.parametrize("samples", [100, 1000, 1040, 1100, 3000])
def test_the_inverse_of_arbitrary_spectra_equals_librosas(samples):
    real, imaginary = noise(2 * 33 * 60).reshape(2, 60, 33)
    spectra = (real + 1j * imaginary).astype(np.complex64)
    spectra[:, [0, -1]] = spectra[:, [0, -1]].real
    expected = librosa.istft(spectra.T.astype(np.complex128), length=samples)
    # The first and the last hop but one are divided by a window near its ends, where it is tiny.
    near = samples if samples < 900 else 32 + 59 * 16 - 32 - 16
    assert istft(spectra, samples)[:near] == pytest.approx(expected[:near], abs=1e-4)
    assert len(istft(spectra, samples)) == samples


def test_frames_are_added_where_they_lie():
    frames = noise(7 * 20).reshape(7, 20)
    expected = np.zeros(11 * 5)
    for i, frame in enumerate(frames):
        expected[5 * i : 5 * i + 20] += frame
    quarters = np.zeros((11, 5), dtype=np.float32)
    add_overlapping(quarters, frames)
    assert quarters.ravel() == pytest.approx(expected, abs=1e-6)
