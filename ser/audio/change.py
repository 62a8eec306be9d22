"""Measure how much the sound of a recording changes: speech does, tones and noises do not."""

from functools import cache
from pathlib import Path

import numpy as np

from ser.audio.stft import stft
from ser.core.typing import FloatArray

CHANGE_RATE = 16_000  # Hz
# 604 acted clips change by 5 dB or more, and by 3.6 dB or more with white noise 10 dB below them.
# Tones, chords and white noise change by 0 to 2.2 dB. Texts and pictures read as samples change by
# 2 to 2.8 dB.
MIN_SPEECH_CHANGE = 3.0  # dB

_N_FFT = 512  # 32 ms
_RANGE = 50.0  # dB below the loudest band; anything lower counts as background
_AUDIBLE = 35.0  # dB below the loudest frame


def spectral_change(waveform: FloatArray) -> float:
    """Compute how much the shape of the short-time spectrum changes; the level does not matter.

    Args:
        waveform: float32 [samples] at CHANGE_RATE.

    Returns:
        A value in dB. Each mel band's level is taken relative to the mean of its frame; its
        standard deviation over the louder frames is averaged over the bands.

    >>> times = np.arange(CHANGE_RATE) / CHANGE_RATE
    >>> spectral_change(np.sin(2 * np.pi * 440 * times).astype(np.float32)) < MIN_SPEECH_CHANGE
    True
    """
    power = np.square(np.abs(stft(waveform, _N_FFT)))
    if not 0 < power.max() < np.inf:  # silence, or more than a float32 holds
        return 0.0
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(power @ mel_bank().T)
    levels = np.maximum(levels, levels.max() - _RANGE)
    loudest = levels.max(axis=1)
    audible = levels[loudest > loudest.max() - _AUDIBLE]
    return float((audible - audible.mean(axis=1, keepdims=True)).std(axis=0).mean())


@cache
def mel_bank() -> FloatArray:
    """Return librosa's filter bank of 32 mel bands from 80 to 8000 Hz: float32 [32, 257]."""
    bank: FloatArray = np.load(Path(__file__).with_name("speech_bands.npy"), allow_pickle=False)
    return bank
