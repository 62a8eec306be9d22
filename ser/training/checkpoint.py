"""Save an unfinished training to a file, from which it can be resumed."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ser.core.errors import UserError
from ser.nets.weights import Weights, write_weights
from ser.training.history import Epoch


@dataclass
class Progress:
    """State of an unfinished training: everything the next epoch depends on, and the history.

    Attributes:
        net: the net with its current weights.
        trained: the same net, wrapped for training by several processes if needed.
        optimizer: with its moments.
        history: the completed epochs.
        best: the weights of the best epoch by validation loss, with early stopping.
        best_epoch: its number; 0 if there is none.
    """

    net: nn.Module
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    best_epoch: int = 0

    def weights(self) -> Weights:
        """Return a copy of the net's weights on the CPU."""
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.net.state_dict().items()
        }


def save(state: Progress, checkpoint: Path) -> None:
    """Write a checkpoint atomically: to another name first, then renamed."""
    tensors = {f"net.{name}": t for name, t in state.weights().items()}
    tensors |= {f"best.{name}": t for name, t in state.best.items()}
    for i, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{i}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    text = json.dumps(
        {"history": [vars(epoch) for epoch in state.history], "best_epoch": state.best_epoch}
    )
    # A unique name: a cluster that lost a worker may train the same fold on another one.
    partial = checkpoint.with_suffix(f".{socket.gethostname()}-{os.getpid()}.part")
    try:
        write_weights(partial, tensors, {"progress": text})
        partial.replace(checkpoint)
    finally:
        partial.unlink(missing_ok=True)


def restore(state: Progress, checkpoint: Path) -> None:
    """Restore the state of a checkpoint into a fresh training.

    Raises:
        UserError: the file is damaged, or not a checkpoint of this net and optimizer.
    """
    try:
        with safe_open(checkpoint, "pt") as file:
            described = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state.net.load_state_dict(_without_prefix("net.", tensors))
        state.best = _without_prefix("best.", tensors)
        state.best_epoch = described["best_epoch"]
        state.history = [Epoch(**epoch) for epoch in described["history"]]
        parameters = [w for group in state.optimizer.param_groups for w in group["params"]]
        moments: dict[int, dict[str, Any]] = {}
        for key, tensor in _without_prefix("optimizer.", tensors).items():
            i, name = key.split(".")
            if name != "step":
                # Fused optimizers assume the same memory layout as that of the parameters.
                tensor = torch.empty_like(parameters[int(i)]).copy_(tensor)
            moments.setdefault(int(i), {})[name] = tensor
        groups = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (
        SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{checkpoint} is damaged ({reason}): remove it and run again") from None


def _without_prefix(prefix: str, tensors: Weights) -> Weights:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
