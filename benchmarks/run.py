"""Compare the speed of this project with the usual alternatives: make bench.

    python -m benchmarks.run

Needs the data of a finished `dvc repro`. Writes benchmarks/results.csv: seconds of this project and
of the alternative, measured alternately; their ratio; and a lower bound on this machine.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cold, nets, sound
from benchmarks.measure import Row, interleave
from scripts.workspace import ROOT, dvc_command
from ser.core.tables import read_csv, write_csv

RESULTS = ROOT / "benchmarks/results.csv"
COLUMNS = (
    *("work", "against", "seconds", "other_seconds", "ratio", "goal"),
    *("bound", "bound_seconds", "note"),
)
_ONE_STAGE = "stages:\n  nothing:\n    cmd: touch out\n    outs: [out]\n"


def nothing_to_do() -> Row:
    """Compare `dvc repro` without changes with that of a project of one stage without data."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder)
        (small / "dvc.yaml").write_text(_ONE_STAGE, "utf-8")
        for command in (("git", "init", "-q"), dvc_command("init", "-q"), dvc_command("repro")):
            subprocess.run(command, cwd=small, check=True, stdout=subprocess.DEVNULL)

        def repro(project: Path) -> None:
            command = dvc_command("repro", "--quiet")
            subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)

        ours, theirs, start = interleave(
            lambda: repro(ROOT),
            lambda: repro(small),
            lambda: subprocess.run(dvc_command("--version"), check=True, stdout=subprocess.DEVNULL),
        )
    return Row(
        "`dvc repro` with nothing to do",
        "a project of one stage without data",
        ours,
        theirs,
        0.5,
        "the start of dvc (`dvc --version`)",
        start,
    )


def rows() -> Iterator[Row]:
    """Measure everything, row by row."""
    paths = [ROOT / "data/raw" / path for path in read_csv(ROOT / "data/clips.csv")["path"]]
    yield from sound.sound_rows(paths)
    yield from nets.net_rows(ROOT)
    yield cold.cold_prediction(ROOT / "data/model", paths[0])
    yield nothing_to_do()


def main() -> None:
    """Write benchmarks/results.csv."""
    results = []
    for row in rows():
        verdict = "reached" if row.ratio >= row.goal else "missed"
        print(
            f"{row.work} | {row.against}: {row.ours:.3f} s, {row.theirs:.3f} s, "
            f"{row.ratio:.2f} times as fast, goal {row.goal:g} {verdict}; {row.note}",
            flush=True,
        )
        measured = (row.work, row.against, row.ours, row.theirs, row.ratio, row.goal)
        cells = (*measured, row.bound, row.bound_seconds, row.note)
        results.append(dict(zip(COLUMNS, cells, strict=True)))
    write_csv(RESULTS, results, COLUMNS)


if __name__ == "__main__":
    if not (ROOT / "data/model").exists():
        sys.exit("error: data/ is not there yet: run `dvc repro` first")
    main()
