"""Embed pictures: those of this run beside those of another revision, and the explanations."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from scripts.explanations import explain_predictions
from scripts.report.revisions import Revision
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.tables import read_csv
from ser.nets.folder_files import DIMENSIONS_PICTURE

_EXPLAINED_MISTAKES = 6
# Name of the picture in plots/ -> caption.
OF_CORPUS = {
    "dataset/waveforms": "One clip per emotion",
    "dataset/mel_spectrograms": "Mel spectrogram of one clip per emotion",
    "dataset/spectrogram_gallery": "Mel spectrograms by emotion and speaker",
    "dataset/durations": "Durations of the clips",
    "dataset/durations_by_emotion": "Durations of the clips by emotion",
    "dataset/levels_by_emotion": "RMS level relative to the clip's own peak, by emotion: how even "
    "the loudness of a clip is, not how loud it was",
    "dataset/clips_by_speaker": "Number of clips by speaker",
}
OF_RESULTS = {
    "history": "Loss and accuracy by epoch",
    "confusion": "Confusion matrix of the test clips",
    "reliability": "Reliability of the probabilities",
    "coverage": "Accuracy of the most confident answers, by the share of the clips answered",
}


@dataclass(frozen=True)
class Picture:
    """A picture of this run, perhaps beside the one of another revision.

    Attributes:
        caption: what it shows.
        note: why one is missing, or that both are the same; or an empty text.
        shown: whose picture, or an empty text if nobody else has another -> data URI.
    """

    caption: str
    note: str
    shown: Mapping[str, str]


def load_pictures(captions: Mapping[str, str], base: Revision | None) -> list[Picture]:
    """Load pictures of plots/, each with that of the other revision if they differ.

    Args:
        captions: name of the picture -> caption.
        base: the other revision, if any.
    """
    return [_load(f"plots/{name}.png", caption, base) for name, caption in captions.items()]


def load_dimensions() -> Picture:
    """Load the picture of arousal and valence, which lies beside the model's card."""
    path = f"data/model/{DIMENSIONS_PICTURE}"
    return _load(path, "Ratings and predictions of the test clips", None)


def _load(path: str, caption: str, base: Revision | None) -> Picture:
    notes = []
    here = there = None
    if (ROOT / path).exists():
        here = (ROOT / path).read_bytes()
    else:
        notes.append(f"{path} is missing (`dvc repro` restores or makes it)")
    if base:
        try:
            there = base.read(path)
        except UserError as error:
            notes.append(str(error))
    if base and here and here == there:
        return Picture(caption, f"the same in {base.name}", {"": _as_uri(here)})
    pngs = {base.name: there, "now": here} if base else {"": here}
    shown = {whose: _as_uri(png) for whose, png in pngs.items() if png}
    return Picture(caption, "; ".join(notes), shown)


def _as_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def draw_explanations(listed: list[dict[str, Any]]) -> dict[str, str] | str:
    """Draw where the model looked in the first mistakes, or return why that is not possible.

    Args:
        listed: rows of data/mistakes.csv.

    Returns:
        picture as a data URI -> caption.
    """
    data = ROOT / "data"
    try:
        predictions = read_csv(data / "predictions.csv")
        keys = ["clip", "predicted"]
        chosen = pd.DataFrame(listed[:_EXPLAINED_MISTAKES], columns=keys)
        with TemporaryDirectory() as folder:
            path = Path(folder, "picture.png")
            drawn = {}
            for one in explain_predictions(data, chosen.merge(predictions, on=keys)):
                one.draw(path)
                drawn[_as_uri(path.read_bytes())] = one.clip + one.title
            return drawn
    except (UserError, LookupError) as error:
        return str(error)
