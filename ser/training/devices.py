"""Where nets run: on one device, or in several processes that train one net together.

The environment says it: SER_DEVICE, SER_DEVICES, and torchrun's variables. It never changes what
is computed beyond float rounding.
"""

import os
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ser.core.errors import UserError
from ser.core.sections import Model
from ser.nets.layers import Part, share_dropout
from ser.training.batches import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Value = TypeVar("Value")

# oneDNN compiles its convolutions for every new shape, and clips are of many lengths: the thousand
# that it remembers by default are those of a hundred clips.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")


def choose_device() -> torch.device:
    """Pick where nets run: SER_DEVICE (cpu, cuda, cuda:1, mps), or a GPU where there is one.

    Raises:
        UserError: SER_DEVICE names no device of this machine.
    """
    name = os.environ.get("SER_DEVICE", "")
    if not name:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"SER_DEVICE={name!r} cannot be used here: {reason}") from None
    return device


def make_deterministic() -> None:
    """Let torch use no algorithm whose result differs from run to run on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def limit_threads(model: Model) -> None:
    """Keep perceptrons on one thread of a CPU: their steps are too short to be shared.

    Threads would wait for each other, above all where a core has other work to do. One thread also
    gives the same sums on any number of cores.
    """
    if model.name == "mlp":
        torch.set_num_threads(1)


def use_tensor_cores() -> None:
    """Let a GPU multiply matrices with 10 bits of mantissa (TF32), sums and weights with 23.

    The error is below that of other orders of summation; bfloat16 would not be: the pooled
    variances of resnet are differences of nearly equal numbers.
    """
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # of convolutions it is the default


class Team:
    """The processes that train one net together; most often this one alone.

    Each makes the whole of every batch, drawn alike, and computes its own part of it; gradients are
    averaged such that all take the step of the joint batch.

    Attributes:
        device: where this process computes.
        rank: its place among them, from 0.
        size: how many there are.
    """

    def __init__(self, device: torch.device, fabric: "Fabric | None" = None) -> None:
        self.device = device
        self.rank = fabric.global_rank if fabric else 0
        self.size = fabric.world_size if fabric else 1
        self._fabric = fabric
        self._part = Part()

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, net: nn.Module) -> nn.Module:
        """Wrap a net on the device so that its gradients are those of all processes.

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
        """Take this process's part of a batch.

        Returns:
            (the part; what the mean loss over it counts, such that the mean of all processes'
            losses is that of the whole batch: 1 where all parts have one size).
        """
        if self._fabric is None:
            return batch, 1.0
        clips = len(batch.labels)
        own = len(range(self.rank, clips, self.size))
        # A process for which there is no clip takes one that counts nothing: all must take part.
        rows = slice(self.rank, clips, self.size) if own else slice(0, 1)
        self._part.rows, self._part.clips = rows, clips
        return batch.part(rows), own * self.size / clips

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        if self._fabric is None:
            loss.backward()
        else:
            self._fabric.backward(loss)

    def sum(self, value: Tensor) -> Tensor:
        """Add up a tensor over all processes."""
        if self._fabric is None:
            return value
        return cast(Tensor, self._fabric.all_reduce(value, reduce_op="sum"))

    def agree(self, value: Value) -> Value:
        """Give every process the first one's value."""
        return value if self._fabric is None else self._fabric.broadcast(value)


def join() -> Team:
    """Join the processes that train together: SER_DEVICES of them, or those torchrun started.

    SER_DEVICES starts the others itself, each with the command line of this one.

    Raises:
        UserError: SER_DEVICES is no whole number from 1 on, or there are fewer GPUs.
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
    # Takes a second to import, which training on one device need not wait for.
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=device.type, devices=devices, num_nodes=machines, strategy="ddp")
    fabric.launch()
    return Team(fabric.device, fabric)
