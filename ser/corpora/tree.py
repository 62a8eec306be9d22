"""Which folders of a tree of recordings are named for the speakers."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

from ser.core.words import folded, tidied

_EXPECTED = (
    "expected <speaker>/<emotion>/<file> or <emotion>/<speaker>/<file>, the same for all, or a "
    "labels.csv with the column speaker"
)
# Parts of a corpus, takes, intensities, and words that accompany these. A name that occurs in two
# such folders is one person.
_PARTS = {
    *("train", "training", "val", "valid", "validation", "dev", "devel", "development", "test"),
    *("testing", "eval", "evaluation", "held", "out", "heldout", "holdout", "seen", "unseen"),
    *("fold", "split", "subset", "take", "trial", "rep", "repetition", "version", "all", "full"),
    *("wav", "wave", "wavs", "waves", "flac", "audio", "audios", "sound", "sounds", "data"),
    *("file", "files", "clip", "clips", "recordings", "speech", "voices", "speakers", "actors"),
    *("utterances", "sentences", "raw", "original", "clean", "noisy"),
    *("low", "medium", "high", "weak", "normal", "strong", "faible", "fort"),
}
# A name that occurs in two of these is one person who came twice, or two people.
_MEETINGS = {"session", "part", "set", "batch", "group", "day", "week"}
# A name that occurs in two of these is two people.
_KINDS = {
    *("female", "females", "woman", "women", "girl", "girls"),
    *("male", "males", "man", "men", "boy", "boys"),
    *("young", "old", "elderly", "adult", "adults", "child", "children", "kids"),
}
_LETTERS = {"f", "m", "w"}  # genders, if they are the whole name

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")  # a word begins here, as in testSet
_WORD = re.compile(r"\d+(?:st|nd|rd|th)?|[^\W\d_]+", re.IGNORECASE)
_COUNTER = re.compile(r"\d.*|[a-z]|[ivx]+|one|two|three|four|five|first|second|third")
_SHOWN = 3


def find_speakers(
    paths: Sequence[str], emotion: Callable[[str], str | None]
) -> tuple[dict[str, str], str]:
    """Find the folders that are named for speakers.

    Recordings outside the folders of emotions are ignored. Folders of parts, such as train and
    test, are skipped, and so are those that hold everything. Speakers are known if one level of
    folders is then named for emotions, and one other level neither for emotions nor for several
    people. Below genders and ages, both names together are the speaker; below sessions, no name may
    recur. Nothing else is guessed.

    Args:
        paths: paths of the recordings.
        emotion: name of a folder -> emotion, or None.

    Returns:
        (path -> speaker, empty if speakers are not known; how the folders were read, in words,
        empty if recordings are at most one folder deep).

    >>> speakers, note = find_speakers(
    ...     ["Eva/sad/1.wav", "Max/sad/1.wav"], {"sad": "sad"}.get
    ... )
    >>> speakers
    {'Eva/sad/1.wav': 'Eva', 'Max/sad/1.wav': 'Max'}
    >>> note
    'speaker from the folder above the emotion, 2 speakers: Eva, Max'
    """
    folders = {path: [tidied(name) for name in PurePosixPath(path).parts[:-1]] for path in paths}
    folders = {path: own for path, own in folders.items() if any(map(emotion, own))}
    if max(map(len, folders.values()), default=0) < 2:
        return {}, ""
    everyone = {name for own in folders.values() for name in own}
    parts = {name for name in everyone if not emotion(name) and _kind(name) == "part"}
    places = {path: [name for name in own if name not in parts] for path, own in folders.items()}
    if len(set(map(len, places.values()))) > 1:
        return _unknown(_unlike_depths(places, parts))

    names = [sorted(set(level)) for level in zip(*places.values(), strict=True)]
    emotional = [level for level, own in enumerate(names) if any(map(emotion, own))]
    if len(emotional) > 1:
        return _unknown(f"{len(emotional)} levels of folders are named for emotions")
    others = [level for level, own in enumerate(names) if level not in emotional and len(own) > 1]
    candidates = [level for level in others if not all(map(_kind, names[level]))]
    if len(candidates) > 1:
        either = " or ".join(_listed(names[level]) for level in candidates)
        return _unknown(f"either {either} may be the speakers")
    # One of many letters may be a speaker: A, B, F, M.
    strange = [name for level in candidates for name in names[level] if _kind(name) and name[1:]]
    if not candidates:
        strange = names[others[-1]] if others else sorted(parts)
    if strange:
        return _unknown(f"{_listed(strange)} would not be a speaker's name")
    if not candidates:
        constant = next(own[0] for level, own in enumerate(names) if level not in emotional)
        return _unknown(f"all recordings are in {constant}")

    (own_names,) = candidates
    kinds = [level for level in others if all(_kind(name) == "kind" for name in names[level])]
    levels = sorted([own_names, *kinds])
    speakers = {path: "/".join(place[level] for level in levels) for path, place in places.items()}
    meetings = [level for level in others if level not in levels]
    for level in meetings:
        # A session in a speaker's folder is that speaker's.
        if level < own_names and (twice := _in_two(places, speakers, level)):
            return _unknown(f"{twice}, which may be one person or several")

    found = sorted(set(speakers.values()))
    where = " and ".join(sorted({"above" if n < emotional[0] else "below" for n in levels}))
    note = (
        f"speaker from the folder{'s' if kinds else ''} {where} the emotion, {len(found)} "
        f"speakers: {_listed(found)}"
    )
    if passed := sorted(parts.union(*(names[level] for level in meetings))):
        note += f"; skipped: {_listed(passed)}"
    if rest := sorted(set(paths) - set(places)):
        note += f"; without {len(rest)} outside the folders of emotions, such as {rest[0]}"
    return speakers, note


@cache
def _kind(name: str) -> str:
    """Return what a folder's name means if not a speaker: part, meeting or kind; else empty."""
    words = {folded(word) for word in _WORD.findall(_HUMP.sub(" ", name))}
    counters = {word for word in words if _COUNTER.fullmatch(word)}
    if words <= _LETTERS:
        return "kind" if words else ""
    plain = words - counters
    if not plain or not plain <= _PARTS | _MEETINGS | _KINDS:
        return ""
    if plain & _KINDS:
        return "" if counters else "kind"  # female_01 is a speaker
    return "part" if plain & _PARTS else "meeting"


def _unlike_depths(places: Mapping[str, Sequence[str]], parts: Collection[str]) -> str:
    """Return how deep recordings are, with an example of each depth."""
    first = {len(places[path]): path for path in sorted(places, reverse=True)}
    deep = [f"{depth}, such as {first[depth]}" for depth in sorted(first)]
    without = f"without the folders {_listed(sorted(parts))}, " if parts else ""
    return f"{without}recordings are at different depths: {'; '.join(deep)}"


def _in_two(places: Mapping[str, Sequence[str]], speakers: Mapping[str, str], level: int) -> str:
    """Return which speaker is in two folders of a level, and in which; else an empty string."""
    within: dict[str, set[str]] = {}
    for path, speaker in speakers.items():
        within.setdefault(speaker, set()).add(places[path][level])
    for speaker, names in sorted(within.items()):
        if len(names) > 1:
            return f"{speaker} is in both {' and '.join(sorted(names)[:2])}"
    return ""


def _unknown(why: str) -> tuple[dict[str, str], str]:
    return {}, f"the folders do not name the speakers: {why}; {_EXPECTED}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
