"""Types of arguments that several commands share."""

import argparse
from pathlib import Path


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
