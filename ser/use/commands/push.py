"""`ser push`: upload a model folder to the Hugging Face Hub."""

import argparse
import os
import re
from importlib import metadata
from pathlib import Path

from ser.core.errors import UserError
from ser.corpora import licence_of
from ser.nets.description import Description
from ser.nets.folder_files import (
    CARD,
    DESCRIPTION,
    DIMENSIONS_PICTURE,
    ONNX,
    onnx_digest,
    weights_file,
)
from ser.use.commands.arguments import add_model_argument
from ser.use.loading import load

# Files of an earlier version, which may have had more of them.
_REPLACED = rf"fold-\d+\.safetensors|{re.escape(ONNX)}|{re.escape(DIMENSIONS_PICTURE)}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "repository",
        type=_repository,
        metavar="OWNER/NAME",
        help="where to; it is made if it is not there",
    )
    add_model_argument(parser, "folder of the model")
    parser.add_argument(
        "--public",
        action="store_true",
        help="everybody may read it (default: only you, or the members of the owner)",
    )
    parser.add_argument(
        "--with-permission",
        action="store_true",
        help="you have the permission of the corpora's owners, which their licences do not give",
    )


def run(options: argparse.Namespace) -> int:
    """Upload the model, its description, its card and the card's picture, and nothing else.

    Raises:
        UserError: it is not a released model; a licence does not allow it; or see `ser.use.hub`.
    """
    # They are read when the package is imported. Nothing about this computer is sent. Large files
    # go the way that needs no further protocol.
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    from ser.use import hub

    description = load(options.model).description
    files = released_files(options.model, description)
    if not options.with_permission:
        check_licences(description)
    message = f"Model of ser {metadata.version('ser')}"
    where = hub.push(
        files, options.repository, replaced=_REPLACED, public=options.public, message=message
    )
    print(f"{', '.join(files)}: {where}")
    return 0


def _repository(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r}: <owner>/<name> is expected")
    return text


def released_files(folder: Path, description: Description) -> dict[str, Path]:
    """Return the files of a model that the evaluation released: name -> path.

    Args:
        folder: of the model.
        description: what its model.json says.

    Raises:
        UserError: it is no folder, lacks figures or a card, or its ONNX file is of other weights.
    """
    again = "run `dvc repro evaluate`"
    if not folder.is_dir():
        raise UserError(f"{folder} is one file: the folder of a model is expected")
    if description.metrics is None or not (folder / CARD).is_file():
        raise UserError(f"{folder} has no figures or no {CARD}, the model card: {again}")
    files = [folder / CARD, folder / DESCRIPTION]
    files += [weights_file(folder, fold) for fold in description.folds]
    if (folder / ONNX).is_file():
        if onnx_digest(folder, description) != description.onnx:
            raise UserError(f"{folder / ONNX} is not of the weights beside it: {again}")
        files.append(folder / ONNX)
    if (folder / DIMENSIONS_PICTURE).is_file():
        files.append(folder / DIMENSIONS_PICTURE)
    return {file.name: file for file in files}


def check_licences(description: Description) -> None:
    """Check that the licences of the corpora allow a model trained on them to be passed on.

    Raises:
        UserError: one does not, or is not known.
    """
    licences = {name: licence_of(name) for name in description.corpus.corpora}
    others = [f"{name} ({own.terms})" for name, own in licences.items() if not own.allows_models]
    if others:
        raise UserError(
            "the model was trained on recordings whose licence does not say that it may be passed "
            f"on: {', '.join(others)}. If their owners permit it, add --with-permission"
        )
