"""Split the clips into training, validation and test sets."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from ser.core import params, sections
from ser.core.tables import read_csv, write_csv, write_report
from ser.splits.schemes import (
    COLUMNS,
    Fold,
    Lacking,
    folds_lacking,
    make_folds,
    read_published,
    shared_groups,
    subset_sizes,
    validates_train_speakers,
)
from ser.splits.train_corpora import count_clips, is_trained_on_only, weights
from stages import run_stage

# Messages for figures that are not 0.
_NOTES = {
    "clips_in_no_fold": "{} clip(s) in no fold: neither trained on nor tested",
    "groups_on_both_sides": "{} group(s) of takes (same speaker, sentence and emotion) are in both "
    "training and test: tested sentences were heard in training",
    "folds_validated_on_train_speakers": "in {} of {folds} fold(s), val has clips of speakers that "
    "are trained on: its figures say nothing about unheard voices",
    "published_clips_not_here": "{} published clip(s) are not among those kept",
    "older_lists_passed_over": "{} list(s) in the older format skipped: the folds have newer ones",
}


def rows(folds: Sequence[Fold], weight_of: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """Yield the rows of splits.csv.

    >>> list(rows([{"a": "train"}, {"a": "test"}], {"a": 1.0}))[1]
    {'clip': 'a', 'fold': 2, 'subset': 'test', 'weight': 1.0}
    """
    for number, fold in enumerate(folds, start=1):
        for clip, subset in fold.items():
            yield {"clip": clip, "fold": number, "subset": subset, "weight": weight_of[clip]}


def split_figures(
    clips: pd.DataFrame, folds: Sequence[Fold], lacking: Lacking, split: sections.Split
) -> dict[str, Any]:
    """Compute the figures of metrics/split.json."""
    facts: dict[str, Any] = {
        "scheme": split.scheme,
        "folds": len(folds),
        "clips_per_fold": subset_sizes(folds),
        "clips_in_no_fold": sum(not any(clip in fold for fold in folds) for clip in clips["clip"]),
        "groups_on_both_sides": sum(shared_groups(clips, fold) for fold in folds),
        "folds_lacking_an_emotion": {
            subset: len({number for numbers in own.values() for number in numbers})
            for subset, own in lacking.items()
        },
    }
    if split.train_corpora:
        facts["clips_trained_on_only"] = count_clips(clips, split)
    if split.scheme in sections.KEEP_SPEAKERS_APART:
        facts["folds_validated_on_train_speakers"] = sum(
            validates_train_speakers(clips, fold) for fold in folds
        )
    if split.scheme == "emobox":
        listed = clips[~is_trained_on_only(clips, split)]
        published = list(chain(*read_published(listed, split.emobox).values()))
        absent = {path for fold in published for path in fold.absent}
        facts["published_clips_not_here"] = len(absent)
        facts["older_lists_passed_over"] = sum(len(fold.passed_over) for fold in published)
    return facts


def main(clips: Path, splits: Path, report: Path) -> None:
    """Write splits.csv (clip, fold, subset, weight) and the figures of the split."""
    settings = params.load().split
    table = read_csv(clips, COLUMNS)
    folds = make_folds(table, settings)
    columns = ("clip", "fold", "subset", "weight")
    write_csv(splits, rows(folds, weights(table, settings)), columns)
    lacking = folds_lacking(table, folds)
    facts = split_figures(table, folds, lacking, settings)
    write_report(report, facts)
    counts = ", ".join(f"{size:g} {subset}" for subset, size in facts["clips_per_fold"].items())
    number = "1 fold" if len(folds) == 1 else f"{len(folds)} folds, on average"
    print(f"split: {settings.scheme}, {number} of {counts} clips")
    for corpus, count in facts.get("clips_trained_on_only", {}).items():
        weight = f"{settings.train_corpora[corpus]:g}"
        print(f"  {count} clips of {corpus} are in every fold's train alone, with weight {weight}")
    for key, text in _NOTES.items():
        if facts.get(key):
            print(f"  note: {text.format(facts[key], folds=len(folds))}")
    for subset, own in lacking.items():
        for emotion, numbers in own.items():
            print(f"  note: no {subset} clip is {emotion} in fold {', '.join(map(str, numbers))}")


if __name__ == "__main__":
    run_stage(main)
