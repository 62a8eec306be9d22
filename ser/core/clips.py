"""Who and what the rows of clips.csv belong to."""

from typing import Any

import pandas as pd

from ser.core.words import composed

_UNKNOWN = "unknown"


def speaker_of(clips: pd.DataFrame) -> pd.Series:
    """Name each clip's speaker `<corpus>/<speaker>`: speaker 1 of two corpora is two people.

    One name is one person, whichever way its accents are stored.
    """
    return clips["corpus"] + "/" + clips["speaker"].map(composed).replace("", _UNKNOWN)


def group_of(clips: pd.DataFrame) -> pd.Series:
    """Name the group of takes that each clip belongs to: who says what with which emotion."""
    return speaker_of(clips) + "/" + clips["utterance"].map(composed) + "/" + clips["emotion"]


def describe_corpus(clips: pd.DataFrame) -> dict[str, Any]:
    """Say what a table of clips holds.

    Returns:
        corpora.<name>.{clips, speakers, languages}, emotions.<name> (clips), and seconds.{total,
        min, median, max} of a clip.
    """
    seconds = clips["seconds"]
    emotions = clips["emotion"].value_counts().sort_index()
    return {
        "corpora": {
            str(name): {
                "clips": len(own),
                "speakers": int(own["speaker"].nunique()),
                "languages": sorted(set(own["language"]) - {""}),
            }
            for name, own in clips.groupby("corpus")
        },
        "emotions": {str(name): int(n) for name, n in emotions.items()},
        "seconds": {
            "total": float(seconds.sum()),
            "min": float(seconds.min()),
            "median": float(seconds.median()),
            "max": float(seconds.max()),
        },
    }
