"""What a clip's file name says about it."""

from dataclasses import dataclass


class UnknownNameError(ValueError):
    """A file name that is not one of the corpus's clips; the text says why."""


@dataclass(frozen=True)
class Labels:
    """What a clip's file name says about it; an empty string where it says nothing."""

    emotion: str
    speaker: str
    utterance: str
    take: str = ""
    gender: str = ""
