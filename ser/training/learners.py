"""Fit learners of scikit-learn, and store what was fitted as the weights of a net."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ser.core.errors import UserError
from ser.core.sections import Model
from ser.nets.build import build, restore
from ser.nets.layers import clip_outliers
from ser.nets.weights import Weights
from ser.training.balance import loss_weights
from ser.training.batches import NormalisedClips
from ser.training.history import Epoch
from ser.training.loop import FoldData, validate
from ser.training.predict import loss_and_accuracy, predict

# What is added to the logit of an emotion that no train clip has: its probability is almost 0, and
# float32 still tells it from 0.
_ABSENT = -80.0
_MOST_STEPS = 10_000  # of the solver of logistic regression; a few hundred are usual


@dataclass(frozen=True)
class Rows:
    """What a learner learns from.

    Attributes:
        features: float32 [examples, dims], normalised, without outliers.
        labels: int64 [examples].
        weights: float32 [examples], how much each counts, with a mean of 1; None: each is 1.
        emotions: number of emotions, of which some may have no example.
        seed: of what is drawn.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None
    emotions: int
    seed: int


def fit_learner(fold: FoldData, model: Model) -> tuple[Weights, list[Epoch]]:
    """Fit a learner to the train examples of a fold.

    Args:
        fold: its data.
        model: the learner and its settings.

    Returns:
        (weights of the net that answers as the learner does; history of one epoch, with its loss
        and accuracy on the train examples, without weights, and on the val clips).

    Raises:
        UserError: the solver found no end, or a feature or weight is not a finite number.
    """
    train = NormalisedClips(fold.train, model, torch.device("cpu"))
    features = torch.stack([train.features(i)[0] for i in range(len(train))])
    if not features.isfinite().all():
        raise UserError(
            f"fold {fold.number}: some features of the train clips are not finite numbers, from "
            f"which model.name {model.name} cannot learn: run `dvc repro extract augment` again"
        )
    rows = Rows(
        clip_outliers(features).numpy(),
        fold.train.labels,
        loss_weights(fold.train, model),
        fold.emotions,
        int(np.random.SeedSequence((model.seed, fold.number)).generate_state(1)[0]),
    )
    weights = fit_rows(rows, model)
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise UserError(
            f"fold {fold.number}: model.name {model.name} found weights that are not finite: lower "
            f"model.learning_rate ({model.learning_rate:g}) or model.c ({model.c:g})"
        )
    net = restore(model, features.shape[1], fold.emotions, weights)
    train_loss, train_accuracy = loss_and_accuracy(predict(net, train), rows.labels)
    val = NormalisedClips(fold.val, model, torch.device("cpu"))
    val_loss, val_accuracy, _ = validate(net, val)
    history = [Epoch(fold.number, 1, train_loss, val_loss, train_accuracy, val_accuracy)]
    return weights, history


def fit_rows(rows: Rows, model: Model) -> Weights:
    """Fit a learner to rows of features; return the weights of the net that answers as it does.

    Raises:
        UserError: the solver found no end.
    """
    net = build(model, rows.features.shape[1], rows.emotions)
    weights = {name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()}
    there = np.unique(rows.labels)
    # Learners cannot be fitted to a single emotion.
    if len(there) > 1:
        # Matrices are too small to share: threads would wait for each other, and use a busy core.
        with threadpool_limits(1):
            weights |= _FITTERS[model.name](rows, there, model)
    weights["bias"][np.setdiff1d(np.arange(rows.emotions), there)] = _ABSENT
    return weights


