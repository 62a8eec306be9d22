"""Write the weights of a net as safetensors."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

Weights = dict[str, Tensor]


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights as safetensors, and make the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(weights, path)


def snapshot_name(epoch: int) -> str:
    """Return the file name of one epoch's weights; names sort in the order of epochs.

    >>> snapshot_name(7)
    'epoch-00007.safetensors'
    """
    return f"epoch-{epoch:05d}.safetensors"


def snapshot_epoch(path: Path) -> int:
    """Return the epoch in the file name of one epoch's weights."""
    return int(path.stem.removeprefix("epoch-"))
