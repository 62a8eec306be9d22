"""Waveform -> overlapping frames -> their spectra.

Every frame has n_fft samples, centred on a multiple of hop_length. The waveform is padded by
n_fft // 2 on both sides, so there are 1 + samples // hop_length frames.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ser.core.typing import FloatArray

Spectra = NDArray[np.complex64]  # [frames, 1 + n_fft // 2]

_FRAMES_AT_ONCE = 64  # they and their spectra then stay in the processor's cache


def frame_count(samples: int, hop_length: int) -> int:
    """Count the frames of a waveform of `samples` samples.

    >>> frame_count(16000, hop_length=256)
    63
    """
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
    """Yield slices that together cover `frames` frames, each small enough for the cache."""
    for start in range(0, frames, _FRAMES_AT_ONCE):
        yield slice(start, start + _FRAMES_AT_ONCE)


def hann(length: int) -> FloatArray:
    """Compute the periodic Hann window: float32 [length], its maximum of 1 in the middle.

    >>> hann(4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


@cache
def centred_hann(win_length: int, n_fft: int) -> FloatArray:
    """Compute a Hann window of win_length samples, centred in n_fft zeros: float32 [n_fft]."""
    window = np.zeros(n_fft, dtype=np.float32)
    start = (n_fft - win_length) // 2
    window[start : start + win_length] = hann(win_length)
    window.setflags(write=False)  # all callers share it
    return window


def spectra_of(frames: FloatArray, win_length: int) -> Iterator[tuple[slice, Spectra]]:
    """Yield slices of the frames, each with the spectra of its windowed frames.

    Args:
        frames: float32 [frames, n_fft].
        win_length: samples of the Hann window, which is centred in each frame.
    """
    window = centred_hann(win_length, frames.shape[1])
    for block in in_blocks(len(frames)):
        yield block, scipy.fft.rfft(frames[block] * window, axis=1)
