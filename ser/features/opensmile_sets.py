"""Compute openSMILE's sets of features: eGeMAPSv02 and ComParE_2016, of clips and of their frames.

Eyben, Wöllmer, Schuller: openSMILE: the Munich versatile and fast open-source audio feature
extractor, ACM Multimedia 2010. The sets: Eyben et al.: The Geneva minimalistic acoustic parameter
set, IEEE Transactions on Affective Computing 7(2), 2016; Schuller et al.: The Interspeech 2016
computational paralinguistics challenge, Interspeech 2016.
"""

from functools import cache
from typing import Any

import numpy as np
import soxr

from ser.core.extras import needed_by
from ser.core.kinds import OPENSMILE_RATE
from ser.core.typing import FloatArray

_SETS = {
    "egemaps": ("eGeMAPSv02", "Functionals"),
    "compare": ("ComParE_2016", "Functionals"),
    "egemaps_lld": ("eGeMAPSv02", "LowLevelDescriptors"),
    "compare_lld": ("ComParE_2016", "LowLevelDescriptors"),
}
_LARGEST = np.float32(1 - 2**-15)  # openSMILE turns 1, which 16 bits do not hold, into -1
_FEWEST = OPENSMILE_RATE * 60 // 1000  # samples: of fewer it computes nothing


def compute_set(kind: str, waveform: FloatArray, sample_rate: int) -> FloatArray:
    """Compute one of openSMILE's sets.

    Waveforms are resampled to 16 kHz, which the sets were made for: the loudness and the formants
    of the same sound would be others at another rate. Those shorter than 60 ms are filled up with
    silence.

    Args:
        kind: name in `ser.core.kinds.KINDS`.
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.

    Returns:
        float32 [1, columns], or [frames, columns] of descriptors of frames, one every 10 ms.

    Raises:
        UserError: openSMILE is not installed.
    """
    if sample_rate != OPENSMILE_RATE:
        waveform = soxr.resample(waveform, sample_rate, OPENSMILE_RATE)
    padded = np.pad(waveform, (0, max(0, _FEWEST - len(waveform))))
    values = _smile(kind).process_signal(np.clip(padded, -1, _LARGEST), OPENSMILE_RATE)
    return np.asarray(values, np.float32)


@cache
def _smile(kind: str) -> Any:  # noqa: ANN401 - a class of a package that may be missing
    """Return openSMILE, set up for a kind."""
    with needed_by(f"features.kinds [{kind}]"):
        import opensmile
    name, level = _SETS[kind]
    return opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel[level])
