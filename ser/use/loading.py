"""Open a trained model from a folder or an ONNX file. An ONNX file needs no torch."""

from pathlib import Path

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.use.recogniser import Recogniser


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
    if path.suffix == ".onnx":
        from ser.use.onnx_model import open_onnx

        description, nets = open_onnx(path)
    else:
        # Importing torch takes a second, and an ONNX file does not need it.
        with needed_by(str(path), "; or use a file that `ser export --onnx` made"):
            from ser.use.torch_nets import open_folder

        description, nets = open_folder(path)
    return Recogniser(description, nets, fold)
