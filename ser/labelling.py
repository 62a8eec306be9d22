"""What a run takes a labelled recording for: its emotion, and which clip it is."""

from contextlib import suppress
from dataclasses import replace

from ser.corpora import NAMINGS
from ser.corpora.labels import Labels
from ser.emotions import emotion_of
from ser.params import Clean
from ser.rejection import Rejected


def settle(labels: Labels, clean: Clean) -> Labels:
    """Name the emotion as this project does; refuse a clip that is not wanted.

    Raises:
        Rejected: unknown_emotion, song or excluded_emotion.
    """
    emotion = emotion_of(labels.emotion, clean.relabel)
    if labels.sung and not clean.song:
        raise Rejected("song", "sung, not spoken: clean.song keeps such clips")
    if clean.emotions != "all" and emotion not in clean.emotions:
        raise Rejected("excluded_emotion", f"{emotion}: not in clean.emotions")
    return replace(labels, emotion=emotion)


def identity(corpus: str, labels: Labels) -> str:
    """Say what two files that are one clip share, also where they are spelled in two ways.

    Of a known corpus that is all that the name says; of one's own, the name.
    """
    return f"{corpus}/{labels.name if corpus not in NAMINGS else replace(labels, name='')}"


def words_for(emotion: str) -> set[str]:
    """List the words by which clean.relabel may mean an emotion as its corpus words it."""
    words = {emotion.strip().lower()}
    with suppress(Rejected):
        words.add(emotion_of(emotion, {}))
    return words
