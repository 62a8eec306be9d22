"""Keep padding out of a net: after every layer, what lies beyond a clip's length is zero."""

import torch
from torch import Tensor


def mask_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Set to zero what lies beyond each clip's length.

    Args:
        x: [batch, channels, dims, frames].
        lengths: int64 [batch].

    Returns:
        x with zeros in the frames from lengths on.
    """
    return x * frame_mask(lengths, x.shape[-1])[:, None, None, :]


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Tell the frames of each clip from its padding: float32 [batch, frames] of 1 and 0."""
    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).float()
