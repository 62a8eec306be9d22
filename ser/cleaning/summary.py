"""What cleaning kept and rejected, in figures and in messages."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from ser.cleaning.labelling import relabel_keys
from ser.cleaning.ledger import Ledger
from ser.core.errors import UserError
from ser.core.rejection import REASONS
from ser.core.sections import Clean
from ser.core.words import lookalike

Counts = Mapping[str, tuple[int, int]]  # name -> (recordings kept, recordings rejected)

# When one emotion or speaker loses far more recordings than the others.
_FEWEST_LOST = 3  # recordings: fewer happen by chance
_LEAST_SHARE = 0.02
_TIMES, _POINTS = 3, 0.1  # times the share of the others, or that share plus this
_SHOWN = 10  # groups in a line


def summarise_cleaning(ledger: Ledger) -> dict[str, Any]:
    """Count the recordings kept and rejected: in all, by corpus, emotion and speaker.

    By emotion and by speaker, only rejections for the sound count; duplicates do not.
    """
    corpora = ledger.corpora()
    counts = {tally.reason: tally.times for tally in ledger.reasons()}
    return {
        "kept": sum(kept for kept, _ in corpora.values()),
        "rejected": sum(lost for _, lost in corpora.values()),
        "reasons": {reason: counts.get(reason, 0) for reason in REASONS},
        "hours": ledger.seconds() / 3600,
        "per_corpus": _named(corpora),
        "per_emotion": _named(ledger.counts_by_emotion()),
        "per_speaker": _named(ledger.counts_by_speaker()),
    }


def _named(counts: Counts) -> dict[str, dict[str, int]]:
    return {name: {"kept": kept, "rejected": lost} for name, (kept, lost) in counts.items()}


def warn_of_uneven_rejection(ledger: Ledger) -> None:
    """Print the share of each emotion and speaker that was rejected; warn if that is a bias."""
    for what, counts in (
        ("emotion", ledger.counts_by_emotion()),
        ("speaker", ledger.counts_by_speaker()),
    ):
        hit = sorted(
            (name for name, (_, lost) in counts.items() if lost), key=lambda n: -_share(counts[n])
        )
        if hit:
            told = [f"{counts[name][1]} of {sum(counts[name])} {name}" for name in hit[:_SHOWN]]
            more = f" and {len(hit) - _SHOWN} more" if len(hit) > _SHOWN else ""
            print(f"  rejected for their sound, by {what}: {', '.join(told)}{more}")
        biased = uneven(counts)
        for name, share, elsewhere in biased[:_SHOWN]:
            print(
                f"  warning: {share:.1%} of {what} {name} was rejected, {elsewhere:.1%} of the "
                f"others (median): training and evaluation leave out "
                f"{'all' if share == 1 else 'a part'} of {name}"
            )
        if biased:
            print(
                "  see the reasons in data/rejected.csv and listen to some of them; "
                "clean.max_clipped and clean.min_seconds decide what is clipped and too short"
            )


def uneven(counts: Counts) -> list[tuple[str, float, float]]:
    """Find the groups that lost far more of their recordings than the others.

    Args:
        counts: group -> (recordings kept, recordings rejected).

    Returns:
        (group, its share rejected, median share rejected of the others) of each, the worst first.

    >>> uneven({"sad": (60, 40), "angry": (99, 1), "happy": (98, 2)})
    [('sad', 0.4, 0.015)]
    """
    found = []
    for name, (kept, lost) in counts.items():
        others = [_share(count) for other, count in counts.items() if other != name]
        if not others or lost == 0:
            continue
        share, elsewhere = lost / (kept + lost), median(others)
        is_more = share > _TIMES * elsewhere or share - elsewhere >= _POINTS
        if is_more and (kept == 0 or (lost >= _FEWEST_LOST and share >= _LEAST_SHARE)):
            found.append((name, share, elsewhere))
    return sorted(found, key=lambda group: -group[1])


def _share(count: tuple[int, int]) -> float:
    return count[1] / sum(count)


def require_clips(ledger: Ledger, wanted: Clean) -> None:
    """Check that every corpus and every wanted emotion has a recording left.

    Raises:
        UserError: one has none; the text counts the reasons.
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
    """Print the words of clean.relabel that match no clip, unless no clip has a label at all."""
    used = {word for own in ledger.words() for word in relabel_keys(own)}
    if used and (unused := sorted(set(clean.relabel) - used)):
        print(f"  note: no clip is labelled {' or '.join(unused)}, which clean.relabel maps")


def warn_of_like_speakers(ledger: Ledger) -> None:
    """Print the speakers with similar names, who are taken for several people."""
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
    """Print the emotions that only one of several corpora has."""
    there = ledger.emotions()
    corpora = {corpus for having in there.values() for corpus in having}
    for emotion, having in there.items():
        if len(corpora) > len(having) == 1:
            print(
                f"  note: only {having[0]} has {emotion}: a net may learn the corpus instead "
                f"of the sound; clean.relabel or clean.emotions can change that"
            )
