"""Clips of unlike lengths -> batches: normalised, brought to a length, shuffled, masked, mixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.arrays import FloatArray
from ser.columns import mel_columns
from ser.models import min_frames
from ser.normalisation import Statistics, normalise
from ser.params import Model

# Batches are cut from so many batches' worth of clips sorted by length, which saves padding.
_POOL = 8


@dataclass(frozen=True)
class Examples:
    """Clips to train on or to predict.

    Attributes:
        versions: of each clip, one or more float32 [frames, dims]; may be memory-mapped.
            Prediction takes the first, an epoch of training any one of them.
        labels: int64 [clips], the index of each clip's emotion.
        dims: columns of each kind of features, such as {"logmel": 64}.
        statistics: what each clip is normalised by; None: by its own.
    """

    versions: Sequence[Sequence[FloatArray]]
    labels: NDArray[np.int64]
    dims: Mapping[str, int]
    statistics: Sequence[Statistics | None]

    def __len__(self) -> int:
        return len(self.versions)


@dataclass(frozen=True)
class Batch:
    """A batch ready for a net.

    Attributes:
        features: float32 [batch, frames, dims], zero beyond each clip's length.
        lengths: int64 [batch].
        labels: int64 [batch].
        mixed_labels: int64 [batch], of the clip that is mixed in.
        weight: of `labels` against `mixed_labels`, 0..1; 1 where nothing is mixed.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    mixed_labels: Tensor
    weight: float

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device."""
        return Batch(
            self.features.to(device),
            self.lengths.to(device),
            self.labels.to(device),
            self.mixed_labels.to(device),
            self.weight,
        )


def fit_length(
    features: FloatArray, length: str, frames: int, rng: np.random.Generator | None
) -> FloatArray:
    """Bring normalised features to a length.

    Args:
        features: float32 [n, dims].
        length: own: as it is; pad: zeros behind, or cut off at the end; resize: zeros behind, or
            linear interpolation down to it; crop: a window of at most `frames`, at random where
            there is an `rng`, else the whole clip.
        frames: the length for all but own.
        rng: for the random window in training.

    Returns:
        float32 [frames or n, dims].
    """
    n = len(features)
    if length == "own":
        return features
    if length == "crop":
        if rng is None or n <= frames:
            return features
        start = int(rng.integers(n - frames + 1))
        return features[start : start + frames]
    if n > frames and length == "resize":
        steps = torch.nn.functional.interpolate(
            torch.from_numpy(features.T[None]), size=frames, mode="linear", align_corners=False
        )
        return steps[0].numpy().T
    return np.pad(features[:frames], ((0, max(0, frames - n)), (0, 0)))


def epoch_batches(examples: Examples, model: Model, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield an epoch of training batches: every clip once, shuffled, masked and mixed.

    Of each clip a random one of its versions is taken. Clips of similar length share a batch.
    Everything random comes from `rng`.
    """
    if len(examples) == 0:
        return
    chosen = [versions[int(rng.integers(len(versions)))] for versions in examples.versions]
    lengths = np.array([len(features) for features in chosen])
    order = rng.permutation(len(examples))
    pool = _POOL * model.batch_size
    sorted_order = np.concatenate(
        [
            part[np.argsort(lengths[part], kind="stable")]
            for part in np.split(order, range(pool, len(order), pool))
        ]
    )
    cuts = [i * model.batch_size for i in range(1, count_batches(len(order), model.batch_size))]
    batches = np.split(sorted_order, cuts)
    for i in rng.permutation(len(batches)):
        clips = []
        for j in batches[i]:
            clip = normalise(chosen[j], examples.dims, examples.statistics[j])
            clip = fit_length(clip, model.length, model.frames, rng)
            clips.append(mask(clip, examples.dims, model.frequency_mask, model.time_mask, rng))
        batch = collate(clips, examples.labels[batches[i]], min_frames(model.name))
        yield mix(batch, model.mixup, rng)


def count_batches(clips: int, batch_size: int) -> int:
    """Count an epoch's batches: a single clip left over joins the batch before it.

    Batch norms cannot learn from one clip.
    """
    lone = batch_size > 1 and clips % batch_size == 1 and clips > 1
    return -(-clips // batch_size) - lone


def in_order(examples: Examples, model: Model) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """Yield batches for prediction with the positions of their clips; nothing is random.

    Clips are taken by length, so that little is padded.
    """
    if len(examples) == 0:
        return
    order = np.argsort([len(versions[0]) for versions in examples.versions], kind="stable")
    for positions in np.split(order, range(model.batch_size, len(order), model.batch_size)):
        clips = []
        for j in positions:
            clip = normalise(examples.versions[j][0], examples.dims, examples.statistics[j])
            clips.append(fit_length(clip, model.length, model.frames, None))
        yield positions, collate(clips, examples.labels[positions], min_frames(model.name))


def collate(clips: Sequence[FloatArray], labels: NDArray[np.int64], least: int) -> Batch:
    """Stack clips [frames, dims], padded with zeros to the longest of them, at least to `least`."""
    lengths = [max(len(clip), least) for clip in clips]
    features = np.zeros((len(clips), max(lengths), clips[0].shape[1]), dtype=np.float32)
    for row, clip in zip(features, clips, strict=True):
        row[: len(clip)] = clip
    targets = torch.from_numpy(labels)
    return Batch(torch.from_numpy(features), torch.tensor(lengths), targets, targets, 1.0)


def mask(
    features: FloatArray,
    dims: Mapping[str, int],
    widest: int,
    longest: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Hide one band of mel bands and one run of frames, at random (SpecAugment).

    Park et al.: SpecAugment, Interspeech 2019. What is hidden becomes 0, the clip's mean.

    Args:
        features: normalised, float32 [frames, dims].
        dims: columns of each kind.
        widest: most mel bands hidden, 0: none.
        longest: most frames hidden, 0: none; never more than half the clip.
        rng: where the widths and places come from.
    """
    features = features.copy()
    if widest > 0:
        bands = features[:, mel_columns(dims)]
        start, stop = _run(rng, bands.shape[1], widest)
        bands[:, start:stop] = 0
    if longest > 0:
        start, stop = _run(rng, len(features), min(longest, len(features) // 2))
        features[start:stop] = 0
    return features


def _run(rng: np.random.Generator, size: int, longest: int) -> tuple[int, int]:
    """Draw a run of 0 to `longest` neighbours among `size`."""
    length = int(rng.integers(min(longest, size) + 1))
    start = int(rng.integers(size - length + 1))
    return start, start + length


def mix(batch: Batch, alpha: float, rng: np.random.Generator) -> Batch:
    """Mix each clip with another of its batch (mixup).

    Zhang et al.: mixup: Beyond empirical risk minimization, ICLR 2018.

    Args:
        batch: of unmixed clips.
        alpha: of the beta distribution of the weight; 0: nothing is mixed.
        rng: where the weight and the pairs come from.
    """
    if alpha == 0 or len(batch.labels) == 1:
        return batch
    weight = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(batch.labels)))
    return Batch(
        weight * batch.features + (1 - weight) * batch.features[other],
        torch.maximum(batch.lengths, batch.lengths[other]),
        batch.labels,
        batch.labels[other],
        weight,
    )
