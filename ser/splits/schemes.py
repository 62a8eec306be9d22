"""Which clips are for training and which for testing.

A split is a list of folds. A fold assigns each of its clips to a subset: train, val or test. All
takes of one speaker, utterance and emotion (a group) stay in one subset. Every subset gets its
share of each corpus, unless whole corpora are tested.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.clips import group_of, speaker_of
from ser.core.errors import UserError
from ser.core.sections import KEEP_SPEAKERS_APART, Split
from ser.splits import emobox
from ser.splits.train_corpora import check_train_corpora, is_trained_on_only

SUBSETS = ("train", "val", "test")
_LOWER_VAL = "split.val lower, or to 0"
_DRAWS = 100  # of val speakers, until the train speakers have every emotion
COLUMNS = (
    "clip",
    "corpus",
    "emotion",
    "speaker",
    "utterance",
)  # the columns of clips.csv that matter here

Fold = dict[str, str]  # clip -> subset
Names = dict[str, list[str]]  # corpus -> its speakers
Spoken = dict[str, set[str]]  # speaker -> emotions
Lacking = dict[str, dict[str, list[int]]]  # subset -> emotion -> numbers of folds


def make_folds(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Split the clips by the wanted scheme.

    >>> clips = pd.DataFrame({"clip": ["a", "b", "c", "d"], "corpus": "own", "utterance": "1"})
    >>> clips["emotion"], clips["speaker"] = ["sad", "happy"] * 2, ["ann", "ann", "bob", "bob"]
    >>> from ser.core import params
    >>> settings = {"scheme": "leave_one_speaker_out", "val": 0.0}
    >>> make_folds(clips, params.load().split.model_copy(update=settings))[0]
    {'a': 'test', 'b': 'test', 'c': 'train', 'd': 'train'}

    The clips of split.train_corpora are in every fold's train. All others are split as if those did
    not exist.

    Args:
        clips: the table clips.csv.
        split: scheme, sizes and seed.

    Returns:
        One dict per fold, clip -> train | val | test. Each fold trains on every emotion that it
        tests. All together test every emotion of the corpora that they test. `folds_lacking`
        returns what else a single fold lacks.

    Raises:
        UserError: the clips do not allow such a split; the text gives the numbers.
    """
    added = is_trained_on_only(clips, split)
    if added.all():
        raise UserError("there are no clips to split")
    check_train_corpora(clips, split)
    in_train = dict.fromkeys(clips["clip"][added], "train")
    return [fold | in_train for fold in _make_folds(clips[~added], split)]


