"""Train one net in several processes.

SER_DEVICE, SER_DEVICES and torchrun's variables define the processes. Their number changes results
only by rounding.
"""

import os
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ser.core.errors import UserError
from ser.nets.layers import Part, share_dropout
from ser.training.batches import Batch
from ser.training.devices import choose_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Value = TypeVar("Value")


class Team:
    """The processes that train one net together; most often only this one.

    Each process makes the same whole batch and computes its own part of it. Gradients are averaged,
    so that all processes take the step of the whole batch.

    Attributes:
        device: where this process computes.
        rank: number of this process, from 0.
        size: number of processes.
    """

    def __init__(self, device: torch.device, fabric: "Fabric | None" = None) -> None:
        self.device = device
        self.rank = fabric.global_rank if fabric else 0
        self.size = fabric.world_size if fabric else 1
        self._fabric = fabric
        self._part = Part()

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, net: nn.Module) -> nn.Module:
        """Wrap a net on the device so that gradients are averaged over all processes.

        Raises:
            UserError: a net with batch norms, in several processes on CPUs.
        """
        if self._fabric is None:
            return net
        norms = any(isinstance(module, _BatchNorm) for module in net.modules())
        if norms and self.device.type != "cuda":
            raise UserError(
                "the net has batch norms, and several CPU processes cannot compute those of a "
                "whole batch: set SER_DEVICES to 1, or train on GPUs"
            )
        share_dropout(net, self._part)
        if self.device.type == "cuda":
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
        return self._fabric.setup_module(net, move_to_device=False)

    def take(self, batch: Batch) -> tuple[Batch, float]:
        """Return this process's part of a batch and the weight of its loss.

        Returns:
            (the part, the weight of the mean loss over it). With these weights, the mean of all
            processes' losses is that of the whole batch; they are 1 if all parts are equally large.
        """
        if self._fabric is None:
            return batch, 1.0
        clips = len(batch.labels)
        own = len(range(self.rank, clips, self.size))
        # A process without a clip takes one with weight 0, because every process must join in.
        rows = slice(self.rank, clips, self.size) if own else slice(0, 1)
        self._part.rows, self._part.clips = rows, clips
        return batch.part(rows), own * self.size / clips

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss."""
        if self._fabric is None:
            loss.backward()
        else:
            self._fabric.backward(loss)

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self._fabric is None:
            return value
        return cast(Tensor, self._fabric.all_reduce(value, reduce_op="sum"))

    def agree(self, value: Value) -> Value:
        """Return the first process's value in all processes."""
        return value if self._fabric is None else self._fabric.broadcast(value)


def join() -> Team:
    """Join the processes that train together: SER_DEVICES of them, or those torchrun started.

    With SER_DEVICES, this process starts the others, each with its own command line.

    Raises:
        UserError: SER_DEVICES is not a whole number from 1 on, or there are fewer GPUs.
    """
    text = os.environ.get("SER_DEVICES") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"SER_DEVICES={text!r}: a whole number from 1 on is expected")
    device, devices, machines = choose_device(), int(text), 1
    if torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        machines = int(os.environ["WORLD_SIZE"]) // devices
    elif devices == 1:
        return Team(device)
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"several processes train on cpu or cuda, not on {device}: set SER_DEVICE")
    if device.type == "cuda" and torch.cuda.device_count() < devices:
        raise UserError(
            f"{devices} GPUs are wanted, this machine has {torch.cuda.device_count()}: set "
            "SER_DEVICES to as many, or SER_DEVICE=cpu"
        )
    # Imported only here: it takes a second, and training on one device does not need it.
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=device.type, devices=devices, num_nodes=machines, strategy="ddp")
    fabric.launch()
    return Team(fabric.device, fabric)
