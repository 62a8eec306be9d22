"""What several nets have in common: keeping padding out, dropout, features as one row, a head."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_nothing_padded = False


@contextmanager
def nothing_padded() -> Iterator[None]:
    """Let nets leave out their masks: within, each clip of a batch is as long as the batch."""
    global _nothing_padded
    _nothing_padded = True
    try:
        yield
    finally:
        _nothing_padded = False


def mask_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Set to zero what lies beyond each clip's length.

    Args:
        x: [batch, channels, ..., frames].
        lengths: int64 [batch].

    Returns:
        x with zeros in the frames from lengths on.
    """
    # Only where a look at the lengths need not wait for a GPU, nor be written into a graph.
    looks = lengths.device.type == "cpu" and not torch.compiler.is_exporting()
    if _nothing_padded or (looks and bool((lengths >= x.shape[-1]).all())):
        return x
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


_INPUT_DROPOUT = 0.2  # as Srivastava et al. advise: Dropout, JMLR 15, 2014
_FURTHEST = 5.0  # deviations: a number far outside of what was trained on must not decide alone


def perceptron(inputs: int, width: int, outputs: int, dropout: float) -> nn.Sequential:
    """Make the layers of a perceptron with one hidden layer of `width` units.

    Shapes: [batch, inputs] -> [batch, outputs].
    """
    return nn.Sequential(
        Dropout(_INPUT_DROPOUT),
        nn.Linear(inputs, width),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(width, outputs),
    )


def within_reach(standard: Tensor) -> Tensor:
    """Hold standardised numbers within five deviations of their mean."""
    return standard.clamp(-_FURTHEST, _FURTHEST)


@dataclass
class Part:
    """Which clips of a batch this process computes, where several train together.

    Attributes:
        rows: their places in the batch.
        clips: size of the batch.
    """

    rows: slice = field(default_factory=lambda: slice(None))
    clips: int = 0


class Dropout(nn.Module):
    """Dropout that draws for the whole batch, whichever part of it this process computes.

    Srivastava et al.: Dropout, JMLR 15, 2014. Shapes: [batch, ...] -> the same.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.part: Part | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop values in training, each with the probability; scale up the others."""
        if self.part is None or not self.training:
            return F.dropout(x, self.probability, self.training)
        kept = F.dropout(x.new_ones(self.part.clips, *x.shape[1:]), self.probability)
        return x * kept[self.part.rows]


def share_dropout(net: nn.Module, part: Part) -> None:
    """Let all dropouts of a net draw for the batch that `part` is of."""
    for module in net.modules():
        if isinstance(module, Dropout):
            module.part = part
