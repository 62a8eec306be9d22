"""Measure the page under eight users for a long time: `python -m benchmarks.soak`.

Each user makes visits as a browser does: upload a clip, wait for the answer, have it explained,
think, upload the next. Every fourth upload is of no use: a text, an empty or damaged file, one that
is too large, one from another site's page, one that breaks off, a call that makes no sense. Server
and users share this machine. Needs the data of a finished `dvc repro`, or of `make demo` with
`--project demo`.

It fails if the server's memory grows by more than a tenth after the first two minutes, if answers
take longer at the end than at the start, if a file is left of what was uploaded, or if the server
logs anything.
"""

import argparse
import itertools
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.page import page_address
from scripts import cli
from ser.core.errors import UserError
from ser.core.tables import write_csv
from ser.parallel import worker_count
from ser.use.page.room import measure
from ser.use.page.uploads import KEPT, MAX_BYTES

ROOT = Path(__file__).resolve().parents[1]
USERS = 8
UPLOADS = 12  # of one visit
THINK = 1.5  # seconds between an answer and the next upload, on average
WARM_UP = 120.0  # seconds that no comparison uses
PERIODS = 3  # of equal length after that
GROWTH = 0.1  # of memory
SLOWER = 0.1  # of the 99th percentile: as much as it differs by chance
PATIENCE = 60.0  # seconds
_RESULTS = Path(__file__).with_name("soak.csv")
_META = {"meta": {"_type": "gradio.FileData"}}
_API = "/gradio_api/"


@dataclass
class Log:
    """What was seen, each with the second since the start.

    Attributes:
        answers: seconds from the begin of an upload to its answer.
        useless: uploads of no use, answered with a reason or refused, or broken off.
        memory: bytes of the server.
    """

    answers: list[tuple[float, float]] = field(default_factory=list)
    useless: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


class Visit:
    """A visit to the page: what a browser sends, with its connections."""

    def __init__(self, http: httpx.Client) -> None:
        """Open the page."""
        self.http = http
        self.session = secrets.token_hex(6)
        functions = [f for f in _json(http.get("/config"))["dependencies"] if f["backend_fn"]]
        names = [function["api_name"] for function in functions]
        self._recognise, *self._after = functions[names.index("recognise") :]

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the stream that tells the server that the page is open."""
        with self.http.stream("GET", f"{_API}heartbeat/{self.session}"):
            yield

    def recognise(self, name: str, content: bytes) -> str | None:
        """Upload a recording; return its emotion, None if it has none."""
        uploaded = _json(self.http.post(f"{_API}upload", files={"files": (name, content)}))
        recording = {"path": uploaded[0], "orig_name": name, **_META}
        _, facts, _ = self._call(self._recognise, [recording])
        emotion: str | None = facts["emotion"]
        return emotion

    def explain(self) -> None:
        """Ask for the explanation of the last answer, and fetch the picture."""
        for function in self._after:
            self._call(function, [None] * len(function["inputs"]))

    def _call(self, function: dict[str, Any], data: list[Any]) -> list[Any]:
        call = {"data": data, "fn_index": function["id"], "session_hash": self.session}
        _json(self.http.post(f"{_API}queue/join", json=call))
        where = {"session_hash": self.session}
        output = None
        with self.http.stream("GET", f"{_API}queue/data", params=where) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ") or "{}")
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"the call failed: {message}")
                    output = message["output"]["data"]
        if output is None:
            raise RuntimeError("the stream ended without an answer")
        return list(output)


def _json(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON value
    return answer.raise_for_status().json()


def _expect(answer: httpx.Response, status: int) -> None:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.url}: {answer.status_code} instead of {status}")


def _without_emotion(content: Callable[[bytes], bytes]) -> Callable[[Visit, bytes], None]:
    def upload(visit: Visit, clip: bytes) -> None:
        if visit.recognise("a.wav", content(clip)) is not None:
            raise RuntimeError("an emotion was found in what is no recording")

    return upload


def _too_large(visit: Visit, clip: bytes) -> None:
    large = clip + bytes(MAX_BYTES)
    _expect(visit.http.post(f"{_API}upload", files={"files": ("a.wav", large)}), 413)


def _from_elsewhere(visit: Visit, clip: bytes) -> None:
    headers = {"Origin": "http://evil.example"}
    files = {"files": ("a.wav", clip)}
    _expect(visit.http.post(f"{_API}upload", files=files, headers=headers), 403)


def _half_sent(visit: Visit, clip: bytes) -> None:
    where = visit.http.base_url
    head = (
        f"POST {_API}upload HTTP/1.1\r\nHost: {where.host}\r\nContent-Length: {2 * len(clip)}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
    )
    with socket.create_connection((where.host, where.port or 80), PATIENCE) as connection:
        connection.sendall(head.encode() + clip)


def _senseless(visit: Visit, _clip: bytes) -> None:
    call = {"data": [{"size": "x"}], "session_hash": visit.session, "fn_index": -1}
    _expect(visit.http.post(f"{_API}queue/join", json=call), 404)


BAD = (
    _without_emotion(lambda clip: b"This is a text. " * 100),
    _without_emotion(lambda clip: b""),
    _without_emotion(lambda clip: clip[: len(clip) // 3]),
    _from_elsewhere,
    _half_sent,
    _senseless,
    _too_large,
)


def use(
    address: str, clips: list[bytes], seed: int, start: float, end: float, failed: Event, log: Log
) -> None:
    """Visit the page again and again until the end, or until a user failed."""
    rng = np.random.default_rng(seed)
    own = f"127.0.0.{2 + seed}"  # each visitor has a share of the page
    numbers = itertools.count(seed)
    while time.monotonic() < end and not failed.is_set():
        with ExitStack() as stack:
            way = httpx.HTTPTransport(local_address=own)
            http = stack.enter_context(
                httpx.Client(base_url=address, timeout=PATIENCE, transport=way)
            )
            visit = Visit(http)
            stack.enter_context(visit.open())
            for _ in range(UPLOADS):
                clip, number = clips[rng.integers(len(clips))], next(numbers)
                begin = time.monotonic()
                if begin >= end or failed.is_set():
                    return
                if number % 4 == 0:
                    BAD[number // 4 % len(BAD)](visit, clip)
                    log.useless.append(begin - start)
                else:
                    if visit.recognise("a.wav", clip) is None:
                        raise RuntimeError("a clip of the corpus has no emotion")
                    log.answers.append((begin - start, time.monotonic() - begin))
                    visit.explain()
                failed.wait(rng.exponential(THINK))


def watch(server: psutil.Process, start: float, ended: Event, log: Log) -> None:
    """Measure the server's memory every two seconds until the end."""
    while not ended.wait(2):
        log.memory.append((time.monotonic() - start, server.memory_info().rss))


