"""EmoBox's published folds: which clips of a corpus are for train, val and test.

Ma et al.: EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark,
Interspeech 2024. A corpus's folder holds fold_1, fold_2, ... with one list a subset, called
<corpus>_{train,valid,test}_fold_<n>.jsonl. Beside them may lie lists in an older form, called
<corpus>_{train,valid,test}_fold<n>.jsonl (of Emo-DB they do).
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ser.corpora import clip_name
from ser.errors import UserError

_FOLD = re.compile(r"fold_\d+", re.ASCII)
_OLDER = re.compile(r".*_fold\d+\.jsonl", re.ASCII)
_SUBSETS = {"train": "train", "valid": "val", "test": "test"}
_KEYS = ("wav", "audio")  # of a path: in the newer and in the older form


class Published(NamedTuple):
    """One fold of a corpus as it is published.

    Attributes:
        fold: clip -> train, val or test.
        absent: the listed paths that name none of the clips.
        passed_over: names of the lists in the older form, where there are others in the newer.
    """

    fold: dict[str, str]
    absent: list[str]
    passed_over: list[str]


def fold_folders(path: Path, corpus: str) -> list[Path]:
    """List a corpus's folders fold_1, fold_2, ... below a path, in the order of their numbers.

    Args:
        path: the corpus's folder, the folder of all corpora, or one fold.
        corpus: whose folds are wanted.

    Raises:
        UserError: there are none.
    """
    found = [path] if _FOLD.fullmatch(path.name) else path.glob("**/fold_*")
    folders = [
        folder
        for folder in found
        if _FOLD.fullmatch(folder.name) and any(folder.glob(f"{corpus}_*.jsonl"))
    ]
    for folder in folders:
        there = _lists(folder, corpus)[0]
        for subset, other in (("test", "train"), ("train", "test")):
            if not there[subset]:
                raise UserError(
                    f"{folder} has no {corpus}_{subset}_{folder.name}.jsonl beside its {other}"
                )
    if not folders:
        raise UserError(
            f"split.emobox {str(path)!r}: no fold_<n>/{corpus}_test_fold_<n>.jsonl below it; "
            "expected a folder such as EmoBox's data/aesdd, or its data for several corpora"
        )
    numbers = sorted(folder.name.removeprefix("fold_") for folder in folders)
    expected = sorted(str(n) for n in range(1, len(folders) + 1))
    if path not in folders and numbers != expected:
        raise UserError(
            f"split.emobox {str(path)!r} has the folds {', '.join(numbers)} of {corpus}: expected "
            f"{', '.join(expected)}, each once; give the folder of one copy, whole"
        )
    return sorted(folders, key=lambda folder: int(folder.name.removeprefix("fold_")))


def _lists(folder: Path, corpus: str) -> tuple[dict[str, list[Path]], list[Path]]:
    """List a corpus's lists of each subset, and those that are passed over as of an older form."""
    found = {
        subset: sorted(folder.glob(f"{corpus}_{name}_*.jsonl")) for name, subset in _SUBSETS.items()
    }
    newer = {
        subset: [file for file in files if not _OLDER.fullmatch(file.name)]
        for subset, files in found.items()
    }
    if not any(newer.values()):
        return found, []
    return newer, [f for subset, files in found.items() for f in files if f not in newer[subset]]


def read_fold(folder: Path, corpus: str, clips: Collection[str]) -> Published:
    """Read one fold of a corpus, of lists in two forms the newer.

    Args:
        folder: one of `fold_folders`.
        corpus: whose lists are wanted.
        clips: the clips of that corpus, `<corpus>/<name>`.

    Raises:
        UserError: a clip is in two subsets, or no line means a clip.
    """
    known = set(clips)
    fold: dict[str, str] = {}
    absent: list[str] = []
    lists, passed_over = _lists(folder, corpus)
    for subset, files in lists.items():
        for file in files:
            for path in read_list(file):
                found = _find(path, corpus, known)
                if found is None:
                    absent.append(path)
                elif fold.setdefault(found, subset) != subset:
                    raise UserError(f"{file}: {found} is in {fold[found]} as well")
    if not fold:
        raise UserError(f"{folder}: none of its lines names a clip of {corpus}")
    return Published(fold, absent, [file.name for file in passed_over])


def read_list(file: Path) -> list[str]:
    """Read the paths of one of EmoBox's jsonl files.

    Raises:
        UserError: a line is no JSON object with the key wav, or audio in the older form.
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
