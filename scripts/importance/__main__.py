"""Measure which groups of features the model in data/model needs: `python -m scripts.importance`.

Needs the data of a finished `dvc repro` with a model on functionals. The columns of a group are
permuted among the test clips. Writes metrics/importance.csv and plots/importance.png.
"""

from pathlib import Path

from scripts import cli
from scripts.importance.measuring import measure
from scripts.importance.picture import draw
from scripts.workspace import ROOT
from ser.core.tables import write_table

RESULTS = ROOT / "metrics/importance.csv"
PICTURE = ROOT / "plots/importance.png"


def main(data: Path) -> None:
    """Write the table and the picture."""
    description, clips, table = measure(data)
    draw(PICTURE, table, clips)
    table.insert(0, "net", description.model.name)
    table.insert(1, "clips", clips)
    write_table(RESULTS, table, decimals=6)
    print(table.to_string(index=False))


if __name__ == "__main__":
    cli.run_script(lambda: main(ROOT / "data"))
