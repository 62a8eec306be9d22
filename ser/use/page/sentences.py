"""Why no emotion can be told of a recording, in words for visitors of a page."""

from ser.core.rejection import NO_SPEECH, TOO_LONG

LONGEST = 600.0  # seconds
# What there is in a window of a long recording of which nothing is told.
BRIEFLY = {
    "not_finite": "damaged",
    "silent": "silence",
    "too_short": "too short",
    "clipped": "overdriven",
    NO_SPEECH: "no speech",
}


def explained(formats: str, longest: float) -> dict[str, str]:
    """Return the sentence of each reason.

    Args:
        formats: the kinds of files that are read.
        longest: recording that is taken, in seconds.
    """
    return {
        "zero_length": "There is no sound in this file.",
        "undecodable": f"This file cannot be read as a recording. These can: {formats}.",
        "truncated": "This file is damaged: its end is missing.",
        "not_finite": "This recording holds values that are not numbers: it is damaged.",
        "silent": "This recording is silent. Is the microphone on?",
        "too_short": "This recording is too short.",
        TOO_LONG: f"This recording is too long: at most {longest / 60:.0f} minutes, please.",
        "clipped": "This recording is overdriven: too many of its samples are at the limit. "
        "Record it again at a lower level.",
        NO_SPEECH: "Nobody seems to speak in this recording, so there is no emotion to tell.",
    }
