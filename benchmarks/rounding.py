"""Train the same model with other roundings, as other processors round.

    python -m benchmarks.rounding

Needs the data of a finished `dvc repro`. PyTorch chooses its routines by the processor; here it is
told to use those of others. Writes benchmarks/rounding.csv: instructions, accuracy on the test
clips, and on how many of them the answer differs from the first row's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.workspace import ROOT
from ser.core.tables import read_csv, write_csv

RESULTS = ROOT / "benchmarks/rounding.csv"
DATA = ROOT / "data"
# What PyTorch's ATEN_CPU_CAPABILITY may be on x86-64.
VARIANTS = ("avx512", "avx2", "default")


def predict_anew(instructions: str) -> dict[str, str]:
    """Train and evaluate with the params of the project; return test clip -> predicted emotion."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ATEN_CPU_CAPABILITY": instructions,
        "OMP_NUM_THREADS": "1",
        "SER_DEVICE": "cpu",
        "SER_WORKERS": "1",
    }
    with TemporaryDirectory() as name:
        shutil.copyfile(ROOT / "params.yaml", Path(name, "params.yaml"))
        inputs = (str(DATA / file) for file in ("clips.csv", "features", "augmented", "splits.csv"))
        train = ("train", *inputs, "trained", "history.csv", "train.json")
        inputs = (str(DATA / file) for file in ("clips.csv", "features", "splits.csv"))
        unheard = str(ROOT / "experiments/unheard_voices.json")
        outputs = ("model", "headline.json", "evaluate.json", "predictions.csv", "mistakes.csv")
        tables = ("test_history.csv", "reliability.csv", "map.csv", "confusion.csv")
        evaluate = ("evaluate", *inputs, "trained", unheard, *outputs, *tables)
        for stage, *paths in (train, evaluate):
            command = [sys.executable, "-m", f"stages.{stage}", *paths]
            subprocess.run(command, cwd=name, env=environment, check=True)
        predictions = read_csv(Path(name, "predictions.csv"))
    return dict(zip(predictions["clip"], predictions["predicted"], strict=True))


def main() -> None:
    """Measure every variant."""
    clips = read_csv(DATA / "clips.csv")
    emotions = dict(zip(clips["clip"], clips["emotion"], strict=True))
    rows = []
    first: dict[str, str] = {}
    for instructions in VARIANTS:
        predicted = predict_anew(instructions)
        first = first or predicted
        row = {
            "instructions": instructions,
            "clips": len(predicted),
            "accuracy": sum(emotions[c] == p for c, p in predicted.items()) / len(predicted),
            "other_answers": sum(first[clip] != answer for clip, answer in predicted.items()),
        }
        print(row, flush=True)
        rows.append(row | {"accuracy": round(row["accuracy"], 6)})
        write_csv(RESULTS, rows, list(row))


if __name__ == "__main__":
    main()
