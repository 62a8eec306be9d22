"""Clips brought to the length that a net takes in."""

import numpy as np

from ser.core.needs import FIXED_LENGTHS, needs_of
from ser.core.sections import Model
from ser.core.typing import FloatArray


def fit_length(features: FloatArray, model: Model) -> FloatArray:
    """Bring a clip's normalised features to the length that it is predicted at.

    Args:
        features: float32 [n, dims].
        model: its length says how. own, crop: as it is; pad: cut off at the end; resize: linear
            interpolation of what is longer than `frames`. What is shorter than `min_frames` gets
            zeros behind.

    Returns:
        float32 [frames, dims], at least `min_frames` of them.
    """
    shortened = shorten(features, model)
    missing = max(0, min_frames(model) - len(shortened))
    return np.pad(shortened, ((0, missing), (0, 0)))


def min_frames(model: Model) -> int:
    """Return the fewest frames that the net takes in: all of `frames` for pad and resize."""
    return model.frames if model.length in FIXED_LENGTHS else needs_of(model).min_frames


def shorten(features: FloatArray, model: Model) -> FloatArray:
    """Bring what is longer than a net takes in to its length: `fit_length` without the zeros."""
    n, frames = len(features), model.frames
    if model.length not in FIXED_LENGTHS or n <= frames:
        return features
    if model.length == "pad":
        return features[:frames]
    # Each of the new frames stands for an equal share of the old ones.
    middle = np.clip((np.arange(frames) + 0.5) * (n / frames) - 0.5, 0, n - 1)
    before = middle.astype(np.int64)
    after, weight = np.minimum(before + 1, n - 1), (middle - before).astype(np.float32)
    step = (features[after] - features[before]) * weight[:, np.newaxis]
    interpolated: FloatArray = features[before] + step
    return interpolated
