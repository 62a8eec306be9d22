"""EmoBox's published folds: which clips of a corpus are for train, val and test.

Ma et al.: EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark,
Interspeech 2024. A corpus's folder holds fold_1, fold_2, ... with one list per subset, named
<corpus>_{train,valid,test}_fold_<n>.jsonl. There may also be lists in an older form, named
<corpus>_{train,valid,test}_fold<n>.jsonl, as for Emo-DB.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ser.core.errors import UserError
from ser.corpora import clip_name

_FOLD = re.compile(r"fold_\d+", re.ASCII)
_SUBSETS = {"train": "train", "valid": "val", "test": "test"}
_KEYS = ("wav", "audio")  # key of a path in the newer and in the older form


class Published(NamedTuple):
    """One published fold of a corpus.

    Attributes:
        fold: clip -> train, val or test.
        absent: listed paths that match none of the clips.
        passed_over: names of lists in the older form that were skipped for newer ones.
    """

    fold: dict[str, str]
    absent: list[str]
    passed_over: list[str]


def fold_folders(path: Path, corpus: str) -> list[Path]:
    """Return a corpus's folders fold_1, fold_2, ... below a path, in the order of their numbers.

    Args:
        path: the corpus's folder, the folder of all corpora, or one fold.
        corpus: the corpus whose folds are wanted.

    Raises:
        UserError: there are none, one is missing, or they are not all in one form.
    """
    found = [path] if _FOLD.fullmatch(path.name) else path.glob("**/fold_*")
    lists = {folder: _lists(folder, corpus) for folder in found if _FOLD.fullmatch(folder.name)}
    folders = sorted(
        (folder for folder, forms in lists.items() if any(forms)),
        key=lambda folder: int(_number(folder)),
    )
    if not folders:
        raise UserError(
            f"split.emobox {str(path)!r}: no fold_<n>/{corpus}_test_fold_<n>.jsonl below it; "
            "expected a folder such as EmoBox's data/aesdd, or its data for several corpora"
        )
    newer = [_number(folder) for folder in folders if lists[folder][0]]
    older = [_number(folder) for folder in folders if not lists[folder][0]]
    if newer and older:
        raise UserError(
            f"split.emobox {str(path)!r} has lists of {corpus} in the newer form "
            f"(…_fold_<n>.jsonl) of the folds {', '.join(newer)}, and in the older "
            f"(…_fold<n>.jsonl) alone of {', '.join(older)}: the two may be different "
            "splits; add the missing newer lists, or remove the newer ones"
        )
    for folder in folders:
        there = lists[folder][0] or lists[folder][1]
        fold = "fold_" if newer else "fold"
        for subset, other in (("test", "train"), ("train", "test")):
            if subset not in there:
                lack = f"{corpus}_{subset}_{fold}{_number(folder)}.jsonl"
                raise UserError(f"{folder} has no {lack}, but a list of {other}")
    numbers = sorted(map(_number, folders))
    expected = sorted(str(n) for n in range(1, len(folders) + 1))
    if path not in folders and numbers != expected:
        raise UserError(
            f"split.emobox {str(path)!r} has the folds {', '.join(numbers)} of {corpus}: expected "
            f"{', '.join(expected)}, each once; give the folder of one complete copy"
        )
    return folders


def _number(folder: Path) -> str:
    return folder.name.removeprefix("fold_")


def _lists(folder: Path, corpus: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find a corpus's lists of each subset: those in the newer form and those in the older."""
    newer, older = (
        {
            subset: file
            for name, subset in _SUBSETS.items()
            if (file := folder / f"{corpus}_{name}_{fold}{_number(folder)}.jsonl").is_file()
        }
        for fold in ("fold_", "fold")
    )
    return newer, older


def read_fold(folder: Path, corpus: str, clips: Collection[str]) -> Published:
    """Read one fold of a corpus; if there are lists in both forms, the newer.

    Args:
        folder: one of `fold_folders`.
        corpus: the corpus whose lists are wanted.
        clips: the clips of that corpus, `<corpus>/<name>`.

    Raises:
        UserError: a clip is in two subsets, or no line matches a clip.
    """
    known = set(clips)
    fold: dict[str, str] = {}
    absent: list[str] = []
    newer, older = _lists(folder, corpus)
    # Never some of each: a val clip of the older form may be a train clip of the newer.
    for subset, file in (newer or older).items():
        for path in read_list(file):
            found = _find(path, corpus, known)
            if found is None:
                absent.append(path)
            elif fold.setdefault(found, subset) != subset:
                raise UserError(f"{file}: {found} is in {fold[found]} as well")
    if not fold:
        raise UserError(f"{folder}: no line names a clip of {corpus}")
    return Published(fold, absent, [file.name for file in older.values()] if newer else [])


def read_list(file: Path) -> list[str]:
    """Read the paths of one of EmoBox's jsonl files.

    Raises:
        UserError: a line is not a JSON object with the key wav, or audio in the older form.
    """
    paths = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        named = [entry[key] for key in _KEYS if key in entry] if isinstance(entry, dict) else []
        if not named or not isinstance(named[0], str):
            raise UserError(
                f"{file}, line {number}: expected a JSON object with the key 'wav', or 'audio' in "
                "lists of the older form"
            )
        paths.append(named[0])
    return paths


def _find(path: str, corpus: str, clips: Collection[str]) -> str | None:
    """Find the clip whose name a published path ends with."""
    parts = (clip_name(corpus, path) or "").split("/")
    names = (f"{corpus}/{'/'.join(parts[start:])}" for start in range(len(parts)))
    return next((name for name in names if name in clips), None)
