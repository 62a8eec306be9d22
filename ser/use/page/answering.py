"""Compute the page's answer about a recording, and the picture of where the model looked."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from ser.audio.channels import voice_channel
from ser.core.dimensions import MEANINGS
from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.core.typing import FloatArray
from ser.decoding.decoding import open_stream
from ser.use.answers import FORMATS, Answer, to_json_object
from ser.use.explanation import explain_file, require_spectrogram, windows_of
from ser.use.page.drawing import explanation_html, recording_html
from ser.use.page.sentences import LONGEST, adapted_to, formats_read, rejection_sentences
from ser.use.prediction import Prediction
from ser.use.recogniser import Recogniser

_SENTENCES = rejection_sentences(formats_read(), LONGEST)
_GONE = "This recording was deleted while it waited: please upload it again."
_DOWNLOADS = {"csv": "text/csv", "json": "application/json"}  # format of an answer -> MIME type


def answer(
    recogniser: Recogniser, path: Path, actual: str | None
) -> tuple[str, dict[str, Any], Prediction | None]:
    """Recognise a recording.

    Args:
        recogniser: the model.
        path: of the recording.
        actual: the recording's emotion if it is known.

    Returns:
        (HTML for the page, the answer as `ser predict --json` writes it, the prediction or None if
        the recording cannot be classified).
    """
    try:
        prediction = recogniser.predict_file(path, longest=LONGEST)
    except Rejected as verdict:
        text = rejection_sentence(verdict, path)
        return message(text), to_json_object(Answer(path.name, None, verdict.reason, text)), None
    description = recogniser.description
    rate = description.preprocessing.form.sample_rate
    picture = recording_html(
        overview(path, rate),
        rate,
        description.preprocessing.features,
        description.preprocessing.banks,
        prediction.windows,
        recogniser.emotions,
    )
    described = Answer(path.name, prediction)
    summary = _summary(prediction, actual, len(recogniser.enrolled))
    downloads = _downloads(described, recogniser.emotions, description.dimensions)
    html = summary + downloads + picture
    return html, to_json_object(described), prediction


def explain_answer(recogniser: Recogniser, path: Path, prediction: Prediction) -> str:
    """Draw where in a recording the model looked; in a long one, in its most confident window.

    Args:
        recogniser: made the prediction.
        path: of the recording.
        prediction: of the recording.

    Returns:
        HTML: the picture, or a sentence why there is no picture for this model.
    """
    try:
        require_spectrogram(recogniser)
    except UserError as error:
        return f'<p class="note">Where it looked cannot be shown: {escape(str(error))}.</p>'
    emotion = prediction.emotion
    heard = [window for window in windows_of(prediction) if window.probabilities]
    surest = max(heard, key=lambda window: (window.probabilities or {})[emotion])
    try:
        ((_, explanation),) = explain_file(
            recogniser, path, prediction, recogniser.windows(), [surest], emotion
        )
    except Rejected:  # the answer was given: it was a recording then
        return f'<p class="note">{escape(_GONE)}</p>'
    features = recogniser.description.preprocessing.features
    return explanation_html(explanation, features, surest if prediction.windows else None)


def rejection_sentence(verdict: Rejected, path: Path) -> str:
    """Return why the recording at a path cannot be used."""
    return _SENTENCES[verdict.reason] if path.exists() else _GONE


def message(text: str) -> str:
    """Return a sentence as HTML that is highlighted, and read out by screen readers.

    >>> message("2 < 3")
    '<div class="message" role="alert">2 &lt; 3</div>'
    """
    return f'<div class="message" role="alert">{escape(text)}</div>'


def _summary(prediction: Prediction, actual: str | None, enrolled: int) -> str:
    """Return the most probable emotion, the actual one if it is known, and all bars, as HTML.

    Args:
        prediction: of the recording.
        actual: the recording's emotion if it is known.
        enrolled: number of recordings of a voice that the model is adapted to.
    """
    share = prediction.probabilities[prediction.emotion]
    note = f"{prediction.seconds:.1f} s"
    if prediction.windows:
        spoken = sum(window.probabilities is not None for window in prediction.windows)
        note += f", mean of {spoken} windows with speech of {len(prediction.windows)}"
    if enrolled:
        note += f", {adapted_to(enrolled)}"
    warning = (
        message(f"{prediction.note[:1].upper()}{prediction.note[1:]}.") if prediction.note else ""
    )
    known = f'<p class="actual">Actual emotion: <b>{escape(actual)}</b></p>' if actual else ""
    return (
        f'<div class="answer" role="status"><div class="emotion">{escape(prediction.emotion)}</div>'
        f'<div class="note">{share:.0%} · {note}</div>{known}</div>{warning}'
        f"{bars(prediction.probabilities)}{dimensions_html(prediction.dimensions)}"
    )


def _downloads(answer: Answer, emotions: Sequence[str], dimensions: Sequence[str]) -> str:
    """Return links that save an answer as `ser predict` writes it.

    The files are in the links themselves: the server keeps none and sends none.
    """
    links = []
    for name, kind in _DOWNLOADS.items():
        file = io.StringIO()
        with FORMATS[name](file, emotions, dimensions) as write:
            write(answer)
        data = base64.b64encode(file.getvalue().encode()).decode()
        links.append(
            f'<a download="{escape(Path(answer.file).stem)}.{name}" '
            f'href="data:{kind};base64,{data}">{name.upper()}</a>'
        )
    return f'<p class="downloads">Download: {" ".join(links)}</p>'


def bars(probabilities: Mapping[str, float]) -> str:
    """Return one bar per emotion as HTML, the most probable emotion first."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    rows = "".join(
        f'<div class="name">{escape(name)}</div><div class="track"><div class="bar" '
        f'style="width:{share:.1%}"></div></div><div class="share">{share:.1%}</div>'
        for name, share in ranked
    )
    return f'<div class="bars">{rows}</div>'


def dimensions_html(values: Mapping[str, float]) -> str:
    """Return each dimension with its value and what its ends mean, as HTML; empty without any.

    >>> dimensions_html({"arousal": 0.714})
    '<p class="note">arousal <b>0.71</b> (0 is calm, 1 is excited)</p>'
    """
    named = [f"{name} <b>{value:.2f}</b> ({MEANINGS[name]})" for name, value in values.items()]
    return f'<p class="note">{", ".join(named)}</p>' if named else ""


def overview(path: Path, sample_rate: int) -> FloatArray:
    """Read a recording to draw: the channel with the voice, resampled, otherwise unchanged.

    Args:
        path: of a readable recording.
        sample_rate: of the result, in Hz.

    Returns:
        float32 [samples].
    """
    with open_stream(path) as stream:
        resampler = soxr.ResampleStream(stream.sample_rate, sample_rate, 1)
        parts = []
        for block in stream.blocks:
            heard = voice_channel(Recording(np.nan_to_num(block), stream.sample_rate, ""))
            parts.append(resampler.resample_chunk(heard.samples[:, 0]))
    parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts)
