"""Test the model of the last run under other recording conditions.

    python -m scripts.robustness [EXPERIMENT]

Needs the data of a finished `dvc repro`. Writes metrics/robustness.json, of which
`dvc metrics diff --targets` compares a few numbers, and plots/robustness.png. If the run is that of
an experiment, which `dvc exp apply` brings, its name can be given, and the files have it in theirs.
"""

import argparse
from pathlib import Path

from scripts import cli, experiments
from scripts.robustness.conditions import CONDITIONS
from scripts.robustness.figures import compute_figures
from scripts.robustness.measuring import measure
from scripts.robustness.picture import draw
from scripts.workspace import ROOT
from ser.core.tables import write_json


def main(data: Path, name: str) -> None:
    """Write the figures and the picture, and print the table.

    Args:
        data: the run's data folder.
        name: of the files, without suffix.
    """
    for condition in CONDITIONS.values():
        if not condition.available:
            print(f"not measured: {condition.title}: this FFmpeg has no {condition.codec}")
    figures = compute_figures(measure(data))
    write_json(ROOT / f"metrics/{name}.json", figures)
    draw(ROOT / f"plots/{name}.png", figures["conditions"], figures["clips"])
    for row in figures["conditions"]:
        print(
            f"{row['title']:36} {row['accuracy']:6.1%} recognised, "
            f"{row['changed']:6.1%} of the answers changed"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.robustness")
    parser.add_argument("experiment", nargs="?", choices=experiments.names())
    of = parser.parse_args().experiment
    cli.run_script(lambda: main(ROOT / "data", f"robustness-{of}" if of else "robustness"))
