"""Which folders of a tree of recordings are called like their speakers."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ser.words import folded, tidied

_EXPECTED = (
    "expected are <speaker>/<emotion>/<file> or <emotion>/<speaker>/<file>, alike for all, or a "
    "labels.csv with the column speaker"
)
# Folders of parts, genders and intensities hold several people, or the same one twice.
_NO_SPEAKERS = {
    *("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"),
    *("fold", "part", "set", "batch", "session", "take"),
    *("female", "male", "women", "men", "woman", "man"),
    *("low", "medium", "high", "weak", "normal", "strong", "faible", "fort"),
}
_NUMBERING = re.compile(r"[\W\d_]+")
_SHOWN = 3


def find_speakers(
    paths: Sequence[str], emotion: Callable[[str], str | None]
) -> tuple[int | None, str]:
    """Find the level of folders that is called like speakers.

    Folders that hold everything, and levels of parts such as train and test, are passed over. Then
    there is one where two levels are left, of which all names of one, and none of the other, are
    emotions. Anything else is not guessed.

    Args:
        paths: of the recordings.
        emotion: the one that a folder is called like, or None.

    Returns:
        (number of the level, from 0 on; None if speakers are not known; what was understood, in
        words, or nothing where there is one level at most).
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    depths = sorted({len(parts) for parts in folders})
    if not depths or depths[-1] < 2:
        return None, ""
    if len(depths) > 1:
        return _unknown(f"recordings lie {' or '.join(map(str, depths))} folders deep")
    names = [sorted({tidied(name) for name in level}) for level in zip(*folders, strict=True)]
    levels = [
        level
        for level, own in enumerate(names)
        if (len(own) > 1 and not all(map(_is_part, own))) or emotion(own[0]) is not None
    ]
    if len(levels) > 2:
        return _unknown(f"{len(levels)} levels of folders have several names")
    others = {level: [name for name in names[level] if emotion(name) is None] for level in levels}
    if levels and all(others.values()):
        return _unknown(f"no emotion is called {_listed(min(others.values(), key=len))}")
    if len(levels) < 2:
        beside = next(level for level in range(depths[0]) if level not in levels)
        return _unknown(
            f"{_listed(names[beside])} would be no speaker's name"
            if len(names[beside]) > 1
            else f"all recordings lie in {names[beside][0]}"
        )
    speakers = next((level for level in levels if others[level]), levels[0])
    if others[speakers] != names[speakers]:
        return _unknown("both levels of folders are called like emotions")
    if strange := [name for name in names[speakers] if _is_part(name)]:
        return _unknown(f"{_listed(strange)} would be no speaker's name")
    where = "above" if speakers == levels[0] else "below"
    return speakers, (
        f"speaker from the folder {where} the emotion, {len(names[speakers])} speakers: "
        f"{_listed(names[speakers])}"
    )


def _is_part(name: str) -> bool:
    return _NUMBERING.sub("", folded(name)) in _NO_SPEAKERS


def _unknown(why: str) -> tuple[None, str]:
    return None, f"the folders say no speakers: {why}; {_EXPECTED}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
