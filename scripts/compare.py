"""Run the experiments of experiments/compared.csv and put their figures side by side.

    python -m scripts.compare [--epochs N] [NAME ...]

Writes metrics/compare.csv, plots/compare_history.csv and plots/compare.png; rows of experiments
that are not run now stay. What is finished is not run again.
"""

import argparse
import io
from pathlib import Path
from typing import Any

import pandas as pd

from scripts import cli, experiments
from scripts.plots_of_comparison import loss_curves
from scripts.workspace import ROOT, at_least_one, git
from ser.core.errors import UserError
from ser.core.tables import write_table
from ser.core.yaml_reader import read_yaml

FIGURES = ROOT / "metrics/compare.csv"
HISTORY = ROOT / "plots/compare_history.csv"
PICTURE = ROOT / "plots/compare.png"
COLUMNS = (
    *(
        "experiment",
        "split",
        "folds",
        "train",
        "val",
        "test",
        "epochs",
        "epochs_allowed",
        "epochs_wanted",
    ),
    *("parameters", "accuracy", "accuracy_low", "accuracy_high", "fold_std"),
    *("uar", "uar_low", "uar_high", "oracle", "uses_test_speakers_audio", "seconds_per_epoch"),
)
HISTORY_COLUMNS = (
    *("experiment", "fold", "epoch", "train_loss", "val_loss", "test_loss"),
    *("train_accuracy", "val_accuracy", "test_accuracy"),
)


def compared() -> list[str]:
    """List the experiments of the comparison, in the order of its table."""
    return pd.read_csv(experiments.FOLDER / "compared.csv")["experiment"].tolist()


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read what a former comparison wrote; no rows if there was none.

    Raises:
        UserError: the file is no such table.
    """
    if not path.exists():
        return pd.DataFrame(columns=list(columns))
    try:
        return pd.read_csv(path)[list(columns)]
    except (OSError, ValueError, LookupError) as error:
        raise UserError(
            f"{path} is damaged ({error}): remove it, and finished experiments are written to it "
            "anew"
        ) from None


def write_whole(path: Path, table: pd.DataFrame) -> None:
    """Write a table beside its name, then rename: it is whole or it is the former one."""
    partial = path.with_suffix(".part")
    write_table(partial, table)
    partial.replace(path)


def shorten(changes: experiments.Changes, epochs: int | None) -> experiments.Changes:
    """Train for at most so many epochs."""
    wanted = experiments.resolve(changes)["model"]["epochs"]
    if epochs is None or wanted <= epochs:
        return changes
    return experiments.merge(changes, {"model": {"epochs": epochs}})


def is_done(name: str, changes: experiments.Changes) -> bool:
    """Tell whether the current commit has this experiment, with the same params and code."""
    code = ("ser", "stages", "dvc.yaml", "dvc.lock")
    if git(ROOT, "status", "--porcelain", "--", *code) or not experiments.exists(name):
        return False
    return read_params(name) == experiments.resolve(changes)


def read_params(name: str) -> dict[str, Any]:
    """Read the params that an experiment of the current commit ran with."""
    text = experiments.read_result(name, "params.yaml")
    values: dict[str, Any] = read_yaml(text, f"params.yaml of {name}")
    return values


def collect(name: str, seconds: float | None) -> dict[str, Any]:
    """Gather the figures of a finished experiment: a row of compare.csv."""
    evaluate, train, split = (
        experiments.read_metrics(name, metrics) for metrics in ("evaluate", "train", "split")
    )
    history = pd.read_csv(io.StringIO(experiments.read_result(name, "plots/history.csv")))
    return {
        "experiment": name,
        "split": evaluate["split_scheme"],
        "folds": evaluate["n_folds"],
        **{subset: split["clips_per_fold"][subset] for subset in ("train", "val", "test")},
        "epochs": int(history["epoch"].max()),
        "epochs_allowed": read_params(name)["model"]["epochs"],
        "epochs_wanted": experiments.resolve(experiments.read(name))["model"]["epochs"],
        "parameters": train["parameters"],
        "accuracy": evaluate["accuracy"],
        "accuracy_low": evaluate["accuracy_low"],
        "accuracy_high": evaluate["accuracy_high"],
        "fold_std": evaluate["fold_accuracy"]["std"] if evaluate["n_folds"] > 1 else None,
        "uar": evaluate["uar"],
        "uar_low": evaluate["uar_low"],
        "uar_high": evaluate["uar_high"],
        "oracle": evaluate.get("oracle", {}).get("accuracy"),
        "uses_test_speakers_audio": evaluate["uses_test_speakers_audio"],
        "seconds_per_epoch": seconds,
    }


def collect_history(name: str) -> pd.DataFrame:
    """Gather the learning curves of a finished experiment, with those on the test clips if kept."""
    history = pd.read_csv(io.StringIO(experiments.read_result(name, "plots/history.csv")))
    tested = pd.read_csv(io.StringIO(experiments.read_data(name, "data/test_history.csv")))
    merged = history.merge(tested, how="left", on=["fold", "epoch"])
    return merged.assign(experiment=name)[list(HISTORY_COLUMNS)]


def replace_rows(old: pd.DataFrame, new: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Replace the rows of the experiments that `new` has; sort by the order of names."""
    kept = old[~old["experiment"].isin(new["experiment"])]
    # An empty table has no types, and would take those of the other.
    table = pd.concat([part for part in (kept, new) if len(part)], ignore_index=True)
    place = table["experiment"].map({name: i for i, name in enumerate(order)})
    return (
        table[place.notna()]
        .assign(place=place)
        .sort_values("place", kind="stable")
        .drop(columns="place")
    )


