"""Read a project's data folder: recordings to try, and the model's mistakes."""

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import soundfile

from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.core.typing import FloatArray


@dataclass(frozen=True)
class Mistake:
    """A misclassified test clip.

    Attributes:
        clip: the clip's name.
        speaker: the speaker's name.
        emotion: the clip's label.
        predicted: the predicted emotion.
        confidence: the probability of the predicted emotion, 0..1.
        waveform: float32 [samples] in -1..1, in standard form.
        sample_rate: in Hz.
    """

    clip: str
    speaker: str
    emotion: str
    predicted: str
    confidence: float
    waveform: FloatArray
    sample_rate: int

    def wav(self) -> bytes:
        """Return the recording as a WAV file that every browser plays."""
        file = io.BytesIO()
        soundfile.write(file, self.waveform, self.sample_rate, "PCM_16", format="WAV")
        return file.getvalue()


@dataclass(frozen=True)
class Project:
    """Recordings of a run.

    Attributes:
        examples: name -> file; the first test clip of each emotion, recognised or not.
        mistakes: the most confident one first.
    """

    examples: dict[str, Path]
    mistakes: list[Mistake]


def open_project(data: Path) -> Project:
    """Read a project's data folder; without its files there are no examples and mistakes."""
    try:
        clips = read_csv(data / "clips.csv")[["clip", "path"]]
        # The merge leaves out clips that no longer exist.
        predictions = read_csv(data / "predictions.csv").merge(clips, on="clip")
        mistakes = read_csv(data / "mistakes.csv").merge(clips, on="clip")
        waveforms = Store(data / "clean")
    except (UserError, OSError, KeyError):
        return Project({}, [])
    return Project(_examples(predictions, data / "raw"), _mistakes(mistakes, waveforms))


def _examples(predictions: pd.DataFrame, raw: Path) -> dict[str, Path]:
    examples = {}
    for emotion, own in predictions.groupby("emotion"):
        row = own.iloc[0]
        path = raw / row["path"]
        if path.is_file():
            examples[f"{emotion}, by {row['speaker']}"] = path.resolve()
    return examples


def _mistakes(mistakes: pd.DataFrame, waveforms: Store) -> list[Mistake]:
    columns = ["clip", "speaker", "emotion", "predicted", "confidence", "path"]
    return [
        Mistake(
            clip,
            speaker,
            emotion,
            predicted,
            float(confidence),
            waveforms[path],
            waveforms.meta["sample_rate"],
        )
        for clip, speaker, emotion, predicted, confidence, path in mistakes[columns].to_numpy()
        if path in waveforms
    ]
