"""A visitor of the page, who sends what a browser does."""

import json
import uuid

import httpx
from browser import PATIENCE


class Visitor:
    """One open page: the values of its fields, and the steps that follow each other."""

    def __init__(self, address):
        self._client = httpx.Client(base_url=address, timeout=PATIENCE)
        self._session = uuid.uuid4().hex
        config = self._client.get(address.removesuffix("gradio_api") + "config").json()
        self._steps = {step["id"]: step for step in config["dependencies"]}
        self.fields = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.first = next(s["id"] for s in self._steps.values() if s["api_name"] == "recognise")
        self.values = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def shown(self, name):
        """Return the value of a field."""
        return self.values.get(self.fields[name])

    def choose(self, file, name="recording"):
        """Upload a recording to a field; a file that is None empties the field."""
        self.values[self.fields[name]] = file and self._upload(file)

    def _upload(self, file):
        uploaded = self._client.post("/upload", files={"files": (file.name, file.read_bytes())})
        return {
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

    def on(self, name, event):
        """Return the number of the step that an event of a field begins."""
        (number,) = (
            s["id"]
            for s in self._steps.values()
            if [self.fields[name], event] in map(list, s["targets"])
        )
        return number

    def answer(self):
        """Run all steps of the answer about the chosen recording; return it as JSON."""
        for step in (self.first, *self.after(self.first)):
            self.do(step)
        return self.values[self._steps[self.first]["outputs"][1]]

    def after(self, number):
        """Yield the numbers of the steps that follow one, directly or indirectly."""
        for step in self._steps.values():
            if step.get("trigger_after") == number:
                yield step["id"]
                yield from self.after(step["id"])
