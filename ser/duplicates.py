"""Recordings that are there more than once."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def set_apart_duplicates(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[Row]]:
    """Keep the first of recordings that are the same audio, or that name the same clip.

    Of the same audio under two emotions none is kept: nobody knows which label is right.

    Args:
        rows: rows of clips.csv with the digest of the decoded audio and the identity of the clip;
            the first of those alike is kept.

    Returns:
        (rows kept, rows of rejected.csv).
    """
    by_audio: dict[str, list[Row]] = {}
    for row in rows:
        by_audio.setdefault(row["digest"], []).append(dict(row))
    kept: dict[str, Row] = {}
    sounds: dict[str, Row] = {}  # of those kept
    rejected = []
    for row in rows:
        same = by_audio[row["digest"]]
        others = ", ".join(other["path"] for other in same if other["path"] != row["path"])
        if len({other["emotion"] for other in same}) > 1:
            reason, detail = "duplicate_audio", f"same audio under another emotion: {others}"
        elif first := sounds.get(row["digest"]):
            reason, detail = "duplicate_audio", f"same audio as {first['path']}"
        elif first := kept.get(row["identity"]):
            reason, detail = "duplicate_name", f"names the same clip as {first['path']}"
        else:
            kept[row["identity"]] = sounds[row["digest"]] = dict(row)
            continue
        rejected.append({"path": row["path"], "reason": reason, "detail": detail})
    return list(kept.values()), rejected
