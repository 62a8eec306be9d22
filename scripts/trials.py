"""Try settings by cross-validation on a corpus without its test clips: docs/trials.yaml.

    python -m scripts.trials --emobox FOLDER [--seeds N] [NAME ...]

The pipeline runs in .trials/, on the recordings that are no test clips, neither of the split in
params.yaml nor of EmoBox's: what is not there can influence nothing. Writes
metrics/trials.csv, a row per trial and seed, and plots/accuracy_time.png; rows of trials that are
not run now stay.
"""

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from scripts import cli, experiments
from scripts.plots_of_trials import accuracy_time
from scripts.workspace import ROOT, at_least_one, dvc, make_workspace
from ser.core import params
from ser.core.errors import UserError
from ser.core.tables import read_csv, write_table
from ser.splits import schemes

LIST = ROOT / "docs/trials.yaml"
RESULTS = ROOT / "metrics/trials.csv"
PICTURE = ROOT / "plots/accuracy_time.png"
FOLDER = ROOT / ".trials"
COLUMNS = ("trial", "seed", "clips", "accuracy", "uar", "parameters", "seconds")


def listed() -> dict[str, dict[str, Any]]:
    """Read the trials: name -> tried, kept, and what differs from params.yaml."""
    return {trial["name"]: trial for trial in YAML(typ="safe").load(LIST)}


def changes_of(trial: dict[str, Any]) -> experiments.Changes:
    """Give the params of a trial that differ from params.yaml."""
    base = experiments.read(trial["extends"]) if "extends" in trial else {}
    return experiments.merge(base, trial.get("params", {}))


def test_clips(emobox: Path) -> set[str]:
    """Name the test clips of the split in params.yaml and of EmoBox's folds."""
    clips = read_csv(ROOT / "data/clips.csv")
    settings = params.load(ROOT / "params.yaml").split
    wanted = {"scheme": "emobox", "emobox": str(emobox), "val": 0.0}
    folds = schemes.make_folds(clips, settings)
    folds += schemes.make_folds(clips, settings.model_copy(update=wanted))
    return {clip for fold in folds for clip, subset in fold.items() if subset == "test"}


def gather_recordings(without: Collection[str]) -> Path:
    """Copy the recordings of all other clips into a folder named after them.

    Another choice of clips makes another folder, and so other params: DVC sees the difference.

    Raises:
        UserError: no clip is left, or the recordings are not of the AESDD or not there.
    """
    clips = read_csv(ROOT / "data/clips.csv")
    if set(clips["corpus"]) != {"aesdd"}:
        raise UserError(
            f"trials are on the AESDD, data/ holds {', '.join(sorted(set(clips['corpus'])))}: "
            "set pull.corpora [aesdd] and run `dvc repro`"
        )
    paths = clips.loc[~clips["clip"].isin(without), "path"].tolist()
    if not paths:
        raise UserError("every clip is a test clip of the split in params.yaml: none is left")
    digest = hashlib.blake2b("\n".join(paths).encode(), digest_size=4).hexdigest()
    target = FOLDER / f"recordings-{digest}"
    for path in paths:
        copy = target.joinpath(*Path(path).parts[1:])  # without the corpus
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(ROOT / "data/raw" / path, copy)
        except OSError as error:
            raise UserError(f"data/raw/{path}: {error.strerror}; run `dvc repro` first") from None
    return target


def run(changes: experiments.Changes, recordings: Path, seed: int) -> dict[str, Any]:
    """Run 5-fold cross-validation; a row of trials.csv but for the trial's name.

    Raises:
        UserError: a stage failed: its message is above.
    """
    fixed = {
        "pull": {"corpora": ["aesdd"], "sources": {"aesdd": f"path:{recordings}"}},
        "split": {"scheme": "kfold", "val": 0.0, "seed": seed},
        "model": {"seed": seed},
        "evaluate": {"baseline": "none"},
    }
    folder = FOLDER / "project"
    # What a stopped trial left would shorten the time that is measured.
    shutil.rmtree(folder / ".checkpoints", ignore_errors=True)
    make_workspace(folder, experiments.merge(changes, fixed))
    for stage in ("extract", "augment", "split", "train", "evaluate"):
        started = time.monotonic()
        # What DVC remembers of a former run would take no time.
        options = ("--force", "--single-item") if stage == "train" else ()
        if dvc(folder, "repro", *options, stage).returncode:
            raise UserError(f"a trial failed: see above; its files are in {folder}")
        if stage == "train":
            seconds = time.monotonic() - started
    evaluate, train = (
        json.loads((folder / f"metrics/{name}.json").read_text("utf-8"))
        for name in ("evaluate", "train")
    )
    return {
        "seed": seed,
        "clips": evaluate["n_test"],
        "accuracy": evaluate["accuracy"],
        "uar": evaluate["uar"],
        "parameters": train["parameters"],
        "seconds": seconds / evaluate["n_folds"],
    }


def main(names: list[str], emobox: Path, seeds: int) -> None:
    """Run the wanted trials one after the other, writing after each.

    Raises:
        UserError: a name is none of those listed, a trial's params are not valid, or it fails.
    """
    trials = listed()
    if unknown := [name for name in names if name not in trials]:
        raise UserError(f"no such trial: {', '.join(unknown)}; one of {', '.join(trials)}")
    for name in names or trials:
        params.parse(experiments.resolve(changes_of(trials[name])), f"trial {name}")
    recordings = gather_recordings(test_clips(emobox))
    for name in names or trials:
        rows = [run(changes_of(trials[name]), recordings, seed) for seed in range(seeds)]
        new = pd.DataFrame(rows).assign(trial=name)[list(COLUMNS)]
        old = pd.read_csv(RESULTS) if RESULTS.exists() else new[:0]
        table = pd.concat([part for part in (old[old["trial"] != name], new) if len(part)])
        place = table["trial"].map({name: i for i, name in enumerate(trials)})
        table = table[place.notna()].assign(place=place).sort_values(["place", "seed"])
        write_table(RESULTS, table.drop(columns="place"), decimals=6)
        print(f"\n{name}: accuracy {new['accuracy'].mean():.1%} by cross-validation\n", flush=True)
        curves = {name: trial["curve"] for name, trial in trials.items() if "curve" in trial}
        accuracy_time(PICTURE, pd.read_csv(RESULTS), curves)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.trials", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--emobox", type=Path, required=True, help="folder of EmoBox's lists")
    parser.add_argument("--seeds", type=at_least_one, default=2, help="repetitions, 2 unless told")
    arguments = parser.parse_args()
    cli.run(
        lambda: main(arguments.names, arguments.emobox, arguments.seeds),
        "finished trials are in metrics/trials.csv",
    )
