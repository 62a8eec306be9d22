"""Make batches of clips of different lengths: normalise, fit lengths, shuffle, change, mix."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.core.needs import needs_of
from ser.core.sections import Model
from ser.core.store import ArraySlice
from ser.core.typing import FloatArray
from ser.nets.lengths import min_frames, shorten
from ser.nets.normalisation import Statistics, normalise
from ser.training.changes import change
from ser.training.devices import records_steps

# Clips are sorted by length within pools of this many batches, which saves padding.
_POOL = 8
PREDICTED_AT_ONCE = 64  # clips of a batch for prediction
_ROOM = 1 << 26  # bytes of features kept in memory
_GRAIN = 16  # frames; padding to multiples of it leaves few shapes of batches to record


@dataclass(frozen=True)
class Examples:
    """Clips for training or prediction.

    Attributes:
        versions: for each clip, one or more float32 [frames, dims], or where they are stored.
            Prediction uses the first, an epoch of training a random one.
        labels: int64 [clips], the index of each clip's emotion.
        dims: columns of each kind of features, such as {"logmel": 64}.
        statistics: those by which each clip is normalised; None: its own.
        voices: int64 [clips], the number of each clip's speaker, for nets that measure voices;
            None for other nets.
        loss_weights: float32 [clips], what the loss of each clip is multiplied by; None: 1.
        ratings: float32 [clips, dimensions], arousal and valence in 0..1 for nets that learn them,
            NaN for a clip that was not rated; None for other nets.
    """

    versions: Sequence[Sequence[FloatArray | ArraySlice]]
    labels: NDArray[np.int64]
    dims: Mapping[str, int]
    statistics: Sequence[Statistics | None]
    voices: NDArray[np.int64] | None = None
    loss_weights: NDArray[np.float32] | None = None
    ratings: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.versions)


class NormalisedClips:
    """The features of examples, normalised and shortened to what a net accepts, on its device.

    If all of them fit, they stay there after their first use, so that training copies nothing.
    Otherwise they are read and normalised again on each use.
    """

    def __init__(self, examples: Examples, model: Model, device: torch.device) -> None:
        self.examples = examples
        self.model = model
        self.device = device
        self._labels = torch.from_numpy(examples.labels).to(device)
        self._voices = _on_device(examples.voices, device)
        self._loss_weights = _on_device(examples.loss_weights, device)
        self._ratings = _on_device(examples.ratings, device)
        columns = sum(examples.dims.values())
        rows = sum(len(features) for versions in examples.versions for features in versions)
        self._keeps = 4 * columns * rows <= _room(device)
        self._kept: dict[tuple[int, int], Tensor] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def labels_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor]:
        """Return the labels of each batch, int64 [clips], with a single copy to the device."""
        return _split_by_batch(self._labels, batches)

    def voices_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor | None]:
        """Return the speakers' numbers of each batch in the same way; None if they are not used."""
        return _split_if_any(self._voices, batches)

    def loss_weights_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor | None]:
        """Return the weights of each batch's losses in the same way; None if all are 1."""
        return _split_if_any(self._loss_weights, batches)

    def ratings_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor | None]:
        """Return the ratings of each batch in the same way; None if they are not learned."""
        return _split_if_any(self._ratings, batches)

    def frames(self, clip: int, version: int = 0) -> int:
        """Count the frames of a clip's version before it is shortened."""
        return len(self.examples.versions[clip][version])

    def features(self, clip: int, version: int = 0) -> Tensor:
        """Return the features of a clip's version: float32 [frames, dims]."""
        if (clip, version) in self._kept:
            return self._kept[clip, version]
        raw = np.asarray(self.examples.versions[clip][version])
        normalised = normalise(raw, self.examples.dims, self.examples.statistics[clip])
        features = torch.from_numpy(shorten(normalised, self.model)).to(self.device)
        if self._keeps:
            self._kept[clip, version] = features
        return features


def _on_device(values: NDArray[Any] | None, device: torch.device) -> Tensor | None:
    return None if values is None else torch.from_numpy(values).to(device)


