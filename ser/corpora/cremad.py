"""CREMA-D: 91 actors of many origins, twelve English sentences, six emotions.

Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D: Crowd-sourced Emotional Multimodal Actors
Dataset. IEEE Transactions on Affective Computing 5(4), 2014. Ages and genders are taken from the
corpus's VideoDemographics.csv.
"""

import re
from pathlib import PurePosixPath

from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "1001_DFA_ANG_XX.wav"

# The corpus has a file `1040_ITH_SAD_X.wav`, whose level is a single X.
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})\.wav", re.IGNORECASE | re.ASCII)
_SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
_ACTORS = [str(n) for n in range(1001, 1092)]
# fmt: off
_WOMEN = {
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025,
    1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060,
    1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
}
_AGES = (  # in the order of the actors
    51, 21, 21, 42, 29, 58, 38, 46, 24, 27, 32, 23, 22, 24, 32, 61, 42, 25, 29, 61,
    30, 22, 22, 59, 48, 33, 44, 57, 33, 42, 31, 30, 31, 74, 48, 49, 45, 21, 51, 42,
    42, 37, 25, 40, 22, 22, 22, 38, 25, 62, 56, 33, 35, 36, 57, 52, 25, 36, 21, 28,
    51, 56, 33, 53, 38, 25, 66, 34, 27, 25, 41, 33, 24, 31, 40, 25, 20, 21, 21, 21,
    30, 20, 45, 46, 34, 33, 62, 23, 24, 50, 29,
)
# fmt: on


def parse_cremad(path: str) -> Labels:
    """Read actor, sentence, emotion and level from a file name such as `1001_DFA_ANG_XX.wav`.

    Raises:
        Rejected: unknown_name: it is not of that form, or one of its parts does not exist.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise unknown_name(f"expected a name like '{EXAMPLE}'")
    actor, sentence, emotion, level = (part.upper() for part in match.groups())
    require_known("actor", actor, _ACTORS, "1001 to 1091")
    require_known("sentence", sentence, _SENTENCES, f"one of {', '.join(_SENTENCES)}")
    require_known("emotion", emotion, _EMOTIONS, f"one of {', '.join(_EMOTIONS)}")
    require_known("level", level, _LEVELS, "LO, MD, HI or XX")
    return Labels(
        name=file.stem,
        emotion=_EMOTIONS[emotion],
        speaker=actor,
        utterance=sentence,
        gender="female" if int(actor) in _WOMEN else "male",
        age=str(_AGES[_ACTORS.index(actor)]),
        intensity=_LEVELS[level],
        language="en",
    )


CORPUS = Corpus(
    parse_cremad,
    EXAMPLE,
    Licence(
        "Crowd-sourced Emotional Multimodal Actors Dataset",
        "odbl",
        "Open Database License",
        "Cao et al., IEEE Transactions on Affective Computing 5(4), 2014",
    ),
)
