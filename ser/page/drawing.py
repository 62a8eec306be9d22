"""A recording as one SVG: waveform, mel spectrogram, and what is heard when.

SVG, since its lines and texts take the page's own colour, light or dark.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import colormaps
from PIL import Image

from ser.arrays import FloatArray
from ser.features import logmel, mel_band_hertz
from ser.params import Features
from ser.recogniser import Window

_WIDTH, _LEFT, _RIGHT = 720, 74, 12  # of the drawing, and of its margins
_WAVE, _MEL, _ROW, _GAP = 90, 150, 22, 34  # heights
_LINE = 16  # apart, at least, are texts below each other
_COLUMNS = 800  # of the spectrogram's picture
_DEEPEST = -80.0  # dB
_HERTZ = (250, 500, 1000, 2000, 4000)


def draw(
    waveform: FloatArray,
    sample_rate: int,
    features: Features,
    windows: Sequence[Window],
    emotions: Sequence[str],
) -> str:
    """Draw a recording.

    Args:
        waveform: float32 [samples] in -1..1, at least one.
        sample_rate: in Hz.
        features: how the mel spectrogram is computed.
        windows: of a long recording: below it, the fuller the more probable; hatched where nothing
            is told.
        emotions: names of the rows.
    """
    seconds = len(waveform) / sample_rate
    parts = [_wave(waveform), _spectrogram(waveform, sample_rate, features)]
    height = _WAVE + _GAP + _MEL
    if windows:
        height += _GAP
        parts.append(_timeline(windows, seconds, emotions, height))
        height += _ROW * len(emotions)
    parts.append(_time_axis(seconds, height))
    title = "Waveform and mel spectrogram" + (", and what is heard when" if windows else "")
    size = f"0 0 {_WIDTH} {height + 40}"
    return (
        f'<div class="scroll"><svg class="recording" viewBox="{size}" role="img" '
        f'aria-label="{title}"><defs><pattern id="hatch" width="6" height="6" '
        'patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="currentColor" opacity=".45"/>'
        f"</pattern></defs>{''.join(parts)}</svg></div>"
    )


def _x(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _text(x: float, y: float, text: str, anchor: str = "end") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _wave(waveform: FloatArray) -> str:
    """The least and the greatest sample of each column."""
    columns = min(len(waveform), _WIDTH - _LEFT - _RIGHT)
    edges = np.linspace(0, len(waveform), columns, endpoint=False).astype(int)
    peak = max(float(np.abs(waveform).max()), 1e-9)
    highest = np.maximum.reduceat(waveform, edges) / peak
    lowest = np.minimum.reduceat(waveform, edges) / peak
    middle, scale = _WAVE / 2, _WAVE / 2 - 2
    places = [_x(i / columns) for i in range(columns)]
    upper = [f"{x} {middle - scale * y:.1f}" for x, y in zip(places, highest, strict=True)]
    lower = [f"{x} {middle - scale * y + 0.5:.1f}" for x, y in zip(places, lowest, strict=True)]
    points = "L".join([*upper, *reversed(lower)])
    return f'<path class="wave" d="M{points}Z"/>'


def _spectrogram(waveform: FloatArray, sample_rate: int, features: Features) -> str:
    """The mel spectrogram as a picture, with frequencies beside it."""
    hop = max(features.hop_length, -(-len(waveform) // _COLUMNS))
    mel_db = logmel(waveform, sample_rate, features.model_copy(update={"hop_length": hop}))
    shares = np.clip(1 - mel_db.T[::-1] / _DEEPEST, 0, 1)
    pixels = (colormaps["viridis"](shares)[..., :3] * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    top = _WAVE + _GAP
    parts = [
        f'<image x="{_LEFT}" y="{top}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_MEL}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    ]
    middles = mel_band_hertz(features)
    above = np.inf
    for hertz in _HERTZ:
        if middles[0] <= hertz <= middles[-1]:
            band = float(np.interp(hertz, middles, np.arange(len(middles))))
            y = round(top + _MEL * (1 - (band + 0.5) / len(middles)) + 4, 1)
            if above - y > _LINE:
                parts.append(_text(_LEFT - 8, y, f"{hertz} Hz"))
                above = y
    note = "mel spectrogram, brighter is louder (80 dB)"
    return "".join(parts) + _text(_LEFT, top - 8, note, "start")


def _timeline(
    windows: Sequence[Window], seconds: float, emotions: Sequence[str], top: float
) -> str:
    """A row per emotion; each window from its start to the next one's."""
    ends = [*(window.start for window in windows[1:]), windows[-1].end]
    parts = [_text(_LEFT, top - 8, "emotions, the fuller the more probable", "start")]
    for row, emotion in enumerate(emotions):
        y = top + row * _ROW
        parts.append(_text(_LEFT - 8, y + 15, emotion))
        for window, end in zip(windows, ends, strict=True):
            x = _x(window.start / seconds)
            place = f'x="{x}" y="{y}" width="{_x(end / seconds) - x:.1f}" height="{_ROW - 2}"'
            if window.probabilities is None:
                if row == 0:
                    place = place.replace(f'"{_ROW - 2}"', f'"{_ROW * len(emotions) - 2}"')
                    hint = f"{window.start:.1f} s: {window.reason}"
                    parts.append(f'<rect {place} fill="url(#hatch)"><title>{hint}</title></rect>')
                continue
            share = window.probabilities[emotion]
            hint = f"{window.start:.1f} to {window.end:.1f} s: {share:.0%} {escape(emotion)}"
            look = f'class="heard" fill-opacity="{share:.3f}"'
            parts.append(f"<rect {look} {place}><title>{hint}</title></rect>")
    return "".join(parts)


def _time_axis(seconds: float, top: float) -> str:
    """Round times, five to ten of them."""
    step = 10 ** np.floor(np.log10(seconds / 4))
    step = next(step * k for k in (1, 2, 5, 10) if seconds / (step * k) <= 8)
    ticks = np.arange(0, seconds * 1.0001, step)
    labels = "".join(_text(_x(t / seconds), top + 18, f"{t:g}", "middle") for t in ticks)
    return labels + _text(_x(0.5), top + 35, "time (s)", "middle")
