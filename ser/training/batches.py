"""Clips of unlike lengths -> batches: normalised, brought to a length, shuffled, changed, mixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.core.needs import needs_of
from ser.core.sections import Model
from ser.core.typing import FloatArray
from ser.nets.lengths import min_frames, shorten
from ser.nets.normalisation import Statistics, normalise
from ser.training.changes import change

# Batches are cut from so many batches' worth of clips sorted by length, which saves padding.
_POOL = 8
PREDICTED_AT_ONCE = 64  # clips
_ROOM = 1 << 30  # bytes of features kept in memory
_GRAIN = 16  # frames: padded to multiples of these, few shapes of batches are left for a GPU


@dataclass(frozen=True)
class Examples:
    """Clips to train on or to predict.

    Attributes:
        versions: of each clip, one or more float32 [frames, dims]; may be memory-mapped.
            Prediction takes the first, an epoch of training any one of them.
        labels: int64 [clips], the index of each clip's emotion.
        dims: columns of each kind of features, such as {"logmel": 64}.
        statistics: what each clip is normalised by; None: by its own.
        voices: int64 [clips], the number of each clip's speaker, for nets that measure voices;
            None: for others.
    """

    versions: Sequence[Sequence[FloatArray]]
    labels: NDArray[np.int64]
    dims: Mapping[str, int]
    statistics: Sequence[Statistics | None]
    voices: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.versions)


class NormalisedClips:
    """The features of examples, normalised and no longer than a net takes in, on its device.

    They stay there from their first use on if all of them fit: nothing is copied then while a net
    is trained. What does not fit is read and normalised anew each time.
    """

    def __init__(self, examples: Examples, model: Model, device: torch.device) -> None:
        self.examples = examples
        self.model = model
        self.device = device
        self._labels = torch.from_numpy(examples.labels).to(device)
        self._voices: Tensor | None = None
        if examples.voices is not None:
            self._voices = torch.from_numpy(examples.voices).to(device)
        columns = sum(examples.dims.values())
        rows = sum(len(features) for versions in examples.versions for features in versions)
        self._keeps = 4 * columns * rows <= _room(device)
        self._kept: dict[tuple[int, int], Tensor] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def labels_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor]:
        """Return the labels of each batch's clips, int64 [clips], by one copy to the device."""
        return _of_batches(self._labels, batches)

    def voices_of(self, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor | None]:
        """Return the speakers' numbers likewise; None where they are not known."""
        if self._voices is None:
            return [None] * len(batches)
        return _of_batches(self._voices, batches)

    def frames(self, clip: int, version: int = 0) -> int:
        """Count the frames of a clip's version."""
        return len(self.examples.versions[clip][version])

    def features(self, clip: int, version: int = 0) -> Tensor:
        """Return the features of a clip's version: float32 [frames, dims]."""
        if (clip, version) in self._kept:
            return self._kept[clip, version]
        raw = self.examples.versions[clip][version]
        normalised = normalise(raw, self.examples.dims, self.examples.statistics[clip])
        features = torch.from_numpy(shorten(normalised, self.model)).to(self.device)
        if self._keeps:
            self._kept[clip, version] = features
        return features


def _of_batches(values: Tensor, batches: Sequence[NDArray[np.int64]]) -> Sequence[Tensor]:
    positions = torch.from_numpy(np.concatenate(batches))
    own = values[positions.to(values.device, non_blocking=True)]
    return own.split([len(batch) for batch in batches])


