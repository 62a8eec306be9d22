"""Who is trained on and who is tested.

A split is a list of folds; a fold gives each of its clips a subset: train, val or test. All takes
of one speaker saying one utterance with one emotion (a group) stay on one side.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.errors import UserError
from ser.params import Split

SUBSETS = ("train", "val", "test")

Fold = dict[str, str]  # clip -> subset


def speaker_of(clips: pd.DataFrame) -> pd.Series:
    """Name each clip's speaker `<corpus>/<speaker>`: speaker 1 of two corpora is two people."""
    return clips["corpus"] + "/" + clips["speaker"]


def group_of(clips: pd.DataFrame) -> pd.Series:
    """Name the group of takes that each clip belongs to."""
    return speaker_of(clips) + "/" + clips["utterance"] + "/" + clips["emotion"]


def make_folds(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Split the clips by the wanted scheme.

    Args:
        clips: the table clips.csv.
        split: scheme, sizes and seed.

    Returns:
        One dict a fold, clip -> train | val | test; every emotion is in train and in test.

    Raises:
        UserError: the clips do not allow such a split; the text gives the numbers.
    """
    if clips.empty:
        raise UserError("there are no clips to split")
    if split.scheme == "emobox":
        folds = _emobox(clips, split)
    elif split.scheme in ("random", "kfold"):
        folds = _by_group(clips, split)
    else:
        folds = _by_speaker(clips, split)
    for number, fold in enumerate(folds, start=1):
        _require_every_emotion(clips, fold, f"fold {number} of split.scheme {split.scheme}")
    return folds


def _by_group(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Test clips stratified by emotion: one test set (random), or each clip tested once (kfold)."""
    rng = np.random.default_rng(split.seed)
    wanted = split.folds if split.scheme == "kfold" else 2 if split.val == 0 else 3
    groups = group_of(clips).groupby(clips["emotion"]).nunique()
    for emotion, count in groups.items():
        if count < wanted:
            number = int((clips["emotion"] == emotion).sum())
            raise UserError(
                f"emotion {emotion!r} has {number} clip(s) in {count} group(s) of takes, "
                f"split.scheme {split.scheme} needs at least {wanted}: leave the emotion's "
                "clips out of the corpus, or ask for fewer parts (split.folds, split.val: 0)"
            )
    if split.scheme == "kfold":
        tests = _deal(clips, split.folds, rng)
    else:
        tests = [_draw(clips, split.test, rng)]
    folds = []
    for test in tests:
        rest = clips[~clips["clip"].isin(test)]
        folds.append(_fold(clips, test, _draw(rest, split.val * len(clips) / len(rest), rng)))
    return folds


def _by_speaker(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Speakers of test, val and train are different people."""
    rng = np.random.default_rng(split.seed)
    speakers = speaker_of(clips)
    names = sorted(speakers.unique(), key=lambda name: (len(name), name))
    n_val = max(1, round(split.val * len(names))) if split.val > 0 else 0
    if split.scheme == "speaker":
        n_test = max(1, round(split.test * len(names)))
        parts = [[str(name) for name in rng.permutation(names)[:n_test]]]
    elif split.scheme == "leave_one_speaker_out":
        parts = [[name] for name in names]
    else:
        if split.folds > len(names):
            raise UserError(
                f"split.folds {split.folds} is more than the {len(names)} speakers: "
                f"speaker_kfold allows 2 to {len(names)} folds here"
            )
        mixed = [str(name) for name in rng.permutation(names)]
        parts = [mixed[k :: split.folds] for k in range(split.folds)]
    folds = []
    for part in parts:
        others = [name for name in names if name not in part]
        if len(others) <= n_val:
            raise UserError(
                f"split.scheme {split.scheme}: {len(names)} speaker(s), of which {len(part)} for "
                f"test and {n_val} for val, leave none to train on"
            )
        val_names = [str(name) for name in rng.permutation(others)[:n_val]]
        test, val = clips["clip"][speakers.isin(part)], clips["clip"][speakers.isin(val_names)]
        folds.append(_fold(clips, set(test), set(val)))
    return folds


def _draw(clips: pd.DataFrame, share: float, rng: np.random.Generator) -> set[str]:
    """Draw a share of every emotion's clips, at least one clip each, in whole groups."""
    drawn: set[str] = set()
    if share == 0:
        return drawn
    for _, same in clips.groupby("emotion"):
        wanted = max(1, round(share * len(same)))
        taken: list[str] = []
        for group in _shuffled_groups(same, rng):
            if len(taken) + len(group) <= wanted or not taken:
                taken += group
            if len(taken) >= wanted:
                break
        drawn.update(taken)
    return drawn


def _deal(clips: pd.DataFrame, folds: int, rng: np.random.Generator) -> list[set[str]]:
    """Deal every emotion's groups to the folds, each to the one that has the fewest clips."""
    tests: list[set[str]] = [set() for _ in range(folds)]
    for _, same in clips.groupby("emotion"):
        here = [0] * folds
        for group in _shuffled_groups(same, rng):
            k = min(range(folds), key=lambda k: (here[k], len(tests[k]), k))
            tests[k].update(group)
            here[k] += len(group)
    return tests


def _shuffled_groups(clips: pd.DataFrame, rng: np.random.Generator) -> list[list[str]]:
    groups = [sorted(group["clip"]) for _, group in clips.groupby(group_of(clips))]
    return [groups[i] for i in rng.permutation(len(groups))]


def _fold(clips: pd.DataFrame, test: set[str], val: set[str]) -> Fold:
    return {
        clip: "test" if clip in test else "val" if clip in val else "train"
        for clip in clips["clip"]
    }


def _require_every_emotion(clips: pd.DataFrame, fold: Fold, where: str) -> None:
    emotions = set(clips["emotion"])
    for subset in ("train", "test"):
        there = set(clips["emotion"][clips["clip"].map(fold) == subset])
        if missing := sorted(emotions - there):
            held = ", ".join(sorted(there)) or "nothing"
            raise UserError(
                f"{where}: its {subset} clips hold {held}, but none of {', '.join(missing)}: "
                "figures over all emotions cannot be had from it; choose another split.scheme, "
                "split.folds or split.seed"
            )


def _emobox(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Read EmoBox's published folds; val is drawn from train where they publish none.

    Ma et al.: EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark,
    Interspeech 2024. Its lists are kept as they are, also where takes of one group are on both
    sides; see `shared_groups`.
    """
    rng = np.random.default_rng(split.seed)
    find = _ClipFinder(clips)
    folds = []
    corpora = sorted(clips["corpus"].unique())
    for folder in emobox_fold_folders(Path(split.emobox), corpora):
        fold: Fold = {}
        for subset, name in (("train", "train"), ("val", "valid"), ("test", "test")):
            for file in sorted(folder.glob(f"*_{name}_*.jsonl")):
                for clip in find.all(read_emobox_list(file)):
                    if fold.setdefault(clip, subset) != subset:
                        raise UserError(f"{file}: {clip} is in {fold[clip]} as well")
        if not fold:
            raise UserError(f"{folder}: none of its lines names a clip of this corpus")
        if "val" not in fold.values() and split.val > 0:
            train = clips[clips["clip"].map(fold) == "train"]
            share = min(1.0, split.val * len(fold) / max(1, len(train)))
            fold |= dict.fromkeys(_draw(train, share, rng), "val")
        folds.append(dict(sorted(fold.items())))
    return folds


def emobox_fold_folders(path: Path, corpora: Sequence[str]) -> list[Path]:
    """List the folders fold_1, fold_2, ... below a path, in the order of their numbers.

    Args:
        path: one corpus's folder, the folder of all corpora, or one fold.
        corpora: whose folds are wanted; their lists are called <corpus>_test_fold_<n>.jsonl.

    Raises:
        UserError: there are none.
    """
    found = [path] if path.name.startswith("fold_") else list(path.glob("**/fold_*"))
    folders = [
        folder
        for folder in found
        if any(list(folder.glob(f"{corpus}_test_*.jsonl")) for corpus in corpora)
    ]
    if not folders:
        raise UserError(
            f"split.emobox {str(path)!r}: no fold_<n>/<corpus>_test_fold_<n>.jsonl of "
            f"{', '.join(corpora)} below it; expected a folder such as EmoBox's data/aesdd"
        )
    return sorted(folders, key=lambda folder: (len(folder.name), folder.name, str(folder)))


def read_emobox_list(file: Path) -> list[str]:
    """Read the `wav` paths of one of EmoBox's jsonl files.

    Raises:
        UserError: a line is no JSON object with the key wav.
    """
    paths = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            paths.append(str(json.loads(line)["wav"]))
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{file}, line {number}: expected a JSON object with the key 'wav'"
            ) from None
    return paths


class _ClipFinder:
    """Finds the clip that a published path names, by the last parts of both paths."""

    def __init__(self, clips: pd.DataFrame) -> None:
        self._by_name: dict[str, list[tuple[str, str]]] = {}
        for clip, path in zip(clips["clip"], clips["path"], strict=True):
            self._by_name.setdefault(path.split("/")[-1], []).append((path, clip))

    def all(self, paths: Iterable[str]) -> list[str]:
        found = (self.one(path) for path in paths)
        return [clip for clip in found if clip is not None]

    def one(self, wanted: str) -> str | None:
        candidates = self._by_name.get(wanted.split("/")[-1], [])
        depth = [_common_tail(path, wanted) for path, _ in candidates]
        best = [clip for (_, clip), d in zip(candidates, depth, strict=True) if d == max(depth)]
        if len(best) > 1:
            raise UserError(f"{wanted!r} may be any of {', '.join(best)}: their paths end alike")
        return best[0] if best else None


def _common_tail(one: str, other: str) -> int:
    """Count the parts that two paths share at their ends."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    same = [a == b for a, b in pairs]
    return same.index(False) if False in same else len(same)


def shared_groups(clips: pd.DataFrame, fold: Mapping[str, str]) -> int:
    """Count the groups that have takes both among the test clips and among the others."""
    listed = clips[clips["clip"].isin(list(fold))]
    is_test = listed["clip"].map(fold) == "test"
    groups = group_of(listed)
    return len(set(groups[is_test]) & set(groups[~is_test]))


def subset_sizes(folds: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Give the mean number of clips per fold in each subset."""
    return {
        subset: math.fsum(list(fold.values()).count(subset) for fold in folds) / len(folds)
        for subset in SUBSETS
    }