def _make_folds(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Make the folds of the corpora that are also tested or validated on."""
    if clips["emotion"].nunique() < 2:
        raise UserError(
            f"all clips are {clips['emotion'].iloc[0]}: a recogniser needs at least two emotions "
            "to distinguish; see clean.emotions and clean.relabel"
        )
    if split.scheme == "emobox":
        folds = _emobox(clips, split)
    elif split.scheme in KEEP_SPEAKERS_APART:
        folds = _by_speaker(clips, split)
    else:
        folds = _by_group(clips, split)
    _require_emotions(clips, folds, f"split.scheme {split.scheme}")
    return folds


def _by_group(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Make folds stratified by emotion: one test set (random), or each clip tested once (kfold)."""
    rng = np.random.default_rng(split.seed)
    wanted = 2 if split.val == 0 else 3
    for emotion, own in clips.groupby("emotion"):
        count = group_of(own).nunique()
        if count < wanted:
            raise UserError(
                f"emotion {emotion!r} has {len(own)} clip(s) in {count} group(s) of takes, "
                f"split.scheme {split.scheme} needs at least {wanted}, one for each of test, val "
                "and train: leave the emotion out (clean.emotions), or ask for no val "
                "(split.val: 0)"
            )
    if split.scheme == "kfold":
        if split.folds > (groups := group_of(clips).nunique()):
            raise UserError(
                f"split.folds {split.folds} is more than the {groups} groups of takes: kfold "
                f"allows 2 to {groups} folds here"
            )
        tests = _deal(clips, split.folds, rng)
    else:
        tests = [_draw(clips, split.test, rng)]
    return [_fold(clips, test, _draw_val(clips, test, split.val, rng)) for test in tests]


def _by_speaker(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Make folds that train, test and, if two speakers are left, validate on different people."""
    rng = np.random.default_rng(split.seed)
    speakers = speaker_of(clips)
    spoken: Spoken = clips["emotion"].groupby(speakers).agg(set).to_dict()
    names: Names = {
        str(corpus): sorted(own.unique(), key=lambda name: (len(name), name))
        for corpus, own in speakers.groupby(clips["corpus"])
    }
    if split.scheme == "cross_corpus":
        _require_shared_emotions(clips, split.test_corpora)
        parts = [[name for corpus in split.test_corpora for name in names[corpus]]]
    else:
        _require_known_speakers(clips, split.scheme)
        _require_several_speakers(names, split.scheme)
        parts = _test_speakers(names, split, rng)
    folds = []
    for part in parts:
        tested = set(part)
        others = {
            corpus: left
            for corpus, own in names.items()
            if (left := [name for name in own if name not in tested])
        }
        test = set(clips["clip"][speakers.isin(part)])
        total = sum(map(len, names.values()))
        if part and len(part) == total - 1:
            # The one speaker left must do both: some clips for val, the others for train.
            folds.append(_fold(clips, test, _draw_val(clips, test, split.val, rng)))
            continue
        val = _val_speakers(others, names, spoken, split.val, rng)
        if total == len(part) + len(val):
            raise UserError(
                f"split.scheme {split.scheme}: {total} speakers, of which {len(part)} for test "
                f"and {len(val)} for val, leave none to train on: set "
                f"{_LOWER_VAL if val else 'split.test lower'}"
            )
        folds.append(_fold(clips, test, set(clips["clip"][speakers.isin(val)])))
    return folds


def _test_speakers(names: Names, split: Split, rng: np.random.Generator) -> list[list[str]]:
    """Draw the test speakers of each fold, a share of each corpus."""
    total = sum(map(len, names.values()))
    if split.scheme == "leave_one_speaker_out":
        return [[name] for own in names.values() for name in own]
    if split.scheme == "speaker":
        part = []
        for own in names.values():
            # Among several corpora, one with a single speaker is trained on.
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


def _val_speakers(
    others: Names, names: Names, spoken: Spoken, share: float, rng: np.random.Generator
) -> list[str]:
    """Draw the val speakers among those who are not tested, a share of each corpus.

    At least one is drawn. Each of several corpora keeps at least one speaker for training, unless
    all have only one left. If possible, the train speakers have every emotion.
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
    everyone = {name for left in others.values() for name in left}
    for _ in range(_DRAWS):
        drawn = [
            str(name)
            for corpus, left in others.items()
            for name in rng.permutation(left)[: wanted[corpus]]
        ]
        if _said_by(everyone.difference(drawn), spoken) == _said_by(everyone, spoken):
            break
    return drawn


def _said_by(speakers: Collection[str], spoken: Spoken) -> set[str]:
    return set().union(*(spoken[speaker] for speaker in speakers))


def _require_known_speakers(clips: pd.DataFrame, scheme: str) -> None:
    unknown = clips[clips["speaker"] == ""]
    if len(unknown):
        corpora = ", ".join(sorted(unknown["corpus"].unique()))
        raise UserError(
            f"split.scheme {scheme} keeps speakers apart, but the speaker is unknown for "
            f"{len(unknown)} clip(s) of {corpora}: give labels.csv a column speaker, or choose "
            "scheme random, kfold or cross_corpus"
        )


def _require_several_speakers(names: Names, scheme: str) -> None:
    alone = f"split.scheme {scheme} keeps speakers apart, and"
    if len(names) == 1 and [len(own) for own in names.values()] == [1]:
        ((name,),) = names.values()
        raise UserError(
            f"{alone} all clips are of one speaker, {name}: choose scheme random or kfold, or add "
            "recordings of other speakers"
        )
    if scheme == "speaker" and all(len(own) == 1 for own in names.values()):
        raise UserError(
            f"{alone} each corpus has one speaker alone, who is trained on: choose scheme "
            "leave_one_speaker_out or cross_corpus"
        )


def _require_shared_emotions(clips: pd.DataFrame, test_corpora: Sequence[str]) -> None:
    """Check that the test corpora and the others have the same emotions."""
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
            f"to what both have, [{shared}], or map an emotion to another with clean.relabel"
        )


def _draw_val(
    clips: pd.DataFrame, test: Collection[str], share: float, rng: np.random.Generator
) -> set[str]:
    """Draw the val clips, a share of all clips, from those that are not tested."""
    rest = clips[~clips["clip"].isin(test)]
    return _draw(rest, min(1.0, share * len(clips) / max(1, len(rest))), rng)


def _draw(clips: pd.DataFrame, share: float, rng: np.random.Generator) -> set[str]:
    """Draw a share of every emotion's clips, at least one clip each, in whole groups.

    Each of several corpora contributes its share.
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
    """Distribute every emotion's groups to the folds, each to the fold with the fewest clips.

    Each of several corpora is distributed evenly.
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
    """Yield the clips of each group, the groups in random order."""
    numbers, names = pd.factorize(group_of(clips), sort=True)
    by_group = clips["clip"].to_numpy()[np.argsort(numbers, kind="stable")]
    ends = np.cumsum(np.bincount(numbers, minlength=len(names)))
    for group in rng.permutation(len(names)):
        yield sorted(by_group[ends[group - 1] if group else 0 : ends[group]])


def _fold(clips: pd.DataFrame, test: set[str], val: set[str]) -> Fold:
    return {
        clip: "test" if clip in test else "val" if clip in val else "train"
        for clip in clips["clip"].tolist()
    }


def _is_in(clips: pd.DataFrame, fold: Mapping[str, str], subset: str) -> np.ndarray:
    """Return whether a fold has each clip in a subset: bool [clips]."""
    # A list, because pandas itself yields texts ten times as slowly.
    names = clips["clip"].tolist()
    return np.fromiter((fold.get(clip) == subset for clip in names), bool, len(names))


def _require_emotions(clips: pd.DataFrame, folds: Sequence[Fold], where: str) -> None:
    """Check that every emotion is tested and trained on, and no fold tests one that train lacks.

    One fold may lack an emotion that others test: figures are over the test clips of all.
    """
    everything = set(clips["emotion"])
    held = [_emotions_held(clips, fold) for fold in folds]
    for number, own in enumerate(held, start=1):
        fold, there, tested = f"fold {number} of {where}", set(own["train"]), own["test"]
        if not there and own["val"]:
            counts = {subset: own[subset].total() for subset in ("test", "val")}
            raise UserError(
                f"{fold}: test has {counts['test']} clips, val {counts['val']}, of "
                f"{sum(counts.values())}: none is left to train on; set {_LOWER_VAL}"
            )
        if missing := set(tested) - there:
            held_by = [
                f"its {subset} clips hold {_numbers(own[subset], missing)}"
                for subset in ("test", "val")
                if missing & set(own[subset])
            ]
            raise _lacks(f"{fold}: its train", there, missing, ", ".join(held_by))
        if len(there) < 2:
            why = "there is nothing to distinguish"
            raise _lacks(f"{fold}: its train", there, everything - there, why)
        if not tested:
            raise _lacks(f"{fold}: its test", (), everything, "there is nothing to measure")
    for subset, needed, why in (
        ("test", _emotions_to_test(clips, folds), "figures over all emotions cannot be computed"),
        ("train", everything, "nothing of it can be learned"),
    ):
        there = {emotion for own in held for emotion in own[subset]}
        if missing := needed - there:
            raise _lacks(f"{where}: the {subset}", there, missing, why)


def _numbers(counts: Mapping[str, int], emotions: Collection[str]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in sorted(emotions) if name in counts)


def _lacks(clips: str, there: Collection[str], missing: Collection[str], why: str) -> UserError:
    return UserError(
        f"{clips} clips hold {', '.join(sorted(there)) or 'nothing'}, but none of "
        f"{', '.join(sorted(missing))}: {why}; choose another split.scheme, split.folds, split.val "
        "or split.seed, or leave such an emotion out (clean.emotions)"
    )


def _emotions_to_test(clips: pd.DataFrame, folds: Sequence[Mapping[str, str]]) -> set[str]:
    """Return all emotions of the corpora from which these folds test clips."""
    tested = np.logical_or.reduce([_is_in(clips, fold, "test") for fold in folds])
    corpora = clips["corpus"][tested].unique()
    return set(clips["emotion"][clips["corpus"].isin(corpora)])


def _emotions_held(clips: pd.DataFrame, fold: Mapping[str, str]) -> dict[str, Counter[str]]:
    """Count the clips of each emotion in each subset of a fold."""
    return {subset: Counter(clips["emotion"][_is_in(clips, fold, subset)]) for subset in SUBSETS}


def folds_lacking(clips: pd.DataFrame, folds: Sequence[Mapping[str, str]]) -> Lacking:
    """Find which folds lack which emotions in which subset.

    Val and train should have all emotions of the clips, test those of the corpora that the fold
    tests. A fold without val clips lacks none there.

    Returns:
        Subset -> emotion -> numbers of the folds, from 1 on; only emotions that a fold lacks.
    """
    everything = set(clips["emotion"])
    lacking: Lacking = {subset: {} for subset in SUBSETS}
    for number, fold in enumerate(folds, start=1):
        for subset, held in _emotions_held(clips, fold).items():
            whole = _emotions_to_test(clips, [fold]) if subset == "test" else everything
            for emotion in sorted(whole - set(held)) if held else ():
                lacking[subset].setdefault(emotion, []).append(number)
    return lacking


def validates_train_speakers(clips: pd.DataFrame, fold: Mapping[str, str]) -> bool:
    """Return whether some val clips of a fold are of speakers that it trains on."""
    speakers = speaker_of(clips)
    train, val = (set(speakers[_is_in(clips, fold, subset)]) for subset in ("train", "val"))
    return not train.isdisjoint(val)


def _emobox(clips: pd.DataFrame, split: Split) -> list[Fold]:
    """Read EmoBox's folds; val is drawn from train if none is published.

    The lists are kept even if takes of one group are on both sides: see `shared_groups`. Several
    corpora are joined fold by fold.
    """
    rng = np.random.default_rng(split.seed)
    published = read_published(clips, split.emobox)
    numbers = {corpus: len(own) for corpus, own in published.items()}
    if len(set(numbers.values())) > 1:
        counts = ", ".join(f"{n} of {corpus}" for corpus, n in numbers.items())
        raise UserError(
            f"split.scheme emobox joins the folds of several corpora one by one, but their "
            f"numbers differ: {counts}; run these corpora one at a time"
        )
    folds = []
    for parts in zip(*published.values(), strict=True):
        fold: Fold = {}
        for part, *_ in parts:
            fold |= part
            if "val" not in part.values() and split.val > 0:
                train = clips[clips["clip"].map(part) == "train"]
                share = min(1.0, split.val * len(part) / max(1, len(train)))
                fold |= dict.fromkeys(_draw(train, share, rng), "val")
        folds.append(dict(sorted(fold.items())))
    return folds


def read_published(clips: pd.DataFrame, path: Path | str) -> dict[str, list[emobox.Published]]:
    """Read EmoBox's folds of every corpus."""
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
    for _, own in clips.groupby(
        "emotion"
    ):  # each group has one emotion: memory never holds all names
        groups = group_of(own)
        is_test = _is_in(own, fold, "test")
        is_other = _is_in(own, fold, "train") | _is_in(own, fold, "val")
        shared += len(set(groups[is_test]) & set(groups[is_other]))
    return shared


def subset_sizes(folds: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Compute the mean number of clips per fold in each subset.

    >>> subset_sizes([{"a": "train", "b": "test"}, {"a": "test", "b": "train"}])
    {'train': 1.0, 'val': 0.0, 'test': 1.0}
    """
    counts = [Counter(fold.values()) for fold in folds]
    return {subset: sum(count[subset] for count in counts) / len(folds) for subset in SUBSETS}
