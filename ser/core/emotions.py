"""The emotions that clips are labelled with, and other words for them.

Eight are built in. clean.emotions may list others that a corpus uses.
"""

import re
from collections.abc import Collection, Mapping

from ser.core.dimensions import DIMENSIONS
from ser.core.rejection import Rejected
from ser.core.words import folded
from ser.core.yaml_reader import IN_QUOTES

EMOTIONS = ("angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# The noun, adjective or participle of the same emotion. All other words are for the user to map.
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
# Each emotion is a column of data/predictions.csv and of `ser predict --csv`, next to these.
_OTHER_COLUMNS = {"actual", "clip", "detail", "emotion", "end", "file", "fold", "part", "path"}
_OTHER_COLUMNS |= {"predicted", "reason", "seconds", "speaker", "start", *DIMENSIONS}


def problem_of_name(name: object) -> str:
    """Return why an emotion cannot have this name; an empty string if it can.

    >>> problem_of_name("boredom")
    ''
    >>> problem_of_name("speaker")
    'that name is reserved'
    """
    if name in EMOTIONS:
        return ""
    if not isinstance(name, str):
        return IN_QUOTES
    if not _PLAIN.fullmatch(name):
        return (
            "a name has at most 16 of a to z, 0 to 9, _ and -, a letter first; clean.relabel can "
            "map any word to it"
        )
    if name in _SYNONYMS:
        return f"write it as {_SYNONYMS[name]}"
    if name in _OTHER_COLUMNS or name == "all":
        return "that name is reserved"
    return ""


def emotion_of(word: str, relabel: Mapping[str, str], own: Collection[str] = ()) -> str:
    """Return the emotion that a word means, ignoring its case and the encoding of its accents.

    Args:
        word: as written in a corpus, a table or the name of a folder.
        relabel: word or emotion -> emotion to use instead.
        own: emotions that are known besides EMOTIONS.

    Returns:
        One of EMOTIONS or of `own`.

    Raises:
        Rejected: unknown_emotion.

    >>> emotion_of("Happiness", {})
    'happy'
    >>> emotion_of("Freude", {"freude": "happy"})
    'happy'
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
