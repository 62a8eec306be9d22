"""Noises: white, coloured, and the babble of other voices."""

from collections.abc import Sequence

import numpy as np

from ser.conditions.levels import root_mean_square
from ser.core.typing import FloatArray

_FLAT_BELOW = 50.0  # Hz; else a falling spectrum would have its power below all voices


def white_noise(samples: int, seed: int) -> FloatArray:
    """Draw Gaussian noise of mean 0 and power 1: float32 [samples].

    Box, Muller: A note on the generation of random normal deviates, Annals of Mathematical
    Statistics 29(2), 1958. Twice as fast as numpy's own, which draws the samples one by one.
    """
    half = (samples + 1) // 2
    uniform = np.random.default_rng(seed).random((2, half), dtype=np.float32)
    radius = np.sqrt(-2 * np.log(1 - uniform[0]))  # 0 may be drawn, 1 never is
    angle = np.float32(2 * np.pi) * uniform[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:samples]


def coloured_noise(samples: int, sample_rate: int, tilt_db: float, seed: int) -> FloatArray:
    """Draw Gaussian noise whose spectrum rises or falls steadily from 50 Hz on.

    Args:
        samples: its length.
        sample_rate: in Hz.
        tilt_db: change of its level per octave: 0 is white, -3 pink, -6 brown.
        seed: of the noise.

    Returns:
        float32 [samples], of any power above 0.
    """
    hertz = np.fft.rfftfreq(samples, 1 / sample_rate)
    octaves = np.log2(np.maximum(hertz, _FLAT_BELOW) / _FLAT_BELOW)
    spectrum = np.fft.rfft(white_noise(samples, seed)) * 10 ** (tilt_db * octaves / 20)
    return np.fft.irfft(spectrum, samples).astype(np.float32)


def babble(samples: int, voices: Sequence[FloatArray], rng: np.random.Generator) -> FloatArray:
    """Mix recordings to the babble of a crowd: each repeated, all at the same level.

    Args:
        samples: length of the babble.
        voices: at least one float32 [any number of samples], none of them silent.
        rng: chooses the sample that each begins with.

    Returns:
        float32 [samples].
    """
    mixed = np.zeros(samples, dtype=np.float32)
    for voice in voices:
        start = int(rng.integers(len(voice)))
        repeated = np.take(voice, np.arange(start, start + samples), mode="wrap")
        mixed += repeated / np.float32(root_mean_square(voice))
    return mixed
