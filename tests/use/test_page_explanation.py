"""The page's explanations, requested from the real server as a browser does."""

import json
import uuid

import httpx
import numpy as np
import pytest
from browser import PATIENCE, serve
from small_model import RATE, encoded, make, speech

from ser import load
from ser.use.page.answering import explain_answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_thread):
    """A model, a short clip, another, and a recording that is cut into windows."""
    folder = tmp_path_factory.mktemp("explained")
    make(folder / "model", "cnn")
    long = np.concatenate([speech(0, 2.0), speech(60, 2.0)])
    for name, samples in (("short", speech(3)), ("other", speech(17)), ("long", long)):
        (folder / f"{name}.wav").write_bytes(encoded(samples, RATE, ".wav"))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with serve(folder, "--model", "model") as url:
        yield f"{url}/gradio_api"


@pytest.fixture
def visitor(address):
    with Visitor(address) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def explained(folder):
    """Return the expected explanation below the answer."""
    recogniser = load(folder / "model")

    def explain(name):
        path = folder / f"{name}.wav"
        return explain_answer(recogniser, path, recogniser.predict_file(path))

    return explain


class Visitor:
    """One open page: the values of its fields, and the steps that follow each other."""

    def __init__(self, address):
        self._client = httpx.Client(base_url=address, timeout=PATIENCE)
        self._session = uuid.uuid4().hex
        config = self._client.get(address.removesuffix("gradio_api") + "config").json()
        self._steps = {step["id"]: step for step in config["dependencies"]}
        by_name = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.audio, self.looked = by_name["recording"], by_name["looked"]
        self.first = next(s["id"] for s in self._steps.values() if s["api_name"] == "recognise")
        self.values = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def choose(self, file):
        """Upload a recording."""
        uploaded = self._client.post("/upload", files={"files": (file.name, file.read_bytes())})
        self.values[self.audio] = {
            "path": uploaded.json()[0],
            "meta": {"_type": "gradio.FileData"},
        }

    def do(self, number):
        """Run a step with the fields' current values, and store its outputs in them."""
        step = self._steps[number]
        if not step["backend_fn"]:
            self.values |= dict.fromkeys(step["outputs"], "")  # all that they do is to empty
            return
        asked = {
            "fn_index": number,
            "data": [self.values.get(field) for field in step["inputs"]],
            "session_hash": self._session,
        }
        self._client.post("/queue/join", json=asked).raise_for_status()
        with self._client.stream("GET", f"/queue/data?session_hash={self._session}") as events:
            lines = (line for line in events.iter_lines() if line.startswith("data: "))
            messages = (json.loads(line.removeprefix("data: ")) for line in lines)
            done = next(m for m in messages if m["msg"] == "process_completed")
        assert done["success"], done["output"]
        self.values |= dict(zip(step["outputs"], done["output"]["data"], strict=True))

    def after(self, number):
        """Yield the numbers of the steps that follow one, directly or indirectly."""
        for step in self._steps.values():
            if step.get("trigger_after") == number:
                yield step["id"]
                yield from self.after(step["id"])


@pytest.mark.parametrize(("first", "second"), [("long", "short"), ("short", "other")])
def test_a_recording_chosen_before_the_answer_does_not_change_the_explanation(
    visitor, folder, explained, first, second
):
    assert explained(first) != explained(second)
    visitor.choose(folder / f"{first}.wav")
    visitor.do(visitor.first)
    visitor.choose(folder / f"{second}.wav")
    for step in visitor.after(visitor.first):
        visitor.do(step)
    assert visitor.values[visitor.looked] == explained(first)
    for step in (visitor.first, *visitor.after(visitor.first)):
        visitor.do(step)
    assert visitor.values[visitor.looked] == explained(second)


def test_an_explanation_that_comes_after_the_next_answer_is_not_shown(visitor, folder, explained):
    visitor.choose(folder / "short.wav")
    visitor.do(visitor.first)
    *steps, last = visitor.after(visitor.first)
    for step in steps:
        visitor.do(step)
    visitor.choose(folder / "other.wav")
    visitor.do(visitor.first)
    visitor.do(last)
    assert visitor.values[visitor.looked] == ""
    for step in (*steps, last):
        visitor.do(step)
    assert visitor.values[visitor.looked] == explained("other")


def test_the_old_explanation_goes_when_the_next_answer_is_there(visitor, folder):
    visitor.choose(folder / "short.wav")
    for step in (visitor.first, *visitor.after(visitor.first)):
        visitor.do(step)
    assert visitor.values[visitor.looked]
    del visitor.values[visitor.audio]
    for step in (visitor.first, *visitor.after(visitor.first)):
        visitor.do(step)
    assert not visitor.values[visitor.looked]
