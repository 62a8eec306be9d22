"""Check whether explanations are faithful: `python -m scripts.explanations`.

Frames are removed from each test clip of the trained model: the most important ones according to
the explanation, as many at random, as many in runs of the same lengths at random places, and
others. If an explanation is faithful, the prediction changes more often without the first. Needs
the data of a finished `dvc repro` with a model that uses mel spectrograms. Writes
metrics/explanations.csv, plots/explanations.png, and an example, plots/explanation.png.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap
from tqdm import tqdm

from scripts import cli
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.core.store import Store
from ser.core.tables import read_csv, write_table
from ser.core.typing import FloatArray
from ser.use.explanation import Explanation, explain
from ser.use.loading import load
from ser.use.recogniser import Recogniser
from ser.use.spectrogram_picture import draw_explanation, draw_removals

RESULTS = ROOT / "metrics/explanations.csv"
PICTURE = ROOT / "plots/explanations.png"
EXAMPLE = ROOT / "plots/explanation.png"
SHARES = (0.05, 0.1, 0.2, 0.3)  # of a clip's frames that are removed
DRAWS = 20  # repetitions of each random choice
RESAMPLES = 2000
SEED = 0
RANDOM = "at random"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ExplainedClip:
    """A test clip with an explanation of its prediction.

    Attributes:
        clip: the clip's name.
        emotion: the clip's label.
        recogniser: with the net of the fold in which the clip was tested.
        waveform: float32 [samples], in standard form.
        explanation: of the predicted emotion.
    """

    clip: str
    emotion: str
    recogniser: Recogniser
    waveform: FloatArray
    explanation: Explanation

    @property
    def title(self) -> str:
        """The title of the picture, to follow the clip's name."""
        x = self.explanation
        outcome = "recognised" if x.emotion == self.emotion else f"taken for {x.emotion}"
        return f": {self.emotion}, {outcome} ({x.probability:.0%})"

    def draw(self, path: Path) -> None:
        """Draw the explanation."""
        band_hertz = mel_band_hertz(self.recogniser.description.preprocessing.features)
        draw_explanation(path, self.explanation, band_hertz, self.clip, self.title)


def explain_predictions(data: Path, predictions: pd.DataFrame) -> Iterator[ExplainedClip]:
    """Explain predictions of test clips, each with the net of the fold in which it was tested.

    Args:
        data: the run's data folder.
        predictions: rows of its predictions.csv.

    Raises:
        UserError: the model is missing, does not use mel spectrograms, or must be adapted to a
            voice.
    """
    paths = read_csv(data / "clips.csv").set_index("clip")["path"]
    waveforms = Store(data / "clean")
    of_fold = {fold: load(data / "model", fold) for fold in predictions["fold"].unique()}
    for row in predictions.to_dict("records"):
        recogniser, waveform = of_fold[row["fold"]], waveforms[paths[row["clip"]]]
        if recogniser.needs_a_voice:
            raise UserError("the model must be adapted to a voice before it can be explained")
        x = explain(recogniser, waveform, row["predicted"])
        yield ExplainedClip(row["clip"], row["emotion"], recogniser, waveform, x)


def masks(
    one: ExplainedClip, share: float, rng: np.random.Generator
) -> Iterator[tuple[str, list[Bools]]]:
    """Yield the name of each way to choose frames to remove, with one or several masks [frames]."""
    x = one.explanation
    importance = x.influence.sum(axis=1)
    frames = len(importance)
    count = max(1, round(share * frames))

    def greatest(values: NDArray[np.floating]) -> Bools:
        mask = np.zeros(frames, bool)
        mask[np.argsort(-values, kind="stable")[:count]] = True
        return mask

    most = greatest(importance)
    yield "that spoke most for the answer", [most]
    yield RANDOM, [greatest(rng.random(frames)) for _ in range(DRAWS)]
    # Random places may overlap with the most important ones.
    moved = [np.roll(most, rng.integers(1, frames)) for _ in range(DRAWS)]
    yield "in runs as long, at random places", moved
    yield "the loudest", [greatest(np.power(10, x.spectrogram / 10).sum(axis=1))]
    yield "that spoke most against it", [greatest(-importance)]


def removals(one: ExplainedClip, rng: np.random.Generator) -> list[dict[str, object]]:
    """Compute how often the prediction changes without frames: a row per share and choice."""
    features = one.recogniser.features(one.waveform)
    predicted = one.recogniser.emotions.index(one.explanation.emotion)

    def changes(mask: Bools) -> bool:
        return int(one.recogniser.probabilities(features[~mask]).argmax()) != predicted

    return [
        {
            "clip": one.clip,
            "removed": share,
            "frames": name,
            "changed": float(np.mean([changes(mask) for mask in chosen])),
        }
        for share in SHARES
        for name, chosen in masks(one, share, rng)
    ]


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over the clips, with 95 % bootstrap intervals over the clips.

    Efron, Tibshirani: An introduction to the bootstrap, 1993, chapter 13.

    Args:
        rows: columns clip, removed, frames and changed.

    Returns:
        A row per removed and frames, with the columns clips, changed, low, high, and more,
        more_low, more_high for the paired difference from as many frames at random.
    """
    lines = []
    for (removed, frames), part in rows.groupby(["removed", "frames"], sort=False):
        same = rows[(rows["removed"] == removed) & (rows["frames"] == RANDOM)]
        changed, by_chance = part["changed"].to_numpy(), same["changed"].to_numpy()
        line = {"removed": removed, "frames": frames, "clips": len(part)}
        line |= dict(zip(("changed", "low", "high"), _mean(changed), strict=True))
        more = _mean(changed - by_chance)
        line |= dict(zip(("more", "more_low", "more_high"), more, strict=True))
        lines.append(line)
    return pd.DataFrame(lines)


def _mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean with the ends of its interval."""
    resampled = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=SEED)
    low, high = resampled.confidence_interval
    return values.mean(), low, high


def main(data: Path) -> None:
    """Write the figures and the pictures."""
    predictions = read_csv(data / "predictions.csv")
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, object]] = []
    best: ExplainedClip | None = None
    for one in tqdm(
        explain_predictions(data, predictions), "explain", total=len(predictions), unit="clip"
    ):
        rows += removals(one, rng)
        right = one.emotion == one.explanation.emotion
        if right and (not best or one.explanation.probability > best.explanation.probability):
            best = one
    table = summarise(pd.DataFrame(rows))
    description = one.recogniser.description
    table.insert(0, "net", description.model.name)
    table.insert(1, "accuracy", description.metrics.accuracy if description.metrics else None)
    write_table(RESULTS, table, decimals=6)
    draw_removals(PICTURE, table)
    (best or one).draw(EXAMPLE)
    print(table.to_string(index=False))


if __name__ == "__main__":
    cli.run_script(lambda: main(ROOT / "data"))