def _split_if_any(
    values: Tensor | None, batches: Sequence[NDArray[np.int64]]
) -> Sequence[Tensor | None]:
    return [None] * len(batches) if values is None else _split_by_batch(values, batches)


def _split_by_batch(values: Tensor, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor]:
    positions = torch.from_numpy(np.concatenate(batches))
    own = values[positions.to(values.device, non_blocking=True)]
    parts: Sequence[Tensor] = own.split([len(batch) for batch in batches])
    return parts


def _room(device: torch.device) -> int:
    """Return how many bytes of features may stay on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free // 4  # for the train clips; the val clips get the same
    return _ROOM


@dataclass(frozen=True)
class Batch:
    """A batch ready for a net.

    Attributes:
        features: float32 [batch, frames, dims], zero beyond each clip's length.
        lengths: int64 [batch].
        labels: int64 [batch].
        mixed_labels: int64 [batch], labels of the clips mixed in.
        weight: of `labels`, 0..1, that of `mixed_labels` is 1 - weight; 1 without mixing.
        voices: int64 [batch], the number of each clip's speaker; None if not used.
        padded: whether any clip is shorter than the batch.
        loss_weights: float32 [batch], what the loss of each of `labels` is multiplied by; None: 1.
        mixed_loss_weights: the same of `mixed_labels`.
        ratings: float32 [batch, dimensions], of the mixed clips, NaN where one of them was not
            rated; None for nets that do not learn any.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    mixed_labels: Tensor
    weight: float
    voices: Tensor | None
    padded: bool
    loss_weights: Tensor | None = None
    mixed_loss_weights: Tensor | None = None
    ratings: Tensor | None = None

    def part(self, rows: slice) -> "Batch":
        """Return some of the clips, with their padding."""
        return Batch(
            self.features[rows],
            self.lengths[rows],
            self.labels[rows],
            self.mixed_labels[rows],
            self.weight,
            None if self.voices is None else self.voices[rows],
            self.padded,
            loss_weights=None if self.loss_weights is None else self.loss_weights[rows],
            mixed_loss_weights=(
                None if self.mixed_loss_weights is None else self.mixed_loss_weights[rows]
            ),
            ratings=None if self.ratings is None else self.ratings[rows],
        )


def epoch_batches(clips: NormalisedClips, key: tuple[int, ...]) -> Iterator[Batch]:
    """Yield an epoch of training batches: every clip once, shuffled, changed and mixed.

    A random version of each clip is used. Clips of similar length share a batch.

    Args:
        clips: the train clips; their model's settings decide how they are changed and mixed.
        key: seed of all random generators, such as (seed, fold, epoch).
    """
    if len(clips) == 0:
        return
    model, dims = clips.model, clips.examples.dims
    recorded = records_steps(clips.device)
    grain = _GRAIN if recorded and needs_of(model).blind_to_padding else 1
    rng = np.random.default_rng(key)
    chosen = [int(rng.integers(len(versions))) for versions in clips.examples.versions]
    lengths = np.array([clips.frames(i, version) for i, version in enumerate(chosen)])
    order = rng.permutation(len(clips))
    pool = _POOL * model.batch_size
    sorted_order = np.concatenate(
        [
            part[np.argsort(lengths[part], kind="stable")]
            for part in np.split(order, range(pool, len(order), pool))
        ]
    )
    cuts = [i * model.batch_size for i in range(1, count_batches(len(order), model.batch_size))]
    in_length_order = np.split(sorted_order, cuts)
    batches = [in_length_order[i] for i in rng.permutation(len(in_length_order))]
    rows = zip(
        batches,
        clips.labels_of(batches),
        clips.voices_of(batches),
        clips.loss_weights_of(batches),
        clips.ratings_of(batches),
        strict=True,
    )
    for positions, labels, voices, weights, ratings in rows:
        batch = []
        for i in positions.tolist():
            # Not i: numpy ignores a 0 at the end of a key, and clip 0 would get the epoch's own.
            clip_rng = np.random.default_rng((*key, 1 + i))
            clip = change(clips.features(i, chosen[i]), dims, model, clip_rng)
            batch.append(window(clip, model.frames, clip_rng) if model.length == "crop" else clip)
        whole = collate(batch, labels, min_frames(model), voices, grain)
        told = replace(whole, loss_weights=weights, mixed_loss_weights=weights, ratings=ratings)
        yield mix(told, model.mixup, rng)


