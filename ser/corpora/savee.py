"""SAVEE: four British men, seven emotions, 15 sentences of each and 30 neutral ones.

Haq, Jackson: Multimodal emotion recognition. In: Machine Audition, 2010.
"""

import re
from pathlib import PurePosixPath

from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "DC/a01.wav"

_SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(
    rf"(?:({'|'.join(_SPEAKERS)})_)?(sa|su|[adfhn])(\d\d)\.wav", re.IGNORECASE | re.ASCII
)
_EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}


def parse_savee(path: str) -> Labels:
    """Read speaker, emotion and sentence from `DC_a01.wav`, or from `a01.wav` in a folder `DC`.

    Either way the clip's name is DC_a01. Each emotion numbers its own sentences.

    Raises:
        Rejected: unknown_name: it is not of that form, or the sentence does not exist.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    speaker = (match[1] or file.parent.name).upper() if match else ""
    if match is None or speaker not in _SPEAKERS:
        raise unknown_name(f"expected a name like 'DC_a01.wav', or '{EXAMPLE}' with its folder")
    emotion, sentence = match[2].lower(), match[3]
    last = 30 if emotion == "n" else 15
    known = [f"{n:02}" for n in range(1, last + 1)]
    require_known(f"{_EMOTIONS[emotion]} sentence", sentence, known, f"01 to {last}")
    return Labels(
        name=f"{speaker}_{emotion}{sentence}",
        emotion=_EMOTIONS[emotion],
        speaker=speaker,
        utterance=sentence,
        gender="male",
        language="en",
    )


CORPUS = Corpus(
    parse_savee,
    EXAMPLE,
    Licence(
        "Surrey Audio-Visual Expressed Emotion",
        "other",
        "for research, on registration with its authors",
        "Haq, Jackson, in: Machine Audition, 2010",
    ),
)
