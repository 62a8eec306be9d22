"""The files of a model folder, and the description among them. Needs no torch."""

import hashlib
import json
from pathlib import Path

from ser.nets.description import Description, UnusableModelError, parse_description

CARD, DESCRIPTION, ONNX = "README.md", "model.json", "model.onnx"
DIMENSIONS_PICTURE = "dimensions.png"  # of the card, if the net predicts arousal and valence
_MOST_BYTES = 64_000_000  # of model.json: 1 MB for about 50,000 training clips, plus the banks


def read_description(folder: Path) -> Description:
    """Read model.json.

    Raises:
        UnusableModelError: it is missing or damaged.
        UserError: its format is unknown.
    """
    described = folder / DESCRIPTION
    try:
        return parse_description(_read_text(described), described)
    except (OSError, ValueError, RecursionError) as error:
        raise unusable(folder, error) from None


def write_description(folder: Path, description: Description) -> None:
    """Write model.json."""
    (folder / DESCRIPTION).write_text(description.to_json(), encoding="utf-8")


def weights_file(folder: Path, fold: int) -> Path:
    """Return the file of a fold's weights."""
    return folder / f"fold-{fold}.safetensors"


def onnx_digest(folder: Path, description: Description) -> str:
    """Return a digest of the ONNX file, and of the weights and temperatures that it has to match.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    digest = hashlib.sha256(json.dumps(description.temperatures).encode())
    for path in (folder / ONNX, *(weights_file(folder, fold) for fold in description.folds)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def unusable(folder: Path, error: Exception) -> UnusableModelError:
    """Return the error of a folder whose files cannot be read, with the reason in one line."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, OSError) and error.filename:
        reason = f"{error.filename}: {error.strerror}"
    return UnusableModelError(folder, reason)


def _read_text(path: Path) -> str:
    """Read a text that may be a stranger's.

    Raises:
        ValueError: it is not a file, is too long, or is not in UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_BYTES:,} bytes")
    return data.decode()
