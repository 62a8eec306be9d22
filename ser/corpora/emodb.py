"""Emo-DB, the Berlin Database of Emotional Speech: ten Germans, ten sentences, seven emotions.

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: A database of German emotional speech. Interspeech
2005. Form of the names, genders and ages: http://emodb.bilderbar.info/index-1280.html.
"""

import re
from pathlib import PurePosixPath

from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "03a01Fa.wav"

# Speaker, text, emotion, and a letter where more than one version was recorded.
_NAME = re.compile(r"(\d\d)([A-Z]\d\d)([A-Z])([A-Z]?)\.wav", re.IGNORECASE | re.ASCII)
_SPEAKERS = {
    "03": ("male", "31"),
    "08": ("female", "34"),
    "09": ("female", "21"),
    "10": ("male", "32"),
    "11": ("male", "26"),
    "12": ("male", "30"),
    "13": ("female", "32"),
    "14": ("female", "35"),
    "15": ("male", "25"),
    "16": ("female", "31"),
}
_TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
# Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral.
_EMOTIONS = {
    "W": "angry",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
# Folder of the second edition: electroglottograms, named like the recordings made with them.
_THROAT = "laryngo"


def parse_emodb(path: str) -> Labels:
    """Read speaker, text, emotion and take from a file name such as `03a01Fa.wav`.

    Raises:
        Rejected: unknown_name: it is not of that form, one of its parts does not exist, or it is
            an electroglottogram.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise unknown_name(f"expected a name like '{EXAMPLE}'")
    if file.parent.name.lower() == _THROAT:
        raise unknown_name(f"in a folder {_THROAT}: an electroglottogram, not speech")
    speaker, text, emotion, take = match[1], match[2].lower(), match[3].upper(), match[4].lower()
    require_known("speaker", speaker, _SPEAKERS, f"one of {', '.join(_SPEAKERS)}")
    require_known("text", text, _TEXTS, f"one of {', '.join(_TEXTS)}")
    require_known("emotion", emotion, _EMOTIONS, f"one of {', '.join(_EMOTIONS)}")
    gender, age = _SPEAKERS[speaker]
    return Labels(
        name=file.stem,
        emotion=_EMOTIONS[emotion],
        speaker=speaker,
        utterance=text,
        take=take,
        gender=gender,
        age=age,
        language="de",
    )


CORPUS = Corpus(
    parse_emodb,
    EXAMPLE,
    Licence(
        "Berlin Database of Emotional Speech",
        "cc0-1.0",
        "CC0 1.0, as audEERING's card of it says",
        "Burkhardt et al., Interspeech 2005",
    ),
)
