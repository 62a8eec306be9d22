import librosa
import numpy as np
import pytest

from ser.core.framing import cut_frames, frame_count, hann, in_blocks, spectra_of


def noise(samples):
    return np.random.default_rng(0).standard_normal(samples).astype(np.float32)


@pytest.mark.parametrize("length", [2, 3, 401, 512, 2048])
def test_the_window_is_librosas(length):
    expected = librosa.filters.get_window("hann", length)
    assert hann(length) == pytest.approx(expected, abs=1e-7)
    assert hann(length).dtype == np.float32


@pytest.mark.parametrize("length", [8, 512, 1024])
def test_squared_windows_a_quarter_apart_add_up_to_one_and_a_half(length):
    quarters = np.square(hann(length).astype(float)).reshape(4, -1)
    assert quarters.sum(axis=0) == pytest.approx(1.5)


@pytest.mark.parametrize(("n_fft", "hop_length"), [(64, 16), (64, 64), (62, 7), (1024, 256)])
@pytest.mark.parametrize("samples", [1, 15, 16, 17, 1023, 5000])
def test_frames_lie_around_multiples_of_the_hop(samples, n_fft, hop_length):
    waveform = noise(samples)
    frames = cut_frames(waveform, n_fft, hop_length)
    assert frames.shape == (frame_count(samples, hop_length), n_fft)
    for number, frame in enumerate(frames):
        places = number * hop_length + np.arange(-n_fft // 2, n_fft // 2)
        inside = (places >= 0) & (places < samples)
        assert np.array_equal(frame[inside], waveform[places[inside]])
        assert not frame[~inside].any()


@pytest.mark.parametrize("frames", [0, 1, 63, 64, 65, 128, 1000])
def test_blocks_are_all_frames_in_their_order(frames):
    assert [i for block in in_blocks(frames) for i in range(frames)[block]] == list(range(frames))


@pytest.mark.parametrize("win_length", [64, 40, 41])
@pytest.mark.parametrize("samples", [100, 1600, 5000])
def test_spectra_are_librosas_whatever_the_window(samples, win_length):
    waveform = noise(samples)
    frames = cut_frames(waveform, 64, 16)
    found = np.concatenate([spectra for _, spectra in spectra_of(frames, win_length)])
    expected = librosa.stft(waveform.astype(float), n_fft=64, hop_length=16, win_length=win_length)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found.T, expected, rtol=0, atol=1e-5)