def soak(project: Path, minutes: float, uploads: Path) -> tuple[Log, float, int, str]:
    """Serve the page of a project to users; keep uploads below a folder.

    Returns:
        (what was seen, minutes that it took until no file was left or what was left is too old,
        number of files left, what the server logged).
    """
    clips = [file.read_bytes() for file in sorted((project / "data/raw").rglob("*.wav"))]
    clips = [clip for clip in clips if len(clip) > 10_000]
    if not clips:
        raise UserError(f"{project}/data/raw has no clips: run `dvc repro` or `make demo` first")
    log, ended, failed = Log(), Event(), Event()
    command = [str(Path(sys.executable).with_name("ser")), "serve", "--port", "0"]
    environment = os.environ | {"TMPDIR": str(uploads)}
    with (uploads / "log").open("w+") as said:
        server = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=said, text=True, env=environment
        )
        try:
            address = page_address(server)
            (folder,) = (path for path in uploads.iterdir() if path.is_dir())
            start = time.monotonic()
            end = start + 60 * minutes
            Thread(target=watch, args=(psutil.Process(server.pid), start, ended, log)).start()
            with ThreadPoolExecutor(USERS) as users:
                visits = [
                    users.submit(use, address, clips, seed, start, end, failed, log)
                    for seed in range(USERS)
                ]
                try:
                    wait(visits, return_when=FIRST_EXCEPTION)
                finally:
                    failed.set()  # or all are done
            for visit in visits:
                visit.result()
            begin = time.monotonic()
            while measure(folder)[1] and time.monotonic() < begin + 2 * KEPT:
                time.sleep(5)
            left = measure(folder)[1]
            waited = (time.monotonic() - begin) / 60
        finally:
            ended.set()
            server.terminate()
            server.wait()
        said.seek(0)
        return log, waited, left, said.read()


def summarise(log: Log, minutes: float) -> list[dict[str, Any]]:
    """Return a row for the first two minutes, and one for each of the periods after them."""
    edges = [0.0, *np.linspace(WARM_UP, 60 * minutes, PERIODS + 1)]
    rows = []
    for begin, end in itertools.pairwise(edges):
        seconds = [took for at, took in log.answers if begin <= at < end]
        memory = [size for at, size in log.memory if begin <= at < end]
        p50, p99 = np.percentile(seconds, [50, 99])
        rows.append(
            {
                "from_minute": f"{begin / 60:g}",
                "to_minute": f"{end / 60:g}",
                "answers": len(seconds),
                "reason_or_refusal": sum(begin <= at < end for at in log.useless),
                "p50_seconds": f"{p50:.3f}",
                "p99_seconds": f"{p99:.3f}",
                "megabytes": f"{np.mean(memory) / 1e6:.1f}",
                "peak_megabytes": f"{max(memory) / 1e6:.1f}",
            }
        )
    return rows


def problems(rows: list[dict[str, Any]], left: int, said: str) -> list[str]:
    """Compare the last period with the first one after the warm-up; return what is wrong."""
    _, first, *_, last = rows
    found = []
    for name, limit in (("megabytes", 1 + GROWTH), ("p99_seconds", 1 + SLOWER)):
        before, after = float(first[name]), float(last[name])
        if after > limit * before:
            found.append(f"{name}: {before:g} at the start, {after:g} at the end")
    if left:
        found.append(f"{left} files are left in the folder of uploads")
    if said:
        found.append(f"the server logged:\n{said}")
    return found


def main() -> None:
    """Write soak.csv.

    Raises:
        UserError: something grew, slowed down, was left or was logged.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="more than 2 (default: 20)")
    parser.add_argument("--project", type=Path, default=ROOT, help="folder with data/ of a run")
    options = parser.parse_args()
    if not options.minutes > WARM_UP / 60:
        raise UserError(f"--minutes {options.minutes:g}: more than {WARM_UP / 60:g} are expected")
    with tempfile.TemporaryDirectory() as uploads:
        log, waited, left, said = soak(options.project, options.minutes, Path(uploads))
    rows = summarise(log, options.minutes)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"{left} files left {waited:.1f} minutes after the last upload")
    conditions = {"users": USERS, "cores": worker_count(), "empty_after_minutes": f"{waited:.1f}"}
    write_csv(_RESULTS, [row | conditions for row in rows], [*rows[0], *conditions])
    found = problems(rows, left, said)
    if found:
        raise UserError("; ".join(found))


if __name__ == "__main__":
    cli.run_script(main)
