"""What several nets have in common: keeping padding out, and features as one row of numbers."""

import torch
from torch import Tensor, nn


def mask_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Set to zero what lies beyond each clip's length.

    Args:
        x: [batch, channels, ..., frames].
        lengths: int64 [batch].

    Returns:
        x with zeros in the frames from lengths on.
    """
    mask = frame_mask(lengths, x.shape[-1])
    return x * mask.view(len(mask), *[1] * (x.ndim - 2), -1)


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Tell the frames of each clip from its padding: float32 [batch, frames] of 1 and 0."""
    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).float()


def mean_over_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Average each clip's own frames: [batch, channels, frames] -> [batch, channels].

    The padding must be zero.
    """
    return x.sum(dim=2) / lengths[:, None]


def flatten_columns(features: Tensor) -> Tensor:
    """Lay a clip's columns one after the other: [batch, frames, dims] -> [batch, 1, values]."""
    return features.transpose(1, 2).flatten(1).unsqueeze(1)


def flat_size(net: nn.Module, *shape: int) -> int:
    """Count the values that a stack of layers makes of one input of a shape."""
    with torch.no_grad():
        # In evaluation: batch norms must not learn from this.
        training = net.training
        size = net.eval()(torch.zeros(1, *shape)).numel()
        net.train(training)
    return int(size)
