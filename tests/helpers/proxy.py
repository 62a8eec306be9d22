"""A real nginx with the configuration of deploy/nginx.conf, before a real `ser serve`."""

import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from browser import PATIENCE, serve

from scripts.workspace import ROOT

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
OPENSSL = shutil.which("openssl")
HOST = "voice.example"
USER, PASSWORD = "anna", "four words of anna's"
CONFIGURATION = ROOT / "deploy/nginx.conf"
_MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    include {types};
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@contextmanager
def behind_nginx(project, folder, host=HOST, static="/nothing", **settings):
    """Serve a project's page, and one of plain files, behind nginx; yield their site's address."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        secure, plain = (each.getsockname()[1] for each in sockets)
    site = f"https://{host}:{secure}"
    with serve(project, "--model", "model", "--public-url", f"{site}/voice", **settings) as page:
        text = CONFIGURATION.read_text("utf-8")
        for documented, here in {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{secure} ssl;",
            "server_name example.org;": f"server_name {host};",
            "https://$server_name": f"https://$server_name:{secure}",
            "http://127.0.0.1:7860/": f"{page}/",
            "/etc/nginx/ser/": f"{folder}/",
            "/var/www/ser/": f"{static}/",
        }.items():
            assert documented in text
            text = text.replace(documented, here)
        (folder / "site.conf").write_text(text)
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, types=_types()))
        _make_certificate(folder)
        (folder / "passwords").write_text(f"{USER}:{_hashed(PASSWORD)}\n")
        log = folder / "error.log"
        nginx = subprocess.Popen(
            [NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", log], stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(nginx, secure, log)
            yield site
        finally:
            nginx.terminate()
            nginx.wait(PATIENCE)


def _types():
    """Return the file of MIME types that this nginx came with."""
    said = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True).stderr
    return Path(re.search(r"--conf-path=(\S+)", said)[1]).with_name("mime.types")


def _hashed(password):
    """Return what docs/sharing.md lets openssl make of a password."""
    command = [OPENSSL, "passwd", "-6", "-stdin"]
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _make_certificate(folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj",
         f"/CN={HOST}", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip


def _wait_for(nginx, port, log: Path):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and nginx.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            continue
        return
    raise AssertionError(log.read_text())
