"""A DVC remote like those of DagsHub: HTTP with basic authentication, on loopback."""

from base64 import b64encode
from http.server import BaseHTTPRequestHandler

from loopback import LoopbackServer


class DvcRemoteServer(LoopbackServer):
    def __init__(self, user, password, path="/somebody/speech.dvc"):
        super().__init__(_Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{path}"
        self.expected = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self.files = {}
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status, body=b"", length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _allowed(self):
        if self.headers.get("Authorization") == self.server.expected:
            return True
        self.server.refused += 1
        self._answer(401)
        return False

    def do_POST(self):
        body = self._body()
        if self._allowed():
            self.server.files[self.path] = body
            self._answer(200)

    def do_GET(self):
        if self._allowed():
            body = self.server.files.get(self.path)
            self._answer(404) if body is None else self._answer(200, body)

    def do_HEAD(self):
        if self._allowed():
            body = self.server.files.get(self.path)
            self._answer(404) if body is None else self._answer(200, length=len(body))

    def log_message(self, *_):
        pass
