"""Choose device and threads of nets, and make runs reproducible byte by byte."""

import os

import torch

from ser.core.errors import UserError
from ser.core.needs import needs_of
from ser.core.sections import Model

# oneDNN compiles convolutions for every new shape, and clips have many lengths. Its default cache
# of a thousand is enough for only about a hundred clips.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")


def choose_device() -> torch.device:
    """Return the device: SER_DEVICE (cpu, cuda, cuda:1, mps), or else a GPU if there is one.

    Raises:
        UserError: SER_DEVICE is not a device of this machine.
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
    """Disable torch's algorithms whose results differ from run to run on one machine."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not use_deterministic_algorithms, which imports torch's compiler for a second to set the same.
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = False
    # Otherwise torch fills all new memory with NaN, to reveal reads of uninitialised memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def limit_threads(model: Model) -> None:
    """Limit nets with very short training steps to one thread of a CPU.

    Threads would wait for each other, especially if a core is busy otherwise. With one thread, sums
    are also the same on any number of cores.
    """
    if needs_of(model).one_thread:
        torch.set_num_threads(1)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies numbers of 16 bits with the range of float32 itself."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    names = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
    return device.type == "cpu" and any(able.get(name, False) for name in names)


def records_steps(device: torch.device) -> bool:
    """Return whether small training steps are recorded as CUDA graphs: SER_CUDA_GRAPHS=1.

    Off by default: the recordings have been tested without a GPU only.
    """
    return device.type == "cuda" and os.environ.get("SER_CUDA_GRAPHS") == "1"


def use_tensor_cores() -> None:
    """Make a GPU multiply matrices with 10 bits of mantissa (TF32), and sum with 23 bits.

    The error is smaller than that of another order of summation. bfloat16 would be too inaccurate,
    because the pooled variances of resnet are differences of nearly equal numbers.
    """
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # already the default for convolutions
