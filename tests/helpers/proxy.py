"""A real nginx before a real `ser serve`, with the configuration that docs/using.md has."""

import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from browser import PATIENCE, serve

from scripts.workspace import ROOT

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
OPENSSL = shutil.which("openssl")
HOST = "voice.example"
_MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port}{tls};
        {server}
    }}
}}
"""


def documented():
    """Return the two parts of the configuration in docs/using.md: of http and of server."""
    text = (ROOT / "docs/using.md").read_text("utf-8")
    (block,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    http, server = re.fullmatch(r"# in http\n(.*)\n# in server\n(.*)", block, re.DOTALL).groups()
    assert "http://127.0.0.1:7860/" in server
    return http, server


@contextmanager
def behind_nginx(project, folder, tls, **settings):
    """Serve a project's page behind nginx; yield its public address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public = f"https://{HOST}:{port}/voice" if tls else f"http://127.0.0.1:{port}/voice"
    with serve(project, "--model", "model", "--public-url", public, **settings) as address:
        http, server = documented()
        if tls:
            server += _certificate(folder)
        text = _MAIN.format(
            folder=folder,
            http=http,
            server=server.replace("http://127.0.0.1:7860/", f"{address}/"),
            port=port,
            tls=" ssl" if tls else "",
        )
        (folder / "nginx.conf").write_text(text)
        log = folder / "error.log"
        nginx = subprocess.Popen(
            [NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", log], stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(nginx, port, log)
            yield public
        finally:
            nginx.terminate()
            nginx.wait(PATIENCE)


def _certificate(folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj",
         f"/CN={HOST}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return f"ssl_certificate {certificate};\nssl_certificate_key {key};"


def _wait_for(nginx, port, log: Path):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and nginx.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            continue
        return
    raise AssertionError(log.read_text())
