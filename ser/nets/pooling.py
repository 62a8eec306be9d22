"""Channels of frames -> one row of numbers about the clip, over the frames that a mask takes.

All functions take channels float32 [batch, channels, frames] and masks bool [batch, frames]; what
is not in the mask changes nothing.
"""

import numpy as np
import torch
from torch import Tensor

PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BEYOND = 1e9  # larger than any value of a channel
_TINY = 1e-6  # below any variance that says something; keeps roots from an endless slope


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average each channel: [batch, channels]; 0 where the mask takes nothing."""
    return torch.bmm(x, _weights(mask)[:, :, None])[:, :, 0]


def statistics(x: Tensor, *masks: Tensor, relative: bool = False) -> Tensor:
    """Compute mean, deviation, five percentiles and movement of each channel over each mask.

    Mean and deviation as in statistics pooling (Snyder et al.: X-vectors, ICASSP 2018). Movement is
    the mean size and the deviation of steps over two frames, where they and the one between count.

    Args:
        x: the channels.
        masks: of the frames.
        relative: whether percentiles are measured against the mean.

    Returns:
        [batch, masks * 9 * channels], one mask after the other.
    """
    frames = torch.stack([_weights(mask) for mask in masks], dim=2)
    inside = torch.stack([_weights(m[:, 2:] & m[:, 1:-1] & m[:, :-2]) for m in masks], dim=2)
    # Once for all masks: deviations are taken around the first one's mean, and moved to each one's.
    first = mean(x, masks[0])[:, :, None]
    centred = x - first
    offset = torch.bmm(centred, frames)
    deviation = _root(torch.bmm(centred.square(), frames) - offset.square())
    steps = x[:, :, 2:] - x[:, :, :-2]
    size = torch.bmm(steps.abs(), inside)
    jitter = _root(torch.bmm(steps.square(), inside) - torch.bmm(steps, inside).square())
    parts = []
    for number, mask in enumerate(masks):
        average, ranked = (first + offset)[:, :, number], percentiles(x, mask)
        if relative:
            ranked = ranked - average.repeat_interleave(len(PERCENTILES), dim=1)
        parts += [average, deviation[:, :, number], ranked]
        parts += [size[:, :, number], jitter[:, :, number]]
    return torch.cat(parts, dim=1)


def percentiles(x: Tensor, mask: Tensor) -> Tensor:
    """Compute five percentiles of each channel, between its values as numpy does.

    Returns:
        [batch, 5 * channels], one channel after the other.
    """
    ordered = _sorted(x.masked_fill(~mask[:, None], _BEYOND))
    last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    place = torch.tensor(PERCENTILES, device=x.device) * last
    below = place.long()

    def value(at: Tensor) -> Tensor:
        return ordered.gather(2, at[:, None].expand(-1, x.shape[1], -1))

    low, high = value(below), value(torch.minimum(below + 1, last))
    return (low + (high - low) * (place - below)[:, None]).flatten(1)


def correlations(x: Tensor, mask: Tensor) -> Tensor:
    """Compute Pearson's correlation of each pair of channels: [batch, n * (n - 1) / 2].

    Second-order pooling (Carreira et al.: Semantic segmentation with second-order pooling, ECCV
    2012). A channel that does not vary goes with no other: 0.
    """
    weights = _weights(mask)
    centred = x - mean(x, mask)[:, :, None]
    # Again: the mean over many frames is rounded by more than a channel that does not vary varies.
    centred = centred - mean(centred, mask)[:, :, None]
    unit = centred / _root(mean(centred.square(), mask))[:, :, None]
    products = (unit * weights[:, None]) @ unit.transpose(1, 2)
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    return products[:, rows, columns]


def thirds(x: Tensor, mask: Tensor, relative: bool = False) -> Tensor:
    """Average each channel over each third of the clip, from the mask's first frame to its last.

    Args:
        x: the channels.
        mask: of the frames.
        relative: whether the averages are measured against that of the whole clip.

    Returns:
        [batch, 3 * channels]; a third of which the mask takes nothing is like the whole.
    """
    frame = torch.arange(x.shape[2], device=x.device)
    first = torch.where(mask, frame, x.shape[2]).amin(dim=1, keepdim=True)
    last = torch.where(mask, frame, -1).amax(dim=1, keepdim=True)
    span = (last - first + 1).clamp(min=1)
    third = (frame - first) * 3 // span
    whole = mean(x, mask)
    parts = []
    for number in range(3):
        part = mask & (third == number)
        filled = part.any(dim=1, keepdim=True)
        average = torch.where(filled, mean(x, part), whole)
        parts.append(average - whole if relative else average)
    return torch.cat(parts, dim=1)


def _weights(mask: Tensor) -> Tensor:
    """Share 1 among the frames of a mask: float32 [batch, frames]."""
    taken = mask.float()
    return taken / taken.sum(dim=1, keepdim=True).clamp(min=1)


def _root(x: Tensor) -> Tensor:
    return (x.clamp(min=0) + _TINY).sqrt()


def _sorted(x: Tensor) -> Tensor:
    """Sort each channel's values, the lowest first."""
    if x.device.type != "cpu" or torch.compiler.is_exporting():
        return x.sort(dim=2).values
    # numpy's sort uses the processor's vector units, and takes a quarter of the time.
    values = x.detach().numpy()
    if not x.requires_grad:
        return torch.from_numpy(np.sort(values, axis=2))
    return x.gather(2, torch.from_numpy(np.argsort(values, axis=2)))
