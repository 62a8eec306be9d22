"""Read a table of features that another program computed: a row for each clip."""

import csv
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ser.core.errors import UserError
from ser.core.kinds import MOST_COLUMNS
from ser.core.typing import FloatArray

_KEY = "clip"
_MOST_BYTES = 1 << 31
_MOST_VALUES = 1 << 28
_SHOWN = 3
_FORM = (
    f"expected is a row for each clip of data/clips.csv, with its name in the column {_KEY!r} (of "
    "an .npy: as a line of the .txt beside it), and finite numbers in all other columns"
)

Row = tuple[str, Sequence[str] | FloatArray]


def read_table(path: Path, clips: Sequence[str]) -> tuple[FloatArray, list[str]]:
    """Read the rows of clips from a table, in the order of the clips.

    Args:
        path: a CSV with a column `clip`; or an .npy [rows, columns], with the name of each row's
            clip as a line of the file beside it whose suffix is .txt.
        clips: their names, each once.

    Returns:
        (values float32 [clips, columns], names of the clips whose rows were not asked for).

    Raises:
        UserError: the file is missing, too large or no such table; rows are missing, or not of
            finite numbers.
    """
    require_table(path)
    try:
        head, rows = _rows_of_npy(path) if path.suffix == ".npy" else _rows_of_csv(path)
        return _collect(head, rows, clips)
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}): {_FORM}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}; {_FORM}") from None


def require_table(path: Path) -> None:
    """Check that there is a file for `read_table`.

    Raises:
        UserError: there is none, it is a link that is not DVC's, or it is too large.
    """
    beside = path.with_suffix(".txt")
    for file in (path, beside) if path.suffix == ".npy" else (path,):
        if not file.is_file():
            raise UserError(f"{file} is not there (features.table): {_FORM}")
        # DVC's own lead to its cache. What is behind others is not where an experiment runs.
        if file.is_symlink() and not file.with_name(f"{file.name}.dvc").is_file():
            raise UserError(f"{file} is a link: copy the file there, or `dvc add` it")
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise UserError(
                f"{file} has {size:,} bytes, at most {_MOST_BYTES:,} are read: leave out columns, "
                "or write fewer digits"
            )


def _rows_of_csv(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Return the names of a CSV's other columns, and each row as its clip's name and cells."""
    lines = _lines(path)
    head = next(lines, [])
    if head.count(_KEY) != 1:
        raise ValueError(
            f"the first line, {','.join(head)[:80]!r}, names {head.count(_KEY)} columns {_KEY!r} "
            "between its commas"
        )
    place = head.index(_KEY)
    # pandas writes the number of each row so, which may give the emotion away: clips are sorted.
    if nameless := [name for name in head if not name.strip() or name.startswith("Unnamed: ")]:
        raise ValueError(
            f"the column {nameless[0]!r} has no name of its own, as pandas writes the numbers of "
            "the rows: leave it out (to_csv with index=False), or name it"
        )

    def rows() -> Iterator[Row]:
        for number, cells in enumerate(lines, start=2):
            if len(cells) != len(head):
                raise ValueError(
                    f"row {number} has {len(cells)} cells, and the first line {len(head)}"
                )
            yield cells[place], cells[:place] + cells[place + 1 :]

    return head[:place] + head[place + 1 :], rows()


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from filter(None, csv.reader(file, strict=True))


def _rows_of_npy(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Return the columns of an .npy by their numbers, and each row with its clip's name."""
    values = np.lib.format.open_memmap(path, mode="r")
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise ValueError(f"an array {list(values.shape)} of {values.dtype}")
    names = path.with_suffix(".txt").read_text(encoding="utf-8-sig").splitlines()
    if len(names) != len(values):
        raise ValueError(
            f"{len(values)} rows, and {len(names)} names in {path.with_suffix('.txt').name}"
        )
    return [str(n) for n in range(1, values.shape[1] + 1)], zip(names, values, strict=True)


def _collect(
    head: Sequence[str], rows: Iterator[Row], clips: Sequence[str]
) -> tuple[FloatArray, list[str]]:
    """Return the rows of clips as one array: see `read_table`.

    Raises:
        ValueError: all that is wrong with the rows.
    """
    if not 1 <= len(head) <= MOST_COLUMNS:
        raise ValueError(f"{len(head):,} columns of numbers, 1 to {MOST_COLUMNS:,} are read")
    if len(head) * len(clips) > _MOST_VALUES:
        raise ValueError(
            f"{len(head) * len(clips):,} values of {len(clips):,} clips, at most {_MOST_VALUES:,} "
            "are read"
        )
    values = np.zeros((len(clips), len(head)), np.float32)
    place_of = {clip: place for place, clip in enumerate(clips)}
    missing = dict.fromkeys(clips)
    others, twice, words, endless = (list[str]() for _ in range(4))
    for clip, cells in rows:
        if clip not in place_of:
            others.append(clip)
        elif clip not in missing:
            twice.append(clip)
        else:
            del missing[clip]
            row = values[place_of[clip]]
            for column in _fill(row, cells):
                words.append(f"{cells[column]!r:.40} in column {head[column]} of {clip}")
            infinite = np.flatnonzero(~np.isfinite(row)).tolist()
            endless += [f"column {head[column]} of {clip}" for column in infinite]
    wrong = {
        "clips without a row": missing,
        "rows of a clip that has one already": twice,
        "cells that are not numbers": words,
        "numbers that are NaN, infinite or too large for 32 bits": endless,
    }
    if any(wrong.values()):
        told = (wrong | {"rows of no clip": others}).items()
        raise ValueError("; ".join(_told(what, each) for what, each in told if each))
    return values, others


def _fill(row: FloatArray, cells: Sequence[str] | FloatArray) -> list[int]:
    """Write a row's cells as numbers; return the columns of those that are none."""
    with np.errstate(over="ignore"):
        try:
            row[:] = np.asarray(cells, np.float64)
        except ValueError:
            return [column for column, cell in enumerate(cells) if not _is_number(cell)]
    return []


def _is_number(cell: object) -> bool:
    try:
        np.asarray(cell, np.float64)
    except ValueError:
        return False
    return True


def _told(what: str, names: Collection[str]) -> str:
    """Return how many there are of something, and the first of them.

    >>> _told("rows of no clip", ["a", "b", "c", "d"])
    'rows of no clip: 4, such as a, b, c'
    """
    return f"{what}: {len(names)}, such as {', '.join(islice(names, _SHOWN))}"
