"""TESS: two Canadian women, aged 64 and 26, 200 words, seven emotions.

Pichora-Fuller, Dupuis: Toronto emotional speech set (TESS). Borealis, 2020.
"""

import re
from pathlib import PurePosixPath

from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "OAF_back_angry.wav"

# The file name has every label; folders are named OAF_Fear or YAF_fear, one `pleasant_surprised`.
_NAME = re.compile(r"([A-Z]+)_([A-Z]+)_([A-Z]+)\.wav", re.IGNORECASE | re.ASCII)
# The corpus has a file `OA_bite_neutral.wav`.
_SPEAKERS = {"OAF": "OAF", "YAF": "YAF", "OA": "OAF"}
_AGES = {"OAF": "64", "YAF": "26"}  # the older adult female and the younger
_EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sad",
}


def parse_tess(path: str) -> Labels:
    """Read speaker, word and emotion from a file name such as `YAF_dog_ps.wav`.

    Raises:
        Rejected: unknown_name: it is not of that form, or its emotion does not exist.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    if match is None or match[1].upper() not in _SPEAKERS:
        raise unknown_name(f"expected a name like '{EXAMPLE}' or 'YAF_dog_ps.wav'")
    speaker, word, emotion = match[1].upper(), match[2].lower(), match[3].lower()
    require_known("emotion", emotion, _EMOTIONS, f"one of {', '.join(_EMOTIONS)}")
    return Labels(
        name=file.stem,
        emotion=_EMOTIONS[emotion],
        speaker=_SPEAKERS[speaker],
        utterance=word,
        gender="female",
        age=_AGES[_SPEAKERS[speaker]],
        language="en",
    )


CORPUS = Corpus(
    parse_tess,
    EXAMPLE,
    Licence(
        "Toronto Emotional Speech Set",
        "cc-by-nc-nd-4.0",
        "CC BY-NC-ND 4.0",
        "Pichora-Fuller, Dupuis, University of Toronto, 2020",
    ),
)