def add(name: str, seconds: float | None) -> None:
    """Write a finished experiment's row and curves."""
    order = compared()
    figures = read_table(FIGURES, COLUMNS)
    if seconds is None:  # nothing was trained: as measured when it was
        former = figures.loc[figures["experiment"] == name, "seconds_per_epoch"]
        seconds = None if former.empty else former.iloc[0]
    row = pd.DataFrame([collect(name, seconds)], columns=list(COLUMNS))
    write_whole(FIGURES, replace_rows(figures, row, order))
    history = replace_rows(read_table(HISTORY, HISTORY_COLUMNS), collect_history(name), order)
    write_whole(HISTORY, history)
    loss_curves(PICTURE, history)


def main(names: list[str], epochs: int | None) -> None:
    """Run the wanted experiments one after the other and write the comparison after each.

    Raises:
        UserError: a name is none of those compared, or an experiment's params are not valid;
            nothing was run then.
    """
    order = compared()
    if unknown := [name for name in names if name not in order]:
        raise UserError(f"no such comparison: {', '.join(unknown)}; one of {', '.join(order)}")
    # Before hours of work, not after.
    read_table(FIGURES, COLUMNS)
    read_table(HISTORY, HISTORY_COLUMNS)
    wanted = {name: shorten(experiments.read(name), epochs) for name in names or order}
    for number, (name, changes) in enumerate(wanted.items(), start=1):
        print(f"\n== {name} ({number} of {len(wanted)})", flush=True)
        seconds = None
        if is_done(name, changes):
            print("done already")
        else:
            seconds = experiments.run(name, changes)
        add(name, seconds)
    print(f"\n{FIGURES.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are written.")
    shown = ["experiment", "split", "epochs", "accuracy", "accuracy_low", "accuracy_high", "oracle"]
    print(read_table(FIGURES, COLUMNS)[shown].round(3).to_string(index=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.compare", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--epochs", type=at_least_one, help="train no net for longer")
    arguments = parser.parse_args()
    cli.run(lambda: main(arguments.names, arguments.epochs), cli.RESUMES)
