"""A Kaggle look-alike on the loopback interface, serving a folder as one dataset.

    python tests/helpers/kaggle_server.py FOLDER [--port 7777]
    KAGGLE_API_ENVIRONMENT=TEST dvc repro

Then kagglehub looks for it at localhost:7777, and prints every request and answer. To avoid the
output, or to use another port, declare the server the proxy of http://localhost:

    KAGGLE_API_ENVIRONMENT=LOCALHOST http_proxy=http://127.0.0.1:N no_proxy=127.0.0.1

In tests: `with KaggleServer(folder) as server:`, then `server.faults[key] = Fault(...)` and
`server.log`. A key is "GetDataset", "DownloadDataset" or "storage". As on Kaggle, the archives in
storage are on another host than the API.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from loopback import LoopbackServer

DATASET = "ejlok1/recordings"
PORT = 7777

_SERVICE = "/api/v1/datasets.DatasetApiService/"


@dataclass
class Fault:
    """A fault in the answers to the requests for one key."""

    times: int = sys.maxsize  # number of faulty answers
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)  # "": left out
    body: bytes | None = None  # sent instead of the correct body
    cut: int | None = None  # bytes sent before the connection is dropped
    times_body: int = 1  # how often the body is sent, as one
    pause: float = 0.0  # seconds before each of them
    drip: float = 0.0  # seconds before each byte
    reached: Event = field(default_factory=Event)  # set when a request meets the fault


def refusal(status: int, message: str = "Permission 'datasets.get' was denied") -> Fault:
    """Return a fault with an error in Kaggle's wording."""
    body = json.dumps({"code": status, "message": message}).encode()
    return Fault(status=status, headers={"Content-Type": "application/json"}, body=body)


@dataclass(frozen=True)
class Request:
    key: str | None  # None: an address that is not needed to download a dataset
    authorization: str | None
    asked: dict  # the body of a POST
    range: str | None


class KaggleServer(LoopbackServer):
    def __init__(self, folder: Path, dataset: str = DATASET, port: int = 0) -> None:
        super().__init__(_Handler, port)
        self.dataset = dataset
        self.versions = {1: b"no archive: nobody asks for it", 2: pack(folder)}
        self.token: str | None = None  # when set, requests without it are answered with 401
        self.faults: dict[str, Fault] = {}
        self.log: list[Request] = []

    def asked(self) -> list[str | None]:
        """The requested keys, in order."""
        return [request.key for request in self.log]

    def fault(self, key: str | None) -> Fault:
        fault = self.faults.get(key) if key is not None else None
        if fault is None or fault.times == 0:
            return Fault()
        fault.times -= 1
        fault.reached.set()
        return fault


def pack(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: KaggleServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path).path
        key = path.removeprefix(_SERVICE)
        known = path.startswith(_SERVICE) and key in ("GetDataset", "DownloadDataset")
        fault = self._meet(key if known else None, asked)
        token = self.server.token
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            fault = refusal(401, "Unauthenticated")
        dataset = f"{asked.get('ownerSlug')}/{asked.get('datasetSlug')}"
        version = int(asked.get("datasetVersionNumber") or 0)
        if not known or dataset != self.server.dataset:
            fault = refusal(404, "Not found")
        elif key == "DownloadDataset" and fault.body is None:
            if version not in self.server.versions:
                fault = refusal(404, "Not found")
            else:
                location = f"{self.server.url}/storage/{dataset}/{version}.zip?signed=yes"
                self._send(302, b"", {"Location": location}, fault)
                return
        facts = {"id": 1, "ref": dataset, "currentVersionNumber": max(self.server.versions)}
        body = json.dumps(facts).encode()
        self._send(fault.status, body, {"Content-Type": "application/json"}, fault)

    def do_GET(self) -> None:
        match = re.fullmatch(r"/storage/(.+)/(\d+)\.zip", urlsplit(self.path).path)
        fault = self._meet("storage" if match else None, {})
        if match is None:
            self._send(404, b"not found", {}, fault)
            return
        body = self.server.versions[int(match[2])]
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        headers = {
            "Content-Type": "application/zip",
            "Accept-Ranges": "bytes",
            "X-Goog-Hash": f"crc32c=AAAAAA==,md5={digest}",
        }
        status, wanted = fault.status, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted is not None and status == 200:
            status, body = 206, body[int(wanted[1]) :]
        self._send(status, body, headers, fault)

    def _meet(self, key: str | None, asked: dict) -> Fault:
        headers = self.headers
        request = Request(key, headers.get("Authorization"), asked, headers.get("Range"))
        self.server.log.append(request)
        return self.server.fault(key)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        body = body if fault.body is None else fault.body
        self.send_response(status)
        for name, value in {**headers, **fault.headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) * fault.times_body))
        self.end_headers()
        self.close_connection = fault.cut is not None
        try:
            for _ in range(fault.times_body):
                time.sleep(fault.pause)
                if fault.drip:
                    self._drip(body, fault.drip)
                else:
                    self.wfile.write(body[: fault.cut])
        except OSError:  # the client has disconnected
            self.close_connection = True

    def _drip(self, content: bytes, seconds: float) -> None:
        for byte in content:
            time.sleep(seconds)
            self.wfile.write(bytes([byte]))

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the log is in `KaggleServer.log`."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder as a Kaggle dataset.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dataset", default=DATASET)
    parser.add_argument("--port", type=int, default=PORT)
    args = parser.parse_args()
    server = KaggleServer(args.folder, args.dataset, args.port)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
