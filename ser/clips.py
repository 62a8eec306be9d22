"""Who and what the rows of clips.csv belong to."""

import pandas as pd

_UNKNOWN = "unknown"


def speaker_of(clips: pd.DataFrame) -> pd.Series:
    """Name each clip's speaker `<corpus>/<speaker>`: speaker 1 of two corpora is two people."""
    return clips["corpus"] + "/" + clips["speaker"].replace("", _UNKNOWN)


def group_of(clips: pd.DataFrame) -> pd.Series:
    """Name the group of takes that each clip belongs to: who says what with which emotion."""
    return speaker_of(clips) + "/" + clips["utterance"] + "/" + clips["emotion"]
