"""Time every stage of a forced `dvc repro`, and a `dvc repro` with nothing to do.

    python -m benchmarks.pipeline

Runs in this checkout, with the sources in params.yaml, and writes benchmarks/pipeline.csv: step,
seconds. Recordings that are already there are only verified.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from ser.core.tables import write_csv
from ser.parallel import worker_count

_STAGE = re.compile(r"Running stage '(\w+)'")
_REPEATS = 5


def time_stages() -> dict[str, float]:
    """Run all stages; return the seconds from the start of each to the start of the next."""
    marks: list[tuple[str, float]] = []
    command = [sys.executable, "-m", "dvc", "repro", "--force"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            if match := _STAGE.search(line):
                marks.append((match[1], time.monotonic()))
    if process.returncode:
        sys.exit("a stage failed")
    ends = [moment for _, moment in marks[1:]] + [time.monotonic()]
    return {name: end - start for (name, start), end in zip(marks, ends, strict=True)}


def time_nothing() -> float:
    """Return the median seconds of a `dvc repro` that has nothing to do."""
    seconds = []
    for _ in range(_REPEATS):
        start = time.monotonic()
        command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
        subprocess.run(command, check=True)
        seconds.append(time.monotonic() - start)
    return median(seconds)


def main() -> None:
    """Write benchmarks/pipeline.csv."""
    seconds = time_stages()
    after_pull = sum(value for name, value in seconds.items() if name != "pull")
    seconds |= {"all after pull": after_pull, "nothing to do": time_nothing()}
    rows = [{"step": name, "seconds": f"{value:.1f}"} for name, value in seconds.items()]
    rows.append({"step": "cores", "seconds": str(worker_count())})
    write_csv(Path(__file__).with_name("pipeline.csv"), rows, ("step", "seconds"))


if __name__ == "__main__":
    bin_folder = str(Path(sys.executable).parent)
    os.environ["PATH"] = bin_folder + os.pathsep + os.environ.get("PATH", "")
    main()
