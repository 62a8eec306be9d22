"""The emotions that clips are labelled with, and the words that others use for them.

Eight are known by themselves; clean.emotions may list further ones, of a corpus's own.
"""

import re
from collections.abc import Collection, Mapping

from ser.core.rejection import Rejected
from ser.core.words import folded
from ser.core.yaml_reader import IN_QUOTES

EMOTIONS = ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# The noun, adjective or participle of the same emotion; anything further is the user's to decide.
_SYNONYMS = {
    "anger": "angry",
    "calmness": "calm",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
}

_PLAIN = re.compile(r"[a-z][a-z0-9_-]{,15}")  # longer ones would overlap in the pictures
# An emotion is a column beside these, in data/predictions.csv and what `ser predict --csv` writes.
_OTHER_COLUMNS = {"actual", "clip", "detail", "emotion", "end", "file", "fold", "part", "path"}
_OTHER_COLUMNS |= {"predicted", "reason", "seconds", "speaker", "start"}


def problem_of_name(name: object) -> str:
    """Say why an emotion cannot be called so; an empty string if it can."""
    if name in EMOTIONS:
        return ""
    if not isinstance(name, str):
        return IN_QUOTES
    if not _PLAIN.fullmatch(name):
        return (
            "a name is of a to z, 0 to 9, _ and -, a letter first, 16 at most; clean.relabel can "
            "take any word for it"
        )
    if name in _SYNONYMS:
        return f"that is {_SYNONYMS[name]}"
    if name in _OTHER_COLUMNS or name == "all":
        return "that is not free to name an emotion"
    return ""


def emotion_of(word: str, relabel: Mapping[str, str], own: Collection[str] = ()) -> str:
    """Read a word for an emotion, whatever its case and the form of its accents.

    Args:
        word: as a corpus, a folder or a table has it.
        relabel: word or emotion -> emotion that it is taken for.
        own: emotions that are known beside EMOTIONS.

    Returns:
        One of EMOTIONS, or of `own`.

    Raises:
        Rejected: unknown_emotion.
    """
    plain = folded(word)
    taken_for = {folded(key): emotion for key, emotion in relabel.items()}
    if plain in taken_for:
        return taken_for[plain]
    emotion = _SYNONYMS.get(plain, plain)
    if emotion not in EMOTIONS and emotion not in own:
        raise Rejected(
            "unknown_emotion",
            f"{word!r}: expected one of {', '.join((*EMOTIONS, *own))}, a word that clean.relabel "
            "maps to one of them, or an emotion of your own that clean.emotions lists",
        )
    return taken_for.get(emotion, emotion)
