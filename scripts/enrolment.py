"""Measure what some recordings of an unknown voice bring: `python -m scripts.enrolment`.

Needs the data of a finished run that leaves speakers out, such as the experiment loso-default.
A few clips of each test speaker are drawn, without their labels. The net of the fold, which does
not know the speaker, leans towards the voice by them and answers about the speaker's other clips.
Writes metrics/enrolment.json and plots/enrolment.png.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts import cli
from scripts.workspace import ROOT
from ser.core.clips import speaker_of
from ser.core.errors import UserError
from ser.core.seeds import seed_of
from ser.core.store import Store
from ser.core.tables import read_csv, write_report
from ser.evaluation.scores import mean_ci95
from ser.parallel import ordered_map
from ser.plots.style import ACCENT, DARK, legend, new_figure, save, style
from ser.use.loading import load

METRICS = ROOT / "metrics/enrolment.json"
PICTURE = ROOT / "plots/enrolment.png"
RECORDINGS = (0, 1, 2, 5, 10, 20, 40)
OF_ONE_EMOTION = (1, 2, 5, 10)
DRAWS = 3
RESAMPLES = 2000
SEED = 0
ANY, ONE = "any emotions", "one emotion"


class Voice(NamedTuple):
    """A test speaker: the fold that leaves it out, and the names and labels of its clips."""

    speaker: str
    fold: int
    clips: list[str]
    emotions: list[str]


def unknown_voices(data: Path) -> list[Voice]:
    """Return the test speakers of a run, all of whom are unknown to the nets that they test.

    Args:
        data: the run's data folder.

    Raises:
        UserError: a test speaker is also in training.
    """
    clips = read_csv(data / "clips.csv").set_index("clip")
    splits = read_csv(data / "splits.csv").join(speaker_of(clips).rename("speaker"), on="clip")
    trained = splits[splits["subset"] == "train"].groupby("fold")["speaker"].agg(set)
    voices = []
    for (fold, speaker), own in splits[splits["subset"] == "test"].groupby(["fold", "speaker"]):
        if speaker in trained[fold]:
            raise UserError(
                f"speaker {speaker} is trained on and tested in fold {fold}: run an experiment "
                "with split.scheme leave_one_speaker_out, `make experiment NAME=loso-default`, "
                "and then `dvc exp apply loso-default`"
            )
        names = own["clip"].tolist()
        voices.append(Voice(speaker, fold, names, clips.loc[names, "emotion"].tolist()))
    return voices


def enrolled(voice: Voice, rng: np.random.Generator) -> Iterator[tuple[str, int, list[int]]]:
    """Yield (kind of draw, number of recordings, their positions among the voice's clips)."""
    emotions = np.array(voice.emotions)
    for count in RECORDINGS:
        for _ in range(DRAWS if count else 1):
            if count < len(emotions):
                yield ANY, count, rng.choice(len(emotions), count, replace=False).tolist()
    for count in OF_ONE_EMOTION:
        for emotion in sorted(set(voice.emotions)):
            same = np.flatnonzero(emotions == emotion)
            if count <= len(same):
                yield ONE, count, rng.choice(same, count, replace=False).tolist()


def generator(voice: Voice) -> np.random.Generator:
    """Return the source of a voice's draws, which differ from those of other voices."""
    return np.random.default_rng((SEED, seed_of(voice.speaker)))


def answers(voice: Voice, data: Path) -> pd.DataFrame:
    """Return whether each clip was recognised that was not enrolled, for each draw.

    Returns:
        columns clip, drawn (kind of draw), recordings, recognised.
    """
    store = Store(data / "features")
    features = [np.array(store[clip]) for clip in voice.clips]  # torch wants to own them
    recogniser = load(data / "model", voice.fold)
    labels = np.array([recogniser.emotions.index(emotion) for emotion in voice.emotions])
    rows = []
    for drawn, count, chosen in enrolled(voice, generator(voice)):
        if count:
            recogniser.adapt_to_features([features[i] for i in chosen])
        for i in sorted(set(range(len(features))) - set(chosen)):
            right = recogniser.probabilities(features[i]).argmax() == labels[i]
            rows.append((voice.clips[i], drawn, count, float(right)))
    return pd.DataFrame(rows, columns=["clip", "drawn", "recordings", "recognised"])


def summarise(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Compute the accuracy for each number of recordings.

    Args:
        rows: columns clip, drawn, recordings, recognised.

    Returns:
        For each kind of draw and number: drawn, recordings, accuracy with accuracy_low and
        accuracy_high, a 95 % bootstrap interval over the clips.
    """
    found = []
    for (drawn, recordings), part in rows.groupby(["drawn", "recordings"], sort=False):
        # A clip counts once, however often it was drawn.
        shares = part.groupby("clip")["recognised"].mean().to_numpy()
        low, high = mean_ci95(shares, RESAMPLES, SEED)
        found.append(
            {
                "drawn": drawn,
                "recordings": recordings,
                "accuracy": shares.mean(),
                "accuracy_low": low,
                "accuracy_high": high,
            }
        )
    return found


def draw(path: Path, rows: Sequence[Mapping[str, Any]], voices: int) -> None:
    """Draw the accuracy against the number of recordings, a line for each kind of draw."""
    figure = new_figure(7.5, 4.6)
    axes = figure.subplots()
    table = pd.DataFrame(rows)
    places = {count: place for place, count in enumerate(RECORDINGS)}
    for drawn, shift, colour, look in ((ANY, 0.0, DARK, "o-"), (ONE, 0.1, ACCENT, "s--")):
        part = table[table["drawn"] == drawn]
        accuracy, low, high = (
            100 * part[key] for key in ("accuracy", "accuracy_low", "accuracy_high")
        )
        at = [places[count] + shift for count in part["recordings"]]
        bars = (accuracy - low, high - accuracy)
        axes.errorbar(at, accuracy, bars, fmt=look, color=colour, label=drawn, capsize=3)
    axes.set_xticks(list(places.values()), [str(count) for count in places])
    style(
        axes,
        f"An unknown voice, with some of its recordings ({voices} voices)",
        "recordings of the voice, without labels",
        "accuracy on its other clips (%), with 95 % interval",
    )
    legend(axes, "recordings of")
    save(figure, path)


def main(data: Path) -> None:
    """Write the figures and the picture, and print the table."""
    voices = unknown_voices(data)
    recogniser = load(data / "model")
    if recogniser.needs_a_voice or not recogniser.adapts:
        raise UserError(
            "data/model must be a model that can adapt to a voice and also answers without it: "
            "model.name statpool, with a model.normalisation other than speaker"
        )
    with closing(ordered_map(partial(answers, data=data), voices)) as results:
        rows = pd.concat(tqdm(results, "enrolment", len(voices), unit="voice"))
    found = summarise(rows)
    write_report(METRICS, {"voices": len(voices), "accuracies": found})
    draw(PICTURE, found, len(voices))
    for row in found:
        print(f"{row['recordings']:3} recordings of {row['drawn']}: {row['accuracy']:.1%}")


if __name__ == "__main__":
    cli.run_script(lambda: main(ROOT / "data"))
