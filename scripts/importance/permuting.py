"""Measure which groups of features a model needs, by permuting their columns among the test clips.

Breiman: Random forests, Machine Learning 45, 2001; by groups of columns, because related columns
stand in for each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from ser.core.kinds import KINDS, describes_whole_clips
from ser.core.preprocessing import Preprocessing
from ser.core.store import Store
from ser.core.typing import FloatArray
from ser.evaluation.prediction import clips_of_folds
from ser.evaluation.scores import Indices, percentile_interval, resampled_figures
from ser.nets.description import Description
from ser.nets.outputs import split_outputs


@dataclass(frozen=True)
class FoldRows:
    """The test clips of one fold, each as one row of features.

    Attributes:
        features: float32 [clips, dims].
        actual: int64 [clips], index of each clip's emotion.
        predict: features -> int64 [clips], index of each clip's predicted emotion.
    """

    features: FloatArray
    actual: Indices
    predict: Callable[[FloatArray], Indices]


def columns_of_groups(made: Preprocessing) -> dict[str, NDArray[np.int64]]:
    """Return the columns of each group of features; columns without names are one, of their kind.

    Args:
        made: how the features were made.

    Returns:
        name of the group, in the order of its first column -> int64 [columns]; none for features
        of frames, and if there is only one group.
    """
    if not describes_whole_clips(made.dims):
        return {}
    names: list[str] = []
    for kind, size in made.dims.items():
        groups = KINDS[kind].groups
        named = groups and groups(made.features.n_mels, made.features.n_mfcc)
        names += named or [kind] * size
    places = {name: np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)}
    return places if len(places) > 1 else {}


def rows_of_folds(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    description: Description,
    nets: list[nn.Module],
) -> Iterator[FoldRows]:
    """Yield the test clips of each fold, with its net.

    Args:
        clips: the table clips.csv.
        splits: the table splits.csv.
        features: the clips' features, of kinds that describe whole clips.
        description: of the model.
        nets: of its folds.
    """
    dimensions = len(description.dimensions)
    for own in clips_of_folds("test", clips, splits, features, description, nets):
        rows = [own.normalised.features(i)[:1] for i in range(len(own.normalised))]
        predict = _predictor(own.net.cpu(), dimensions)
        yield FoldRows(torch.cat(rows).cpu().numpy(), own.examples.labels, predict)


def _predictor(net: nn.Module, dimensions: int) -> Callable[[FloatArray], Indices]:
    def predict(rows: FloatArray) -> Indices:
        lengths = torch.ones(len(rows), dtype=torch.int64)
        with torch.inference_mode():
            logits, _ = split_outputs(net(torch.from_numpy(rows)[:, None], lengths), dimensions)
        predicted: Indices = logits.argmax(dim=1).numpy()
        return predicted

    return predict


def measure_importance(
    folds: Sequence[FoldRows],
    groups: Mapping[str, NDArray[np.int64]],
    repeats: int,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Compute how far the UAR falls if a group's columns are those of other test clips.

    All columns of a group are permuted together, among the test clips of a fold. Other groups may
    have the same information: a group without which nothing is lost is not without information.

    Args:
        folds: the test clips of each fold.
        groups: name of the group -> its columns.
        repeats: number of permutations, over which the fall is averaged.
        resamples: of the bootstrap behind each interval.
        seed: of permutations and bootstrap.

    Returns:
        A row per group, the largest fall first: group, columns (their number), fall (0..1; below 0
        if the UAR rises), low and high (of its 95 % bootstrap interval over the clips).
    """
    actual = np.concatenate([fold.actual for fold in folds])
    whole = np.concatenate([fold.predict(fold.features) == fold.actual for fold in folds])
    rng = np.random.default_rng(seed)
    lines = []
    for name, columns in groups.items():
        hits = np.mean([_hits_without(folds, columns, rng) for _ in range(repeats)], axis=0)
        lost = whole - hits
        low, high = percentile_interval(resampled_figures(actual, lost, resamples, seed)[1])
        fall = np.mean([lost[actual == emotion].mean() for emotion in np.unique(actual)])
        lines.append((name, len(columns), float(fall), low, high))
    table = pd.DataFrame(lines, columns=["group", "columns", "fall", "low", "high"])
    return table.sort_values("fall", ascending=False, kind="stable", ignore_index=True)


def _hits_without(
    folds: Sequence[FoldRows], columns: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return whether each test clip is recognised with some columns of another clip."""
    found = []
    for fold in folds:
        permuted = fold.features.copy()
        permuted[:, columns] = fold.features[rng.permutation(len(permuted))][:, columns]
        found.append(fold.predict(permuted) == fold.actual)
    return np.concatenate(found)
