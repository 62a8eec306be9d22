"""A corpus of the user's own: recordings with a table labels.csv, or a folder for each emotion.

Words that people typed are normalised here: see `ser.core.words`.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath

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
_OPTIONAL = tuple(f.name for f in fields(Labels) if f.name not in ("name", "emotion", "sung"))


@dataclass(frozen=True)
class Labeller:
    """Labels the files of one folder.

    Attributes:
        parse: path below the folder -> labels; raises `Rejected`.
        missing: path that the table lists but that does not exist -> which file may be meant.
        unused: columns of the table that are not used.
        note: how the folders were read, or why they do not name the speakers; may be empty.
    """

    parse: Callable[[str], Labels]
    missing: dict[str, str]
    unused: list[str]
    note: str


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
    folder: Path, paths: Collection[str], relabel: Mapping[str, str], own: Collection[str] = ()
) -> Labeller:
    """Return the labeller of a folder: its labels.csv if there is one, else its subfolders.

    Args:
        folder: the folder of the recordings.
        paths: all files in it, relative to it.
        relabel: see `ser.core.emotions.emotion_of`.
        own: see `ser.core.emotions.emotion_of`.

    Raises:
        UserError: labels.csv is damaged.
    """
    table = find_table(paths, str(folder))
    if table is not None:
        rows, unused = _read_table(folder / table, PurePosixPath(table).parent)
        return Labeller(lambda path: _by_table(path, rows), _missing(rows, paths), unused, "")

    @cache  # few folders hold many files
    def emotion(name: str) -> str | None:
        try:
            return emotion_of(name, relabel, own)
        except Rejected:
            return None

    speakers, note = tree.find_speakers([path for path in paths if _is_recording(path)], emotion)
    return Labeller(lambda path: _by_folder(path, emotion, speakers.get(path, "")), {}, [], note)


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


def _by_table(path: str, rows: Mapping[str, Mapping[str, str]]) -> Labels:
    row = rows.get(composed(path))
    if row is None:
        raise Rejected("unlisted", f"not in {TABLE}")
    name = clip_name(path)
    labels = replace(Labels(name, ""), **row)  # type: ignore[arg-type]
    # Without this column, every clip is an utterance of its own: no two must stay on one side.
    return replace(labels, utterance=labels.utterance or name)


def _missing(rows: Collection[str], paths: Collection[str]) -> dict[str, str]:
    """Find the recordings that may be meant by paths that a table lists but that do not exist."""
    there = {composed(path) for path in paths}
    unlisted = sorted(path for path in there - set(rows) if _is_recording(path))
    # If several could be meant, the first in sorted order.
    by_path = {_loosely(path): path for path in reversed(unlisted)}
    by_name = {PurePosixPath(_loosely(path)).name: path for path in reversed(unlisted)}
    missing = {}
    for path in sorted(set(rows) - there):
        key = _loosely(path)
        near = by_path.get(key) or by_name.get(PurePosixPath(key).name)
        missing[path] = (
            f"{TABLE} lists it, but the file is {near}: write each path relative to the folder of "
            f"{TABLE}, with its suffix, in the file's upper and lower case"
            if near
            else f"{TABLE} lists it, but no recording ({READ}) has that name"
        )
    return missing


def _loosely(path: str) -> str:
    """Return a key that a path shares with what people write instead of it."""
    lower = folded(path)
    suffix = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")
    return lower.removesuffix(suffix)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the last line, cells) of each record that is not empty.

    Raises:
        csv.Error: the text is damaged.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for cells in reader:
        if any(map(str.strip, cells)):
            yield reader.line_num, cells


def _header(text: str, separator: str) -> list[str]:
    """Return the names of a table's columns if they are separated like this."""
    try:
        _, names = next(_records(text, separator), (0, []))
    except csv.Error:
        return []
    return list(map(folded, names))


def _find_separator(text: str) -> str:
    """Return the separator that finds most known columns in the header; without any, a comma."""
    known = {*_REQUIRED, *_OPTIONAL}
    return max(_SEPARATORS, key=lambda separator: len(known.intersection(_header(text, separator))))


def _read_table(file: Path, parent: PurePosixPath) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Read labels.csv.

    Returns:
        (path below the corpus's folder -> its other columns, columns that are not used).

    Raises:
        UserError: it is not a table, lacks a column, has an age with a decimal comma, or lists a
            path twice or outside its folder.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
        stated = _STATED_SEPARATOR.match(text)
        separator = stated[1] if stated else _find_separator(text)
        if stated:
            text = text[stated.end() :]  # from the end of the line, so that all keep their numbers
        lines = list(_records(text, separator))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f'{file} is not a csv table in UTF-8: {error}; spreadsheets can save it as "CSV UTF-8"'
        ) from None
    header = _header(text, separator)
    used = [column for column in (*_REQUIRED, *_OPTIONAL) if column in header]
    if not set(_REQUIRED) <= set(used) or any(header.count(column) > 1 for column in used):
        raise UserError(
            f"{file} needs each of the columns {' and '.join(_REQUIRED)}, and may have each of "
            f"{', '.join(_OPTIONAL)}, once; it has {', '.join(header) or 'none'}, separated by "
            f"{_SEPARATORS.get(separator, repr(separator))}"
        )
    rows: dict[str, dict[str, str]] = {}
    for number, cells in lines[1:]:
        where = f"{file}, line {number}"
        if any(map(str.strip, cells[len(header) :])):
            raise UserError(f"{where}: {len(cells)} fields under {len(header)} columns")
        row = dict.fromkeys(header, "") | dict(zip(header, map(str.strip, cells), strict=False))
        if _DECIMAL_COMMA.fullmatch(age := row.get("age", "")):
            raise UserError(f"{where}: age {age!r}: write {age.replace(',', '.')}")
        path = composed((parent / _below(row["path"], where)).as_posix())
        if path in rows:
            raise UserError(f"{where}: {row['path']!r} is already listed")
        rows[path] = {column: tidied(row[column]) for column in used if column != "path"}
    if not rows:
        raise UserError(f"{file} lists no recordings")
    return rows, [column for column in header if column and column not in used]


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
