"""RAVDESS: 24 North American actors, two sentences, eight emotions, spoken and sung.

Livingstone, Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song. PLoS ONE 13(5),
2018. A file name consists of seven numbers: modality, vocal channel, emotion, intensity, statement,
repetition, actor.
"""

import re
from pathlib import PurePosixPath

from ser.core.rejection import Rejected
from ser.corpora.corpus import Corpus, Licence
from ser.corpora.labels import Labels, require_known, unknown_name

EXAMPLE = "03-01-05-02-01-01-12.wav"

_NAME = re.compile(r"-".join([r"(\d\d)"] * 7) + r"\.wav", re.IGNORECASE | re.ASCII)
_VIDEO_ONLY, _SONG, _NEUTRAL, _STRONG = "02", "02", "01", "02"
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_SUNG_EMOTIONS = [code for code in _EMOTIONS if code <= "06"]
_INTENSITIES = {"01": "normal", "02": "strong"}
_ACTORS = [f"{n:02}" for n in range(1, 25)]


def parse_ravdess(path: str) -> Labels:
    """Read a file name such as `03-01-05-02-01-01-12.wav`; odd actors are men.

    Raises:
        Rejected: unknown_name: it is not of that form, or one of its numbers does not exist;
            video_only: the recording has no sound.
    """
    file = PurePosixPath(path)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise unknown_name(f"expected a name like '{EXAMPLE}'")
    modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
    require_known("modality", modality, ("01", "02", "03"), "01 to 03")
    require_known("vocal channel", channel, ("01", "02"), "01 (speech) or 02 (song)")
    require_known("emotion", emotion, _EMOTIONS, "01 to 08")
    require_known("intensity", intensity, _INTENSITIES, "01 (normal) or 02 (strong)")
    require_known("statement", statement, ("01", "02"), "01 or 02")
    require_known("repetition", repetition, ("01", "02"), "01 or 02")
    require_known("actor", actor, _ACTORS, "01 to 24")
    if (emotion, intensity) == (_NEUTRAL, _STRONG):
        raise unknown_name("strong neutral (01-02) does not exist: neutral is of intensity 01 only")
    if channel == _SONG:
        require_known("sung emotion", emotion, _SUNG_EMOTIONS, "01 to 06")
    if modality == _VIDEO_ONLY:
        raise Rejected("video_only", "modality 02 has no sound")
    return Labels(
        name=file.stem,
        emotion=_EMOTIONS[emotion],
        speaker=actor,
        utterance=statement,
        take=repetition,
        gender="male" if int(actor) % 2 else "female",
        intensity=_INTENSITIES[intensity],
        language="en",
        sung=channel == _SONG,
    )


CORPUS = Corpus(
    parse_ravdess,
    EXAMPLE,
    Licence(
        "Ryerson Audio-Visual Database of Emotional Speech and Song",
        "cc-by-nc-sa-4.0",
        "CC BY-NC-SA 4.0",
        "Livingstone, Russo, PLoS ONE 13(5), 2018",
    ),
)
