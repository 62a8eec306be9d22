"""Short-time Fourier transform and its inverse: Hann windows that overlap by three quarters."""

import numpy as np
import scipy.fft

from ser.core.framing import Spectra, centred_hann, cut_frames, in_blocks, spectra_of
from ser.core.typing import FloatArray

OVERLAP = 4  # frames that cover each sample


def stft(waveform: FloatArray, n_fft: int) -> Spectra:
    """Compute the spectra of a waveform, padded with n_fft // 2 zeros at both ends.

    Args:
        waveform: float32 [samples].
        n_fft: samples per frame, a multiple of 4.

    Returns:
        complex64 [1 + samples // (n_fft // 4), 1 + n_fft // 2], librosa.stft transposed.

    >>> stft(np.zeros(16_000, dtype=np.float32), 1024).shape
    (63, 513)
    """
    frames = cut_frames(waveform, n_fft, n_fft // OVERLAP)
    spectra = np.empty((len(frames), 1 + n_fft // 2), dtype=np.complex64)
    for block, block_spectra in spectra_of(frames, n_fft):
        spectra[block] = block_spectra
    return spectra


def istft(spectra: Spectra, samples: int) -> FloatArray:
    """Compute the waveform whose spectra are closest to those given, by least squares.

    Griffin, Lim: Signal estimation from modified short-time Fourier transform, IEEE Transactions on
    Acoustics, Speech, and Signal Processing 32(2), 1984, equation 6.

    Args:
        spectra: complex64 [frames, 1 + n_fft // 2].
        samples: length of the result; beyond the last frame it is silent.

    Returns:
        float32 [samples], as librosa.istft returns it.
    """
    n_fft = 2 * (spectra.shape[1] - 1)
    window = centred_hann(n_fft, n_fft)
    added = np.zeros((len(spectra) + OVERLAP - 1, n_fft // OVERLAP), dtype=np.float32)
    weights = np.zeros_like(added)
    add_overlapping(weights, np.broadcast_to(np.square(window), (len(spectra), n_fft)))
    for block in in_blocks(len(spectra)):
        frames = scipy.fft.irfft(spectra[block], axis=1)
        frames *= window
        add_overlapping(added[block.start :], frames)
    np.divide(added, weights, out=added, where=weights > 0)
    reached = added.ravel()[n_fft // 2 : n_fft // 2 + samples]
    return np.pad(reached, (0, samples - len(reached)))


def add_overlapping(quarters: FloatArray, frames: FloatArray) -> None:
    """Add frames to a waveform in place, each a quarter of a frame after the one before.

    Args:
        quarters: the waveform, float32 [at least frames + 3, n_fft / 4].
        frames: float32 [frames, n_fft].
    """
    hop = quarters.shape[1]
    for i in range(OVERLAP):
        quarters[i : i + len(frames)] += frames[:, i * hop : (i + 1) * hop]
