"""A corpus of the user's own: recordings with a table labels.csv, or a folder for each emotion.

Words that people typed are normalised here: see `ser.core.words`.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from ser.core.dimensions import DIMENSIONS
from ser.core.emotions import emotion_of
from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.core.words import composed, folded, tidied
from ser.corpora import tree
from ser.corpora.labels import Labels
from ser.decoding.suffixes import READ, SUFFIXES

TABLE = "labels.csv"
_REQUIRED = ("path", "emotion")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# A first line that tells Excel the separator, such as sep=; with what other programs add to it.
_STATED_SEPARATOR = re.compile(r'"?sep="?([^"\r\n])[^\r\n]*(?=\r?\n)')
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_OPTIONAL = tuple(
    f.name for f in fields(Labels) if f.name not in ("name", "emotion", "sung", "more")
)


@dataclass(frozen=True)
class Labeller:
    """Labels the files of one folder.

    Attributes:
        parse: path below the folder -> labels; raises `Rejected`.
        missing: path that the table lists but that does not exist -> which file may be meant, or an
            empty string.
        unused: columns of the table that are not used.
        note: how the folders were read, or why they do not name the speakers; may be empty.
    """

    parse: Callable[[str], Labels]
    missing: dict[str, str]
    unused: list[str]
    note: str


@dataclass(frozen=True)
class _Rows:
    """The rows of labels.csv.

    Attributes:
        columns: all that are used but path.
        more: those of them that are not labels.
        labels: path below the corpus's folder -> its cells in these columns.
    """

    columns: list[str]
    more: list[str]
    labels: dict[str, tuple[str, ...]]


def find_table(paths: Collection[str], where: str) -> str | None:
    """Find the labels.csv that is nearest to the root of a folder.

    Raises:
        UserError: there are several at the same depth.
    """
    tables = sorted(
        (path for path in paths if PurePosixPath(path).name.lower() == TABLE),
        key=lambda path: (path.count("/"), path),
    )
    if len(tables) > 1 and tables[0].count("/") == tables[1].count("/"):
        raise UserError(
            f"{where} has both {tables[0]} and {tables[1]}: keep one {TABLE} with the paths of "
            "all recordings"
        )
    return tables[0] if tables else None


def make_labeller(
    folder: Path,
    paths: Collection[str],
    relabel: Mapping[str, str],
    own: Collection[str] = (),
    more: Sequence[str] = (),
) -> Labeller:
    """Return the labeller of a folder: its labels.csv if there is one, else its subfolders.

    Args:
        folder: the folder of the recordings.
        paths: all files in it, relative to it.
        relabel: see `ser.core.emotions.emotion_of`.
        own: see `ser.core.emotions.emotion_of`.
        more: further columns of the table to read, if it has them; folded.

    Raises:
        UserError: labels.csv is damaged.
    """
    table = find_table(paths, str(folder))
    if table is not None:
        rows, unused = _read_table(folder / table, PurePosixPath(table).parent, more)
        return Labeller(partial(_by_table, rows), _missing(rows, paths), unused, "")

    @cache  # few folders hold many files
    def emotion(name: str) -> str | None:
        try:
            return emotion_of(name, relabel, own)
        except Rejected:
            return None

    speakers, note = tree.find_speakers([path for path in paths if _is_recording(path)], emotion)
    return Labeller(lambda path: _by_folder(path, emotion, speakers.get(path, "")), {}, [], note)


def check_table(folder: Path, paths: Collection[str]) -> list[str]:
    """Check the labels.csv of a folder, if it has one.

    Returns:
        The columns that are not used.

    Raises:
        UserError: it is damaged.
    """
    table = find_table(paths, str(folder))
    return [] if table is None else _read_table(folder / table, PurePosixPath(table).parent)[1]


def missing_file(near: str) -> Rejected:
    """Return the rejection of a path that a table lists but that does not exist.

    Args:
        near: which file may be meant, or an empty string.
    """
    return Rejected(
        "missing_file",
        f"{TABLE} lists it, but the file is {near}: write each path relative to the folder of "
        f"{TABLE}, with its suffix, in the file's upper and lower case"
        if near
        else f"{TABLE} lists it, but no recording ({READ}) has that name",
    )


def clip_name(path: str) -> str:
    """Return the name of the clip at a path below the corpus's folder."""
    return composed(PurePosixPath(path).with_suffix("").as_posix())


