"""Waveform -> overlapping frames -> their spectra.

Every frame is n_fft samples around a multiple of hop_length, the waveform padded by n_fft // 2 on
both sides: there are 1 + samples // hop_length of them.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ser.core.typing import FloatArray

Spectra = NDArray[np.complex64]  # [frames, 1 + n_fft // 2]

_FRAMES_AT_ONCE = 64  # so that they and their spectra stay in the processor's cache


def frame_count(samples: int, hop_length: int) -> int:
    """Count the frames of a waveform of so many samples."""
    return 1 + samples // hop_length


def cut_frames(waveform: FloatArray, n_fft: int, hop_length: int) -> FloatArray:
    """Cut a waveform into overlapping frames, with silence before its start and after its end.

    Args:
        waveform: float32 [samples].
        n_fft: samples of a frame, even.
        hop_length: samples from one frame to the next.

    Returns:
        float32 [1 + samples // hop_length, n_fft], a view.
    """
    return sliding_window_view(np.pad(waveform, n_fft // 2), n_fft)[::hop_length]


def in_blocks(frames: int) -> Iterator[slice]:
    """Yield slices of so many frames, as large as are best transformed at once."""
    for start in range(0, frames, _FRAMES_AT_ONCE):
        yield slice(start, start + _FRAMES_AT_ONCE)


def hann(length: int) -> FloatArray:
    """Compute the periodic Hann window: float32 [length], its maximum of 1 in the middle."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


@cache
def centred_hann(win_length: int, n_fft: int) -> FloatArray:
    """Compute the Hann window of win_length samples in the middle of n_fft: float32 [n_fft]."""
    window = np.zeros(n_fft, dtype=np.float32)
    start = (n_fft - win_length) // 2
    window[start : start + win_length] = hann(win_length)
    window.setflags(write=False)  # all who ask get the same one
    return window


def spectra_of(frames: FloatArray, win_length: int) -> Iterator[tuple[slice, Spectra]]:
    """Yield blocks of frames, and the spectra of each block's windowed frames.

    Args:
        frames: float32 [frames, n_fft].
        win_length: samples of the Hann window in the middle of each frame.
    """
    window = centred_hann(win_length, frames.shape[1])
    for block in in_blocks(len(frames)):
        yield block, scipy.fft.rfft(frames[block] * window, axis=1)
