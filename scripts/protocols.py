"""Measure the experiments of experiments/protocols.csv over five seeds: the headline figures.

    python -m scripts.protocols [--emobox FOLDER] [NAME ...]

Writes metrics/protocols.json; figures of experiments that are not run now stay.
"""

import argparse
import io
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scripts import cli, experiments
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.tables import write_json
from ser.evaluation import scores
from ser.parallel import scheduler_address, worker_count

FIGURES = ROOT / "metrics/protocols.json"
SEEDS = (0, 1, 2, 3, 4)  # fixed before the first run; all are reported
RESAMPLES = 10_000
SHARED = ("explore", "augment", "split", "extract")  # the last stages that no seed changes
_DURATIONS = (0.0, 3.0, 4.0, 5.0, 7.0, np.inf)  # seconds, edges of the groups


def listed() -> list[str]:
    """List the experiments to be measured, in the order of the README's table."""
    return pd.read_csv(experiments.FOLDER / "protocols.csv")["experiment"].tolist()


def read_table(name: str, path: str) -> pd.DataFrame:
    """Read a table that DVC keeps of a finished experiment; speakers and the like stay text."""
    text = experiments.read_data(name, path)
    named = {"clip": str, "speaker": str, "emotion": str, "predicted": str}
    return pd.read_csv(io.StringIO(text), dtype=named, keep_default_na=False)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Give mean and sample standard deviation of the seeds' figures."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}


def name_length(seconds: pd.Interval) -> str:
    """Name a group of clips by their lengths."""
    if np.isinf(seconds.right):
        return f"{seconds.left:g} s and more"
    return f"{seconds.left:g} to {seconds.right:g} s"


def interval(shares: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Estimate the 95 % interval of a mean by resampling the clips with replacement.

    Args:
        shares: of each clip, the share of the seeds that recognise it, 0..1.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    means = [shares[rng.integers(len(shares), size=len(shares))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def summarise(runs: Mapping[int, pd.DataFrame], seconds: pd.Series) -> dict[str, Any]:
    """Put the predictions of all seeds together, every figure under a name, for DVC to show.

    Args:
        runs: seed -> a table with the columns clip, fold, speaker, emotion, predicted, and the
            same clips in the same order for all.
        seconds: clip -> its length.

    Returns:
        clips and folds, their numbers; accuracy (0..1) and uar: mean and std over the seeds, low
        and high of accuracy, over the clips; per_seed.<seed>; the mean accuracy of each fold,
        speaker, emotion and length; confusions.<emotion>.<predicted>, counted over all seeds.
    """
    first = next(iter(runs.values()))
    hits = pd.DataFrame({seed: run["emotion"] == run["predicted"] for seed, run in runs.items()})
    shares = hits.mean(axis=1)
    low, high = interval(shares.to_numpy(np.float64))
    emotions = sorted(first["emotion"].unique())
    per_seed = {str(seed): scores.accuracy_and_uar(run, emotions) for seed, run in runs.items()}
    groups = pd.cut(first["clip"].map(seconds), _DURATIONS, right=False)
    lengths = groups.map(name_length).astype(str)
    confusions = sum(scores.count_confusions(run, emotions) for run in runs.values())
    return {
        "clips": len(first),
        "folds": int(first["fold"].nunique()),
        "accuracy": {
            **spread([figures["accuracy"] for figures in per_seed.values()]),
            "low": low,
            "high": high,
        },
        "uar": spread([figures["uar"] for figures in per_seed.values()]),
        "per_seed": per_seed,
        "per_fold": {
            str(fold): {"accuracy": float(share)}
            for fold, share in shares.groupby(first["fold"]).mean().items()
        },
        "per_speaker": scores.accuracy_by(first["speaker"], shares),
        "per_emotion": scores.accuracy_by(first["emotion"], shares),
        "per_length": scores.accuracy_by(lengths, shares),
        "confusions": pd.DataFrame(confusions, emotions, emotions).to_dict("index"),
    }


def at_once() -> int:
    """How many seeds run at the same time: all on a cluster, else as many as there are processes.

    Raises:
        UserError: SER_WORKERS is no whole number from 1 on.
    """
    return len(SEEDS) if scheduler_address() else min(len(SEEDS), worker_count())


def run_seeds(name: str, changes: experiments.Changes) -> None:
    """Run an experiment once per seed, each as an experiment of its own, several at once.

    No figure depends on how many run at once.

    Raises:
        UserError: a stage failed; seeds that have not begun by then never do.
    """
    # What all seeds share is done first, by one alone.
    experiments.run_beside(name, changes, name, worker_count(), *SHARED)
    pool = ThreadPoolExecutor(at_once())
    try:
        seeds = [
            pool.submit(
                experiments.run_beside,
                f"{name}-seed{seed}",
                experiments.merge(changes, {"model": {"seed": seed}}),
                f"{name}-seed{seed}",
                max(1, worker_count() // at_once()),
            )
            for seed in SEEDS
        ]
        for seed in as_completed(seeds):
            seed.result()
    finally:
        pool.shutdown(cancel_futures=True)


def measure(name: str, more: experiments.Changes) -> dict[str, Any]:
    """Run an experiment with all seeds, and summarise what they give."""
    run_seeds(name, experiments.read(name, more))
    runs = {seed: read_table(f"{name}-seed{seed}", "data/predictions.csv") for seed in SEEDS}
    # All but the weights is the same for every seed.
    first = f"{name}-seed{SEEDS[0]}"
    figures = summarise(runs, read_table(first, "data/clips.csv").set_index("clip")["seconds"])
    figures["parameters"] = experiments.read_metrics(first, "train")["parameters"]
    evaluated = experiments.read_metrics(first, "evaluate")
    if "baseline" in evaluated:
        figures["baseline"] = evaluated["baseline"]
    return figures


def main(names: list[str], emobox: Path | None) -> None:
    """Measure the wanted experiments one after the other, writing after each.

    Raises:
        UserError: a name is none of those listed, or EmoBox's lists are missing.
    """
    order = listed()
    if unknown := [name for name in names if name not in order]:
        raise UserError(f"no such protocol: {', '.join(unknown)}; one of {', '.join(order)}")
    if emobox is not None and not emobox.is_dir():
        raise UserError(f"--emobox {str(emobox)!r} is no folder: expected EmoBox's `data`")
    for name in names or order:
        more: experiments.Changes = {}
        if experiments.read_file(name).get("split", {}).get("scheme") == "emobox":
            if emobox is None:
                raise UserError(
                    f"{name} needs EmoBox's lists: git clone https://github.com/emo-box/EmoBox, "
                    f"then EMOBOX=<its folder data>; or name the others of {', '.join(order)}"
                )
            more = {"split": {"emobox": str(emobox.resolve())}}
        figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
        figures[name] = measure(name, more)
        write_json(FIGURES, {key: figures[key] for key in order if key in figures})
        a = figures[name]["accuracy"]
        print(f"\n{name}: accuracy {a['mean']:.1%}, seeds ± {a['std']:.1%}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.protocols", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--emobox", type=Path, help="folder of EmoBox's lists")
    arguments = parser.parse_args()
    cli.run(lambda: main(arguments.names, arguments.emobox), cli.RESUMES)
