"""Summarise the trainings of one protocol with several seeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ser.evaluation import scores

RESAMPLES = 10_000
_DURATIONS = (0.0, 3.0, 4.0, 5.0, 7.0, np.inf)  # seconds, edges of the groups


def summarise(runs: Mapping[int, pd.DataFrame], seconds: pd.Series) -> dict[str, Any]:
    """Compute the figures over all seeds, as nested names that DVC can show.

    Args:
        runs: seed -> a table with the columns clip, fold, speaker, emotion, predicted, and the
            same clips in the same order for all.
        seconds: clip -> its length.

    Returns:
        The numbers of clips and folds; accuracy (0..1) and uar with mean and std over the seeds,
        accuracy also with low and high over the clips; per_seed.<seed>; the mean accuracy of each
        fold, speaker, emotion and length; confusions.<emotion>.<predicted>, summed over all seeds.
    """
    first = next(iter(runs.values()))
    hits = pd.DataFrame({seed: run["emotion"] == run["predicted"] for seed, run in runs.items()})
    shares = hits.mean(axis=1)
    low, high = scores.mean_ci95(shares.to_numpy(np.float64), RESAMPLES, seed=0)
    emotions = sorted(first["emotion"].unique())
    per_seed = {str(seed): scores.accuracy_and_uar(run, emotions) for seed, run in runs.items()}
    accuracy, uar = (
        scores.mean_and_std([of_seed[name] for of_seed in per_seed.values()])
        for name in ("accuracy", "uar")
    )
    groups = pd.cut(first["clip"].map(seconds), _DURATIONS, right=False)
    lengths = groups.map(_name_length).astype(str)
    confusions = sum(scores.count_confusions(run, emotions) for run in runs.values())
    return {
        "clips": len(first),
        "folds": int(first["fold"].nunique()),
        "accuracy": {**accuracy, "low": low, "high": high},
        "uar": uar,
        "per_seed": per_seed,
        "per_fold": {
            str(fold): {"accuracy": float(share)}
            for fold, share in shares.groupby(first["fold"]).mean().items()
        },
        "per_speaker": scores.accuracy_by(first["speaker"], shares),
        "per_emotion": scores.accuracy_by(first["emotion"], shares),
        "per_length": scores.accuracy_by(lengths, shares),
        "confusions": pd.DataFrame(confusions, emotions, emotions).to_dict("index"),
    }


def _name_length(seconds: pd.Interval) -> str:
    """Return the name of a group of clips of similar lengths.

    >>> _name_length(pd.Interval(3.0, 4.0)), _name_length(pd.Interval(7.0, np.inf))
    ('3 to 4 s', '7 s and more')
    """
    if np.isinf(seconds.right):
        return f"{seconds.left:g} s and more"
    return f"{seconds.left:g} to {seconds.right:g} s"
