"""A DagsHub look-alike on the loopback interface, serving a folder as one repository.

    python tests/helpers/dagshub_server.py FOLDER [--port N]
    DAGSHUB_CLIENT_HOST=http://127.0.0.1:N dvc repro

In tests: `with DagsHubServer(folder) as server:`, then `server.url`, `server.commit`,
`server.faults[key] = Fault(...)` and `server.log`. A key is the part of the address after the
repository, without the revision: "" (the repository itself), "branches/main", "commits/<id>",
"content/<folder>", "raw/<path>".
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Lock
from urllib.parse import quote, unquote, urlsplit

from loopback import LoopbackServer

REPO = "kingabzpro/Acted-Emotional-Speech-Dynamic-Database"


@dataclass
class Fault:
    """A fault in the answers to the requests for one key."""

    times: int = sys.maxsize  # number of faulty answers
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None  # sent instead of the correct body
    cut: int | None = None  # bytes sent before the connection is dropped
    drip: float = 0.0  # seconds before each byte
    drip_headers: bool = False  # a header of 60 bytes is sent like this, too
    times_body: int = 1  # how often the body is sent, as one
    hold: Event | None = None  # half of the body is sent at once, the rest when this is set
    reached: Event = field(default_factory=Event)  # set when a request meets the fault


def redirect(location: str) -> Fault:
    return Fault(status=302, headers={"Location": location}, body=b"")


@dataclass(frozen=True)
class Request:
    path: str  # as received, quoted
    key: str | None  # None: not an address of the repository
    authorization: str | None
    seconds: float  # on the monotonic clock


class DagsHubServer(LoopbackServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, repo: str = REPO, port: int = 0) -> None:
        super().__init__(_Handler, port)
        self.folder = folder
        self.repo = repo
        self.files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        tree = hashlib.sha1()
        for path, content in self.files.items():
            tree.update(path.encode() + b"\0" + hashlib.sha1(content).digest())
        self.commit = tree.hexdigest()
        self.branches = {"main": self.commit, "feature/x": self.commit}
        self.token: str | None = None  # when set, requests without it are answered with 401
        self.git = False  # the listing has the ids of git's blobs, not MD5
        self.wrapped = True  # answer commits as {"commit": {...}}, not bare
        self.faults: dict[str, Fault] = {}
        self.change_entry: Callable[[dict], dict] = lambda entry: entry
        self.log: list[Request] = []
        self.lock = Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors of clients that a test has killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def fetched(self) -> list[str]:
        """The paths of the requested files, one per request, in order."""
        return [r.key.removeprefix("raw/") for r in self.log if r.key and r.key.startswith("raw/")]

    def strange_requests(self) -> list[str]:
        """Requested addresses that are not needed to read a repository, such as a login."""
        return [r.path for r in self.log if r.key is None]

    def fault(self, key: str | None) -> Fault | None:
        with self.lock:
            fault = self.faults.get(key) if key is not None else None
            if fault is None or fault.times == 0:
                return None
            fault.times -= 1
        fault.reached.set()
        return fault

    def key(self, path: str) -> tuple[str | None, bool]:
        """Return the key of an address, and whether its revision exists."""
        base = f"/api/v1/repos/{self.repo}"
        rest = unquote(path)
        if rest.rstrip("/") == base:
            return "", True
        kind, _, rest = rest.removeprefix(f"{base}/").partition("/")
        if not path.startswith(base) or kind not in ("branches", "commits", "content", "raw"):
            return None, False
        if kind in ("branches", "commits"):
            return f"{kind}/{rest}", True
        for revision in (*self.branches, self.commit):
            if rest == revision or rest.startswith(f"{revision}/"):
                return f"{kind}/{rest[len(revision) + 1 :].rstrip('/')}", True
        return f"{kind}/{rest}", False

    def answer(self, key: str, sized: bool) -> bytes | None:
        """Return the correct body for a key; None: the key does not exist."""
        kind, _, rest = key.partition("/")
        if kind == "raw":
            return self.files.get(rest)
        value: object = None
        if kind == "":
            value = {"full_name": self.repo, "default_branch": "main", "private": False}
        elif kind == "branches" and rest in self.branches:
            value = self._commit() if not self.wrapped else {"name": rest, "commit": self._commit()}
        elif kind == "commits" and rest == self.commit:
            value = self._commit() if not self.wrapped else {"commit": self._commit()}
        elif kind == "content":
            value = self._listing(rest, sized)
        return None if value is None else json.dumps(value).encode()

    def _commit(self) -> dict:
        return {"id": self.commit, "message": "the only one", "url": "", "timestamp": ""}

    def _listing(self, folder: str, sized: bool) -> list[dict] | None:
        prefix = f"{folder}/" if folder else ""
        below = [path for path in self.files if path.startswith(prefix)]
        if not below:
            return None
        names = sorted({path[len(prefix) :].partition("/")[0] for path in below})
        entries = [self._entry(prefix + name, sized) for name in names]
        if not folder:
            entries += [
                self._entry("s3:/bucket", sized) | {"type": "storage", "versioning": "bucket"},
                self._entry("bucket", sized) | {"type": "dir", "versioning": "bucket"},
            ]
        return [self.change_entry(entry) for entry in entries]

    def _entry(self, path: str, sized: bool) -> dict:
        content = self.files.get(path)
        if content is None:
            digest = ""
        elif self.git:
            digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        else:
            digest = hashlib.md5(content).hexdigest()
        base = f"{self.url}/api/v1/repos/{self.repo}"
        return {
            "path": path,
            "type": "dir" if content is None else "file",
            "size": len(content) if sized and content is not None else 0,
            "hash": digest,
            "versioning": "git" if self.git else "dvc",
            "download_url": f"{base}/raw/main/{quote(path)}",
            "content_url": f"{base}/content/main/{quote(path)}",
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: DagsHubServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        key, known = self.server.key(address.path)
        authorization = self.headers.get("Authorization")
        with self.server.lock:
            self.server.log.append(Request(self.path, key, authorization, time.monotonic()))
        fault = self.server.fault(key) or Fault()
        token = self.server.token
        status, body = fault.status, fault.body
        if token is not None and authorization != f"Bearer {token}":
            status, body = 401, b'{"error": "token needed"}'
        elif body is None:
            sized = "include_size=true" in address.query
            body = self.server.answer(key, sized) if key is not None and known else None
        if body is None:
            status, body = 404, b'{"error": "not found"}'
        try:
            self._send(status, body, fault)
        except OSError:  # the client has disconnected
            self.close_connection = True

    def _send(self, status: int, body: bytes, fault: Fault) -> None:
        self.send_response(status)
        if fault.drip_headers:
            self.flush_headers()
            self._drip(b"X-Slow: " + b"." * 50 + b"\r\n", fault.drip)
        for name, value in {"Content-Type": "application/octet-stream", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) * fault.times_body))
        self.end_headers()
        if fault.cut is not None:
            self.wfile.write(body[: fault.cut])
            self.close_connection = True
        elif fault.drip:
            self._drip(body, fault.drip)
        elif fault.hold is not None:
            self.wfile.write(body[: len(body) // 2])
            fault.hold.wait(60)
            self.wfile.write(body[len(body) // 2 :])
        else:
            for _ in range(fault.times_body):
                self.wfile.write(body)

    def _drip(self, content: bytes, seconds: float) -> None:
        for byte in content:
            time.sleep(seconds)
            self.wfile.write(bytes([byte]))

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the log is in `DagsHubServer.log`."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder as a DagsHub repository.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    server = DagsHubServer(args.folder, port=args.port)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
