"""Which recordings there are, and the labels of each: its emotion, and which clip it is."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ser.core.emotions import emotion_of
from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.core.sections import Clean
from ser.core.words import folded
from ser.corpora import CORPORA, label_files, own
from ser.corpora.labels import Labels

_AT_ONCE = 1000  # files

Row = dict[str, Any]


def find_corpora(raw: Path) -> list[str]:
    """Return the corpora below a folder: the names of its folders, sorted, without hidden ones.

    Raises:
        UserError: there are no files, or one is outside the corpora's folders.
    """
    with suppress(FileNotFoundError), os.scandir(raw) as entries:
        visible = sorted(
            (entry.name, entry.is_dir(follow_symlinks=False))
            for entry in entries
            if not entry.name.startswith(".")
        )
        for name, is_folder in visible:
            if not is_folder:
                raise UserError(
                    f"{raw / name} does not belong to a corpus: expected {raw}/<corpus>/..."
                )
        if any(next(find_files(raw / name), None) for name, _ in visible):
            return [name for name, _ in visible]
    raise UserError(f"{raw} holds no files: run `dvc repro -f pull`")


def find_files(folder: Path, below: str = "") -> Iterator[str]:
    """Yield the files in a folder, in any order, as posix paths relative to it.

    Hidden files are left out. A link to a folder counts as a file and is not followed.

    Args:
        folder: where to look.
        below: subfolder to begin in, "" or a path that ends with a slash.
    """
    with os.scandir(folder / below) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from find_files(folder, f"{path}/")
            elif entry.is_file() or entry.is_symlink():
                yield path


def label_recordings(raw: Path, clean: Clean) -> Iterator[Row]:
    """Label every recording below a folder.

    Args:
        raw: the folder that contains the corpora's folders.
        clean: which clips are wanted.

    Yields:
        For each: its path, corpus and the corpus's word for its emotion; then the columns of
        clips.csv that its labels fill and its identity, or reason and detail of its rejection. In
        any order, and never all at once in memory.

    Raises:
        UserError: there are no files, or the table of the user's own corpus is damaged.
    """
    for corpus in find_corpora(raw):
        for path, labels in _labelled(corpus, raw / corpus, clean):
            yield _row(corpus, path, labels, clean)


def require_columns(raw: Path, clean: Clean) -> None:
    """Check that each further column that is wanted is one of a labels.csv.

    Raises:
        UserError: none has it; the text lists the columns that there are.
    """
    if not clean.columns:
        return
    there = {
        column
        for corpus in find_corpora(raw)
        if corpus not in CORPORA
        for column in own.check_table(raw / corpus, list(find_files(raw / corpus)))
    }
    if missing := [column for column in clean.columns if column not in there]:
        raise UserError(
            f"clean.columns names {', '.join(missing)}, which no labels.csv has; further columns "
            f"there are {', '.join(sorted(there)) or 'none'}"
        )


def folder_notes(raw: Path, clean: Clean) -> Iterator[str]:
    """Yield how the folders of the user's own corpora were read if there is no table."""
    for corpus in find_corpora(raw):
        if corpus not in CORPORA:
            folder = raw / corpus
            files = list(find_files(folder))
            if own.find_table(files, str(folder)):
                continue
            labeller = own.make_labeller(folder, files, clean.relabel, clean.own_emotions)
            if labeller.note:
                yield f"{corpus}: {labeller.note}"


def _labelled(corpus: str, folder: Path, clean: Clean) -> Iterator[tuple[str, Labels | Rejected]]:
    files = find_files(folder)
    # In a known corpus the file's name suffices; the user's own needs all paths together.
    at_once = _AT_ONCE if corpus in CORPORA else None
    while some := list(islice(files, at_once)):
        yield from label_files(
            corpus, folder, some, clean.relabel, clean.own_emotions, clean.columns
        )


def _row(corpus: str, file: str, labels: Labels | Rejected, clean: Clean) -> Row:
    path = f"{corpus}/{file}"
    shown = path.encode("utf-8", "backslashreplace").decode()
    row = {"path": shown, "corpus": shown.split("/")[0]}
    try:
        if shown != path:
            raise Rejected("unknown_name", "not UTF-8")
        if "\r" in path:
            raise Rejected("unknown_name", "a carriage return, which csv takes for the row's end")
        if isinstance(labels, Rejected):
            raise labels
        row["word"] = labels.emotion
        resolved = dict(vars(resolve_labels(labels, clean)))  # asdict takes ten times as long
    except Rejected as verdict:
        return row | {"reason": verdict.reason, "detail": str(verdict)}
    name, _, more = (resolved.pop(key) for key in ("name", "sung", "more"))
    return (
        row
        | resolved
        | {"more": more, "clip": f"{corpus}/{name}", "identity": identity(corpus, labels)}
    )


def resolve_labels(labels: Labels, clean: Clean) -> Labels:
    """Return the labels with the project's name for the emotion, if the clip is wanted.

    Raises:
        Rejected: unknown_emotion, song or excluded_emotion.
    """
    emotion = emotion_of(labels.emotion, clean.relabel, clean.own_emotions)
    if labels.sung and not clean.song:
        raise Rejected("song", "sung, not spoken: clean.song keeps such clips")
    if clean.emotions != "all" and emotion not in clean.emotions:
        raise Rejected("excluded_emotion", f"{emotion}: not in clean.emotions")
    return replace(labels, emotion=emotion)


def identity(corpus: str, labels: Labels) -> str:
    """Return a key that all files of one clip share, even if their names are spelled differently.

    In a known corpus it is all labels in the name; in the user's own corpus, the name itself.
    """
    if corpus not in CORPORA:
        return f"{corpus}/{labels.name}"
    return f"{corpus}/{[value for label, value in vars(labels).items() if label != 'name']}"


def relabel_keys(emotion: str) -> set[str]:
    """Return the keys of clean.relabel that match a corpus's word for an emotion."""
    words = {folded(emotion)}
    with suppress(Rejected):
        words.add(emotion_of(emotion, {}))
    return words
