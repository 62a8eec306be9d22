"""The page of a small model, served for a module of tests."""

import httpx
import pytest
from browser import PATIENCE, serve
from small_model import RATE, encoded, make, speech


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and a recording in the served folder that no visitor uploaded."""
    folder = tmp_path_factory.mktemp("guarded")
    make(folder / "model", "cnn")
    for name in ("secret.wav", ".gradio/cached_examples/secret.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(speech(3), RATE, ".wav"))
    return folder


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """The folder that holds the server's uploads."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The server's standard error."""
    return tmp_path_factory.mktemp("said") / "stderr"


@pytest.fixture(scope="module")
def address(folder, temporary, said):
    with said.open("w") as stderr:
        arguments = ("--model", "model")
        with serve(folder, *arguments, temporary=temporary, stderr=stderr) as url:
            yield url


@pytest.fixture
def nothing_is_said(address, said):
    """No request causes a traceback in the server's log."""
    before = said.stat().st_size
    yield
    assert said.read_text()[before:] == ""


@pytest.fixture(scope="module")
def client(address):
    with httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE) as client:
        yield client
