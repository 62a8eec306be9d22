"""AESDD, the Acted Emotional Speech Dynamic Database: Greek, acted, five emotions.

Vryzas, Kotsakis, Liatsou, Dimoulas, Kalliris: Speech emotion recognition for performance
interaction. Journal of the Audio Engineering Society 66(6), 2018.
"""

import re

from ser.corpora.labels import Labels, UnknownNameError

# `a05 (3)b.wav`: emotion, utterance, speaker, take where more than one was kept. Some copies
# write speaker 1 as (01), so the speaker is read as an integer.
_NAME = re.compile(r"([adfhs])(\d{2}) \((\d+)\)([ab]?)\.wav", re.IGNORECASE | re.ASCII)
_EMOTIONS = {"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "s": "sad"}
_UTTERANCES = range(1, 21)


def parse(name: str) -> Labels:
    """Read emotion, utterance, speaker and take from a file name such as `a05 (3)b.wav`.

    Raises:
        UnknownNameError: the name is not of that form, or its utterance is none of the 20.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UnknownNameError("expected a name like 'a05 (3).wav' or 'a05 (3)b.wav'")
    emotion, utterance, speaker, take = match.groups()
    if int(utterance) not in _UTTERANCES:
        raise UnknownNameError(f"utterance {utterance} does not exist: expected 01 to 20")
    if int(speaker) < 1:
        raise UnknownNameError(f"speaker {speaker} does not exist: expected 1 or more")
    return Labels(_EMOTIONS[emotion.lower()], str(int(speaker)), utterance, take.lower())
