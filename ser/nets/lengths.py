"""Fit clips to the length that a net expects."""

import numpy as np

from ser.core.needs import FIXED_LENGTHS, needs_of
from ser.core.sections import Model
from ser.core.typing import FloatArray


def fit_length(features: FloatArray, model: Model) -> FloatArray:
    """Fit a clip's normalised features to the length for prediction.

    Args:
        features: float32 [n, dims].
        model: its setting length decides about clips with more than `frames` frames. own, crop:
            unchanged; pad: cut off at the end; resize: interpolated linearly. Clips shorter than
            `min_frames` are padded with zeros.

    Returns:
        float32 [frames, dims], at least `min_frames` frames.
    """
    shortened = shorten(features, model)
    missing = max(0, min_frames(model) - len(shortened))
    return np.pad(shortened, ((0, missing), (0, 0)))


def min_frames(model: Model) -> int:
    """Return the fewest frames that the net accepts; for pad and resize, this is `frames`."""
    return model.frames if model.length in FIXED_LENGTHS else needs_of(model).min_frames


def shorten(features: FloatArray, model: Model) -> FloatArray:
    """Shorten a clip that is too long for the net: `fit_length` without the padding."""
    n, frames = len(features), model.frames
    if model.length not in FIXED_LENGTHS or n <= frames:
        return features
    if model.length == "pad":
        return features[:frames]
    # Each new frame lies in the middle of an equal share of the old frames.
    middle = np.clip((np.arange(frames) + 0.5) * (n / frames) - 0.5, 0, n - 1)
    before = middle.astype(np.int64)
    after, weight = np.minimum(before + 1, n - 1), (middle - before).astype(np.float32)
    step = (features[after] - features[before]) * weight[:, np.newaxis]
    interpolated: FloatArray = features[before] + step
    return interpolated
