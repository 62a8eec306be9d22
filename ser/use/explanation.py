"""Where in a clip's mel spectrogram a model found the emotion that it tells.

By occlusion (Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014): a
patch of the spectrogram is replaced by what its bands hold on average, and the model is asked
again. It needs nothing of a net but its answers.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.core.columns import mel_columns
from ser.core.errors import UserError
from ser.core.typing import FloatArray
from ser.use.recogniser import Prediction, Recogniser, Window, pieces
from ser.use.windows import Windows

# Patches in time are at least so long, longer in long clips, of which a net takes longer to answer.
_LEAST_FRAMES, _MOST_COLUMNS = 8, 32
_ROWS = 4  # in frequency; a patch covers two, so that neighbours overlap by half
_SOUNDING = -40.0  # dB relative to the clip's maximum: the band of a frame that is no pause
_SURE = 1e-7  # a probability is at least so far from 0 and 1: a float32 tells no less

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """What spoke for an emotion in a clip, and what against it.

    Attributes:
        emotion: which.
        probability: of it, 0..1.
        spectrogram: float32 [frames, n_mels], log-mel in dB relative to the clip's maximum.
        influence: float64 [frames, n_mels], by how much the natural log odds of the emotion fall
            where the patches that cover a cell are occluded, on average. Above 0: it spoke for the
            emotion.
        seconds_per_frame: from one frame to the next.
    """

    emotion: str
    probability: float
    spectrogram: FloatArray
    influence: Floats
    seconds_per_frame: float


def require_spectrogram(recogniser: Recogniser) -> None:
    """Refuse a model of which nothing can be explained so.

    Raises:
        UserError: it sees no mel spectrogram.
    """
    kinds = recogniser.description.preprocessing.features.kinds
    if "logmel" not in kinds:
        raise UserError(
            f"the model sees no mel spectrogram, but {', '.join(kinds)} (features.kinds): no "
            "picture can show where in one it looked; train a model on logmel"
        )
    if recogniser.takes_waveforms:
        raise UserError(
            "the file takes waveforms, and its spectrogram is out of reach: ask the model folder "
            "that it was exported from"
        )


def explain(recogniser: Recogniser, waveform: FloatArray, emotion: str) -> Explanation:
    """Explain why an emotion is told of a clip, or why not.

    Features beside the mel spectrogram stay as they are.

    Args:
        recogniser: of a model that sees mel spectrograms.
        waveform: float32 [samples], as `Recogniser.waveform` gives it.
        emotion: one that the model knows.

    Raises:
        UserError: the model sees no mel spectrogram.
    """
    require_spectrogram(recogniser)
    features = recogniser.features(waveform)
    mel = mel_columns(recogniser.description.preprocessing.dims)
    place = recogniser.emotions.index(emotion)

    def log_odds(spectrogram: FloatArray) -> float:
        changed = features.copy()
        changed[:, mel] = spectrogram
        share = np.clip(recogniser.probabilities(changed)[place], _SURE, 1 - _SURE)
        return float(np.log(share / (1 - share)))

    settings = recogniser.description.preprocessing.features
    rate = recogniser.description.preprocessing.clean.sample_rate
    return Explanation(
        emotion,
        float(recogniser.probabilities(features)[place]),
        features[:, mel],
        occlude(features[:, mel], log_odds),
        settings.hop_length / rate,
    )


def explain_file(
    recogniser: Recogniser,
    path: Path,
    prediction: Prediction,
    windows: Windows,
    wanted: Collection[Window],
    emotion: str | None = None,
) -> Iterator[tuple[Window, Explanation]]:
    """Explain windows of a recording that was predicted.

    Args:
        recogniser: that predicted it.
        path: of the recording.
        prediction: what was told of it.
        windows: how it was cut.
        wanted: some of `windows_of(prediction)`; those without an emotion are left out.
        emotion: what is explained; None: what is told of each window.

    Raises:
        UserError: the model sees no mel spectrogram.
    """
    for window, piece in zip(windows_of(prediction), pieces(path, windows), strict=True):
        if window in wanted and window.emotion is not None:
            waveform = recogniser.waveform(piece.samples, piece.sample_rate)
            yield window, explain(recogniser, waveform, emotion or window.emotion)


def windows_of(prediction: Prediction) -> tuple[Window, ...]:
    """Give the windows of a recording; of one that was not cut, itself as the only one."""
    whole = Window(0.0, prediction.seconds, prediction.probabilities)
    return prediction.windows or (whole,)


def occlude(spectrogram: FloatArray, log_odds: Callable[[FloatArray], float]) -> Floats:
    """Measure how much each patch of a spectrogram counts.

    What replaces a patch is the mean of each of its bands over the clip's frames that are no pause:
    silence would look like a pause, and change the rhythm and which frames are listened to.

    Args:
        spectrogram: float32 [frames, n_mels] in dB relative to the clip's maximum.
        log_odds: of the emotion, given such a spectrogram.

    Returns:
        [frames, n_mels]: by how much the log odds fall without the patches that cover a cell, on
        average.
    """
    frames, bands = spectrogram.shape
    sounding = spectrogram.max(axis=1) > _SOUNDING
    means = spectrogram[sounding].mean(axis=0)
    columns = int(np.clip(frames // _LEAST_FRAMES, 1, _MOST_COLUMNS))
    times, rows = _edges(frames, columns), _edges(bands, _ROWS)
    whole = log_odds(spectrogram)
    falls, patches = np.zeros(spectrogram.shape), np.zeros(bands)
    for low, high in zip(rows[:-2], rows[2:], strict=True):
        patches[low:high] += 1
        for start, end in pairwise(times):
            occluded = spectrogram.copy()
            occluded[start:end, low:high] = means[low:high]
            falls[start:end, low:high] += whole - log_odds(occluded)
    return falls / patches


def _edges(n: int, parts: int) -> list[int]:
    """Cut n places into parts of equal length, give or take one: where each begins, and the end."""
    return [round(n * i / parts) for i in range(parts + 1)]
