"""Write the last run's figures in the format of DagsHub's experiments tab.

DagsHub takes any committed `*metrics.csv` with the columns of its logger, and any `*params.yaml`.
"""

import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts import cli
from scripts.tables import load_figures, rows_of
from scripts.workspace import ROOT
from ser.training.history import epoch_of

TARGET = ROOT / "metrics/dagshub_metrics.csv"


def figures() -> Iterator[tuple[str, float, int]]:
    """Yield (name, value, step) of each fold's curves, then of the test clips' figures.

    Raises:
        UserError: a file is missing or damaged.
    """
    curves = [epoch_of(row) for row in rows_of("plots/history.csv")]
    folds = len({epoch.fold for epoch in curves})
    for epoch in curves:
        for name, value in epoch.figures():
            fold = f"fold {epoch.fold} " if folds > 1 else ""
            yield fold + name, value, epoch.epoch
    evaluated = load_figures()
    yield "accuracy", evaluated.accuracy, 1
    yield "uar", evaluated.uar, 1
    yield "f1_macro", evaluated.f1_macro, 1
    yield "precision_macro", evaluated.precision_macro, 1
    yield "recall_macro", evaluated.recall_macro, 1
    yield "ece", evaluated.ece, 1
    for name, value in evaluated.of_dimensions().items():
        yield name, value, 1


def main(target: Path = TARGET) -> None:
    """Write the file; its timestamps are the time of the commit of these figures."""
    log = subprocess.run(
        ["git", "log", "-1", "--format=%ct", "--", "metrics/evaluate.json"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    milliseconds = int(log.stdout or 0) * 1000
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write("Name,Value,Timestamp,Step\n")
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerows((name, value, milliseconds, step) for name, value, step in figures())


if __name__ == "__main__":
    cli.run_script(main)
