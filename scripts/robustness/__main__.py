"""Test the model of the last run under other recording conditions: `python -m scripts.robustness`.

Needs the data of a finished `dvc repro`. Writes metrics/robustness.json, of which
`dvc metrics diff` compares a few numbers, and plots/robustness.png.
"""

from pathlib import Path

from scripts import cli
from scripts.robustness.conditions import CONDITIONS
from scripts.robustness.figures import compute_figures
from scripts.robustness.measuring import measure
from scripts.robustness.picture import draw
from scripts.workspace import ROOT
from ser.core.tables import write_json

METRICS = ROOT / "metrics/robustness.json"
PICTURE = ROOT / "plots/robustness.png"


def main(data: Path) -> None:
    """Write the figures and the picture, and print the table."""
    for name, condition in CONDITIONS.items():
        if not condition.available:
            print(f"not measured: {name}: this FFmpeg has no encoder {condition.codec}")
    figures = compute_figures(measure(data))
    write_json(METRICS, figures)
    draw(PICTURE, figures["conditions"], figures["clips"])
    for row in figures["conditions"]:
        print(
            f"{row['title']:36} {row['accuracy']:6.1%} recognised, "
            f"{row['changed']:6.1%} of the answers changed"
        )


if __name__ == "__main__":
    cli.run_script(lambda: main(ROOT / "data"))
