"""Adapt to a visitor's voice: three sentences to say, and what is kept of their recordings."""

from pathlib import Path

import numpy as np

from ser.core.rejection import Rejected
from ser.core.typing import FloatArray
from ser.use.narrowband import mostly_narrow
from ser.use.page.answering import message, rejection_sentence
from ser.use.page.sentences import LONGEST, adapted_to
from ser.use.reading import read_windows
from ser.use.recogniser import Enrolled, Recogniser, rejection_of

# Recordings in several moods tell more of a voice than as many in one: see docs/robustness.md.
SENTENCES = (
    ("calmly", "The train to the coast leaves at nine."),
    ("as if you were glad", "They have moved the meeting to Friday."),
    ("as if you were annoyed", "Somebody left the window open all night."),
)
INTRODUCTION = (
    "<p>Say three sentences aloud, and the answers of this visit are for your voice. Sentences of "
    "your own, in your own language, will do as well. Only numbers are kept of your voice, until "
    "you leave this page.</p>"
)
Voice = tuple[Enrolled, ...]  # at most one recording of each sentence


def hear(recogniser: Recogniser, path: Path, voice: Voice) -> tuple[Voice, str]:
    """Add a recording to a voice.

    Args:
        recogniser: the model, which adapts to voices.
        path: of the recording.
        voice: what is kept so far.

    Returns:
        (what is kept now, HTML: see `voice_html`).
    """
    if len(voice) < len(SENTENCES):
        try:
            voice = (*voice, _enrol(recogniser, path))
        except Rejected as verdict:
            return voice, message(rejection_sentence(verdict, path)) + voice_html(voice)
    return voice, voice_html(voice)


def voice_html(voice: Voice) -> str:
    """Return how many recordings the answers are adapted to, and the next sentence, as HTML."""
    parts = []
    if voice:
        said = adapted_to(len(voice)).capitalize()
        parts.append(f'<p class="adapted" role="status">{said}.</p>')
    if len(voice) < len(SENTENCES):
        mood, sentence = SENTENCES[len(voice)]
        parts.append(
            f"<p>Sentence {len(voice) + 1} of {len(SENTENCES)}, {mood}:</p>"
            f'<p class="say" lang="en">{sentence}</p>'
        )
    return "".join(parts)


def _enrol(recogniser: Recogniser, path: Path) -> Enrolled:
    """Return what is kept of a recording: of a long one, the mean over its windows with speech.

    Raises:
        Rejected: it cannot be used, or nobody speaks in it.
    """
    narrow, reasons = list[bool](), list[str]()
    total: FloatArray = np.zeros(1, np.float32)
    for piece in read_windows(path, recogniser.windows(), LONGEST):
        try:
            part = recogniser.enrol(piece)
        except Rejected as verdict:
            reasons.append(verdict.reason)
        else:
            narrow.append(bool(part.is_narrow))
            total = total + part.values
    if not narrow:
        raise rejection_of(reasons)
    return Enrolled(total / np.float32(len(narrow)), mostly_narrow(narrow))
