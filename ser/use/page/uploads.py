"""The folder of uploads: their maximum size, which files are uploads, and their deletion."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import time

MAX_BYTES = 50 << 20  # of one upload
ONLY_UPLOADS = "Only uploads are accepted, and they are deleted within ten minutes."
KEPT = 300  # seconds that an upload is kept
_EVERY = 30  # seconds from one check to the next
DELETED_AFTER = KEPT + 2 * _EVERY  # seconds, at the latest


def is_upload(name: object, folder: Path) -> bool:
    """Return whether something is the absolute name, without `..`, of a file in the folder.

    `..` is refused because not all programs that read a file follow the links before it.
    """
    if not isinstance(name, str):
        return False
    path = Path(name)
    # Checked before the file is looked at, because a name may be that of another computer's file.
    if ".." in path.parts or not path.is_relative_to(folder):
        return False
    try:
        return path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # no file can have such a name
        return False


@contextmanager
def deleting_old_files(folder: Path) -> Iterator[None]:
    """Delete old files in the folder periodically, until the context ends."""
    ended = Event()

    def delete_again() -> None:
        while not ended.wait(_EVERY):
            # What is searched may be removed meanwhile; the next check finds the rest.
            with suppress(OSError):
                delete_old(folder, KEPT)

    Thread(target=delete_again, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def delete_old(folder: Path, seconds: float) -> None:
    """Delete all below a folder that was not written to for some seconds, the folders if empty."""
    oldest = time() - seconds
    # Listed before anything is deleted, because that makes a folder young again.
    old = [path for path in folder.rglob("*") if path.lstat().st_mtime < oldest]
    for path in sorted(old, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):  # it was removed meanwhile, or is a folder with something in it
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
