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

    There is one where every recording lies two folders deep and all names of one level, and none
    of the other, are emotions. Anything else is not guessed.

    Args:
        paths: of the recordings.
        emotion: the one that a folder is called like, or None.

    Returns:
        (0 for the upper level, 1 for the lower one, None if speakers are not known; what was
        understood, in words, or nothing where there is one level at most).
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    depths = sorted({len(parts) for parts in folders})
    if not depths or depths[-1] < 2:
        return None, ""
    if depths != [2]:
        return _unknown(f"recordings lie {' or '.join(map(str, depths))} folders deep")
    levels = [sorted({tidied(parts[level]) for parts in folders}) for level in (0, 1)]
    others = [[name for name in names if emotion(name) is None] for names in levels]
    if all(others):
        return _unknown(f"no emotion is called {_listed(min(others, key=len))}")
    speakers = 0 if others[0] else 1
    names = levels[speakers]
    if others[speakers] != names:
        return _unknown("both levels of folders are called like emotions")
    if strange := [name for name in names if _NUMBERING.sub("", folded(name)) in _NO_SPEAKERS]:
        return _unknown(f"{_listed(strange)} would be no speaker's name")
    if len(names) < 2:
        return _unknown(f"all recordings lie in {_listed(names)}")
    where = "below" if speakers else "above"
    return speakers, (
        f"speaker from the folder {where} the emotion, {len(names)} speakers: {_listed(names)}"
    )


def _unknown(why: str) -> tuple[None, str]:
    return None, f"the folders say no speakers: {why}; {_EXPECTED}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
