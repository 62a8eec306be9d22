"""An unfinished training, in memory and as a file from which it can be taken up again."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ser.core.errors import UserError
from ser.nets.weights import Weights
from ser.training.history import Epoch


@dataclass
class Progress:
    """An unfinished training: all that the next epoch depends on, and what is kept of the past.

    Attributes:
        net: with the weights so far.
        trained: the same as it is called in training, by several processes perhaps.
        optimizer: with its moments.
        history: the epochs that are done.
        best: the weights of the best epoch by validation loss, where it is kept.
        best_epoch: its number; 0: none is kept.
    """

    net: nn.Module
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    best_epoch: int = 0

    def weights(self) -> Weights:
        """Copy the net's weights to the CPU."""
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.net.state_dict().items()
        }


def save(state: Progress, checkpoint: Path) -> None:
    """Write the checkpoint beside its name, then rename: it is whole or it is the former one."""
    tensors = {f"net.{name}": t for name, t in state.weights().items()}
    tensors |= {f"best.{name}": t for name, t in state.best.items()}
    for i, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{i}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    text = json.dumps(
        {"history": [vars(epoch) for epoch in state.history], "best_epoch": state.best_epoch}
    )
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a cluster that lost sight of a worker lets another train the same.
    partial = checkpoint.with_suffix(f".{socket.gethostname()}-{os.getpid()}.part")
    safetensors.torch.save_file(tensors, partial, metadata={"progress": text})
    partial.replace(checkpoint)


def restore(state: Progress, checkpoint: Path) -> None:
    """Take up a fresh training where the checkpoint left it.

    Raises:
        UserError: the file is damaged, or is no checkpoint of this net and optimizer.
    """
    try:
        with safe_open(checkpoint, "pt") as file:
            described = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state.net.load_state_dict(_below("net.", tensors))
        state.best = _below("best.", tensors)
        state.best_epoch = described["best_epoch"]
        state.history = [Epoch(**epoch) for epoch in described["history"]]
        parameters = [w for group in state.optimizer.param_groups for w in group["params"]]
        moments: dict[int, dict[str, Any]] = {}
        for key, tensor in _below("optimizer.", tensors).items():
            i, name = key.split(".")
            if name != "step":
                # Fused optimizers go through both in the order of memory, and do not compare them.
                tensor = torch.empty_like(parameters[int(i)]).copy_(tensor)
            moments.setdefault(int(i), {})[name] = tensor
        groups = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (
        SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{checkpoint} is damaged ({reason}): remove it and run again") from None


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
