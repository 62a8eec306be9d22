"""Balance emotions with unequal numbers of train clips, by more clips or by weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser.core.errors import UserError
from ser.core.sections import Model
from ser.core.typing import FloatArray
from ser.nets.lengths import fit_length
from ser.nets.normalisation import identity_statistics, normalise
from ser.training.batches import Examples

NEIGHBOURS = 5  # nearest neighbours for smote and adasyn, the default of both


def loss_weights(examples: Examples, model: Model) -> FloatArray | None:
    """Compute what the loss of each example is multiplied by in training.

    The examples' own weights are scaled to a mean of 1, which preserves the scale of the loss. With
    model.balance class_weights, those of each emotion are scaled once more, so that their sum is
    the same for all emotions.

    Args:
        examples: to train on, with the weights of their clips.
        model: its balance is used.

    Returns:
        float32 [clips]; None if all are 1.
    """
    weights = examples.loss_weights
    if weights is not None:
        weights = weights / weights.mean()
    if model.balance != "class_weights":
        return weights
    of_emotion = class_weights(examples.labels, weights)[examples.labels]
    return of_emotion if weights is None else weights * of_emotion


def class_weights(labels: NDArray[np.int64], weights: FloatArray | None = None) -> FloatArray:
    """Compute weights that make all emotions count equally: clips / (emotions * clips of each).

    Args:
        labels: int64 [clips].
        weights: float32 [clips], how much each clip counts, with a mean of 1; None: each is 1.

    Returns:
        float32 [emotions], up to the last of the labels; the mean over the clips is 1.

    >>> class_weights(np.array([0, 0, 0, 1])).round(3)
    array([0.667, 2.   ], dtype=float32)
    """
    counts = np.bincount(labels, weights)
    there = counts > 0
    shares = len(labels) / (np.count_nonzero(there) * np.where(there, counts, 1))
    return shares.astype(np.float32)


def balance(
    examples: Examples, emotions: Sequence[str], model: Model, rng: np.random.Generator
) -> Examples:
    """Add examples of the rarer emotions until each has as many as the commonest.

    upsample repeats clips, all clips of an emotion about equally often. smote (Chawla et al., JAIR
    16, 2002) and adasyn (He et al., IJCNN 2008) interpolate between neighbours of the same emotion.
    adasyn adds more clips near those of other emotions, so the numbers match only approximately.
    Both use normalised features of one length, and the first version of each clip. none and
    class_weights add nothing. Clips are counted whatever their weights; a repeated clip keeps its
    weight and its ratings, and a clip that is made between others has no ratings.

    Args:
        examples: the train clips of a fold.
        emotions: names of the labels, for errors.
        model: balance, length and frames.
        rng: chooses the clips to repeat or the neighbours.

    Raises:
        UserError: an emotion has too few clips for smote or adasyn.
    """
    counts = np.bincount(examples.labels, minlength=len(emotions))
    if model.balance == "upsample":
        return _repeat(examples, counts, rng)
    if model.balance in ("smote", "adasyn"):
        return _interpolate(examples, emotions, counts, model, rng)
    return examples


def _repeat(examples: Examples, counts: NDArray[np.int64], rng: np.random.Generator) -> Examples:
    chosen = list(range(len(examples)))
    for label in np.flatnonzero(counts):
        places = np.flatnonzero(examples.labels == label)
        rounds = [rng.permutation(places) for _ in range(-(-int(counts.max()) // len(places)))]
        chosen += np.concatenate(rounds)[: counts.max() - len(places)].tolist()
    return Examples(
        [examples.versions[i] for i in chosen],
        examples.labels[chosen],
        examples.dims,
        [examples.statistics[i] for i in chosen],
        None if examples.voices is None else examples.voices[chosen],
        None if examples.loss_weights is None else examples.loss_weights[chosen],
        None if examples.ratings is None else examples.ratings[chosen],
    )


def _interpolate(
    examples: Examples,
    emotions: Sequence[str],
    counts: NDArray[np.int64],
    model: Model,
    rng: np.random.Generator,
) -> Examples:
    few = [label for label, n in enumerate(counts.tolist()) if 0 < n <= NEIGHBOURS]
    if few:
        raise UserError(
            f"model.balance {model.balance} makes clips between one and its {NEIGHBOURS} nearest "
            f"of the same emotion, so each needs {NEIGHBOURS + 1} clips to train on; "
            + ", ".join(f"{emotions[label]} has {counts[label]}" for label in few)
            + ": model.balance upsample or class_weights takes any number"
        )
    flat = np.stack(
        [
            fit_length(normalise(np.asarray(versions[0]), examples.dims, statistics), model).ravel()
            for versions, statistics in zip(examples.versions, examples.statistics, strict=True)
        ]
    )
    made: list[FloatArray] = []
    labels: list[int] = []
    for label in np.flatnonzero(counts):
        seed = int(rng.integers(2**32))
        for row in _synthesise(flat, examples.labels, int(label), int(counts.max()), model, seed):
            made.append(row.reshape(model.frames, -1))
            labels.append(int(label))
    return Examples(
        [*examples.versions, *([array] for array in made)],
        np.concatenate([examples.labels, np.array(labels, dtype=np.int64)]),
        examples.dims,
        [*examples.statistics, *(identity_statistics(examples.dims) for _ in made)],
        ratings=None
        if examples.ratings is None
        else np.pad(examples.ratings, ((0, len(made)), (0, 0)), constant_values=np.nan),
    )


def _synthesise(
    flat: FloatArray, labels: NDArray[np.int64], label: int, wanted: int, model: Model, seed: int
) -> FloatArray:
    """Make new rows of one label until there are about `wanted`: float32 [new, values]."""
    # Imported only here: it takes a second, and other ways of balancing do not need it.
    from imblearn.over_sampling import ADASYN, SMOTE

    sampler = (
        SMOTE(sampling_strategy={label: wanted}, k_neighbors=NEIGHBOURS, random_state=seed)
        if model.balance == "smote"
        else ADASYN(sampling_strategy={label: wanted}, n_neighbors=NEIGHBOURS, random_state=seed)
    )
    if wanted == np.count_nonzero(labels == label):
        return flat[:0]
    try:
        resampled, _ = sampler.fit_resample(flat, labels)
    except (ValueError, RuntimeError) as error:
        # ADASYN distributes new rows by difficulty, and rounds; few rows may round to none.
        if model.balance == "adasyn" and "No samples will be generated" in str(error):
            return flat[:0]
        raise UserError(
            f"model.balance {model.balance} found no new clips ({error}): model.balance upsample "
            "or class_weights takes any clips"
        ) from None
    new: FloatArray = resampled[len(flat) :].astype(np.float32)
    return new
