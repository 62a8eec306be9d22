"""Sentences to visitors of a page: why a recording cannot be used, what an answer is adapted to."""

from ser.core.rejection import NO_SPEECH, TOO_LONG
from ser.decoding.signatures import LIBSNDFILE, SIGNATURES
from ser.decoding.suffixes import READ, SOUND

LONGEST = 600.0  # seconds
# Why a window of a long recording has no emotion.
SHORT_REASONS = {
    "not_finite": "damaged",
    "silent": "silence",
    "too_short": "too short",
    "clipped": "overdriven",
    NO_SPEECH: "no speech",
}

# Why the microphone cannot be used, by the names of the browser's errors; after "other", the name
# follows.
MICROPHONE = {
    "insecure": "Browsers allow the microphone only on https pages and on pages from this "
    "computer.",
    "NotAllowedError": "The microphone may not be used: allow it for this page in the browser's "
    "settings.",
    "NotFoundError": "No microphone was found.",
    "NotReadableError": "Another program uses the microphone.",
    "other": "The microphone cannot be used",
}


def formats_read() -> str:
    """Return the names of all formats that are read, also those without a suffix of their own."""
    by_content = [kind.name for _, kind in SIGNATURES if kind.reader == LIBSNDFILE]
    return f"{READ}; also {', '.join(name for name in by_content if name not in SOUND)}"


def rejection_sentences(formats: str, longest: float) -> dict[str, str]:
    """Return a sentence for each reason for which recordings are rejected.

    >>> rejection_sentences("WAV and FLAC", 600)["too_long"]
    'This recording is too long: at most 10 minutes, please.'

    Args:
        formats: the file formats that are read.
        longest: maximum length of a recording in seconds.
    """
    return {
        "zero_length": "There is no sound in this file.",
        "undecodable": f"This file cannot be read as a recording. These can: {formats}.",
        "truncated": "This file is damaged: its end is missing.",
        "not_finite": "This recording contains values that are not numbers: it is damaged.",
        "silent": "This recording is silent. Is the microphone on?",
        "too_short": "This recording is too short.",
        TOO_LONG: f"This recording is too long: at most {longest / 60:.0f} minutes, please.",
        "clipped": "This recording is overdriven: too many of its samples are at the limit. "
        "Record it again at a lower level.",
        NO_SPEECH: "Nobody seems to speak in this recording, so no emotion can be recognised.",
    }


def adapted_to(recordings: int) -> str:
    """Return to how many recordings of a voice an answer is adapted.

    >>> adapted_to(1), adapted_to(3)
    ('adapted to 1 recording', 'adapted to 3 recordings')
    """
    return f"adapted to {recordings} recording{'s' if recordings > 1 else ''}"