def _is_recording(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _by_folder(path: str, emotion: Callable[[str], str | None], speaker: str) -> Labels:
    """Return a recording's labels, with the emotion of the folder that is named for one.

    Args:
        path: path of the recording.
        emotion: name of a folder -> emotion, or None.
        speaker: the speaker, or an empty string.
    """
    folders = PurePosixPath(path).parts[:-1]
    found = {known: name for name in folders if (known := emotion(name)) is not None}
    if len(found) != 1:
        named = f"both {' and '.join(found.values())} are" if found else "none is"
        raise Rejected(
            "unknown_emotion",
            f"of its folders, {named} named for an emotion: expected <emotion>/<file>, or a "
            f"{TABLE} with the columns path and emotion; clean.relabel can map a folder's name "
            "to an emotion, clean.emotions can list emotions of your own",
        )
    name = clip_name(path)
    return Labels(name, next(iter(found.values())), speaker=speaker, utterance=name)


def _by_table(rows: _Rows, path: str) -> Labels:
    row = rows.labels.get(composed(path))
    if row is None:
        raise Rejected("unlisted", f"not in {TABLE}")
    name = clip_name(path)
    cells = dict(zip(rows.columns, row, strict=True))
    more = {column: cells.pop(column) for column in rows.more}
    labels = replace(Labels(name, "", more=more), **cells)  # type: ignore[arg-type]
    # Without this column, every clip is an utterance of its own: no two must stay on one side.
    return replace(labels, utterance=labels.utterance or name)


def _missing(rows: _Rows, paths: Collection[str]) -> dict[str, str]:
    """Find the recordings that may be meant by paths that a table lists but that do not exist."""
    there = {composed(path) for path in paths}
    missing = dict.fromkeys(sorted(path for path in rows.labels if path not in there), "")
    unlisted = [path for path in there if path not in rows.labels and _is_recording(path)]
    if missing and unlisted:
        unlisted.sort(reverse=True)  # if several could be meant, the first in sorted order
        by_path = {_loosely(path): path for path in unlisted}
        by_name = {PurePosixPath(_loosely(path)).name: path for path in unlisted}
        for path in missing:
            key = _loosely(path)
            missing[path] = by_path.get(key) or by_name.get(PurePosixPath(key).name, "")
    return missing


def _loosely(path: str) -> str:
    """Return a key that a path shares with what people write instead of it."""
    lower = folded(path)
    suffix = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")
    return lower.removesuffix(suffix)


def _records(file: Path, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the last line, cells) of each record that is not empty.

    Args:
        file: the table.
        separator: of its columns.
        skipped: number of lines before the header.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: the file is damaged or is not a table.
    """
    with file.open(encoding="utf-8-sig", newline="") as stream:
        for _ in range(skipped):
            stream.readline()
        reader = csv.reader(stream, delimiter=separator, strict=True)
        for cells in reader:
            if any(map(str.strip, cells)):
                yield skipped + reader.line_num, cells


def _header(file: Path, separator: str) -> list[str]:
    """Return the names of a table's columns if they are separated like this."""
    try:
        _, names = next(_records(file, separator, 0), (0, []))
    except csv.Error:
        return []
    return list(map(folded, names))


def _find_separator(file: Path) -> tuple[str, int]:
    """Return the separator, and how many lines state it, 0 or 1.

    If it is not stated, it is the one that finds most known columns in the header, or a comma.
    """
    with file.open(encoding="utf-8-sig", newline="") as stream:
        stated = _STATED_SEPARATOR.match(stream.readline())
    if stated:
        return stated[1], 1
    known = {*_REQUIRED, *_OPTIONAL}
    return max(_SEPARATORS, key=lambda each: len(known.intersection(_header(file, each)))), 0


def _read_table(
    file: Path, parent: PurePosixPath, more: Sequence[str] = ()
) -> tuple[_Rows, list[str]]:
    """Read labels.csv, one row at a time: it may have millions.

    Args:
        file: the table.
        parent: its folder, relative to that of the corpus.
        more: further columns to read, if it has them.

    Returns:
        (its rows, columns that are not used).

    Raises:
        UserError: it is not a table, lacks a column, has an age with a decimal comma or a rating
            that is not in 0..1, has a column of ratings without any, or lists a path twice or
            outside its folder.
    """
    number = 0
    rated: set[str] = set()
    labels: dict[str, tuple[str, ...]] = {}
    # Of equal texts and of equal rows, one is kept.
    texts: dict[str, str] = {}
    rows: dict[tuple[str, ...], tuple[str, ...]] = {}
    try:
        separator, skipped = _find_separator(file)
        records = _records(file, separator, skipped)
        number, names = next(records, (0, []))
        header = list(map(folded, names))
        used = _used_columns(file, header, separator, more)
        columns = [column for column in used if column != "path"]
        ratings = [name for name in DIMENSIONS if name in columns]
        for number, cells in records:
            where = f"{file}, line {number}"
            if any(map(str.strip, cells[len(header) :])):
                raise UserError(f"{where}: {len(cells)} fields under {len(header)} columns")
            row = dict.fromkeys(header, "") | dict(zip(header, map(str.strip, cells), strict=False))
            if _DECIMAL_COMMA.fullmatch(age := row.get("age", "")):
                raise UserError(f"{where}: age {age!r}: write {age.replace(',', '.')}")
            rated |= {name for name in ratings if _is_rated(row[name], name, where)}
            path = composed((parent / _below(row["path"], where)).as_posix())
            if path in labels:
                raise UserError(f"{where}: {row['path']!r} is already listed")
            told = (tidied(row[column]) for column in columns)
            values = tuple(texts.setdefault(text, text) for text in told)
            labels[path] = rows.setdefault(values, values)
    except (OSError, ValueError, csv.Error) as error:
        # The place that it states is one in a part of the file.
        problem = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise UserError(
            f"{file} is not a csv table in UTF-8: {problem}, in or after line {number + 1}; "
            'spreadsheets can save it as "CSV UTF-8"'
        ) from None
    if not labels:
        raise UserError(f"{file} lists no recordings")
    if unrated := [name for name in ratings if name not in rated]:
        raise UserError(
            f"{file} has the column {unrated[0]}, but no number in it: write a number from 0 to 1 "
            "for each clip that was rated, or remove the column"
        )
    kept = [column for column in more if column in columns]
    return _Rows(columns, kept, labels), [
        column for column in header if column and column not in used
    ]


def _is_rated(cell: str, name: str, where: str) -> bool:
    """Return whether a cell is a rating, after checking that it is one or is empty."""
    if cell and not (_NUMBER.fullmatch(cell) and float(cell) <= 1):
        raise UserError(
            f"{where}: {name} {cell!r}: a number from 0 to 1, such as 0.75, or an empty cell for a "
            "clip that was not rated, is expected"
        )
    return bool(cell)


def _used_columns(file: Path, header: list[str], separator: str, more: Sequence[str]) -> list[str]:
    """Return the columns of a header to read, after checking that it has those that are needed."""
    used = [column for column in (*_REQUIRED, *_OPTIONAL, *more) if column in header]
    if not set(_REQUIRED) <= set(used) or any(header.count(column) > 1 for column in used):
        raise UserError(
            f"{file} needs each of the columns {' and '.join(_REQUIRED)}, and may have each of "
            f"{', '.join((*_OPTIONAL, *more))}, once; it has "
            f"{', '.join(header) or 'none'}, separated by "
            f"{_SEPARATORS.get(separator, repr(separator))}"
        )
    return used


def _below(path: str, where: str) -> PurePosixPath:
    """Read a path of the table, which may have the backslashes of Windows."""
    listed = PurePosixPath(path.replace("\\", "/"))
    outside = listed.is_absolute() or PureWindowsPath(path).drive or ".." in listed.parts
    if outside or not listed.name:
        raise UserError(
            f"{where}: {path!r} is not a file below its folder: give the path relative to the "
            f"folder of {TABLE}"
        )
    return listed
