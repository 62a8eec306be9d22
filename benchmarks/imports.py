"""Time the imports of every stage's script.

    python -m benchmarks.imports

Writes benchmarks/imports.csv: script, and median seconds of several fresh processes.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median

from scripts.workspace import ROOT
from ser.core.tables import write_csv

_REPEATS = 5
_CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_seconds(module: str) -> float:
    """Import a module in a fresh process; return the seconds that it took."""
    command = [sys.executable, "-c", _CODE.format(module)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def main() -> None:
    """Write benchmarks/imports.csv."""
    names = sorted(path.stem for path in ROOT.glob("stages/*.py") if path.stem[0] != "_")
    scripts = [name for name in names if name != "cli"]
    rounds = [{name: import_seconds(f"stages.{name}") for name in scripts} for _ in range(_REPEATS)]
    rows = [
        {"script": name, "seconds": f"{median(times[name] for times in rounds):.2f}"}
        for name in scripts
    ]
    write_csv(Path(__file__).with_name("imports.csv"), rows, ("script", "seconds"))
    for row in rows:
        print(f"{row['script']}: {row['seconds']} s")


if __name__ == "__main__":
    main()
