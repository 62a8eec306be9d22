"""The eight emotions that clips are labelled with, and the words that others use for them."""

from collections.abc import Mapping

from ser.rejection import Rejected

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


def emotion_of(word: str, relabel: Mapping[str, str]) -> str:
    """Read a word for an emotion, whatever its case.

    Args:
        word: as a corpus, a folder or a table has it.
        relabel: word or emotion -> emotion that it is taken for.

    Returns:
        One of EMOTIONS.

    Raises:
        Rejected: unknown_emotion.
    """
    plain = word.strip().lower()
    if plain in relabel:
        return relabel[plain]
    emotion = _SYNONYMS.get(plain, plain)
    if emotion not in EMOTIONS:
        raise Rejected(
            "unknown_emotion",
            f"{word!r}: expected one of {', '.join(EMOTIONS)}, or a word that clean.relabel maps "
            "to one of them",
        )
    return relabel.get(emotion, emotion)
