"""Recordings that are there more than once."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

_NAMED = 10  # of the others that are the same audio


def set_apart_duplicates(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Find all but the first of recordings that are the same audio, or that name the same clip.

    Of the same audio under two emotions none is kept: nobody knows which label is right.

    Args:
        rows: path, emotion, digest of the audio in its standard form, and identity of each
            recording; the first of those alike is kept.

    Returns:
        path, reason and detail of those that are not kept.
    """
    by_audio: dict[object, list[str]] = {}  # paths
    emotions: dict[object, set[str]] = {}
    for row in rows:
        by_audio.setdefault(row["digest"], []).append(row["path"])
        emotions.setdefault(row["digest"], set()).add(row["emotion"])
    kept: dict[object, str] = {}  # identity -> path
    sounds: dict[object, str] = {}  # digest -> path, of those kept
    rejected = []
    for row in rows:
        path, sound, same = row["path"], row["digest"], row["identity"]
        if len(emotions[sound]) > 1:
            others = _others(by_audio[sound], path)
            reason, detail = "duplicate_audio", f"same audio under another emotion: {others}"
        elif sound in sounds:
            reason, detail = "duplicate_audio", f"same audio as {sounds[sound]}"
        elif same in kept:
            reason, detail = "duplicate_name", f"names the same clip as {kept[same]}"
        else:
            kept[same] = sounds[sound] = path
            continue
        rejected.append({"path": path, "reason": reason, "detail": detail})
    return rejected


def _others(paths: Sequence[str], path: str) -> str:
    """Name the other paths, or the first of them and how many more there are."""
    named = list(islice((other for other in paths if other != path), _NAMED))
    more = len(paths) - 1 - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
