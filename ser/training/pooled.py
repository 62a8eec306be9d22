"""Measure means and deviations for nets that standardise what they pool."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.nets.standardising import StandardisingNet
from ser.training.batches import NormalisedClips, in_order


def measure_pooled(net: nn.Module, clips: NormalisedClips | None) -> None:
    """Measure what a fresh net pools from clips; does nothing for other nets, without clips."""
    if isinstance(net, StandardisingNet) and clips is not None:
        net.measure(_pooled(net, clips)[0])


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
        pooled, voices = _pooled(net, clips)
        net.measure_voices(pooled, voices)
        if new_voices is not None:
            net.measure(pooled[torch.isin(voices, torch.from_numpy(new_voices).to(voices.device))])


def _pooled(net: StandardisingNet, clips: NormalisedClips) -> tuple[Tensor, Tensor]:
    """Pool all clips: [clips, pooled]; return these and the clips' voices [clips]."""
    rows, voices = [], []
    with torch.no_grad():
        for _, batch in in_order(clips):
            rows.append(net.pool(batch.features, batch.lengths))
            voices.append(torch.zeros_like(batch.labels) if batch.voices is None else batch.voices)
    return torch.cat(rows), torch.cat(voices)
