"""The labels of a clip in its corpus."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ser.core.rejection import Rejected


@dataclass(frozen=True)
class Labels:
    """The labels of one clip; an empty string if the corpus does not state one.

    Attributes:
        name: unique in the corpus; the file's name without its suffix, if that is unique.
        emotion: the corpus's own word, see `ser.core.emotions.emotion_of`.
        speaker: who speaks.
        utterance: what is said.
        take: which repetition of it.
        gender: female or male.
        age: of the speaker, in years.
        intensity: of the emotion: low, medium or high; normal or strong.
        language: ISO 639-1.
        sung: whether it is sung, not spoken.
        arousal: its rating, a number in 0..1, see `ser.core.dimensions`.
        valence: likewise.
        more: further columns of the user's table -> cells.
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
    arousal: str = ""
    valence: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


def unknown_name(detail: str) -> Rejected:
    """Return the rejection of a file whose name is not that of a clip of its corpus."""
    return Rejected("unknown_name", detail)


def require_known(what: str, code: str, known: Collection[str], expected: str) -> None:
    """Check that a part of a name, which has the right form, exists in the corpus.

    Raises:
        Rejected: unknown_name.
    """
    if code not in known:
        raise unknown_name(f"{what} {code} does not exist: expected {expected}")
