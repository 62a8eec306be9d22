"""Where the files of a source may go, how they are written, and what is said of them."""

import filecmp
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ser.core.errors import UserError

# Which commit a folder was filled from: see `mark`.
MARK = ".source"

Check = Literal["md5", "git_hash", "archive", "size", "unverified"]

# (paths of all files that a source has, its name) -> those that the corpus consists of, sorted;
# raises UserError if there are none.
Select = Callable[[Collection[str], str], list[str]]


@dataclass(frozen=True)
class Pulled:
    """What a source brought.

    Attributes:
        revision: commit or version of the source, None if it has none.
        files: path -> what it was verified by; `archive`: with the archive that it came in.
        others: number of files that the source has beside them.
    """

    revision: str | None
    files: dict[str, Check]
    others: int


def refuse_to_leave(path: str, source: str) -> None:
    """Refuse a path that leaves the folder it is relative to.

    Raises:
        UserError: naming the path.
    """
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise UserError(f"{source} names a file {path!r} outside of its own folders: refused")


def inside(folder: Path, path: str, source: str) -> Path:
    """Where a file of a source goes, keeping its path inside the source.

    Raises:
        UserError: it would leave the folder, or its name cannot stand in a table.
    """
    refuse_to_leave(path, source)
    # Bytes of another encoding are surrogates here (Cs).
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
def whole(target: Path) -> Iterator[Path]:
    """Give the name to write a file under; it gets its final one only when nothing failed.

    The file is replaced, never written into: DVC may have linked it to its cache. One that is the
    same stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        yield part
        if not (target.is_file() and filecmp.cmp(part, target, shallow=False)):
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def mark(folder: Path, origin: str, unsure: Iterable[Path]) -> None:
    """Write into a folder what it is filled from.

    Args:
        folder: the folder of one corpus.
        origin: names the source and its commit.
        unsure: files that cannot be told from those of another origin; they are removed if the
            folder was filled from one.
    """
    marked = folder / MARK
    if marked.is_file() and marked.read_text(encoding="utf-8") == origin:
        return
    for path in unsure:
        path.unlink(missing_ok=True)
    with whole(marked) as part:
        part.write_text(origin, encoding="utf-8")
