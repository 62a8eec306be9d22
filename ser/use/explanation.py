"""Explain predictions: find where in a clip's mel spectrogram a model found an emotion.

The method is occlusion (Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV
2014): a patch of the spectrogram is replaced by the mean of each of its bands, and the model
predicts again. It needs nothing of a net but its predictions.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.core.columns import mel_columns
from ser.core.errors import UserError
from ser.core.kinds import LOGMEL
from ser.core.typing import FloatArray
from ser.use.prediction import Prediction, Window
from ser.use.reading import read_windows
from ser.use.recogniser import Recogniser
from ser.use.windows import Windows

# Patches are longer in long clips, because a net takes longer to predict those.
_MIN_PATCH_FRAMES, _MAX_COLUMNS = 8, 32
_ROWS = 4  # in frequency; a patch covers two, so that neighbours overlap by half
_PAUSE_DB = -40.0  # relative to the clip's maximum: a frame with no band above this is a pause
_EPSILON = 1e-7  # probabilities are clipped to this distance from 0 and 1: float32's resolution

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """What spoke for an emotion in a clip, and what against it.

    Attributes:
        emotion: the emotion that is explained.
        probability: its probability, 0..1.
        spectrogram: float32 [frames, n_mels], log-mel in dB relative to the clip's maximum.
        influence: float64 [frames, n_mels], the mean fall of the emotion's natural log odds when a
            patch that covers the cell is occluded. Above 0: the cell spoke for the emotion.
        seconds_per_frame: from one frame to the next.
    """

    emotion: str
    probability: float
    spectrogram: FloatArray
    influence: Floats
    seconds_per_frame: float


def require_spectrogram(recogniser: Recogniser) -> None:
    """Check that a model's predictions can be explained.

    Raises:
        UserError: the model does not use mel spectrograms, or computes them out of reach.
    """
    kinds = recogniser.description.preprocessing.features.kinds
    if LOGMEL not in kinds:
        raise UserError(
            f"the model sees no mel spectrogram, but {', '.join(kinds)} (features.kinds): no "
            "picture can show where it looked; train a model on logmel"
        )
    if recogniser.takes_waveforms:
        raise UserError(
            "the file takes waveforms, and its spectrogram is out of reach: use the model folder "
            "that it was exported from"
        )


def explain(recogniser: Recogniser, waveform: FloatArray, emotion: str) -> Explanation:
    """Explain the probability that a model gives to an emotion in a clip.

    Only the mel spectrogram is occluded; other features stay unchanged.

    Args:
        recogniser: its model must use mel spectrograms.
        waveform: float32 [samples], as `Recogniser.waveform` returns it.
        emotion: one of the model's emotions.

    Raises:
        UserError: see `require_spectrogram`.
    """
    require_spectrogram(recogniser)
    features = recogniser.features(waveform)
    mel = mel_columns(recogniser.description.preprocessing.dims)
    index = recogniser.emotions.index(emotion)

    def log_odds(spectrogram: FloatArray) -> float:
        changed = features.copy()
        changed[:, mel] = spectrogram
        probability = np.clip(recogniser.probabilities(changed)[index], _EPSILON, 1 - _EPSILON)
        return float(np.log(probability / (1 - probability)))

    settings = recogniser.description.preprocessing.features
    rate = recogniser.description.preprocessing.form.sample_rate
    return Explanation(
        emotion,
        float(recogniser.probabilities(features)[index]),
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
    """Explain windows of a predicted recording.

    Args:
        recogniser: made the prediction.
        path: the recording's file.
        prediction: of the recording.
        windows: how the recording was cut.
        wanted: some of `windows_of(prediction)`; those without an emotion are left out.
        emotion: to explain; None: the predicted emotion of each window.

    Raises:
        UserError: see `require_spectrogram`.
    """
    for window, piece in zip(windows_of(prediction), read_windows(path, windows), strict=True):
        if window in wanted and window.emotion is not None:
            waveform = recogniser.waveform(piece.samples, piece.sample_rate)
            yield window, explain(recogniser, waveform, emotion or window.emotion)


def windows_of(prediction: Prediction) -> tuple[Window, ...]:
    """Return the windows of a prediction; a recording that was not cut is one window.

    >>> windows_of(Prediction(1.5, {"angry": 0.75, "sad": 0.25}))
    (Window(start=0.0, end=1.5, probabilities={'angry': 0.75, 'sad': 0.25}, reason=None, \
dimensions={}),)
    """
    whole = Window(
        0.0, prediction.seconds, prediction.probabilities, dimensions=prediction.dimensions
    )
    return prediction.windows or (whole,)


def occlude(spectrogram: FloatArray, log_odds: Callable[[FloatArray], float]) -> Floats:
    """Compute the influence of each cell of a spectrogram by occluding patches of it.

    A patch is replaced by the mean of each of its bands over the clip's frames without the pauses.
    Silence would look like a pause, and change the rhythm and which frames a net attends to.

    Args:
        spectrogram: float32 [frames, n_mels] in dB relative to the clip's maximum.
        log_odds: computes the emotion's log odds from such a spectrogram.

    Returns:
        [frames, n_mels]: the mean fall of the log odds over the patches that cover a cell.
    """
    frames, bands = spectrogram.shape
    sounding = spectrogram.max(axis=1) > _PAUSE_DB
    means = spectrogram[sounding].mean(axis=0)
    columns = int(np.clip(frames // _MIN_PATCH_FRAMES, 1, _MAX_COLUMNS))
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
    """Return the parts + 1 edges that cut n positions into parts whose lengths differ by at most 1.

    >>> _edges(10, 4)
    [0, 2, 5, 8, 10]
    """
    return [round(n * i / parts) for i in range(parts + 1)]
