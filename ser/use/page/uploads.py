"""The folder of uploads: how large they may be, which names lead into it, and how long for."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import time

MOST_BYTES = 50 << 20  # of one upload
UPLOADS_ALONE = "Only uploads are taken, and they are deleted within ten minutes."
_KEPT = 300  # seconds that an upload is kept, and between two looks at them


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


@contextmanager
def old_deleted(folder: Path) -> Iterator[None]:
    """Delete what is old in the folder, again and again, until the context is left."""
    ended = Event()

    def delete_again() -> None:
        while not ended.wait(_KEPT):
            # Folders may go while they are looked through; the next look finds the rest.
            with suppress(OSError):
                delete_old(folder, _KEPT)

    Thread(target=delete_again, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files in a folder, and below it, that were not written to for so long."""
    oldest = time() - seconds
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # whoever made it may take it away meanwhile
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
