"""Compare `ser predict` of one clip, from its start to its end, with what PyTorch takes for it."""

import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, interleave
from ser.nets.folder_files import ONNX


def children_seconds() -> float:
    """Return the CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cold_prediction(model: Path, clip: Path) -> Row:
    """Compare the CPU time of `ser predict` with that of the same model without its ONNX file.

    Args:
        model: folder of a released model.
        clip: a recording.
    """
    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder, "model")
        shutil.copytree(model, without, ignore=shutil.ignore_patterns(ONNX))

        def predict(folder: Path) -> None:
            ser = Path(sys.executable).with_name("ser")
            _run(str(ser), "predict", "--model", str(folder), str(clip))

        ours, theirs, start = interleave(
            lambda: predict(model),
            lambda: predict(without),
            lambda: _run(sys.executable, "-c", "import numpy, scipy.fft, onnxruntime"),
            clock=children_seconds,
        )
    return Row(
        "`ser predict` of one clip, from start to end, CPU time",
        "the same model run by PyTorch",
        ours,
        theirs,
        4.0,
        "importing numpy, scipy.fft and onnxruntime",
        start,
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
