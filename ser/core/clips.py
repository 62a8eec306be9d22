"""Speakers, groups of takes and counts of the table clips.csv."""

from typing import TYPE_CHECKING

from ser.core.sections import Count, NonNegative, Section
from ser.core.words import composed

if TYPE_CHECKING:
    import pandas as pd

_UNKNOWN = "unknown"


def speaker_of(clips: "pd.DataFrame") -> "pd.Series":
    """Return each clip's speaker as `<corpus>/<speaker>`: speaker 1 of two corpora is two people.

    Two encodings of the same accents are one name. A clip without a speaker gets `unknown`.

    >>> import pandas as pd
    >>> clips = pd.DataFrame({"corpus": ["aesdd", "own"], "speaker": ["1", ""]})
    >>> list(speaker_of(clips))
    ['aesdd/1', 'own/unknown']
    """
    return clips["corpus"] + "/" + clips["speaker"].map(composed).replace("", _UNKNOWN)


def group_of(clips: "pd.DataFrame") -> "pd.Series":
    """Return each clip's group of takes: its speaker, utterance and emotion."""
    return speaker_of(clips) + "/" + clips["utterance"].map(composed) + "/" + clips["emotion"]


class CorpusCounts(Section):
    """The numbers of one corpus's clips and speakers, and its languages."""

    clips: Count
    speakers: Count
    languages: list[str]


class Durations(Section):
    """The lengths of clips, in seconds."""

    total: NonNegative
    min: NonNegative
    median: NonNegative
    max: NonNegative


class CorpusSummary(Section):
    """What the table clips.csv holds.

    Attributes:
        corpora: name -> its counts.
        emotions: emotion -> number of clips.
        seconds: lengths of the clips.
    """

    corpora: dict[str, CorpusCounts]
    emotions: dict[str, Count]
    seconds: Durations


def summarise_corpus(clips: "pd.DataFrame") -> CorpusSummary:
    """Count the clips, speakers and emotions of the table clips.csv, and measure the lengths."""
    seconds = clips["seconds"]
    emotions = clips["emotion"].value_counts().sort_index()
    return CorpusSummary(
        corpora={
            str(name): CorpusCounts(
                clips=len(own),
                speakers=int(own["speaker"].nunique()),
                languages=sorted(set(own["language"]) - {""}),
            )
            for name, own in clips.groupby("corpus")
        },
        emotions={str(name): int(n) for name, n in emotions.items()},
        seconds=Durations(
            total=float(seconds.sum()),
            min=float(seconds.min()),
            median=float(seconds.median()),
            max=float(seconds.max()),
        ),
    )
