"""Arguments, and types of arguments, that several commands share."""

import argparse
import contextlib
from pathlib import Path


def add_model_argument(parser: argparse.ArgumentParser, form: str) -> None:
    """Add the option that names the model.

    Args:
        parser: of the command.
        form: what the command takes, such as "folder of the model".
    """
    parser.add_argument(
        "--model",
        type=non_empty_path,
        default=Path("data/model"),
        help=f"{form} (default: data/model)",
    )


def share(text: str) -> float:
    """Return a number from 0 to 1.

    >>> share("0.7")
    0.7

    Raises:
        argparse.ArgumentTypeError: the text is another.
    """
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(text)) <= 1:
            return number
    raise argparse.ArgumentTypeError(f"a number from 0 to 1 is expected, not {text!r}")


def non_empty_path(text: str) -> Path:
    """Return the path of a file or folder.

    >>> non_empty_path("data/model").name
    'model'

    Raises:
        argparse.ArgumentTypeError: the name is empty, which would mean the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name of a file or folder is expected, not ''")
    return Path(text)
