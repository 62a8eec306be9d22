"""Types of arguments that several commands share."""

import argparse
import contextlib
from pathlib import Path


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
