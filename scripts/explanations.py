"""Check that what is said to have mattered did: `python -m scripts.explanations`.

Of each test clip of the trained model, frames are removed: those that are said to have mattered
most, as many at random, as many in runs as long at random places, and others. If an explanation
means something, the answer changes more often without the first. Needs the data of a finished
`dvc repro` of a model that sees mel spectrograms. Writes metrics/explanations.csv,
plots/explanations.png, and an example, plots/explanation.png.
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
DRAWS = 20  # of what is random
RESAMPLES = 2000
SEED = 0
RANDOM = "at random"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Explained:
    """A test clip with why the model told what it told of it.

    Attributes:
        clip: its name.
        emotion: what it is.
        recogniser: the fold's that it was tested in.
        waveform: float32 [samples], cleaned.
        explanation: of the emotion that is told.
    """

    clip: str
    emotion: str
    recogniser: Recogniser
    waveform: FloatArray
    explanation: Explanation

    @property
    def title(self) -> str:
        """What stands above its picture, after its name."""
        x = self.explanation
        told = "recognised" if x.emotion == self.emotion else f"taken for {x.emotion}"
        return f": {self.emotion}, {told} ({x.probability:.0%})"

    def draw(self, path: Path) -> None:
        """Draw its explanation."""
        band_hertz = mel_band_hertz(self.recogniser.description.preprocessing.features)
        draw_explanation(path, self.explanation, band_hertz, self.clip, self.title)


def explained(data: Path, predictions: pd.DataFrame) -> Iterator[Explained]:
    """Explain predictions of test clips, each by the net of the fold that it was tested in.

    Args:
        data: folder of the run.
        predictions: rows of its predictions.csv.

    Raises:
        UserError: the model is not here, sees no mel spectrogram, or needs a voice.
    """
    paths = read_csv(data / "clips.csv").set_index("clip")["path"]
    waveforms = Store(data / "clean")
    of_fold = {fold: load(data / "model", fold) for fold in predictions["fold"].unique()}
    for row in predictions.to_dict("records"):
        recogniser, waveform = of_fold[row["fold"]], waveforms[paths[row["clip"]]]
        if recogniser.needs_a_voice:
            raise UserError("the model must be adapted to a voice before it can be explained")
        x = explain(recogniser, waveform, row["predicted"])
        yield Explained(row["clip"], row["emotion"], recogniser, waveform, x)


def masks(
    one: Explained, share: float, rng: np.random.Generator
) -> Iterator[tuple[str, list[Bools]]]:
    """Choose frames to remove: what they are, and one or several choices [frames] of them."""
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
    # Random places may be those of the former, in part.
    moved = [np.roll(most, rng.integers(1, frames)) for _ in range(DRAWS)]
    yield "in runs as long, at random places", moved
    yield "the loudest", [greatest(np.power(10, x.spectrogram / 10).sum(axis=1))]
    yield "that spoke most against it", [greatest(-importance)]


def removals(one: Explained, rng: np.random.Generator) -> list[dict[str, object]]:
    """Say how often the answer changes when frames are removed: a row per share and choice."""
    features = one.recogniser.features(one.waveform)
    told = one.recogniser.emotions.index(one.explanation.emotion)

    def changes(mask: Bools) -> bool:
        return int(one.recogniser.probabilities(features[~mask]).argmax()) != told

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
    """Average over the clips, with 95 % intervals of a bootstrap over them.

    Efron, Tibshirani: An introduction to the bootstrap, 1993, chapter 13.

    Args:
        rows: columns clip, removed, frames and changed.

    Returns:
        A row per removed and frames; columns clips, changed, low, high, and of the difference from
        as many frames at random, clip by clip, more, more_low, more_high.
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
    """Give the mean with the ends of its interval."""
    resampled = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=SEED)
    low, high = resampled.confidence_interval
    return values.mean(), low, high


def main(data: Path) -> None:
    """Write the figures and the pictures."""
    predictions = read_csv(data / "predictions.csv")
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, object]] = []
    best: Explained | None = None
    for one in tqdm(explained(data, predictions), "explain", total=len(predictions), unit="clip"):
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
    cli.run(lambda: main(ROOT / "data"))
