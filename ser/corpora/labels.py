"""What is known of a clip from its corpus."""

from collections.abc import Collection
from dataclasses import dataclass

from ser.core.rejection import Rejected


@dataclass(frozen=True)
class Labels:
    """What a corpus says of one clip; an empty string where it says nothing.

    Attributes:
        name: unique in the corpus; the name of the file without its suffix where that is.
        emotion: the corpus's word for it, see `ser.core.emotions.emotion_of`.
        speaker: who speaks.
        utterance: what is said.
        take: which repetition of it.
        gender: female or male.
        age: of the speaker, in years.
        intensity: of the emotion: low, medium or high; normal or strong.
        language: ISO 639-1.
        sung: whether it is song, not speech.
    """

    name: str
    emotion: str
    speaker: str = ""
    utterance: str = ""
    take: str = ""
    gender: str = ""
    age: str = ""
    intensity: str = ""
    language: str = ""
    sung: bool = False


def unknown_name(detail: str) -> Rejected:
    """Make the verdict on a file that is called like no clip of its corpus."""
    return Rejected("unknown_name", detail)


def require_known(what: str, code: str, known: Collection[str], expected: str) -> None:
    """Refuse a part of a name that has the right form and does not exist.

    Raises:
        Rejected: unknown_name.
    """
    if code not in known:
        raise unknown_name(f"{what} {code} does not exist: expected {expected}")
