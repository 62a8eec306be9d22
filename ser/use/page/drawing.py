"""Draw a recording as HTML: waveform, mel spectrogram and emotions over time.

Positions are percentages of the duration, so that the drawing fits phones and desktops. Lines and
texts use the page's own colours, light or dark.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from ser.core.filters import FilterBanks, mel_band_hertz
from ser.core.rejection import NO_SPEECH
from ser.core.sections import Features
from ser.core.typing import FloatArray
from ser.features.extract import logmel
from ser.plots.style import DIVERGING, MIN_HATCHED
from ser.use.answers import clock
from ser.use.explanation import Explanation
from ser.use.page.sentences import SHORT_REASONS
from ser.use.prediction import Window

_MAX_COLUMNS = 800  # of the waveform and of the spectrogram
_MIN_DB = -80.0
_HERTZ = (250, 500, 1000, 2000, 4000)
_STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)  # seconds
_STRIPE = 4  # pixels
_MIN_GAP = 0.1  # between two frequency labels, as a share of the spectrogram's height


def recording_html(
    waveform: FloatArray,
    sample_rate: int,
    features: Features,
    banks: FilterBanks,
    windows: Sequence[Window],
    emotions: Sequence[str],
) -> str:
    """Draw a recording as HTML.

    Args:
        waveform: float32 [samples] in -1..1, at least one sample.
        sample_rate: in Hz.
        features: how the mel spectrogram is computed.
        banks: filter banks of the mel spectrogram.
        windows: of a long recording, or empty. They are drawn below, one row per emotion; the
            stronger the colour, the more probable the emotion. Windows without one are hatched.
        emotions: names of the rows.
    """
    seconds = len(waveform) / sample_rate
    parts = [
        _row("", _wave(waveform)),
        _caption("mel spectrogram, brighter is louder (80 dB)"),
        _row(_frequencies(features), _spectrogram(waveform, sample_rate, features, banks)),
        _times(seconds),
    ]
    if windows:
        parts.append(_caption("emotions: stronger is more probable, hatched is not recognised"))
        parts += [_row(escape(name), _lane(windows, seconds, name)) for name in emotions]
        parts.append(_times(seconds))
    title = "Waveform and mel spectrogram" + (", and emotions over time" if windows else "")
    return _drawing(parts, title, 0, seconds)


def explanation_html(explanation: Explanation, features: Features, window: Window | None) -> str:
    """Draw what spoke for an emotion in a clip, and what against it, as HTML.

    Args:
        explanation: of the clip.
        features: how the mel spectrogram is computed.
        window: the explained window of a long recording; its spectrogram is drawn, too.
    """
    x = explanation
    most = max(float(np.abs(x.influence).max()), 1e-9)
    seconds = len(x.influence) * x.seconds_per_frame
    parts, since, when = [], "", ""
    if window:
        since = f" from {clock(window.start)} on"
        when = f" from {clock(window.start)} to {clock(window.end)}, where it is most probable"
        parts = [
            _row(_frequencies(features), _image(_levels(x.spectrogram, "gray"))),
            _times(seconds, since),
        ]
    parts += [
        _caption(
            f"what spoke for {escape(x.emotion)}{when}; striped: against it (darkest: without this "
            f"part, its log odds fall or rise by {most:.2g})"
        ),
        _row(_frequencies(features), _image(_influence(x.influence / most))),
        _times(seconds, since),
    ]
    title = f"What in the mel spectrogram spoke for {escape(x.emotion)}"
    return _drawing(parts, title, window.start if window else 0, seconds, "drawing looked")


def _drawing(
    parts: Sequence[str], title: str, start: float, seconds: float, kind: str = "drawing"
) -> str:
    """Return a drawing of a part of the recording; playing.js reads from it which part it is."""
    return (
        f'<div class="{kind}" role="img" aria-label="{title}" '
        f'data-start="{start:.3f}" data-seconds="{seconds:.3f}">{"".join(parts)}</div>'
    )


def _influence(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour influence [frames, n_mels], -1..1, high bands at the top; stripe values below 0."""
    cells = shares.T[::-1].repeat(_STRIPE, axis=0).repeat(_STRIPE, axis=1)
    pixels = (DIVERGING((cells + 1) / 2)[..., :3] * 255).astype(np.uint8)
    down, along = np.indices(cells.shape)
    pixels[(cells < -MIN_HATCHED) & ((down + along) % (4 * _STRIPE) < _STRIPE)] = 0
    return pixels


