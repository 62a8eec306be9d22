"""Clips brought to the length that a net takes in."""

import numpy as np
from numpy.typing import NDArray

from ser.core.typing import FloatArray


def places(n: int, frames: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Say where `frames` evenly spread frames lie among `n`: each stands for an equal share.

    Returns:
        (the frame before, the frame after, weight of the latter 0..1), [frames] each.
    """
    middle = np.clip((np.arange(frames) + 0.5) * (n / frames) - 0.5, 0, n - 1)
    before = middle.astype(np.int64)
    return before, np.minimum(before + 1, n - 1), (middle - before).astype(np.float32)


def fit_length(features: FloatArray, length: str, frames: int, least: int) -> FloatArray:
    """Bring a clip's normalised features to the length that it is predicted at.

    Args:
        features: float32 [n, dims].
        length: own or crop: as it is; pad: zeros behind, or cut off at the end; resize: zeros
            behind, or linear interpolation down to it.
        frames: the length of pad and resize.
        least: what is shorter gets zeros behind.

    Returns:
        float32 [frames, or n but at least `least`, dims].
    """
    wanted = frames if length in ("pad", "resize") else len(features)
    if length == "resize" and len(features) > frames:
        before, after, weight = places(len(features), frames)
        features = features[before] + (features[after] - features[before]) * weight[:, np.newaxis]
    missing = max(wanted, least) - len(features[:wanted])
    return np.pad(features[:wanted], ((0, missing), (0, 0)))
