"""Ask by cross-validation which descriptors of ComParE's would improve the functionals.

    python -m benchmarks.descriptors

Needs the data of a finished `dvc repro`. Test clips are not used. Logistic regression gets the
functionals, then with the statistics of one more descriptor, in five folds of the other clips, and
with one speaker left out, where every voice is standardised by its own clips. The slopes of the
descriptors that are there are tried, too. Writes benchmarks/descriptors.csv.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.fft
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from scripts import cli
from scripts.workspace import ROOT
from ser.core.clips import speaker_of
from ser.core.filters import FilterBanks, filter_banks
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Features
from ser.core.store import Store
from ser.core.tables import read_csv, write_csv
from ser.core.typing import FloatArray
from ser.features.analysis import Analysis
from ser.features.extract import extract
from ser.features.functionals import active_and_voiced, statistics, steps
from ser.parallel import ordered_map

RESULTS = ROOT / "benchmarks/descriptors.csv"
SLOPES = "slopes of all but the mel bands"
_TINY = 1e-12
_FLOOR = 1e-10  # of power, as in ser.features.descriptors
_STRENGTHS = (0.001, 0.01, 0.1)  # C; the mean of their accuracies counts
_REPEATS = 3  # of the five folds
_SEED = 0

Floats = NDArray[np.float64]


class Spectra(NamedTuple):
    """What descriptors are computed from.

    Attributes:
        power: squared magnitudes [frames, bins].
        hertz: of the bins.
        voicing: [frames], height of the autocorrelation's peak, 0..1.
    """

    power: FloatArray
    hertz: Floats
    voicing: FloatArray


def shares(spectra: Spectra) -> Floats:
    """Compute each bin's share of its frame's power: [frames, bins]."""
    power = spectra.power.astype(np.float64)
    shared: Floats = power / (power.sum(axis=1, keepdims=True) + _TINY)
    return shared


def moment(spectra: Spectra, order: int) -> Floats:
    """Compute a standardised central moment of the distribution of power over Hz: [frames].

    The third is the skewness, the fourth the kurtosis.
    """
    share = shares(spectra)
    away = spectra.hertz - (share @ spectra.hertz)[:, np.newaxis]
    deviation = np.sqrt((share * away**2).sum(axis=1, keepdims=True))
    moments: Floats = (share * (away / (deviation + _TINY)) ** order).sum(axis=1)
    return moments


def entropy(spectra: Spectra) -> Floats:
    """Compute Shannon's entropy of the distribution of power over the bins, in bits: [frames]."""
    share = shares(spectra)
    bits: Floats = -(share * np.log2(share + _TINY)).sum(axis=1)
    return bits


def slope(spectra: Spectra, low: float, high: float) -> Floats:
    """Fit a line to the level of the bins of a band: its slope in dB per kHz, [frames].

    Eyben et al.: The Geneva minimalistic acoustic parameter set, 2016, takes two bands.
    """
    inside = (spectra.hertz >= low) & (spectra.hertz <= high)
    kilohertz = spectra.hertz[inside] / 1000
    centred = kilohertz - kilohertz.mean()
    levels = 10 * np.log10(spectra.power[:, inside] + _FLOOR)
    slopes: Floats = levels @ centred / (centred @ centred)
    return slopes


def harmonicity(spectra: Spectra) -> Floats:
    """Compute the power of what repeats over that of what does not, in dB: [frames].

    Boersma: Accurate short-term analysis of the fundamental frequency, 1993.
    """
    share = np.clip(spectra.voicing.astype(np.float64), 0.001, 0.999)
    ratio: Floats = 10 * np.log10(share / (1 - share))
    return ratio


def bark(hertz: Floats) -> Floats:
    """Convert Hz to Bark: Zwicker, Terhardt, JASA 68(5), 1980."""
    rate: Floats = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)
    return rate


def specific_loudness(spectra: Spectra) -> Floats:
    """Compute the loudness in each Bark: its power to 0.23, [frames, barks].

    Zwicker, Fastl: Psychoacoustics, without thresholds and masking, which need a known level.
    """
    band = bark(spectra.hertz).astype(np.int64)
    sums = spectra.power.astype(np.float64) @ np.eye(band.max() + 1)[band]
    loud: Floats = sums**0.23
    return loud


def loudness(spectra: Spectra) -> Floats:
    """Sum up the loudness of all Barks: [frames]."""
    summed: Floats = specific_loudness(spectra).sum(axis=1)
    return summed


def sharpness(spectra: Spectra) -> Floats:
    """Compute the mean Bark, weighted by loudness, high ones more: [frames], in acum.

    Zwicker, Fastl: Psychoacoustics, with the weight of Bismarck, 1974.
    """
    loud = specific_loudness(spectra)
    middle = np.arange(loud.shape[1]) + 0.5
    weight = np.where(middle > 15, np.exp(0.171 * (middle - 15)), 1.0)
    acum: Floats = 0.11 * (loud @ (weight * middle)) / (loud.sum(axis=1) + _TINY)
    return acum