def _row(label: str, content: str) -> str:
    """Return a label and what is drawn over the time beside it."""
    return f'<div class="label">{label}</div><div class="plot">{content}</div>'


def _caption(text: str) -> str:
    return f'<div class="caption">{text}</div>'


def _wave(waveform: FloatArray) -> str:
    """Draw the lowest and the highest sample of each column."""
    columns = min(len(waveform), _MAX_COLUMNS)
    edges = np.linspace(0, len(waveform), columns, endpoint=False).astype(int)
    peak = max(float(np.abs(waveform).max()), 1e-9)
    upper = 50 - 49 * np.maximum.reduceat(waveform, edges) / peak
    lower = 50.5 - 49 * np.minimum.reduceat(waveform, edges) / peak
    forwards = [f"{x} {y:.1f}" for x, y in enumerate(upper)]
    backwards = [f"{x} {y:.1f}" for x, y in enumerate(lower)][::-1]
    return (
        f'<svg class="wave" viewBox="0 0 {columns} 100" preserveAspectRatio="none">'
        f'<path d="M{"L".join([*forwards, *backwards])}Z"/></svg>'
    )


def _spectrogram(
    waveform: FloatArray, sample_rate: int, features: Features, banks: FilterBanks
) -> str:
    """Draw the mel spectrogram, high bands at the top."""
    hop = max(features.hop_length, -(-len(waveform) // _MAX_COLUMNS))
    coarse = features.model_copy(update={"hop_length": hop})
    mel_db = logmel(waveform, sample_rate, coarse, banks)
    return _image(_levels(mel_db, "viridis"))


def _levels(mel_db: FloatArray, colours: str) -> NDArray[np.uint8]:
    """Colour levels [frames, n_mels] in dB, high bands at the top."""
    shares = np.clip(1 - mel_db.T[::-1] / _MIN_DB, 0, 1)
    pixels: NDArray[np.uint8] = (colormaps[colours](shares)[..., :3] * 255).astype(np.uint8)
    return pixels


def _image(pixels: NDArray[np.uint8]) -> str:
    """Return pixels [rows, columns, 3] as an image element of a spectrogram's height."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="mel" alt="" src="data:image/png;base64,{data}">'


def _frequencies(features: Features) -> str:
    """Return ticks at round frequencies, each at the height of its mel band; labels if they fit."""
    middles = mel_band_hertz(features)
    parts, above = [], np.inf
    for hertz in _HERTZ:
        if middles[0] <= hertz <= middles[-1]:
            band = float(np.interp(hertz, middles, np.arange(len(middles))))
            top = 1 - (band + 0.5) / len(middles)
            text = ""
            if above - top > _MIN_GAP:
                text, above = f"{hertz} Hz", top
            parts.append(f'<span style="top:{top:.1%}">{text}</span>')
    return "".join(parts)


def _lane(windows: Sequence[Window], seconds: float, emotion: str) -> str:
    """Draw an emotion's probability over time; each window reaches to the next one's start."""
    ends = [*(window.start for window in windows[1:]), windows[-1].end]
    parts = []
    for window, end in zip(windows, ends, strict=True):
        span = f"{window.start:.1f} to {window.end:.1f} s"
        start, width = window.start / seconds, (end - window.start) / seconds
        place = f"left:{start:.2%};width:{width:.2%}"
        if window.probabilities is None:
            hint = f"{span}: {SHORT_REASONS[window.reason or NO_SPEECH]}"
            parts.append(f'<i class="untold" style="{place}" title="{hint}"></i>')
        else:
            share = window.probabilities[emotion]
            hint = f"{span}: {share:.0%} {escape(emotion)}"
            look = f"{place};opacity:{share:.3f}"
            parts.append(f'<i class="heard" style="{look}" title="{hint}"></i>')
    return f'<div class="lane">{"".join(parts)}</div>'


def _times(seconds: float, since: str = "") -> str:
    """Return the time axis below a picture: labelled ticks, and from when the times count."""
    minutes = seconds >= 120
    most = 5 if minutes else 9  # labels that fit on a phone
    step = next((step for step in _STEPS if seconds / step <= most), seconds)
    times = np.arange(0, seconds * 1.0001, step)
    unit, texts = "s", [f"{t:g}" for t in times]
    if minutes:
        unit, texts = "min:s", [f"{t // 60:.0f}:{t % 60:02.0f}" for t in times]
    marks = "".join(
        f'<span style="left:{t / seconds:.1%}">{text}</span>'
        for t, text in zip(times, texts, strict=True)
    )
    return f'<div class="times">{marks}</div>{_caption(f"time{since} ({unit})")}'
