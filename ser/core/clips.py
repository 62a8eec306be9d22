"""Who and what the rows of clips.csv belong to."""

from typing import TYPE_CHECKING

from ser.core.sections import Count, NonNegative, Section
from ser.core.words import composed

if TYPE_CHECKING:
    import pandas as pd

_UNKNOWN = "unknown"


def speaker_of(clips: "pd.DataFrame") -> "pd.Series":
    """Name each clip's speaker `<corpus>/<speaker>`: speaker 1 of two corpora is two people.

    One name is one person, whichever way its accents are stored.
    """
    return clips["corpus"] + "/" + clips["speaker"].map(composed).replace("", _UNKNOWN)


def group_of(clips: "pd.DataFrame") -> "pd.Series":
    """Name the group of takes that each clip belongs to: who says what with which emotion."""
    return speaker_of(clips) + "/" + clips["utterance"].map(composed) + "/" + clips["emotion"]


class OfCorpus(Section):
    """What the table of clips holds of one corpus."""

    clips: Count
    speakers: Count
    languages: list[str]


class Seconds(Section):
    """The lengths of clips, in seconds."""

    total: NonNegative
    min: NonNegative
    median: NonNegative
    max: NonNegative


class CorpusSummary(Section):
    """What a table of clips holds.

    Attributes:
        corpora: by the name of each.
        emotions: number of clips of each.
        seconds: of a clip, and of all together.
    """

    corpora: dict[str, OfCorpus]
    emotions: dict[str, Count]
    seconds: Seconds


def summarise_corpus(clips: "pd.DataFrame") -> CorpusSummary:
    """Count what the table clips.csv holds."""
    seconds = clips["seconds"]
    emotions = clips["emotion"].value_counts().sort_index()
    return CorpusSummary(
        corpora={
            str(name): OfCorpus(
                clips=len(own),
                speakers=int(own["speaker"].nunique()),
                languages=sorted(set(own["language"]) - {""}),
            )
            for name, own in clips.groupby("corpus")
        },
        emotions={str(name): int(n) for name, n in emotions.items()},
        seconds=Seconds(
            total=float(seconds.sum()),
            min=float(seconds.min()),
            median=float(seconds.median()),
            max=float(seconds.max()),
        ),
    )
