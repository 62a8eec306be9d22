"""Corpora that are trained on only: their clips are in every fold's train, never in val or test."""

import pandas as pd

from ser.core.errors import UserError
from ser.core.sections import KEEP_SPEAKERS_APART, Split
from ser.core.words import composed
from ser.corpora import CORPORA

_SHOWN = 5  # speakers of one name


def is_trained_on_only(clips: pd.DataFrame, split: Split) -> "pd.Series[bool]":
    """Return whether each clip is of one of split.train_corpora."""
    return clips["corpus"].isin(list(split.train_corpora))


def weights(clips: pd.DataFrame, split: Split) -> dict[str, float]:
    """Return the weight of each clip's loss: that of its corpus, 1 for the tested corpora."""
    of_clips = clips["corpus"].map(lambda corpus: split.train_corpora.get(corpus, 1.0))
    return dict(zip(clips["clip"], of_clips, strict=True))


def count_clips(clips: pd.DataFrame, split: Split) -> dict[str, int]:
    """Count the clips of each of split.train_corpora, in its order."""
    return {corpus: int((clips["corpus"] == corpus).sum()) for corpus in split.train_corpora}


def check_train_corpora(clips: pd.DataFrame, split: Split) -> None:
    """Check that split.train_corpora can be added to the train clips of the other corpora.

    Raises:
        UserError: one of them has no clips, or an emotion that no tested corpus has; or the split
            keeps speakers apart, and one of them may have a speaker of a tested corpus.
    """
    if missing := [name for name, n in count_clips(clips, split).items() if n == 0]:
        raise UserError(f"split.train_corpora names {', '.join(missing)}, which has no clips")
    added = is_trained_on_only(clips, split)
    _require_no_other_emotion(clips[added], clips[~added])
    if split.scheme in KEEP_SPEAKERS_APART:
        own = ~clips["corpus"].isin(list(CORPORA))
        _require_other_speakers(clips[added & own], clips[~added & own], split.scheme)


def _require_no_other_emotion(added: pd.DataFrame, others: pd.DataFrame) -> None:
    there = set(others["emotion"])
    if lone := sorted(set(added["emotion"]) - there):
        named = [
            f"{emotion} ({', '.join(sorted(set(added['corpus'][added['emotion'] == emotion])))})"
            for emotion in lone
        ]
        raise UserError(
            f"split.train_corpora: they alone have {', '.join(named)}, an answer that would be "
            f"wrong for every test clip. Set clean.emotions to what is tested, "
            f"[{', '.join(sorted(there))}], or map an emotion to another with clean.relabel"
        )


def _require_other_speakers(added: pd.DataFrame, others: pd.DataFrame, scheme: str) -> None:
    """Check the names of speakers in corpora of the user's own, who may be in several of them.

    The built-in corpora number different people.
    """
    if added.empty or others.empty:
        return
    unknown = added[added["speaker"] == ""]
    if len(unknown) and scheme != "cross_corpus":
        corpora, tested = (", ".join(sorted(set(own["corpus"]))) for own in (unknown, others))
        raise UserError(
            f"split.scheme {scheme} keeps speakers apart, but the speaker is unknown for "
            f"{len(unknown)} clip(s) of {corpora} (split.train_corpora), which may be one of "
            f"{tested}: give labels.csv a column speaker"
        )
    names = [set(own["speaker"].map(composed)) - {""} for own in (added, others)]
    if shared := sorted(set.intersection(*names)):
        corpora, tested = (
            ", ".join(sorted(set(own["corpus"][own["speaker"].map(composed).isin(shared)])))
            for own in (added, others)
        )
        more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
        raise UserError(
            f"split.scheme {scheme} keeps speakers apart, but {corpora} (split.train_corpora) and "
            f"{tested} both have a speaker {', '.join(shared[:_SHOWN])}{more}: if that is one "
            "person, leave those clips out of the corpus that is trained on; if not, rename one of "
            "the two in its labels.csv"
        )
