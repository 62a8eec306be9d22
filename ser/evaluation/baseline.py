"""Fit a baseline to compare the net with: a linear or kernel classifier on clip statistics."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ser.core.typing import FloatArray


def clip_statistics(features: FloatArray) -> NDArray[np.float64]:
    """Compute mean, standard deviation and three percentiles of every column of a clip.

    Args:
        features: float32 [frames, dims].

    Returns:
        float64 [5 * dims]: means, deviations, 10th, 50th and 90th percentiles over the frames.

    >>> clip_statistics(np.array([[0], [1], [2]], dtype=np.float32)).round(3)
    array([1.   , 0.816, 0.2  , 1.   , 1.8  ])
    """
    values = features.astype(np.float64)
    percentiles = np.percentile(values, [10, 50, 90], axis=0)
    return np.concatenate([values.mean(axis=0), values.std(axis=0), percentiles.ravel()])


def fit_and_predict(
    kind: str,
    train: Iterable[FloatArray],
    train_emotions: Sequence[str],
    test: Iterable[FloatArray],
    seed: int,
    weights: Sequence[float] | None = None,
) -> list[str]:
    """Fit on the train clips and predict the test clips.

    Args:
        kind: logistic_regression or svm (RBF kernel).
        train: features float32 [frames, dims] of each train clip.
        train_emotions: their emotions.
        test: features of each test clip.
        seed: of the solver.
        weights: of the train clips' losses; None: all are 1.
    """
    # Imported only here: it takes a second, and not every evaluation has a baseline.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    classifier = (
        LogisticRegression(C=0.1, max_iter=2000, random_state=seed)
        if kind == "logistic_regression"
        else SVC(C=3.0, random_state=seed)
    )
    pipeline = Pipeline([("scaler", StandardScaler()), ("classifier", classifier)])
    # Its matrices are too small to share: threads would wait for each other, and use a busy core.
    with threadpool_limits(1):
        pipeline.fit(
            np.stack([clip_statistics(f) for f in train]),
            list(train_emotions),
            classifier__sample_weight=None if weights is None else np.array(weights),
        )
        predicted = pipeline.predict(np.stack([clip_statistics(f) for f in test]))
    return [str(emotion) for emotion in predicted]


def predict_with_baseline(
    kind: str,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    read: Callable[[str], FloatArray],
    seed: int,
) -> pd.DataFrame:
    """Fit a baseline on each fold's train clips, weighted as for the net; predict its test clips.

    Args:
        kind: logistic_regression, svm, or majority, which always predicts the emotion whose clips
            have the largest sum of weights.
        clips: the table clips.csv.
        splits: the table splits.csv.
        read: returns the features float32 [frames, dims] of a clip.
        seed: of the solver.

    Returns:
        Columns fold, emotion, predicted.
    """
    parts = []
    for number, fold in splits.groupby("fold"):
        of_clip = fold.set_index("clip")
        subset = clips["clip"].map(of_clip["subset"])
        train, test = clips[subset == "train"], clips[subset == "test"]
        weights = train["clip"].map(of_clip["weight"])
        # A classifier cannot be fitted to a single emotion.
        if kind == "majority" or train["emotion"].nunique() == 1:
            predicted = [weights.groupby(train["emotion"]).sum().idxmax()] * len(test)
        else:
            arrays = [map(read, part["clip"]) for part in (train, test)]
            predicted = fit_and_predict(
                kind,
                arrays[0],
                list(train["emotion"]),
                arrays[1],
                seed,
                None if (weights == 1).all() else list(weights),
            )
        parts.append(test.assign(fold=number, predicted=predicted))
    return pd.concat(parts)[["fold", "emotion", "predicted"]]
