"""What lies beside a model in a project's data folder: recordings to try, and its mistakes."""

import io
from dataclasses import dataclass
from pathlib import Path

import soundfile

from ser.errors import UserError
from ser.store import Store
from ser.tables import read_csv


@dataclass(frozen=True)
class Mistake:
    """A test clip that was taken for another emotion.

    Attributes:
        clip: its name.
        speaker: who speaks.
        emotion: what it is.
        predicted: what it was taken for.
        confidence: the probability of that, 0..1.
        path: key of its waveform in the store of cleaned clips.
    """

    clip: str
    speaker: str
    emotion: str
    predicted: str
    confidence: float
    path: str


@dataclass(frozen=True)
class Project:
    """Recordings of a run.

    Attributes:
        examples: what to call it -> file: of each emotion the first test clip, right or wrong.
        mistakes: the most confident first.
        waveforms: of all clips; None if there are none.
    """

    examples: dict[str, Path]
    mistakes: list[Mistake]
    waveforms: Store | None

    def wav(self, mistake: Mistake) -> bytes:
        """Give a mistake's cleaned recording as a WAV file that every browser plays."""
        if self.waveforms is None:
            raise KeyError(mistake.path)
        file = io.BytesIO()
        rate = self.waveforms.meta["sample_rate"]
        soundfile.write(file, self.waveforms[mistake.path], rate, "PCM_16", format="WAV")
        return file.getvalue()


def open_project(data: Path) -> Project:
    """Read a project's data folder; what is not there is left out."""
    try:
        clips = read_csv(data / "clips.csv").set_index("clip")
        predictions, mistakes = read_csv(data / "predictions.csv"), read_csv(data / "mistakes.csv")
        waveforms = Store(data / "clean")
    except (UserError, OSError):
        return Project({}, [], None)
    examples = {}
    for emotion, own in predictions.groupby("emotion"):
        row = own.iloc[0]
        path = data / "raw" / clips.loc[row["clip"], "path"]
        if path.is_file():
            examples[f"{emotion}, {row['speaker'].replace('/', ' ')}"] = path
    return Project(
        examples,
        [
            Mistake(
                row["clip"],
                row["speaker"],
                row["emotion"],
                row["predicted"],
                float(row["confidence"]),
                clips.loc[row["clip"], "path"],
            )
            for _, row in mistakes.iterrows()
        ],
        waveforms,
    )
