"""What arguments of several commands have in common."""

import argparse
from pathlib import Path


def a_path(text: str) -> Path:
    """Take the name of a file or folder.

    Raises:
        argparse.ArgumentTypeError: it is empty, which would be the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name of a file or folder is expected, not ''")
    return Path(text)
