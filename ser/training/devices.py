"""Where nets run, on how many threads, and so that two runs give the same bytes."""

import os

import torch

from ser.core.errors import UserError
from ser.core.needs import needs_of
from ser.core.sections import Model

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
    """Keep torch from algorithms whose result differs from run to run on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # Otherwise NaN is written first wherever memory is taken, to show reads of what nobody wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def limit_threads(model: Model) -> None:
    """Keep nets whose steps are too short to be shared on one thread of a CPU.

    Threads would wait for each other, above all where a core has other work to do. One thread also
    gives the same sums on any number of cores.
    """
    if needs_of(model).one_thread:
        torch.set_num_threads(1)


def use_tensor_cores() -> None:
    """Let a GPU multiply matrices with 10 bits of mantissa (TF32), sums and weights with 23.

    The error is below that of other orders of summation; bfloat16 would not be: the pooled
    variances of resnet are differences of nearly equal numbers.
    """
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # of convolutions it is the default
