"""Recordings that occur more than once."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

_NAMED = 10  # other recordings of the same audio


def find_duplicates(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Find all but the first of the recordings with the same audio or the same clip name.

    If the same audio has two emotions, none is kept: nobody knows which label is right.

    Args:
        rows: path, emotion, digest of the audio in its standard form, and identity of each
            recording, the preferred ones first.

    Returns:
        path, reason and detail of the recordings to reject.

    >>> a = {"path": "a.wav", "emotion": "sad", "digest": b"1", "identity": "a"}
    >>> find_duplicates([a, a | {"path": "b.wav", "identity": "b"}])
    [{'path': 'b.wav', 'reason': 'duplicate_audio', 'detail': 'same audio as a.wav'}]
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
    """Return the other paths as text, or the first ones and how many more there are."""
    named = list(islice((other for other in paths if other != path), _NAMED))
    more = len(paths) - 1 - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
