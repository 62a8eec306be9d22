"""What cleaning kept and what it did not, in figures and in words."""

from typing import Any

from ser.errors import UserError
from ser.labelling import words_for
from ser.ledger import Ledger
from ser.params import Clean
from ser.rejection import REASONS
from ser.words import lookalike


def describe(ledger: Ledger) -> dict[str, Any]:
    """Count what was kept and what was not, in all and corpus by corpus."""
    corpora = ledger.corpora()
    counts = {tally.reason: tally.times for tally in ledger.reasons()}
    return {
        "kept": sum(kept for kept, _ in corpora.values()),
        "rejected": sum(lost for _, lost in corpora.values()),
        "reasons": {reason: counts.get(reason, 0) for reason in REASONS},
        "hours": ledger.seconds() / 3600,
        "per_corpus": {
            corpus: {"kept": kept, "rejected": lost} for corpus, (kept, lost) in corpora.items()
        },
    }


def require_clips(ledger: Ledger, wanted: Clean) -> None:
    """Refuse a corpus, or a wanted emotion, of which nothing is left.

    Raises:
        UserError: with the reasons and how often each occurs.
    """
    for corpus, (kept, _) in ledger.corpora().items():
        if not kept:
            reasons = ledger.reasons(corpus)
            counts = ", ".join(f"{tally.times} {tally.reason}" for tally in reasons)
            first = min(reasons, key=lambda tally: tally.path)
            raise UserError(
                f"every clip of {corpus} was rejected ({counts}), for example {first.path}: "
                f"{first.detail}. See data/rejected.csv, check pull.sources.{corpus} and the "
                "section clean of params.yaml; after a change of its files, "
                "`dvc repro --force pull` reads them again"
            )
    there = ledger.emotions()
    if wanted.emotions != "all" and (missing := sorted(set(wanted.emotions) - set(there))):
        raise UserError(
            f"clean.emotions names {', '.join(missing)}, which no clip has; there are "
            f"{', '.join(there)}"
        )


def warn_of_unused_words(ledger: Ledger, clean: Clean) -> None:
    """Say which words of clean.relabel no clip is called by."""
    used = {word for own in ledger.words() for word in words_for(own)}
    if unused := sorted(set(clean.relabel) - used):
        print(f"  note: no clip is called {' or '.join(unused)}, as clean.relabel names it")


def warn_of_like_speakers(ledger: Ledger) -> None:
    """Say which speakers are called alike, and are taken for several people."""
    alike: dict[tuple[str, str], list[str]] = {}
    for corpus, speaker in ledger.speakers():
        alike.setdefault((corpus, lookalike(speaker)), []).append(speaker)
    for (corpus, _), names in alike.items():
        if len(names) > 1:
            print(
                f"  note: {corpus} has the speakers {' and '.join(names)}: if they are one person, "
                "write the name in one way"
            )


def warn_of_lone_emotions(ledger: Ledger) -> None:
    """Say which emotions only one of several corpora has."""
    there = ledger.emotions()
    corpora = {corpus for having in there.values() for corpus in having}
    for emotion, having in there.items():
        if len(corpora) > len(having) == 1:
            print(
                f"  note: only {having[0]} has {emotion}: a net may know it by its corpus instead "
                f"of its sound; clean.relabel or clean.emotions can change that"
            )
