"""Choose a classifier for unknown voices without looking at the voice that it is tested on.

    python -m benchmarks.heads

Needs the data of a finished `dvc repro`. Each speaker is left out once. Features, classifier and
its settings are those with the highest mean accuracy when each of the other speakers is left out in
turn (nested leave one speaker out). Writes benchmarks/heads.csv: the accuracy of each pair of
features and classifier, with its settings chosen so, and that of the best of all pairs.
"""

import itertools
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from scripts import cli
from scripts.workspace import ROOT
from ser.core.clips import speaker_of
from ser.core.filters import filter_banks, mel_band_hertz
from ser.core.preprocessing import Preprocessing
from ser.core.store import Store
from ser.core.tables import read_csv, write_csv
from ser.core.typing import FloatArray
from ser.features.extract import extract
from ser.nets.statpool import StatPool
from ser.parallel import ordered_map

RESULTS = ROOT / "benchmarks/heads.csv"
_OUTLIER = 5.0  # deviations, as the nets clip them
# Classifier -> what it is made by, and the settings to choose from. gamma is for a squared
# distance that is the mean over the features.
HEADS: dict[str, tuple[type, dict[str, tuple[float, ...]]]] = {
    "ridge regression": (RidgeClassifier, {"alpha": (30.0, 100.0, 300.0, 1000.0)}),
    "logistic regression": (LogisticRegression, {"C": (1e-4, 1e-3, 1e-2)}),
    "SVM with a Gaussian kernel": (SVC, {"C": (1.0, 10.0), "gamma": (0.1, 0.25, 0.5)}),
}


class Choice(NamedTuple):
    """Features, a classifier, and its settings."""

    features: str
    head: str
    settings: tuple[tuple[str, float], ...]


class Voices(NamedTuple):
    """What a classifier learns from; each array has one row per clip.

    Attributes:
        features: name -> float32 [clips, dims].
        emotions: int64 [clips].
        speakers: text [clips].
    """

    features: Mapping[str, FloatArray]
    emotions: NDArray[np.int64]
    speakers: NDArray[Any]


def read_voices(data: Path) -> Voices:
    """Compute the features of a run's clips.

    Args:
        data: the run's data folder, with log-mel spectrograms.
    """
    clips = read_csv(data / "clips.csv")
    waveforms, spectrograms = Store(data / "clean"), Store(data / "features")
    form = Preprocessing.model_validate(spectrograms.meta)
    functionals = form.features.model_copy(update={"kinds": ["functionals"]})
    rate = form.form.sample_rate
    banks = filter_banks(rate, functionals)
    own = np.stack([extract(waveforms[p], rate, functionals, banks)[0] for p in clips["path"]])
    features = {"functionals": own}
    for name, relative in (("pooled", False), ("pooled, relative", True)):
        net = StatPool(form.features.n_mels, 2, 1, 0.0, relative)
        net.tune(mel_band_hertz(form.features))
        pooled = []
        for clip in clips["clip"]:
            x = torch.from_numpy(np.array(spectrograms[clip]))[None]
            with torch.no_grad():
                pooled.append(net.pool(x, torch.tensor([x.shape[1]]))[0].numpy())
        features[name] = np.stack(pooled)
    both = (features["functionals"], features["pooled, relative"])
    features["functionals and pooled, relative"] = np.hstack(both)
    emotions = pd.factorize(clips["emotion"], sort=True)[0].astype(np.int64)
    return Voices(features, emotions, speaker_of(clips).to_numpy())


def choices(features: Mapping[str, FloatArray]) -> Iterator[Choice]:
    """Yield everything to choose from."""
    for name, (head, (_, grid)) in itertools.product(features, HEADS.items()):
        for values in itertools.product(*grid.values()):
            yield Choice(name, head, tuple(zip(grid, values, strict=True)))


def classifier(choice: Choice, dims: int) -> ClassifierMixin:
    """Make an untrained classifier of standardised features without outliers."""
    settings = dict(choice.settings)
    if "gamma" in settings:
        settings["gamma"] /= dims
    clip_outliers = FunctionTransformer(np.clip, kw_args={"a_min": -_OUTLIER, "a_max": _OUTLIER})
    return make_pipeline(StandardScaler(), clip_outliers, HEADS[choice.head][0](**settings))


def hits(choice: Choice, voices: Voices, left_out: tuple[str, ...]) -> dict[str, float]:
    """Return the share of clips recognised of each speaker left out, who are all unknown.

    Args:
        choice: what to train.
        voices: all clips.
        left_out: speakers who are not trained on.
    """
    x, y = voices.features[choice.features], voices.emotions
    trained = ~np.isin(voices.speakers, left_out)
    model = classifier(choice, x.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few settings need more steps; they are not chosen
        model.fit(x[trained], y[trained])
    right = model.predict(x) == y
    return {speaker: float(right[voices.speakers == speaker].mean()) for speaker in left_out}


def measure(choice: Choice, voices: Voices) -> dict[tuple[str, ...], dict[str, float]]:
    """Return the shares recognised with one and with two speakers left out: left out -> speaker."""
    everyone = sorted(set(voices.speakers))
    alone = itertools.combinations(everyone, 1)
    return {
        left_out: hits(choice, voices, left_out)
        for left_out in (*alone, *itertools.combinations(everyone, 2))
    }


Measured = Mapping[Choice, Mapping[tuple[str, ...], Mapping[str, float]]]


def nested(measured: Measured, speaker: str) -> Choice:
    """Return the choice that is best for all speakers but one, who was in no training for it."""

    def inner(choice: Choice) -> float:
        pairs = [pair for pair in measured[choice] if len(pair) == 2 and speaker in pair]
        others = [(pair, next(s for s in pair if s != speaker)) for pair in pairs]
        return float(np.mean([measured[choice][pair][other] for pair, other in others]))

    return max(measured, key=inner)


def summarise(measured: Measured, voices: Voices) -> list[dict[str, Any]]:
    """Make the rows of heads.csv."""
    rows = []
    pairs = list(dict.fromkeys((choice.features, choice.head) for choice in measured))
    everyone, clips = np.unique(voices.speakers, return_counts=True)
    for features, head in [*pairs, ("any", "any")]:
        part = {
            choice: shares
            for choice, shares in measured.items()
            if (choice.features, choice.head) == (features, head) or features == "any"
        }
        chosen = {speaker: nested(part, speaker) for speaker in everyone}
        shares = [part[chosen[speaker]][speaker,][speaker] for speaker in everyone]
        row = {"features": features, "classifier": head, "settings": len(part)}
        row["accuracy"] = float(np.average(shares, weights=clips))
        row |= {f"speaker {s}": share for s, share in zip(everyone, shares, strict=True)}
        rows.append(row)
    return rows


def main() -> None:
    """Measure everything and write heads.csv."""
    voices = read_voices(ROOT / "data")
    everything = list(choices(voices.features))
    results = ordered_map(partial(measure, voices=voices), everything)
    progress = tqdm(results, "heads", len(everything), unit="setting")
    measured = dict(zip(everything, progress, strict=True))
    rows = summarise(measured, voices)
    write_csv(RESULTS, rows, list(rows[0]))
    for row in rows:
        print(f"{row['features']}, {row['classifier']}: {row['accuracy']:.1%}")


if __name__ == "__main__":
    cli.run_script(main)
