"""AESDD, the Acted Emotional Speech Dynamic Database: Greek, acted, five emotions.

Vryzas, Kotsakis, Liatsou, Dimoulas, Kalliris: Speech emotion recognition for performance
interaction. Journal of the Audio Engineering Society 66(6), 2018.
"""

import re
from pathlib import PurePosixPath

from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "a05 (3).wav"

# `a05 (3)b.wav`: emotion, utterance, speaker, take where more than one was kept. Some copies
# write speaker 1 as (01), so the speaker is read as an integer.
_NAME = re.compile(r"([adfhs])(\d{2}) \((\d+)\)([ab]?)\.wav", re.IGNORECASE | re.ASCII)
_EMOTIONS = {"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "s": "sad"}
_UTTERANCES = [f"{n:02}" for n in range(1, 21)]


def parse_aesdd(path: str) -> Labels:
    """Read emotion, utterance, speaker and take from a file name such as `a05 (3)b.wav`.

    Raises:
        Rejected: unknown_name: it is not of that form, or its utterance is not one of the 20.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise unknown_name("expected a name like 'a05 (3).wav' or 'a05 (3)b.wav'")
    emotion, utterance, speaker, take = match.groups()
    require_known("utterance", utterance, _UTTERANCES, "01 to 20")
    if int(speaker) < 1:
        raise unknown_name(f"speaker {speaker} does not exist: expected 1 or more")
    return Labels(
        name=file.stem,
        emotion=_EMOTIONS[emotion.lower()],
        speaker=str(int(speaker)),
        utterance=utterance,
        take=take.lower(),
        language="el",
    )


CORPUS = Corpus(
    parse_aesdd,
    EXAMPLE,
    Licence(
        "Acted Emotional Speech Dynamic Database",
        "other",
        "for research; ask its authors about any other use",
        "Vryzas et al., Journal of the Audio Engineering Society 66(6), 2018",
    ),
)
