"""Write the weights of a net as safetensors."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

from ser.core.errors import naming

Weights = dict[str, Tensor]


def write_weights(path: Path, weights: Weights, metadata: dict[str, str] | None = None) -> None:
    """Write weights as safetensors, and make the folder if needed.

    Raises:
        OSError: the file cannot be written; `safetensors.torch.save_file` would raise an error of
            its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_bytes(safetensors.torch.save(weights, metadata))


def snapshot_name(epoch: int) -> str:
    """Return the file name of one epoch's weights; names sort in the order of epochs.

    >>> snapshot_name(7)
    'epoch-00007.safetensors'
    """
    return f"epoch-{epoch:05d}.safetensors"


def snapshot_epoch(path: Path) -> int:
    """Return the epoch in the file name of one epoch's weights."""
    return int(path.stem.removeprefix("epoch-"))
