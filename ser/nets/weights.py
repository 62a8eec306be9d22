"""Weights of a net on disk, as safetensors."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

Weights = dict[str, Tensor]


def write_weights(path: Path, weights: Weights) -> None:
    """Write weights as safetensors; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(weights, path)


def snapshot_name(epoch: int) -> str:
    """Name the file of one epoch's weights, so that names sort as epochs do."""
    return f"epoch-{epoch:05d}.safetensors"


def snapshot_epoch(path: Path) -> int:
    """Read the epoch from the name of a file of one epoch's weights."""
    return int(path.stem.removeprefix("epoch-"))
