"""Run a model's nets from one ONNX file, which has its description as metadata. Needs no torch."""

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.core.typing import FloatArray
from ser.inference.nets import FEATURES, WAVEFORM, Nets
from ser.inference.voices import Standard, adaptable_nets
from ser.nets.description import Description, UnusableModelError, parse_description

if TYPE_CHECKING:
    import onnxruntime

METADATA = "ser"  # the description's key in the file's metadata
STANDARD = "standard"  # key of what nets standardise by: float32 [2, folds, pooled] in base 64
PROBABILITIES, FOLD_PROBABILITIES = "probabilities", "of_folds"
DIMENSIONS, FOLD_DIMENSIONS = "dimensions", "dimensions_of_folds"
CENTRE, SCALE, POOLED = "centre", "scale", "pooled"


def open_onnx(path: Path) -> tuple[Description, Nets]:
    """Open a file that `ser export` or the evaluate stage wrote.

    Raises:
        UnusableModelError: the file is missing, damaged, or another program's.
        UserError: onnxruntime is missing; or the file's format is unknown.
    """
    with needed_by(str(path)):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are reported below
    # More would take longer than it saves.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1  # one clip at a time: more threads only wait for each other
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        described = session.get_modelmeta().custom_metadata_map
        if METADATA not in described:
            raise ValueError("without a description: `ser export` did not write it")
        description = parse_description(described[METADATA], path)
        standard = _standard(described.get(STANDARD), len(description.folds))
        _check_shapes(session, description, standard)
    except UserError:
        raise
    except Exception as error:
        # onnxruntime's own errors have no other class in common.
        raise UnusableModelError(path, _first_line(error)) from None

    def run(given: dict[str, FloatArray], *wanted: str) -> list[FloatArray]:
        try:
            answers = session.run(
                wanted, {name: np.asarray(values, np.float32) for name, values in given.items()}
            )
            return [np.asarray(each, np.float32) for each in answers]
        except Exception as error:
            raise UserError(f"{path} cannot be run ({_first_line(error)})") from None

    more = [DIMENSIONS] if description.dimensions else []

    def run_by(features: FloatArray, by: Standard) -> tuple[FloatArray, FloatArray]:
        given = {FEATURES: features, CENTRE: by.centre, SCALE: by.scale}
        pooled, *answers = run(given, POOLED, PROBABILITIES, *more)
        return np.concatenate(answers, axis=1), pooled

    if standard is not None:
        of_each_voice = description.model.normalisation == "speaker"
        return description, adaptable_nets(run_by, standard, of_each_voice)
    taken = session.get_inputs()[0].name
    wanted = [PROBABILITIES, *more]
    if taken == WAVEFORM:
        wanted = [FOLD_PROBABILITIES, *([FOLD_DIMENSIONS] if more else [])]
    return description, Nets(
        taken, lambda values: np.concatenate(run({taken: values}, *wanted), axis=1)
    )


def _standard(encoded: str | None, folds: int) -> Standard | None:
    """Return what the nets standardise pooled vectors by, if they do.

    Raises:
        ValueError: it is damaged.
    """
    if encoded is None:
        return None
    values = np.frombuffer(base64.b64decode(encoded, validate=True), "<f4")
    return Standard(*values.reshape(2, folds, -1).astype(np.float32))


def _check_shapes(
    session: "onnxruntime.InferenceSession", description: Description, standard: Standard | None
) -> None:
    """Check that the shapes of inputs and outputs are those of the description.

    Raises:
        ValueError: they differ.
    """
    nodes = (*session.get_inputs(), *session.get_outputs())
    # A free dimension has a name in place of a size.
    found = {node.name: [n if isinstance(n, int) else None for n in node.shape] for node in nodes}
    folds, emotions = len(description.folds), len(description.emotions)
    learned = len(description.dimensions)
    if WAVEFORM in found:
        expected = {
            WAVEFORM: [None],
            PROBABILITIES: [emotions],
            FOLD_PROBABILITIES: [folds, emotions],
        }
        if learned:
            expected |= {DIMENSIONS: [learned], FOLD_DIMENSIONS: [folds, learned]}
    else:
        frames = found[FEATURES][1:2]  # free, or fixed
        dims = sum(description.preprocessing.dims.values())
        expected = {FEATURES: [folds, *frames, dims], PROBABILITIES: [folds, emotions]}
        if learned:
            expected[DIMENSIONS] = [folds, learned]
        if standard is not None:
            expected |= {name: list(standard.centre.shape) for name in (CENTRE, SCALE, POOLED)}
    if found != expected:
        raise ValueError(f"its nets take and return {found}, described are {expected}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
