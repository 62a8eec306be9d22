"""Open a trained model, however it is kept. An ONNX file needs no torch."""

from pathlib import Path

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.use.recogniser import Recogniser


def load(path: str | Path, fold: int | None = None) -> Recogniser:
    """Open a trained model: a folder such as data/model, or an ONNX file that was made of one.

    Args:
        path: of the folder or file.
        fold: use the net of this fold alone; None: those of all folds.

    Raises:
        UserError: there is none, it is damaged, of an unknown format, or has no such fold; or what
            it needs is not installed.
    """
    path = Path(path)
    if path.is_file() and path.suffix != ".onnx":
        raise UserError(f"{path} is no model: a folder such as data/model, or an .onnx file is one")
    if path.suffix == ".onnx":
        from ser.use.onnx_model import open_onnx

        description, nets = open_onnx(path)
    else:
        # torch takes a second to import, which an ONNX file has no use for.
        with needed_by(str(path), "; or use a file that `ser export --onnx` made"):
            from ser.use.torch_nets import open_folder

        description, nets = open_folder(path)
    return Recogniser(description, nets, fold)
