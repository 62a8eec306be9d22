"""Pool channels over the frames of a mask into one vector per clip.

All functions take channels float32 [batch, channels, frames] and masks bool [batch, frames]. Frames
outside the mask have no effect.
"""

import numpy as np
import torch
from torch import Tensor

from ser.nets.layers import is_exporting

PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_INFINITY = 1e9  # larger than any value of a channel
_TINY = 1e-6  # below any meaningful variance; keeps the gradients of roots finite


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean of each channel: [batch, channels]; 0 for an empty mask."""
    return torch.bmm(x, _weights(mask)[:, :, None])[:, :, 0]


def statistics(x: Tensor, *masks: Tensor, relative: bool = False) -> Tensor:
    """Compute mean, deviation, five percentiles and movement of each channel over each mask.

    Mean and deviation as in statistics pooling (Snyder et al.: X-vectors, ICASSP 2018). Movement is
    the mean size and the deviation of steps over two frames, with all three frames in the mask.

    Args:
        x: the channels.
        masks: of the frames.
        relative: whether percentiles are relative to the mean.

    Returns:
        [batch, masks * 9 * channels], one mask after the other.
    """
    frames = torch.stack([_weights(mask) for mask in masks], dim=2)
    inside = torch.stack([_weights(m[:, 2:] & m[:, 1:-1] & m[:, :-2]) for m in masks], dim=2)
    # For all masks at once: centred at the first mask's mean, then corrected to each mask's own.
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
    """Compute five percentiles of each channel, interpolated as numpy does.

    Returns:
        [batch, 5 * channels], one channel after the other.
    """
    last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    # A tensor of the shares would be copied to a GPU on each call.
    place = torch.cat([last * share for share in PERCENTILES], dim=1)
    below = place.long()
    low, high = _at_ranks(x, mask, below, torch.minimum(below + 1, last))
    return (low + (high - low) * (place - below)[:, None]).flatten(1)


def correlations(x: Tensor, mask: Tensor) -> Tensor:
    """Compute Pearson's correlation of each pair of channels: [batch, n * (n - 1) / 2].

    Second-order pooling (Carreira et al.: Semantic segmentation with second-order pooling, ECCV
    2012). A constant channel has the correlation 0 with every other.
    """
    weights = _weights(mask)
    centred = x - mean(x, mask)[:, :, None]
    # Centred again, because rounding of the mean would look like variation of a constant channel.
    centred = centred - mean(centred, mask)[:, :, None]
    unit = centred / _root(mean(centred.square(), mask))[:, :, None]
    products = (unit * weights[:, None]) @ unit.transpose(1, 2)
    n = x.shape[1]
    if is_exporting():  # ONNX has no such indices
        return torch.cat([products[:, row, row + 1 :] for row in range(n - 1)], dim=1)
    rows, columns = torch.triu_indices(n, n, 1, device=x.device)
    if _indexes_slowly(products):
        return take(products.flatten(1), rows * n + columns)
    return products[:, rows, columns]


def thirds(x: Tensor, mask: Tensor, relative: bool = False) -> Tensor:
    """Compute each channel's mean over each third, from the mask's first frame to its last.

    Args:
        x: the channels.
        mask: of the frames.
        relative: whether the means are relative to that of the whole clip.

    Returns:
        [batch, 3 * channels]; a third without frames of the mask gets the mean of the whole clip.
    """
    frame = torch.arange(x.shape[2], device=x.device)
    # torch.where would copy a number to the GPU and wait for it.
    taken = frame.expand_as(mask)
    first = taken.masked_fill(~mask, x.shape[2]).amin(dim=1, keepdim=True)
    last = taken.masked_fill(~mask, -1).amax(dim=1, keepdim=True)
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
    """Return equal weights for the frames of a mask, of sum 1: float32 [batch, frames]."""
    taken = mask.float()
    return taken / taken.sum(dim=1, keepdim=True).clamp(min=1)


def _root(x: Tensor) -> Tensor:
    return (x.clamp(min=0) + _TINY).sqrt()


def _at_ranks(x: Tensor, mask: Tensor, *ranks: Tensor) -> list[Tensor]:
    """Return each channel's values at ranks, int64 [batch, n]: a [batch, channels, n] for each.

    Rank 0 is the lowest value in the mask.
    """
    # Adding is vectorised, and a mask that is broadcast is not.
    hidden = x + ~mask[:, None] * _INFINITY
    places = [rank[:, None].expand(-1, x.shape[1], -1) for rank in ranks]
    if _indexes_slowly(x):
        frames = hidden.detach().argsort(dim=2)
        return [take(x, frames.gather(2, place)) for place in places]
    ordered = _sorted(hidden)
    return [ordered.gather(2, place) for place in places]


def _indexes_slowly(x: Tensor) -> bool:
    """Return whether the gradient of indexing would be summed sequentially.

    A deterministic GPU does this, after sorting and a copy from the host.
    """
    return x.requires_grad and x.device.type != "cpu"


def take(x: Tensor, index: Tensor) -> Tensor:
    """Gather values along the last axis by comparison: [..., n], int64 [..., k] -> [..., k]."""
    place = torch.arange(x.shape[-1], device=x.device)
    return (x[..., None, :] * (place == index[..., None])).sum(dim=-1)


def _sorted(x: Tensor) -> Tensor:
    """Sort each channel's values in ascending order."""
    if x.device.type != "cpu" or is_exporting():
        return x.sort(dim=2).values
    # numpy's sort uses vector instructions and takes a quarter of the time.
    values = x.detach().numpy()
    if not x.requires_grad:
        return torch.from_numpy(np.sort(values, axis=2))
    return x.gather(2, torch.from_numpy(np.argsort(values, axis=2)))
