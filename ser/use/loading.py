"""Open a trained model from a folder or an ONNX file, without PyTorch wherever possible."""

import logging
import os
from pathlib import Path

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.inference.nets import Nets
from ser.inference.onnx_nets import open_onnx
from ser.nets.description import Description, UnusableModelError
from ser.nets.folder_files import ONNX, onnx_digest, read_description
from ser.use.recogniser import Recogniser

_MOUNT = "SER_MODEL_MOUNT"  # the folder that a container expects its model in: see the Dockerfile


class _NoOnnxFileError(UserError):
    """A model folder has no ONNX file of its weights; the text says why, up to a comma."""


def load(path: str | Path, fold: int | None = None) -> Recogniser:
    """Open a trained model: a folder such as data/model, or an ONNX file exported from one.

    A folder's ONNX file is used if it matches the weights; if not, PyTorch is, and a warning is
    logged.

    Args:
        path: of the folder or file.
        fold: use only the net of this fold; None: the nets of all folds.

    Raises:
        UserError: the model is missing, damaged, of an unknown format, or has no such fold; or what
            it needs is not installed.
    """
    path = Path(path)
    if path.is_file() and path.suffix != ".onnx":
        raise UserError(
            f"{path} is not a model: a folder such as data/model or an .onnx file is expected"
        )
    try:
        description, nets = open_onnx(path) if path.suffix == ".onnx" else _open_folder(path)
    except UnusableModelError as error:
        raise UserError(f"{error}: {_advice(path)}") from None
    return Recogniser(description, nets, fold)


def load_in_torch(folder: Path) -> Recogniser:
    """Open a model folder in PyTorch, whether or not it has an ONNX file.

    Raises:
        UserError: see `load`.
    """
    try:
        return Recogniser(*_open_weights(folder, str(folder)))
    except UnusableModelError as error:
        raise UserError(f"{error}: {_advice(folder)}") from None


def _open_folder(folder: Path) -> tuple[Description, Nets]:
    try:
        return _open_onnx_of(folder)
    except _NoOnnxFileError as error:
        if _is_mounted(folder):
            raise UserError(
                f"{error}, and this container has no PyTorch: run `dvc repro evaluate` where the "
                f"model was trained, which writes {ONNX}"
            ) from None
        opened = _open_weights(folder, f"{error}, so it")
        # Without a configuration of logging, this is a line on standard error.
        logging.getLogger(__name__).warning(
            "%s, so it is run by PyTorch, which takes longer to start",
            error,
        )
        return opened


def _open_onnx_of(folder: Path) -> tuple[Description, Nets]:
    """Open the ONNX file of a model folder.

    Raises:
        _NoOnnxFileError: there is none, or it does not match the weights.
        UserError: see `read_description`.
    """
    description = read_description(folder)
    if description.onnx is None or not (folder / ONNX).is_file():
        raise _NoOnnxFileError(f"{folder} has no {ONNX}")
    try:
        matches = onnx_digest(folder, description) == description.onnx
    except OSError:
        matches = False
    if not matches:
        raise _NoOnnxFileError(f"{folder} has a {ONNX} that is damaged or of other weights")
    try:
        inside, nets = open_onnx(folder / ONNX)
    except UserError as error:
        raise _NoOnnxFileError(f"{folder} has a {ONNX} that cannot be run here ({error})") from None
    # It was written by the same run, before the digest was known. Arrays cannot be compared.
    if inside.to_json() != description.model_copy(update={"onnx": None}).to_json():
        raise _NoOnnxFileError(f"{folder} has a {ONNX} that is not the model of its model.json")
    return description, nets


def _open_weights(folder: Path, what: str) -> tuple[Description, Nets]:
    """Open the weights of a model folder in PyTorch.

    Args:
        folder: of the model.
        what: needs PyTorch, for the error that says so.
    """
    with needed_by(what, "; or use a file that `ser export --onnx` made"):
        from ser.inference.torch_nets import open_folder

    return open_folder(folder)


def _advice(path: Path) -> str:
    """Return where a model can be had; a project of DVC can also make one.

    Args:
        path: that holds no usable model.
    """
    if _is_mounted(path):
        return (
            f"mount the folder of a trained model there, readable by all: -v ./data/model:{path}:ro"
        )
    advice = "name the folder or .onnx file of a trained model (on the command line: `--model`)"
    if Path("dvc.yaml").is_file():
        advice += ", train one here with `dvc repro`, or fetch one with `dvc pull evaluate`"
    return advice


def _is_mounted(path: Path) -> bool:
    """Return whether a path is the folder that the model of this container is mounted at."""
    return os.environ.get(_MOUNT) == str(path)
