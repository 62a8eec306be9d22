"""The folder of uploads: how large they may be, which names lead into it, and how long for."""

from contextlib import suppress
from pathlib import Path
from time import time

MOST_BYTES = 50 << 20  # of one upload
UPLOADS_ALONE = "Only uploads are taken, and they are deleted within ten minutes."


def is_upload(name: object, folder: Path) -> bool:
    """Return whether something is the name of a file in the folder, absolute and without `..`.

    Where `..` leads depends on whether the links before it are followed: not all readers do.
    """
    if not isinstance(name, str):
        return False
    path = Path(name)
    # Before any file is looked at: a name may also be that of another computer's file.
    if ".." in path.parts or not path.is_relative_to(folder):
        return False
    try:
        return path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # no file can have such a name
        return False


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files in a folder, and below it, that were not written to for so long."""
    oldest = time() - seconds
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # whoever made it may take it away meanwhile
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
