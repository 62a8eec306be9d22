"""Write answers about recordings as a table, JSON or CSV, each as soon as it is known."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from ser.use.prediction import Prediction, Window


@dataclass(frozen=True)
class Answer:
    """The answer about a recording.

    Attributes:
        file: the recording's name.
        prediction: None if the recording cannot be classified.
        reason: why it cannot, as a code such as silent.
        detail: why it cannot, in words.
        min_confidence: 0..1; an emotion of a lower probability is not named.
    """

    file: str
    prediction: Prediction | None
    reason: str | None = None
    detail: str | None = None
    min_confidence: float = 0.0

    def is_uncertain(self, part: Prediction | Window | None) -> bool:
        """Return whether the prediction, or that for a window, is too improbable to be named."""
        if part is None or part.probabilities is None:
            return False
        return max(part.probabilities.values()) < self.min_confidence

    def emotion(self, part: Prediction | Window | None) -> str | None:
        """Return the most probable emotion; None if it is uncertain or there is no prediction."""
        return None if part is None or self.is_uncertain(part) else part.emotion

    def word(self, part: Prediction | Window | None) -> str | None:
        """Return the most probable emotion as it is shown; None if there is no prediction."""
        return UNCERTAIN if self.is_uncertain(part) else self.emotion(part)


Write = Callable[[Answer], None]
# (file, emotions, dimensions) -> what writes answers to it.
Format = Callable[[TextIO, Sequence[str], Sequence[str]], AbstractContextManager[Write]]

# What a formula starts with, also in the full width of East Asian characters.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
UNCERTAIN = "uncertain"  # may be an emotion too: JSON tells the two apart
_DIGITS = 7
_MIN_WIDTH = 10  # of the table's columns, in characters


@contextmanager
def as_table(
    out: TextIO, emotions: Sequence[str], dimensions: Sequence[str] = ()
) -> Iterator[Write]:
    """Write a table for people: a line per recording, and one per window of long ones."""
    width = max(_MIN_WIDTH, 2 + max(map(len, emotions)))
    head = ("emotion", *emotions, *dimensions, "seconds")
    print(_columns(head, width) + "file", file=out)

    def write(answer: Answer) -> None:
        name = printable(answer.file)
        if answer.prediction is None:
            print(
                f"{'-':<{width * len(head)}}{name}: {answer.reason}, "
                f"{printable(answer.detail or '')}",
                file=out,
            )
            return
        p = answer.prediction
        note = f" ({p.note})" if p.note else ""
        line = _cells(answer.word(p), p, f"{p.seconds:.1f}", emotions, dimensions)
        print(_columns(line, width) + name + note, file=out)
        for window in p.windows:
            span = f"  {clock(window.start)} to {clock(window.end)}"
            seconds = f"{window.end - window.start:.1f}"
            note = f" {window.reason}" if window.reason else ""
            line = _cells(answer.word(window), window, seconds, emotions, dimensions)
            print(_columns(line, width) + span + note, file=out)

    yield write


def _cells(
    emotion: str | None,
    part: Prediction | Window,
    seconds: str,
    emotions: Sequence[str],
    dimensions: Sequence[str],
) -> list[str]:
    known = part.probabilities
    shares = [f"{known[name]:.1%}" if known else "" for name in emotions]
    values = [f"{part.dimensions[name]:.2f}" if known else "" for name in dimensions]
    return [emotion or "-", *shares, *values, seconds]


def _columns(cells: Sequence[str], width: int) -> str:
    return "".join(f"{cell:<{width}}" for cell in cells)


def clock(seconds: float) -> str:
    """Return a time as minutes:seconds, or hours:minutes:seconds from one hour on.

    >>> clock(75.25)
    '1:15.2'
    >>> clock(3725)
    '1:02:05.0'
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def printable(name: str) -> str:
    r"""Escape the control characters of a name, so that a terminal does not obey them.

    >>> print(printable("café\x1b[2J.wav"))
    café\x1b[2J.wav
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def cell(text: str) -> str:
    """Escape a text so that no spreadsheet takes it for a formula, as OWASP advises.

    >>> cell("=1+1.wav"), cell("a=b.wav")
    ("'=1+1.wav", 'a=b.wav')
    """
    return f"'{printable(text)}" if text.startswith(_FORMULA) else printable(text)


@contextmanager
def as_json(
    out: TextIO, emotions: Sequence[str], dimensions: Sequence[str] = ()
) -> Iterator[Write]:
    """Write one JSON array with one object, on one line, per recording."""
    count = 0

    def write(answer: Answer) -> None:
        nonlocal count
        # In one piece, which Ctrl-C does not cut.
        out.write((",\n" if count else "[\n") + json.dumps(to_json_object(answer)))
        count += 1

    try:
        yield write
    finally:  # also after Ctrl-C: what was written so far can be read
        out.write("\n]\n" if count else "[]\n")


def to_json_object(answer: Answer) -> dict[str, Any]:
    """Return an answer as the object that JSON output holds; every key is always present.

    >>> answer = to_json_object(Answer("a.wav", Prediction(1.5, {"angry": 0.75, "sad": 0.25})))
    >>> answer["emotion"], answer["probabilities"], answer["windows"]
    ('angry', {'angry': 0.75, 'sad': 0.25}, [])
    >>> to_json_object(Answer("b.wav", None, "silent", "no sound"))["emotion"] is None
    True
    >>> answer = Answer("a.wav", Prediction(1.5, {"angry": 0.75, "sad": 0.25}), min_confidence=0.8)
    >>> to_json_object(answer)["emotion"], to_json_object(answer)["uncertain"]
    (None, True)
    """
    p = answer.prediction
    return {
        "file": answer.file,
        "seconds": p and round(p.seconds, 6),
        "emotion": answer.emotion(p),
        "uncertain": answer.is_uncertain(p),
        "probabilities": p and _rounded(p.probabilities),
        "dimensions": p and _rounded(p.dimensions),
        "windows": [_window_to_json_object(answer, window) for window in p.windows] if p else [],
        "reason": answer.reason,
        "detail": p.note if p else answer.detail,
    }


def _window_to_json_object(answer: Answer, window: Window) -> dict[str, Any]:
    return {
        "start": round(window.start, 6),
        "end": round(window.end, 6),
        "emotion": answer.emotion(window),
        "uncertain": answer.is_uncertain(window),
        "probabilities": window.probabilities and _rounded(window.probabilities),
        "dimensions": window.probabilities and _rounded(window.dimensions),
        "reason": window.reason,
    }


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: round(share, _DIGITS) for name, share in shares.items()}


@contextmanager
def as_csv(out: TextIO, emotions: Sequence[str], dimensions: Sequence[str] = ()) -> Iterator[Write]:
    """Write CSV: one row per recording (part: whole) and one per window of it (part: window).

    Names of files are escaped as in `cell`; `as_json` has them as they are.
    """
    head = ("file", "part", "start", "end", "emotion", *emotions, *dimensions, "reason", "detail")
    writer = csv.DictWriter(out, head, restval="", lineterminator="\n")
    writer.writeheader()

    def write(answer: Answer) -> None:
        p = answer.prediction
        file = cell(answer.file)
        row = {"file": file, "part": "whole", "emotion": answer.word(p)}
        if p is None:
            detail = cell(answer.detail or "")
            writer.writerow({**row, "reason": answer.reason, "detail": detail})
            return
        writer.writerow(
            {
                **row,
                "start": 0,
                "end": round(p.seconds, 6),
                **_rounded(p.probabilities),
                **_rounded(p.dimensions),
                "detail": p.note,
            }
        )
        for window in p.windows:
            cells = _window_to_json_object(answer, window)
            # Before the probabilities come in, because emotions may have these names too.
            del cells["probabilities"], cells["dimensions"], cells["uncertain"]
            cells |= {"emotion": answer.word(window), **_rounded(window.probabilities or {})}
            cells |= _rounded(window.dimensions)
            writer.writerow({"file": file, "part": "window", **cells})

    yield write


FORMATS: dict[str, Format] = {"table": as_table, "json": as_json, "csv": as_csv}