def _logistic_regression(rows: Rows, there: NDArray[np.int64], model: Model) -> Weights:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    learner = LogisticRegression(C=model.c, max_iter=_MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            learner.fit(rows.features.astype(np.float64), rows.labels, rows.weights)
        except ConvergenceWarning:
            raise UserError(
                f"model.name {model.name} found no best weights in {_MOST_STEPS:,} steps of its "
                f"solver: lower model.c ({model.c:g})"
            ) from None
    weight = np.zeros((rows.emotions, rows.features.shape[1]))
    bias = np.zeros(rows.emotions)
    weight[there], bias[there] = _of_each(learner.coef_), _of_each(learner.intercept_)
    return _float32({"weight": weight, "bias": bias})


def _of_each(fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what was fitted for each emotion; of two, scikit-learn has only the difference."""
    return np.concatenate([-fitted, fitted]) / 2 if len(fitted) == 1 else fitted


def _svm(rows: Rows, there: NDArray[np.int64], model: Model) -> Weights:
    from sklearn.svm import SVC

    variance = float(rows.features.var(dtype=np.float64))
    gamma = 1 / (rows.features.shape[1] * variance) if variance > 0 else 1.0  # SVC's own choice
    learner = SVC(C=model.c, gamma=gamma).fit(rows.features, rows.labels, rows.weights)
    all_pairs = list(combinations(range(rows.emotions), 2))
    pairs = np.zeros((len(all_pairs), rows.emotions))
    coefficients = np.zeros((len(learner.support_), len(all_pairs)))
    intercepts = np.zeros(len(all_pairs))
    # Of more than two emotions, scikit-learn's decisions are for the first of a pair.
    sign = 1 if len(there) == 2 else -1
    ends = np.cumsum(learner.n_support_)
    of_class = [slice(end - n, end) for end, n in zip(ends, learner.n_support_, strict=True)]
    for fitted, (i, j) in enumerate(combinations(range(len(there)), 2)):
        pair = all_pairs.index((there[i], there[j]))
        pairs[pair, there[i]], pairs[pair, there[j]] = -1, 1
        intercepts[pair] = sign * learner.intercept_[fitted]
        coefficients[of_class[i], pair] = sign * learner.dual_coef_[j - 1, of_class[i]]
        coefficients[of_class[j], pair] = sign * learner.dual_coef_[i, of_class[j]]
    return _float32(
        {
            "vectors": learner.support_vectors_,
            "coefficients": coefficients,
            "intercepts": intercepts,
            "pairs": pairs,
            "gamma": np.array(gamma),
        }
    )


def _gradient_boosting(rows: Rows, there: NDArray[np.int64], model: Model) -> Weights:
    from sklearn.ensemble import GradientBoostingClassifier

    learner = GradientBoostingClassifier(
        learning_rate=model.learning_rate,
        n_estimators=model.epochs,
        max_depth=model.layers,
        max_features="sqrt",
        random_state=rows.seed,
    ).fit(rows.features, rows.labels, rows.weights)
    rounds = len(learner.estimators_)
    nodes = 2**model.layers - 1
    columns = np.zeros((rounds, rows.emotions, nodes), np.int64)
    thresholds = np.zeros((rounds, rows.emotions, nodes))
    leaves = np.zeros((rounds, rows.emotions, nodes + 1))
    for number, trees in enumerate(learner.estimators_):
        full = [_full_tree(each.tree_, model.layers) for each in trees]
        of_round = [np.stack(part) for part in zip(*full, strict=True)]
        if len(trees) == 1:  # for the difference of two emotions
            of_round = [np.repeat(part, 2, axis=0) for part in of_round]
            of_round[2] = of_round[2] * [[-0.5], [0.5]]
        columns[number, there], thresholds[number, there] = of_round[:2]
        leaves[number, there] = model.learning_rate * of_round[2]
    first = rows.features[:1]
    added = model.learning_rate * sum(
        np.array([each.predict(first) for each in trees]) for trees in learner.estimators_
    )
    bias = np.zeros(rows.emotions)
    bias[there] = _of_each(learner.decision_function(first).reshape(-1, 1) - added)[:, 0]
    weights = _float32({"thresholds": _rounded_down(thresholds), "leaves": leaves, "bias": bias})
    return weights | {"columns": torch.from_numpy(columns)}


def _full_tree(
    tree: Any,  # noqa: ANN401 - scikit-learn's, without types
    depth: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a tree of full depth that answers as a tree of scikit-learn does.

    Returns:
        (feature and threshold of each inner node, value of each leaf), level by level.
    """
    nodes = 2**depth - 1
    columns, thresholds = np.zeros(nodes, np.int64), np.zeros(nodes)
    own = [0]  # number in scikit-learn's tree, of every node
    for node in range(nodes):
        left, right = tree.children_left[own[node]], tree.children_right[own[node]]
        if left < 0:  # a leaf: the same on both sides
            left = right = own[node]
        else:
            columns[node], thresholds[node] = tree.feature[own[node]], tree.threshold[own[node]]
        own += [left, right]
    return columns, thresholds, tree.value[own[nodes:], 0, 0]


def _rounded_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above each value: features are float32, too."""
    nearest = values.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > values, below, nearest)


def _float32(arrays: dict[str, NDArray[Any]]) -> Weights:
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


_FITTERS: dict[str, Callable[[Rows, NDArray[np.int64], Model], Weights]] = {
    "logistic_regression": _logistic_regression,
    "svm": _svm,
    "gradient_boosting": _gradient_boosting,
}
