"""Shared parts of nets: masks of padding, dropout, flattened features, a classifier head."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_nothing_padded = False


def is_exporting() -> bool:
    """Return whether a graph is made of what is computed, which must hold for other clips too."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_exporting()


@contextmanager
def nothing_padded() -> Iterator[None]:
    """Skip all masks inside this context, where every clip is as long as its batch."""
    global _nothing_padded
    _nothing_padded = True
    try:
        yield
    finally:
        _nothing_padded = False


def mask_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Set the frames beyond each clip's length to zero.

    Args:
        x: [batch, channels, ..., frames].
        lengths: int64 [batch].

    Returns:
        x, with zeros in all frames from the clip's length on.
    """
    # Reading lengths would wait for a GPU, and would become part of an exported graph.
    is_readable = lengths.device.type == "cpu" and not is_exporting()
    if _nothing_padded or (is_readable and bool((lengths >= x.shape[-1]).all())):
        return x
    mask = frame_mask(lengths, x.shape[-1])
    return x * mask.view(len(mask), *[1] * (x.ndim - 2), -1)


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Return 1 for the frames of each clip and 0 for its padding: float32 [batch, frames]."""
    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).float()


def mean_over_frames(x: Tensor, lengths: Tensor) -> Tensor:
    """Compute the mean over each clip's own frames: [batch, channels, frames] -> [batch, channels].

    The padding must be zero.
    """
    return x.sum(dim=2) / lengths[:, None]


def flatten_columns(features: Tensor) -> Tensor:
    """Concatenate the columns of each clip: [batch, frames, dims] -> [batch, 1, values]."""
    return features.transpose(1, 2).flatten(1).unsqueeze(1)


def flat_size(net: nn.Module, *shape: int) -> int:
    """Count the output values of a stack of layers for one input of a shape."""
    with torch.no_grad():
        # In evaluation mode, so that batch norms do not change.
        training = net.training
        size = net.eval()(torch.zeros(1, *shape)).numel()
        net.train(training)
    return int(size)


_INPUT_DROPOUT = 0.2  # as recommended by Srivastava et al.: Dropout, JMLR 15, 2014
_MAX_DEVIATIONS = 5.0  # a single outlier far from the training data must not decide alone


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


def clip_outliers(standard: Tensor) -> Tensor:
    """Clip standardised numbers to five deviations around their mean."""
    return standard.clamp(-_MAX_DEVIATIONS, _MAX_DEVIATIONS)


@dataclass
class Part:
    """Part of a batch that this process computes, where several processes train together.

    Attributes:
        rows: the clips of this process.
        clips: number of clips in the whole batch.
    """

    rows: slice = field(default_factory=lambda: slice(None))
    clips: int = 0


class Dropout(nn.Module):
    """Dropout that draws for the whole batch, even if this process computes only a part of it.

    Srivastava et al.: Dropout, JMLR 15, 2014. Shapes: [batch, ...] -> the same.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.part: Part | None = None

    def forward(self, x: Tensor) -> Tensor:
        """In training, drop each value with the given probability and scale up the others."""
        if self.part is None or not self.training:
            return F.dropout(x, self.probability, self.training)
        kept = F.dropout(x.new_ones(self.part.clips, *x.shape[1:]), self.probability)
        return x * kept[self.part.rows]


def share_dropout(net: nn.Module, part: Part) -> None:
    """Make all dropouts of a net draw for the whole batch that `part` belongs to."""
    for module in net.modules():
        if isinstance(module, Dropout):
            module.part = part
