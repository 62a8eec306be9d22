"""A real MLflow server on the loopback interface, and servers that are none."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

from loopback import LoopbackServer


@contextmanager
def mlflow_server(folder):
    """Start `mlflow server`, which keeps everything in a folder; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("mlflow")
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Uvicorn running on" in line:
                break
        else:
            raise AssertionError("".join(said))
        Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


class OtherServer(LoopbackServer):
    """Answers every request alike, or with None not at all; `log` has the addresses and headers.

    `pause` is what an answer takes, in seconds.
    """

    def __init__(self, status=200, body=b"", headers=None, pause=0):
        super().__init__(_Handler)
        self.status, self.body, self.headers, self.pause = status, body, headers or {}, pause
        self.log = []


class _Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        server = self.server
        server.log.append((self.path, dict(self.headers)))
        if server.status is None:
            server.ended.wait()
            return
        server.ended.wait(server.pause)
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    do_GET = do_POST = do_PUT = do_CONNECT = handle_any  # noqa: N815 - the names it looks for

    def log_message(self, *_):
        """Print nothing: the log is in `OtherServer.log`."""
