"""Measure means and deviations for nets that standardise what they pool."""

from collections.abc import Iterator
from functools import reduce
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.nets.standardising import StandardisingNet
from ser.training.batches import Batch, NormalisedClips, in_order

# Batches whose pooled vectors are held at once: 1024 clips, for statpool 9 MB.
_HELD = 16


class Moments(NamedTuple):
    """Number of pooled vectors, their mean and their standard deviation, float32 [pooled]."""

    clips: int
    mean: Tensor
    deviation: Tensor


def measure_pooled(net: nn.Module, clips: NormalisedClips | None) -> None:
    """Measure what a fresh net pools from clips; does nothing for other nets, without clips."""
    if isinstance(net, StandardisingNet) and clips is not None:
        found = _moments(net, clips, by_voice=False)
        net.standardise_by(found[0].mean, found[0].deviation)


def measure_voices(
    net: nn.Module,
    clips: NormalisedClips | None,
    new_voices: NDArray[np.int64] | None = None,
) -> None:
    """Measure what a net pools from each voice's clips, with its current weights.

    Args:
        net: without pooled values to standardise, nothing is done.
        clips: of all voices.
        new_voices: numbers of the voices by whose clips new recordings are to be standardised;
            None: that stays as it is.
    """
    if (
        isinstance(net, StandardisingNet)
        and clips is not None
        and clips.examples.voices is not None
    ):
        found = _moments(net, clips, by_voice=True)
        voices = [moments for _, moments in sorted(found.items())]
        net.standardise_voices_by(
            torch.stack([one.mean for one in voices]), torch.stack([o.deviation for o in voices])
        )
        if new_voices is not None:
            together = reduce(merge, [found[voice] for voice in new_voices.tolist()])
            net.standardise_by(together.mean, together.deviation)


@torch.no_grad()
def _moments(net: StandardisingNet, clips: NormalisedClips, by_voice: bool) -> dict[int, Moments]:
    """Pool all clips; return the moments of each voice, or of all clips as voice 0."""
    found: dict[int, Moments] = {}
    for pooled, voices in _pooled(net, clips):
        groups = voices if by_voice else torch.zeros_like(voices)
        for voice in groups.unique().tolist():
            own = pooled[groups == voice] if by_voice else pooled
            new = Moments(len(own), own.mean(dim=0), own.std(dim=0, correction=0))
            found[voice] = merge(found[voice], new) if voice in found else new
    return found


def _pooled(net: StandardisingNet, clips: NormalisedClips) -> Iterator[tuple[Tensor, Tensor]]:
    """Pool all clips; yield the vectors [clips, pooled] and voices [clips] of some at a time."""
    pooled = (_pool(net, batch) for _, batch in in_order(clips))
    while some := list(islice(pooled, _HELD)):
        # In the order of length, as the sums of up to _HELD batches always were.
        vectors, voices = zip(*some[::-1], strict=True)
        yield torch.cat(vectors), torch.cat(voices)


def _pool(net: StandardisingNet, batch: Batch) -> tuple[Tensor, Tensor]:
    voices = torch.zeros_like(batch.labels) if batch.voices is None else batch.voices
    return net.pool(batch.features, batch.lengths), voices


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of two sets of vectors together.

    Chan, Golub, LeVeque: Algorithms for computing the sample variance, The American Statistician
    37(3), 1983.
    """
    clips = a.clips + b.clips
    step = b.mean - a.mean
    within = (a.clips * a.deviation.square() + b.clips * b.deviation.square()) / clips
    between = step.square() * (a.clips * b.clips / clips**2)
    return Moments(clips, a.mean + step * (b.clips / clips), (within + between).sqrt())
