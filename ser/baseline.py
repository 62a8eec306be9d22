"""A plain recogniser to hold the net against: a linear or kernel machine on clip statistics."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ser.arrays import FloatArray


def clip_statistics(features: FloatArray) -> NDArray[np.float64]:
    """Describe a clip by mean, standard deviation and three percentiles of every column.

    Args:
        features: float32 [frames, dims].

    Returns:
        float64 [5 * dims]: means, deviations, 10th, 50th and 90th percentiles over the frames.
    """
    values = features.astype(np.float64)
    percentiles = np.percentile(values, [10, 50, 90], axis=0)
    return np.concatenate([values.mean(axis=0), values.std(axis=0), percentiles.ravel()])


def predict(
    kind: str,
    train: Sequence[FloatArray],
    train_emotions: Sequence[str],
    test: Sequence[FloatArray],
    seed: int,
) -> list[str]:
    """Fit on the train clips and predict the test clips.

    Args:
        kind: logistic_regression or svm (RBF kernel).
        train: features float32 [frames, dims] of each train clip.
        train_emotions: their emotions.
        test: features of each test clip.
        seed: of the solver.
    """
    machine = (
        LogisticRegression(C=0.1, max_iter=2000, random_state=seed)
        if kind == "logistic_regression"
        else SVC(C=3.0, random_state=seed)
    )
    pipeline = make_pipeline(StandardScaler(), machine)
    pipeline.fit(np.stack([clip_statistics(f) for f in train]), list(train_emotions))
    return [str(e) for e in pipeline.predict(np.stack([clip_statistics(f) for f in test]))]
