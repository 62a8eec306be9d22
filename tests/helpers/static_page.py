"""Serve a page like a static host does, below a path."""

from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

HIDDEN = "h/i/"  # the folder that the page is served below
PATIENCE = 60  # seconds, enough on a busy machine


class Quiet(SimpleHTTPRequestHandler):
    """Serves the files below a path, and nothing else."""

    def __init__(self, *arguments, headers, **kwargs):
        self.more = headers
        super().__init__(*arguments, **kwargs)

    def translate_path(self, path):
        inside = path.startswith(f"/{HIDDEN}")
        return super().translate_path(path.removeprefix(f"/{HIDDEN}") if inside else "/nothing")

    def end_headers(self):
        for name, value in self.more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def served(folder, **headers):
    """Serve a folder like a static host does, below a path; yield the address."""
    handler = partial(Quiet, directory=folder, headers=headers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{HIDDEN}"
        server.shutdown()


def opened(driver: WebDriver, address: str) -> None:
    driver.get(address)
    WebDriverWait(driver, PATIENCE).until(lambda d: d.find_element(By.ID, "files").is_enabled())
