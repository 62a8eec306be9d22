"""Who is trained on and who is tested.

A split is a list of folds; a fold gives each of its clips a subset: train, val or test. All takes
of one speaker saying one utterance with one emotion (a group) stay on one side. Of several corpora,
each gives its share to every subset, unless whole corpora are tested.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser import emobox
from ser.clips import group_of, speaker_of
from ser.errors import UserError
from ser.params import Split

SUBSETS = ("train", "val", "test")
COLUMNS = ("clip", "corpus", "emotion", "speaker", "utterance")  # of clips.csv, all that counts

Fold = dict[str, str]  # clip -> subset
Names = dict[str, list[str]]  # corpus -> its speakers


def make_folds(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Split the clips by the wanted scheme.

    Args:
        clips: the table clips.csv.
        split: scheme, sizes and seed.

    Returns:
        One dict a fold, clip -> train | val | test. Every emotion is in train, and every emotion of
        the corpora that are tested is in test.

    Raises:
        UserError: the clips do not allow such a split; the text gives the numbers.
    """
    if clips.empty:
        raise UserError("there are no clips to split")
    if clips["emotion"].nunique() < 2:
        raise UserError(
            f"all clips are {clips['emotion'].iloc[0]}: a recogniser needs at least two emotions "
            "to tell apart; see clean.emotions and clean.relabel"
        )
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
    for emotion, own in clips.groupby("emotion"):
        count = group_of(own).nunique()
        if count < wanted:
            raise UserError(
                f"emotion {emotion!r} has {len(own)} clip(s) in {count} group(s) of takes, "
                f"split.scheme {split.scheme} needs at least {wanted}: leave the emotion out "
                "(clean.emotions), or ask for fewer parts (split.folds, split.val: 0)"
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
    names: Names = {
        str(corpus): sorted(own.unique(), key=lambda name: (len(name), name))
        for corpus, own in speakers.groupby(clips["corpus"])
    }
    if split.scheme == "cross_corpus":
        _require_shared_emotions(clips, split.test_corpora)
        parts = [[name for corpus in split.test_corpora for name in names[corpus]]]
    else:
        _require_known_speakers(clips, split.scheme)
        parts = _test_speakers(names, split, rng)
    folds = []
    for part in parts:
        tested = set(part)
        others = {
            corpus: left
            for corpus, own in names.items()
            if (left := [name for name in own if name not in tested])
        }
        val = _val_speakers(others, names, split.val, rng)
        total = sum(map(len, names.values()))
        if total == len(part) + len(val) or not part:
            raise UserError(
                f"split.scheme {split.scheme}: {total} speaker(s), of which {len(part)} for test "
                f"and {len(val)} for val, leave none to {'train' if part else 'test'} on; "
                "split.val: 0 needs none for val"
            )
        folds.append(
            _fold(
                clips,
                set(clips["clip"][speakers.isin(part)]),
                set(clips["clip"][speakers.isin(val)]),
            )
        )
    return folds


def _test_speakers(names: Names, split: Split, rng: np.random.Generator) -> list[list[str]]:
    """Choose the test speakers of each fold, of each corpus its share."""
    total = sum(map(len, names.values()))
    if split.scheme == "leave_one_speaker_out":
        return [[name] for own in names.values() for name in own]
    if split.scheme == "speaker":
        part = []
        for own in names.values():
            # A corpus of one speaker among others is trained on.
            most = len(own) if len(names) == 1 else len(own) - 1
            n = min(max(1, round(split.test * len(own))), most)
            part += [str(name) for name in rng.permutation(own)[:n]]
        return [part]
    if split.folds > total:
        raise UserError(
            f"split.folds {split.folds} is more than the {total} speakers: "
            f"speaker_kfold allows 2 to {total} folds here"
        )
    mixed = [str(name) for own in names.values() for name in rng.permutation(own)]
    return [mixed[k :: split.folds] for k in range(split.folds)]


def _val_speakers(others: Names, names: Names, share: float, rng: np.random.Generator) -> list[str]:
    """Draw the val speakers among those who are not tested, of each corpus its share.

    At least one in all. One of several corpora keeps at least one speaker to train on, unless all
    have only one left.
    """
    if share == 0 or not others:
        return []
    wanted = {
        corpus: min(
            round(share * len(names[corpus])), len(left) if len(others) == 1 else len(left) - 1
        )
        for corpus, left in others.items()
    }
    if not any(wanted.values()):
        wanted[max(others, key=lambda corpus: len(others[corpus]))] = 1
    return [
        str(name)
        for corpus, left in others.items()
        for name in rng.permutation(left)[: wanted[corpus]]
    ]


def _require_known_speakers(clips: pd.DataFrame, scheme: str) -> None:
    unknown = clips[clips["speaker"] == ""]
    if len(unknown):
        corpora = ", ".join(sorted(unknown["corpus"].unique()))
        raise UserError(
            f"split.scheme {scheme} keeps speakers apart, and who speaks is not known of "
            f"{len(unknown)} clip(s) of {corpora}: give labels.csv a column speaker, or choose "
            "scheme random, kfold or cross_corpus"
        )


def _require_shared_emotions(clips: pd.DataFrame, test_corpora: Sequence[str]) -> None:
    """Across corpora, refuse an emotion that one side has and the other has not."""
    tested = clips["corpus"].isin(test_corpora)
    if missing := sorted(set(test_corpora) - set(clips["corpus"])):
        raise UserError(f"split.test_corpora names {', '.join(missing)}, which has no clips")
    train, test = set(clips["emotion"][~tested]), set(clips["emotion"][tested])
    if train != test:
        lone = [
            f"{emotion} ({', '.join(sorted(set(clips['corpus'][clips['emotion'] == emotion])))})"
            for emotion in sorted(train ^ test)
        ]
        shared = ", ".join(sorted(train & test))
        raise UserError(
            f"split.scheme cross_corpus: only one side has {', '.join(lone)}. Set clean.emotions "
            f"to what both have, [{shared}], or take an emotion for another with clean.relabel"
        )


def _draw(clips: pd.DataFrame, share: float, rng: np.random.Generator) -> set[str]:
    """Draw a share of every emotion's clips, at least one clip each, in whole groups.

    Of several corpora, each gives its share.
    """
    drawn: set[str] = set()
    if share == 0:
        return drawn
    for _, same in clips.groupby("emotion"):
        strata = {str(corpus): own for corpus, own in same.groupby("corpus")}
        wanted = {corpus: round(share * len(own)) for corpus, own in strata.items()}
        if not any(wanted.values()):
            wanted[max(strata, key=lambda corpus: len(strata[corpus]))] = 1
        for corpus, own in strata.items():
            taken: list[str] = []
            for group in _shuffled_groups(own, rng):
                if len(taken) >= wanted[corpus]:
                    break
                if len(taken) + len(group) <= wanted[corpus] or not taken:
                    taken += group
            drawn.update(taken)
    return drawn


def _deal(clips: pd.DataFrame, folds: int, rng: np.random.Generator) -> list[set[str]]:
    """Deal every emotion's groups to the folds, each to the one that has the fewest clips.

    Of several corpora, each is dealt evenly.
    """
    tests: list[set[str]] = [set() for _ in range(folds)]
    for _, same in clips.groupby("emotion"):
        of_emotion = [0] * folds
        for _, own in same.groupby("corpus"):
            of_corpus = [0] * folds
            for group in _shuffled_groups(own, rng):
                k = min(
                    range(folds),
                    key=lambda k: (of_corpus[k], of_emotion[k], len(tests[k]), k),
                )
                tests[k].update(group)
                of_corpus[k] += len(group)
                of_emotion[k] += len(group)
    return tests


def _shuffled_groups(clips: pd.DataFrame, rng: np.random.Generator) -> Iterator[list[str]]:
    """Give the clips of each group in turn, the groups in an order that is drawn."""
    numbers, names = pd.factorize(group_of(clips), sort=True)
    by_group = clips["clip"].to_numpy()[np.argsort(numbers, kind="stable")]
    ends = np.cumsum(np.bincount(numbers, minlength=len(names)))
    for group in rng.permutation(len(names)):
        yield sorted(by_group[ends[group - 1] if group else 0 : ends[group]])


def _fold(clips: pd.DataFrame, test: set[str], val: set[str]) -> Fold:
    return {
        clip: "test" if clip in test else "val" if clip in val else "train"
        for clip in clips["clip"]
    }


def _is_in(clips: pd.DataFrame, fold: Mapping[str, str], subset: str) -> np.ndarray:
    """Say of each clip whether a fold has it in a subset: bool [clips]."""
    return np.fromiter((fold.get(clip) == subset for clip in clips["clip"]), bool, len(clips))


def _require_every_emotion(clips: pd.DataFrame, fold: Fold, where: str) -> None:
    tested = clips["corpus"].isin(clips["corpus"][_is_in(clips, fold, "test")].unique())
    for name, needed in (
        ("train", set(clips["emotion"])),
        ("test", set(clips["emotion"][tested])),
    ):
        there = set(clips["emotion"][_is_in(clips, fold, name)])
        if missing := sorted(needed - there):
            held = ", ".join(sorted(there)) or "nothing"
            raise UserError(
                f"{where}: its {name} clips hold {held}, but none of {', '.join(missing)}: "
                "figures over all emotions cannot be had from it; choose another split.scheme, "
                "split.folds or split.seed, or leave such an emotion out (clean.emotions)"
            )


def _emobox(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Read EmoBox's folds; val is drawn from train where they publish none.

    Its lists are kept as they are, also where takes of one group are on both sides: see
    `shared_groups`. Several corpora are joined fold by fold.
    """
    rng = np.random.default_rng(split.seed)
    published = read_published(clips, split.emobox)
    numbers = {corpus: len(own) for corpus, own in published.items()}
    if len(set(numbers.values())) > 1:
        counts = ", ".join(f"{n} of {corpus}" for corpus, n in numbers.items())
        raise UserError(
            f"split.scheme emobox joins the folds of several corpora one by one, and there are "
            f"unlike numbers of them: {counts}; run these corpora one at a time"
        )
    folds = []
    for parts in zip(*published.values(), strict=True):
        fold: Fold = {}
        for part, _ in parts:
            fold |= part
            if "val" not in part.values() and split.val > 0:
                train = clips[clips["clip"].map(part) == "train"]
                share = min(1.0, split.val * len(part) / max(1, len(train)))
                fold |= dict.fromkeys(_draw(train, share, rng), "val")
        folds.append(dict(sorted(fold.items())))
    return folds


def read_published(
    clips: pd.DataFrame, path: Path | str
) -> dict[str, list[tuple[Fold, list[str]]]]:
    """Read EmoBox's folds of every corpus: (subsets of the clips, paths that name no clip) each."""
    return {
        str(corpus): [
            emobox.read_fold(folder, str(corpus), sorted(own))
            for folder in emobox.fold_folders(Path(path).expanduser(), str(corpus))
        ]
        for corpus, own in clips.groupby("corpus")["clip"]
    }


def shared_groups(clips: pd.DataFrame, fold: Mapping[str, str]) -> int:
    """Count the groups that have takes both among the test clips and among the others."""
    shared = 0
    for _, own in clips.groupby("emotion"):  # a group has one: never the names of all in memory
        groups = group_of(own)
        is_test = _is_in(own, fold, "test")
        is_other = _is_in(own, fold, "train") | _is_in(own, fold, "val")
        shared += len(set(groups[is_test]) & set(groups[is_other]))
    return shared


def subset_sizes(folds: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Give the mean number of clips per fold in each subset."""
    counts = [Counter(fold.values()) for fold in folds]
    return {subset: sum(count[subset] for count in counts) / len(folds) for subset in SUBSETS}
