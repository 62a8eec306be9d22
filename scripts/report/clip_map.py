"""Prepare the map of the test clips for the page: points that tell their clip under the pointer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.markers import MarkerStyle
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D

from scripts.report.last_run import require_output
from scripts.tables import rows_of
from ser.core.errors import UserError
from ser.plots.results import emotion_marks

MAP = "data/map.csv"
WIDTH, HEIGHT, MARGIN, SIZE = 900, 600, 20, 12  # in units of the picture
_COMMANDS = {
    Outline.MOVETO: "M",
    Outline.LINETO: "L",
    Outline.CURVE3: "Q",
    Outline.CURVE4: "C",
    Outline.CLOSEPOLY: "Z",
}


@dataclass(frozen=True)
class Point:
    """A clip on the map.

    Attributes:
        x: from the left.
        y: from the top.
        emotion: its own.
        is_right: whether the net recognises it.
        text: which clip it is, its emotion and the answer.
    """

    x: float
    y: float
    emotion: str
    is_right: bool
    text: str


@dataclass(frozen=True)
class ClipMap:
    """The map.

    Attributes:
        fold: whose net places the clips.
        marks: emotion -> (outline for SVG, colour).
        points: the clips; perhaps none.
    """

    fold: str
    marks: Mapping[str, tuple[str, str]]
    points: Sequence[Point]


def load_map(emotions: Sequence[str]) -> ClipMap | str:
    """Read the map of the last run, or return why it is not available.

    Raises:
        UserError: the file is damaged.
    """
    try:
        require_output(MAP)
    except UserError as error:
        return str(error)
    rows = rows_of(MAP)
    try:
        places = [[float(row[axis]) for row in rows] for axis in ("x", "y")]
        across, up = (_spread(*axis) for axis in zip(places, (WIDTH, HEIGHT), strict=True))
        points = [
            Point(x, HEIGHT - y, row["emotion"], row["emotion"] == row["predicted"], _told(row))
            for x, y, row in zip(across, up, rows, strict=True)
        ]
        fold = rows[0]["fold"] if rows else ""
    except (ValueError, LookupError) as error:
        raise UserError(f"{MAP} is damaged ({error!r}): `dvc repro` restores it") from None
    marks = emotion_marks(emotions)
    return ClipMap(fold, {name: (_outline(mark), c) for name, (mark, c) in marks.items()}, points)


def _spread(values: Sequence[float], size: int) -> list[float]:
    """Scale values to a picture's size, with a margin."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    scale = (size - 2 * MARGIN) / (high - low or 1.0)
    return [round(MARGIN + scale * (value - low), 1) for value in values]


def _told(row: Mapping[str, str]) -> str:
    if row["emotion"] == row["predicted"]:
        return f"{row['clip']}: {row['emotion']}, recognised"
    return f"{row['clip']}: {row['emotion']}, taken for {row['predicted']}"


def _outline(marker: str) -> str:
    """Return one of matplotlib's markers as the path of an SVG picture, SIZE units wide."""
    style = MarkerStyle(marker)
    to_size = Affine2D().scale(SIZE, -SIZE)
    shape = style.get_path().transformed(style.get_transform() + to_size)
    parts = []
    for points, code in shape.iter_segments():
        numbers = "" if code == Outline.CLOSEPOLY else " ".join(f"{n:.2f}" for n in points)
        parts.append(_COMMANDS[code] + numbers)
    return "".join(parts)