CANDIDATES: Mapping[str, Callable[[Spectra], Floats]] = {
    "harmonicity": harmonicity,
    "slope, 0 to 500 Hz": partial(slope, low=0, high=500),
    "slope, 500 to 1500 Hz": partial(slope, low=500, high=1500),
    "entropy": entropy,
    "skewness": partial(moment, order=3),
    "kurtosis": partial(moment, order=4),
    "loudness": loudness,
    "sharpness": sharpness,
}


def describe(
    waveform: FloatArray, rate: int, settings: Features, banks: FilterBanks
) -> dict[str, Floats]:
    """Compute the functionals of a clip, and the statistics of each candidate.

    Returns:
        "functionals", each candidate and SLOPES -> float64 [values].
    """
    analysis = Analysis(waveform, rate, settings, banks)
    hertz = scipy.fft.rfftfreq(settings.n_fft, 1 / rate)
    level, voicing = analysis.descriptors["level"], analysis.descriptors["voicing"]
    spectra = Spectra(analysis.power, hertz, voicing)
    active, _ = active_and_voiced(level, voicing)
    both = extract(waveform, rate, settings, banks)[0].astype(np.float64)
    found = {"functionals": both[: -settings.dims["slopes"]]}
    for name, compute in CANDIDATES.items():
        table = compute(spectra)[:, np.newaxis]
        found[name] = np.concatenate(
            list((statistics(table[active]) | steps(table, active)).values())
        )
    found[SLOPES] = both[-settings.dims["slopes"] :]
    return found


class Clips(NamedTuple):
    """The clips that may be used; each array has one row per clip.

    Attributes:
        columns: name of what is tried -> float64 [clips, values]; "functionals": what is there.
        emotions: text [clips].
        speakers: text [clips].
    """

    columns: Mapping[str, Floats]
    emotions: NDArray[Any]
    speakers: NDArray[Any]


def read_clips() -> Clips:
    """Compute the features of the clips of a run that are not tested."""
    data = ROOT / "data"
    splits = read_csv(data / "splits.csv")
    tested = set(splits["clip"][splits["subset"] == "test"])
    clips = read_csv(data / "clips.csv")
    clips = clips[~clips["clip"].isin(tested)]
    waveforms = Store(data / "clean")
    form = Preprocessing.model_validate(Store(data / "features").meta)
    settings = form.features.model_copy(update={"kinds": ["functionals", "slopes"]})
    rate = form.form.sample_rate
    compute = partial(describe, rate=rate, settings=settings, banks=filter_banks(rate, settings))
    rows = ordered_map(compute, [waveforms[path] for path in clips["path"]])
    table = list(tqdm(rows, "descriptors", len(clips), unit="clip"))
    columns = {name: np.stack([row[name] for row in table]) for name in table[0]}
    return Clips(columns, clips["emotion"].to_numpy(), speaker_of(clips).to_numpy())


def by_own_voice(values: Floats, speakers: NDArray[Any]) -> Floats:
    """Standardise the values [clips, n] of each speaker by the speaker's own clips."""
    table = pd.DataFrame(values).groupby(speakers)
    standard: Floats = ((values - table.transform("mean")) / (table.transform("std") + 1e-6)).values
    return standard


def recognised(
    values: Floats, emotions: NDArray[Any], folds: Sequence[tuple[Any, Any]], strength: float
) -> NDArray[np.bool_]:
    """Return which test clips of all folds are recognised, fold by fold."""
    right = []
    for train, test in folds:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
        right.append(model.fit(values[train], emotions[train]).predict(values[test]))
    hits: NDArray[np.bool_] = np.concatenate(right) == np.concatenate(
        [emotions[test] for _, test in folds]
    )
    return hits


def measure(added: Sequence[str], clips: Clips) -> dict[str, float]:
    """Return the accuracies with some descriptors added, means over the strengths.

    Returns:
        known: in five folds; unheard: with one speaker left out.
    """
    values = np.hstack([clips.columns[name] for name in ("functionals", *added)])
    rng = np.random.RandomState(_SEED)
    known = [
        fold
        for _ in range(_REPEATS)
        for fold in StratifiedKFold(5, shuffle=True, random_state=rng).split(values, clips.emotions)
    ]
    unheard = list(LeaveOneGroupOut().split(values, groups=clips.speakers))
    own = by_own_voice(values, clips.speakers)
    return {
        name: float(np.mean([recognised(x, clips.emotions, folds, c).mean() for c in _STRENGTHS]))
        for name, x, folds in (("known", values, known), ("unheard", own, unheard))
    }


def main() -> None:
    """Measure each descriptor, and all together, and write descriptors.csv."""
    clips = read_clips()
    added = [(), *((name,) for name in (*CANDIDATES, SLOPES)), (*CANDIDATES, SLOPES)]
    results = ordered_map(partial(measure, clips=clips), added)
    measured = list(tqdm(results, "cross-validation", len(added), unit="set"))
    rows = [
        {
            "added": "all of these" if len(names) > 1 else "".join(names) or "nothing",
            **figures,
        }
        for names, figures in zip(added, measured, strict=True)
    ]
    write_csv(RESULTS, rows, list(rows[0]))
    for row in rows:
        print(f"{row['added']}: {row['known']:.1%} known, {row['unheard']:.1%} unheard")


if __name__ == "__main__":
    cli.run_script(main)
