"""Measure how long the page takes to answer eight users at once: `python -m benchmarks.page`.

Each user uploads a clip, waits for the answer with its picture, then uploads the next. Server and
users share this machine. Needs the data of a finished `dvc repro`.
"""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from gradio_client import Client, handle_file

from ser.core.tables import write_csv
from ser.parallel import worker_count

ROOT = Path(__file__).resolve().parents[1]
USERS = 8
CLIPS = 25  # of each user
_RESULTS = Path(__file__).with_name("page.csv")


def visit(address: str, clips: list[Path]) -> list[float]:
    """Upload clips one after the other; return the seconds until each answer."""
    client = Client(address, verbose=False)
    seconds = []
    for clip in clips:
        start = time.perf_counter()
        _, facts = client.predict(handle_file(clip), api_name="/recognise")
        seconds.append(time.perf_counter() - start)
        if facts["emotion"] is None:
            raise RuntimeError(f"{clip}: {facts['detail']}")
    return seconds


def page_address(server: "subprocess.Popen[str]") -> str:
    """Read the page's address from what its server prints first."""
    line = server.stdout.readline() if server.stdout else ""
    found = re.search(r"http://\S+", line)
    if found is None:
        raise RuntimeError(f"no address in {line!r}")
    return found[0]


def main() -> None:
    """Write page.csv."""
    clips = sorted((ROOT / "data/raw").rglob("*.wav"))
    clips = [clip for clip in clips if clip.stat().st_size > 10_000]
    chosen = np.random.default_rng(0).choice(len(clips), (USERS, CLIPS), replace=False)
    command = [str(Path(sys.executable).with_name("ser")), "serve", "--port", "0"]
    began = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = page_address(server)
        starting = time.perf_counter() - began
        megabytes = psutil.Process(server.pid).memory_info().rss / 1e6
        (first,) = visit(address, [clips[0]])
        with ThreadPoolExecutor(USERS) as users:
            answers = list(
                users.map(lambda own: visit(address, [clips[i] for i in own]), chosen.tolist())
            )
            alone = visit(address, [clips[i] for i in chosen[0]])
    finally:
        server.terminate()
        server.wait()
    print(f"started in {starting:.1f} s, first answer {first:.2f} s, {megabytes:.0f} MB")
    everyone = [second for own in answers for second in own]
    rows = [(1, alone), (USERS, everyone)]
    measured = []
    for count, seconds in rows:
        p50, p99 = np.percentile(seconds, [50, 99])
        measured.append(
            {
                "users": count,
                "answers": len(seconds),
                "p50_seconds": f"{p50:.3f}",
                "p99_seconds": f"{p99:.3f}",
                "cores": worker_count(),
                "start_seconds": f"{starting:.1f}",
                "first_seconds": f"{first:.2f}",
                "megabytes": f"{megabytes:.0f}",
            }
        )
        print(f"{count} at once: p50 {p50:.3f} s, p99 {p99:.3f} s, {len(seconds)} answers")
    write_csv(_RESULTS, measured, list(measured[0]))


if __name__ == "__main__":
    main()
