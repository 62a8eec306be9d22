"""A plain recogniser to hold the net against: a linear or kernel machine on clip statistics."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.core.typing import FloatArray


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
    # Takes a second to import, which an evaluation without this need not wait for.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = (
        LogisticRegression(C=0.1, max_iter=2000, random_state=seed)
        if kind == "logistic_regression"
        else SVC(C=3.0, random_state=seed)
    )
    pipeline = make_pipeline(StandardScaler(), machine)
    pipeline.fit(np.stack([clip_statistics(f) for f in train]), list(train_emotions))
    return [str(e) for e in pipeline.predict(np.stack([clip_statistics(f) for f in test]))]


def predict_folds(
    kind: str,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Mapping[str, FloatArray],
    seed: int,
) -> pd.DataFrame:
    """Fit on each fold's train clips and predict its test clips.

    Args:
        kind: logistic_regression, svm, or majority: always the commonest emotion.
        clips: the table clips.csv.
        splits: the table splits.csv.
        features: clip -> float32 [frames, dims].
        seed: of the solver.

    Returns:
        Columns fold, emotion, predicted.
    """
    parts = []
    for number, fold in splits.groupby("fold"):
        subset = clips["clip"].map(fold.set_index("clip")["subset"])
        train, test = clips[subset == "train"], clips[subset == "test"]
        # A machine tells apart: of one emotion alone there is nothing to be fitted.
        if kind == "majority" or train["emotion"].nunique() == 1:
            predicted = [train["emotion"].mode()[0]] * len(test)
        else:
            arrays = [[features[clip] for clip in part["clip"]] for part in (train, test)]
            predicted = predict(kind, arrays[0], list(train["emotion"]), arrays[1], seed)
        parts.append(test.assign(fold=number, predicted=predicted))
    return pd.concat(parts)[["fold", "emotion", "predicted"]]
