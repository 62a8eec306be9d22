import librosa
import numpy as np
import pytest

from ser.filters import chroma_filters, hann, hz_to_mel, mel_filters, mel_frequencies

RATES = [4000, 8000, 16000, 22050, 44100, 192000]


@pytest.mark.parametrize("length", [2, 3, 401, 512, 2048])
def test_the_window_is_librosas(length):
    expected = librosa.filters.get_window("hann", length)
    assert hann(length) == pytest.approx(expected, abs=1e-7)
    assert hann(length).dtype == np.float32


@pytest.mark.parametrize("length", [8, 512, 1024])
def test_squared_windows_a_quarter_apart_add_up_to_one_and_a_half(length):
    quarters = np.square(hann(length).astype(float)).reshape(4, -1)
    assert quarters.sum(axis=0) == pytest.approx(1.5)


def test_mel_are_linear_up_to_1000_hz_and_logarithmic_above():
    assert hz_to_mel(0) == 0
    assert hz_to_mel(1000) == pytest.approx(15)
    assert hz_to_mel(6400) == pytest.approx(15 + 27)
    assert hz_to_mel(500) == pytest.approx(7.5)


@pytest.mark.parametrize(("fmin", "fmax"), [(0, 800), (50, 8000), (1500, 9000)])
def test_mel_frequencies_are_librosas(fmin, fmax):
    frequencies = mel_frequencies(33, fmin, fmax)
    assert frequencies == pytest.approx(librosa.mel_frequencies(33, fmin=fmin, fmax=fmax))
    assert np.diff([hz_to_mel(hz) for hz in frequencies]) == pytest.approx(
        (hz_to_mel(fmax) - hz_to_mel(fmin)) / 32
    )


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_fft", [16, 512, 1000, 2048])
@pytest.mark.parametrize("n_mels", [1, 20, 64, 128])
@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (0.003, 0.5), (0.02, 0.4), (0.1, 0.25)])
def test_mel_filters_are_librosas(rate, n_fft, n_mels, low, high):
    fmin, fmax = low * rate, high * rate
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    filters = mel_filters(rate, n_fft, n_mels, fmin, fmax)
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters, expected, rtol=0, atol=1e-6 * expected.max())


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_fft", [16, 512, 1000, 2048])
def test_chroma_filters_are_librosas(rate, n_fft):
    expected = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=12)
    filters = chroma_filters(rate, n_fft, 12)
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters, expected, rtol=0, atol=1e-6)
