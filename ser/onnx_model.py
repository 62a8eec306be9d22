"""A model in one ONNX file: its nets, and its description as metadata. Needs no torch."""

from pathlib import Path

import numpy as np

from ser.arrays import FloatArray
from ser.description import Description, parse
from ser.errors import UserError
from ser.recogniser import Nets

METADATA = "ser"  # the key of the description
INPUT, OUTPUT = "features", "probabilities"


def open_onnx(path: Path) -> tuple[Description, Nets]:
    """Open a file that `ser export` wrote.

    Raises:
        UserError: onnxruntime is missing; the file is missing, damaged, or another program's.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path} needs onnxruntime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said below
    options.intra_op_num_threads = 1  # one clip at a time: more threads only wait for each other
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        described = session.get_modelmeta().custom_metadata_map.get(METADATA)
        if described is None:
            raise ValueError("no description in it: `ser export` did not write it")
        description = parse(described, path)
    except UserError:
        raise
    except Exception as error:
        # onnxruntime's own errors have no class in common but this.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} holds no usable model ({reason})") from None

    def nets(features: FloatArray) -> FloatArray:
        (answers,) = session.run([OUTPUT], {INPUT: np.asarray(features, np.float32)})
        return np.asarray(answers, np.float32)

    return description, nets
