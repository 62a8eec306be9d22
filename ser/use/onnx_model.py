"""A model in one ONNX file: its nets, and its description as metadata. Needs no torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.core.typing import FloatArray
from ser.nets.description import Description, UnusableModelError, parse_description
from ser.use.recogniser import FEATURES, WAVEFORM, Nets

if TYPE_CHECKING:
    import onnxruntime

METADATA = "ser"  # the description's key in the file's metadata
PROBABILITIES, FOLD_PROBABILITIES = "probabilities", "of_folds"


def open_onnx(path: Path) -> tuple[Description, Nets]:
    """Open a file that `ser export` wrote.

    Raises:
        UnusableModelError: the file is missing, damaged, or another program's.
        UserError: onnxruntime is missing; or the file's format is unknown.
    """
    with needed_by(str(path)):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are reported below
    options.intra_op_num_threads = 1  # one clip at a time: more threads only wait for each other
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        described = session.get_modelmeta().custom_metadata_map.get(METADATA)
        if described is None:
            raise ValueError("without a description: `ser export` did not write it")
        description = parse_description(described, path)
        _check_shapes(session, description)
    except UserError:
        raise
    except Exception as error:
        # onnxruntime's own errors have no other class in common.
        raise UnusableModelError(path, _first_line(error)) from None

    (taken,) = (node.name for node in session.get_inputs())
    given = FOLD_PROBABILITIES if taken == WAVEFORM else PROBABILITIES

    def answer(values: FloatArray) -> FloatArray:
        try:
            (answers,) = session.run([given], {taken: np.asarray(values, np.float32)})
            return np.asarray(answers, np.float32)
        except Exception as error:
            raise UserError(f"{path} cannot be run ({_first_line(error)})") from None

    return description, Nets(taken, answer)


def _check_shapes(session: "onnxruntime.InferenceSession", description: Description) -> None:
    """Check that the shapes of inputs and outputs are those of the description.

    Raises:
        ValueError: they differ.
    """
    nodes = (*session.get_inputs(), *session.get_outputs())
    # A free dimension has a name in place of a size.
    found = {node.name: [n if isinstance(n, int) else None for n in node.shape] for node in nodes}
    folds, emotions = len(description.folds), len(description.emotions)
    if WAVEFORM in found:
        expected = {
            WAVEFORM: [None],
            PROBABILITIES: [emotions],
            FOLD_PROBABILITIES: [folds, emotions],
        }
    else:
        frames = found[FEATURES][1:2]  # free, or fixed
        dims = sum(description.preprocessing.dims.values())
        expected = {FEATURES: [folds, *frames, dims], PROBABILITIES: [folds, emotions]}
    if found != expected:
        raise ValueError(f"its nets take and return {found}, described are {expected}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