def window(features: Tensor, frames: int, rng: np.random.Generator) -> Tensor:
    """Return a random window of at most `frames` neighbouring frames of a clip [n, dims]."""
    if len(features) <= frames:
        return features
    start = int(rng.integers(len(features) - frames + 1))
    return features[start : start + frames]


def count_batches(clips: int, batch_size: int) -> int:
    """Count an epoch's batches; a single remaining clip joins the last batch.

    Batch norms cannot learn from one clip.

    >>> count_batches(10, 4), count_batches(9, 4)
    (3, 2)
    """
    lone = batch_size > 1 and clips % batch_size == 1 and clips > 1
    return -(-clips // batch_size) - lone


def in_order(
    clips: NormalisedClips, batch_size: int = PREDICTED_AT_ONCE
) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """Yield batches for prediction with the positions of their clips; nothing is random.

    Clips are sorted by length to save padding. The longest batch comes first: the next one then
    fits where it was in memory.
    """
    if len(clips) == 0:
        return
    order = np.argsort([clips.frames(i) for i in range(len(clips))], kind="stable")
    batches = np.split(order, range(batch_size, len(order), batch_size))[::-1]
    rows = zip(
        batches,
        clips.labels_of(batches),
        clips.voices_of(batches),
        clips.ratings_of(batches),
        strict=True,
    )
    for positions, labels, voices, ratings in rows:
        batch = [clips.features(i) for i in positions.tolist()]
        whole = collate(batch, labels, min_frames(clips.model), voices)
        yield positions, replace(whole, ratings=ratings)


def collate(
    clips: Sequence[Tensor],
    labels: Tensor,
    min_length: int,
    voices: Tensor | None = None,
    grain: int = 1,
) -> Batch:
    """Stack clips [frames, dims], padded with zeros to the longest.

    Args:
        clips: at least one.
        labels: int64 [clips].
        min_length: shorter clips are padded to it, and this padding counts as their own frames.
        voices: int64 [clips]; None: not known.
        grain: a batch of several clips is padded to a multiple of this many frames.
    """
    device = clips[0].device
    lengths = [max(len(clip), min_length) for clip in clips]
    frames = max(lengths) if len(clips) == 1 else -(-max(lengths) // grain) * grain
    padded = min(lengths) < frames
    if padded:
        on_device = torch.tensor(lengths).to(device, non_blocking=True)
    else:
        on_device = torch.full((len(clips),), frames, device=device)
    if len(clips) == 1 and len(clips[0]) == frames:
        features = clips[0][None]
    else:
        features = clips[0].new_zeros(len(clips), frames, clips[0].shape[1])
        for row, clip in zip(features, clips, strict=True):
            row[: len(clip)] = clip
    return Batch(features, on_device, labels, labels, 1.0, voices, padded)


def mix(batch: Batch, alpha: float, rng: np.random.Generator) -> Batch:
    """Mix each clip with another of its batch (mixup).

    Zhang et al.: mixup: Beyond empirical risk minimization, ICLR 2018.

    Args:
        batch: of unmixed clips.
        alpha: parameter of the weight's beta distribution; 0: nothing is mixed.
        rng: chooses the weight and the pairs.
    """
    if alpha == 0 or len(batch.labels) == 1:
        return batch
    weight = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(batch.labels)))
    other = other.to(batch.features.device, non_blocking=True)
    ratings = batch.ratings
    return replace(
        batch,
        features=weight * batch.features + (1 - weight) * batch.features[other],
        lengths=torch.maximum(batch.lengths, batch.lengths[other]),
        mixed_labels=batch.labels[other],
        mixed_loss_weights=None if batch.loss_weights is None else batch.loss_weights[other],
        weight=weight,
        ratings=None if ratings is None else weight * ratings + (1 - weight) * ratings[other],
    )
