"""Where the files of a source may be written, and how."""

import filecmp
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ser.core.errors import UserError

# What a folder was filled from: see `write_origin`.
ORIGIN_FILE = ".source"

Check = Literal["md5", "git_hash", "archive", "size", "unverified"]

# (paths of all files of a source, its name) -> those that belong to the corpus, sorted; raises
# UserError if there are none.
Select = Callable[[Collection[str], str], list[str]]

# MD5 of a file -> a local copy of it, if there is one.
FindCopy = Callable[[str], Path | None]


@dataclass(frozen=True)
class Pulled:
    """The files that were pulled from a source.

    Attributes:
        revision: commit or version of the source; None if it has none.
        files: path -> how it was verified; `archive`: with the archive that it came in.
        others: number of other files in the source.
    """

    revision: str | None
    files: dict[str, Check]
    others: int


def require_relative(path: str, source: str) -> None:
    """Check that a path does not leave the folder it is relative to.

    Raises:
        UserError: it does; names the path.
    """
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise UserError(f"{source} names a file {path!r} outside of its own folders: refused")


def safe_target(folder: Path, path: str, source: str) -> Path:
    """Return where to write a file of a source, which keeps its path.

    Raises:
        UserError: it would leave the folder, or its name cannot be written in a table.

    >>> safe_target(Path("data"), "sad/1.wav", "archive.zip").as_posix()
    'data/sad/1.wav'
    """
    require_relative(path, source)
    # Bytes that are not UTF-8 are surrogates here (Cs).
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        raise UserError(
            f"{source}: the name {path!r} is not readable as UTF-8, or has control characters: "
            "rename the file"
        )
    target = folder / path
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{target.parent} is a link that leaves {folder}: remove it")
    return target


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary name to write a file under; it is renamed only if nothing failed.

    An existing file is replaced, never written into: DVC may have linked it to its cache. It stays
    if the content is the same.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        if not (target.is_file() and filecmp.cmp(part, target, shallow=False)):
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_origin(folder: Path, origin: str, unsure: Iterable[Path]) -> None:
    """Write into a folder what it is filled from.

    Args:
        folder: the folder of one corpus.
        origin: the source and its commit.
        unsure: files that cannot be distinguished from those of another origin; they are removed
            if the folder was filled from one.
    """
    written = folder / ORIGIN_FILE
    if written.is_file() and written.read_text(encoding="utf-8") == origin:
        return
    for path in unsure:
        path.unlink(missing_ok=True)
    with atomic_write(written) as part:
        part.write_text(origin, encoding="utf-8")