def _room(device: torch.device) -> int:
    """Return how many bytes of features may stay on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free // 4  # for the train clips, and as much for the val clips
    return _ROOM


@dataclass(frozen=True)
class Batch:
    """A batch ready for a net.

    Attributes:
        features: float32 [batch, frames, dims], zero beyond each clip's length.
        lengths: int64 [batch].
        labels: int64 [batch].
        mixed_labels: int64 [batch], of the clip that is mixed in.
        weight: of `labels` against `mixed_labels`, 0..1; 1 where nothing is mixed.
        voices: int64 [batch], the number of each clip's speaker; None: not known.
        padded: whether some clip is shorter than the batch.
    """

    features: Tensor
    lengths: Tensor
    labels: Tensor
    mixed_labels: Tensor
    weight: float
    voices: Tensor | None
    padded: bool

    def part(self, rows: slice) -> "Batch":
        """Take some of the clips, padded as they are."""
        return Batch(
            self.features[rows],
            self.lengths[rows],
            self.labels[rows],
            self.mixed_labels[rows],
            self.weight,
            None if self.voices is None else self.voices[rows],
            self.padded,
        )


def epoch_batches(clips: NormalisedClips, key: tuple[int, ...]) -> Iterator[Batch]:
    """Yield an epoch of training batches: every clip once, shuffled, changed and mixed.

    Of each clip a random one of its versions is taken. Clips of similar length share a batch.

    Args:
        clips: to train on; their model says how they are changed and mixed.
        key: of the generators that everything random comes from, such as (seed, fold, epoch).
    """
    if len(clips) == 0:
        return
    model, dims = clips.model, clips.examples.dims
    on_gpu = clips.device.type == "cuda"
    grain = _GRAIN if on_gpu and needs_of(model).blind_to_padding else 1
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
    rows = zip(batches, clips.labels_of(batches), clips.voices_of(batches), strict=True)
    for positions, labels, voices in rows:
        batch = []
        for i in positions.tolist():
            # From 1 on: numpy takes a key that ends in 0 for the same without it, the epoch's own.
            of_clip = np.random.default_rng((*key, 1 + i))
            clip = change(clips.features(i, chosen[i]), dims, model, of_clip)
            batch.append(window(clip, model.frames, of_clip) if model.length == "crop" else clip)
        yield mix(collate(batch, labels, min_frames(model), voices, grain), model.mixup, rng)


def window(features: Tensor, frames: int, rng: np.random.Generator) -> Tensor:
    """Take at most so many neighbouring frames of a clip [n, dims], from a random one on."""
    if len(features) <= frames:
        return features
    start = int(rng.integers(len(features) - frames + 1))
    return features[start : start + frames]


def count_batches(clips: int, batch_size: int) -> int:
    """Count an epoch's batches: a single clip left over joins the batch before it.

    Batch norms cannot learn from one clip.
    """
    lone = batch_size > 1 and clips % batch_size == 1 and clips > 1
    return -(-clips // batch_size) - lone


def in_order(
    clips: NormalisedClips, batch_size: int = PREDICTED_AT_ONCE
) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """Yield batches for prediction with the positions of their clips; nothing is random.

    Clips are taken by length, so that little is padded.
    """
    if len(clips) == 0:
        return
    order = np.argsort([clips.frames(i) for i in range(len(clips))], kind="stable")
    batches = np.split(order, range(batch_size, len(order), batch_size))
    rows = zip(batches, clips.labels_of(batches), clips.voices_of(batches), strict=True)
    for positions, labels, voices in rows:
        batch = [clips.features(i) for i in positions.tolist()]
        yield positions, collate(batch, labels, min_frames(clips.model), voices)


def collate(
    clips: Sequence[Tensor],
    labels: Tensor,
    shortest: int,
    voices: Tensor | None = None,
    grain: int = 1,
) -> Batch:
    """Stack clips [frames, dims], zeros behind those shorter than the longest.

    Args:
        clips: at least one.
        labels: int64 [clips].
        shortest: frames that a clip has at least; if not, zeros count as its own.
        voices: int64 [clips]; None: not known.
        grain: several clips are padded to a multiple of so many frames.
    """
    device = clips[0].device
    lengths = [max(len(clip), shortest) for clip in clips]
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
        alpha: of the beta distribution of the weight; 0: nothing is mixed.
        rng: where the weight and the pairs come from.
    """
    if alpha == 0 or len(batch.labels) == 1:
        return batch
    weight = float(rng.beta(alpha, alpha))
    other = torch.from_numpy(rng.permutation(len(batch.labels)))
    other = other.to(batch.features.device, non_blocking=True)
    return replace(
        batch,
        features=weight * batch.features + (1 - weight) * batch.features[other],
        lengths=torch.maximum(batch.lengths, batch.lengths[other]),
        mixed_labels=batch.labels[other],
        weight=weight,
    )
