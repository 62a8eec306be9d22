"""Open a trained model from a folder or an ONNX file. An ONNX file needs no torch."""

from pathlib import Path

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.nets.description import Description, UnusableModelError
from ser.use.recogniser import Nets, Recogniser


def load(path: str | Path, fold: int | None = None) -> Recogniser:
    """Open a trained model: a folder such as data/model, or an ONNX file exported from one.

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
        description, nets = _open(path)
    except UnusableModelError as error:
        raise UserError(f"{error}: {_advice()}") from None
    return Recogniser(description, nets, fold)


def _open(path: Path) -> tuple[Description, Nets]:
    if path.suffix == ".onnx":
        from ser.use.onnx_model import open_onnx

        return open_onnx(path)
    # Importing torch takes a second, and an ONNX file does not need it.
    with needed_by(str(path), "; or use a file that `ser export --onnx` made"):
        from ser.use.torch_nets import open_folder

    return open_folder(path)


def _advice() -> str:
    """Return where a model can be had; a project of DVC can also make one."""
    advice = "name the folder or .onnx file of a trained model (on the command line: `--model`)"
    if Path("dvc.yaml").is_file():
        advice += ", train one here with `dvc repro`, or fetch one with `dvc pull evaluate`"
    return advice
