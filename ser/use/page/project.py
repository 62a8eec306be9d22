"""Read a project's data folder: recordings to try, and the model's mistakes."""

import hashlib
import io
from collections.abc import Sequence
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
class Example:
    """A test clip to try; its name does not tell the emotion.

    Attributes:
        name: its number, with the speaker's name.
        path: of the recording.
        emotion: the clip's label.
        checksum: of the file, see `checksum`.
    """

    name: str
    path: Path
    emotion: str
    checksum: str


@dataclass(frozen=True)
class Project:
    """Recordings of a run.

    Attributes:
        examples: the first test clip of each emotion, recognised or not, in any order.
        mistakes: the most confident one first.
        problems: why some of these are missing, a sentence each.
    """

    examples: list[Example]
    mistakes: list[Mistake]
    problems: list[str]

    def actual_emotion(self, path: Path) -> str | None:
        """Return the label of a recording if it is a copy of an example, else None."""
        if not self.examples:
            return None
        found = checksum(path)
        return next((each.emotion for each in self.examples if each.checksum == found), None)


def checksum(path: Path) -> str:
    """Return a file's checksum, by which its copies are known."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_project(data: Path) -> Project:
    """Read a project's data folder; without its files there are no examples and mistakes.

    A file that is there but cannot be used is a problem of the project.
    """
    examples: list[Example] = []
    mistakes: list[Mistake] = []
    problems = []
    try:
        clips = _read(data / "clips.csv", ["clip", "path"])
        # The merge leaves out clips that no longer exist.
        predictions = _read(data / "predictions.csv", ["clip", "speaker", "emotion"])
        examples = _examples(predictions.merge(clips, on="clip"), data / "raw")
        columns = ["clip", "speaker", "emotion", "predicted", "confidence"]
        table = _read(data / "mistakes.csv", columns).merge(clips, on="clip")
        mistakes = _mistakes(table, Store(data / "clean"))
    except FileNotFoundError:
        pass  # a model without its run
    except UserError as error:
        problems.append(str(error))
    except (OSError, KeyError, ValueError) as error:
        problems.append(f"{data}: its files do not belong together ({error}): run `dvc repro`")
    return Project(examples, mistakes, problems)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a table.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is not a table, or lacks a column.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    return read_csv(path, columns)


def _examples(predictions: pd.DataFrame, raw: Path) -> list[Example]:
    first = predictions.groupby("emotion").head(1)
    there = first[[(raw / path).is_file() for path in first["path"]]]
    # The order of the table would reveal the emotions.
    shuffled = there.sample(frac=1, random_state=0)
    columns = shuffled[["speaker", "emotion", "path"]].to_numpy()
    return [
        Example(
            f"Example {number} ({speaker})",
            (raw / path).resolve(),
            emotion,
            checksum(raw / path),
        )
        for number, (speaker, emotion, path) in enumerate(columns, 1)
    ]


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
