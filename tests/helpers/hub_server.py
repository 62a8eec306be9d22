"""A look-alike of the Hugging Face Hub on the loopback interface, for uploads of models.

It has the requests that huggingface_hub makes to create a repository and to commit files to it:
small ones in the commit itself, large ones by git LFS, to a storage that is another host than the
Hub and gets no token. Every file is checked against what was announced.

In tests: `with HubServer() as hub:`, then `hub.repositories` and `hub.log`. `hub.faults[key] =
(status, message)` makes it answer so to the requests of one kind: a function's name in ANSWERS. A
third value is the headers of the answer. `hub.verifier` is where large files are verified.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import yaml
from loopback import LoopbackServer

TOKEN = "hf_a_token_that_nobody_may_see"
OWNER = "somebody"  # whose token it is


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)  # their messages


class HubServer(LoopbackServer):
    def __init__(self):
        super().__init__(_Handler)
        self.storage = f"http://localhost:{self.server_port}/storage"
        self.verifier = self.url
        self.repositories = {}
        self.stored = {}  # SHA-256 -> bytes
        self.faults = {}  # key -> (status, message, perhaps headers), or None: no answer
        self.log = []  # (key, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def do_PUT(self):
        body = self._body()
        oid = self.path.rpartition("/")[2]
        self.server.log.append(("storage", self.headers))
        assert "Authorization" not in self.headers
        right = hashlib.sha256(body).hexdigest() == oid
        if right:
            self.server.stored[oid] = body
        self._send(200 if right else 400, {})

    def _answer(self):
        body, path = self._body(), self.path.partition("?")[0]
        found = ((re.fullmatch(pattern, path), answer) for pattern, answer in ANSWERS.items())
        match, answer = next((pair for pair in found if pair[0]), (None, None))
        key = answer.__name__ if answer else path
        self.server.log.append((key, self.headers))
        if key in self.server.faults:
            self._fail(self.server.faults[key])
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"error": "Invalid credentials in Authorization header"})
        elif answer is None:
            self._send(404, {"error": "Not found"})
        else:
            self._send(*answer(self.server, body, *match.groups()))

    def _fail(self, fault):
        if fault is None:
            self.server.ended.wait()
            self.close_connection = True
        else:
            status, said, *headers = fault
            self._send(status, {"error": said} if isinstance(said, str) else said, *headers)

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status, answer, headers=None):
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Print nothing: the log is in `HubServer.log`."""


def create(hub, body):
    asked = json.loads(body)
    owner = asked["organization"] or OWNER
    name = f"{owner}/{asked['name']}"
    if owner != OWNER:
        return 403, {"error": f"You don't have the rights to create a model under {owner}"}
    if name in hub.repositories:
        return 409, {"error": "You already created this model repo", "url": f"{hub.url}/{name}"}
    hub.repositories[name] = Repository(asked.get("visibility") == "private")
    return 200, {"url": f"{hub.url}/{name}", "name": name, "id": "1"}


def info(hub, _, name):
    if name not in hub.repositories:
        return 404, {"error": "Repository not found"}
    repository = hub.repositories[name]
    sha = f"{len(repository.commits):040x}"
    siblings = [{"rfilename": file} for file in repository.files]
    told = {"id": name, "private": repository.private, "sha": sha, "tags": []}
    return 200, told | {"siblings": siblings}


def validate(_, body):
    """Check the metadata of a card as far as the Hub's documentation describes it."""
    asked = json.loads(body)
    start, matter, _ = asked["content"].split("---\n", 2)
    try:
        values = yaml.safe_load(matter)
        assert asked["repoType"] == "model"
        assert start == ""
        assert isinstance(values["license"], str)
        assert all(isinstance(tag, str) for tag in values["tags"] + values.get("metrics", []))
    except (AssertionError, KeyError, TypeError, yaml.YAMLError) as error:
        return 400, {"errors": [{"message": f"bad metadata: {error!r}"}], "warnings": []}
    return 200, {"errors": [], "warnings": []}


def preupload(hub, body, name):
    files, there = [], hub.repositories[name].files
    for asked in json.loads(body)["files"]:
        path = asked["path"]
        large = path.endswith((".safetensors", ".onnx"))
        content = there.get(path)
        oid = None
        if content is not None:
            as_blob = hashlib.sha1(b"blob %d\0" % len(content) + content)
            oid = (hashlib.sha256(content) if large else as_blob).hexdigest()
        mode = "lfs" if large else "regular"
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return 200, {"files": files}


def batch(hub, body, name):
    objects = []
    for asked in json.loads(body)["objects"]:
        upload = {"href": f"{hub.storage}/{asked['oid']}", "header": {}}
        verify = {"href": f"{hub.verifier}/{name}/verify", "header": {}}
        objects.append({**asked, "actions": {"upload": upload, "verify": verify}})
    return 200, {"transfer": "basic", "objects": objects}


def verify(hub, body, _):
    asked = json.loads(body)
    return 200 if len(hub.stored[asked["oid"]]) == asked["size"] else 400, {}


def commit(hub, body, name):
    head, *operations = (json.loads(line) for line in body.splitlines())
    repository = hub.repositories[name]
    for operation in operations:
        value = operation["value"]
        if operation["key"] == "deletedFile":
            del repository.files[value["path"]]
            continue
        if operation["key"] == "file":
            content = base64.b64decode(value["content"])
        else:
            assert operation["key"] == "lfsFile"
            content = hub.stored[value["oid"]]
        repository.files[value["path"]] = content
    repository.commits.append(head["value"]["summary"])
    sha = f"{len(repository.commits):040x}"
    return 200, {"success": True, "commitOid": sha, "commitUrl": f"{hub.url}/{name}/commit/{sha}"}


NAME = r"([\w.-]+/[\w.-]+)"
ANSWERS = {
    "/api/repos/create": create,
    "/api/validate-yaml": validate,
    f"/api/models/{NAME}": info,
    f"/api/models/{NAME}/revision/main": info,
    f"/api/models/{NAME}/preupload/main": preupload,
    rf"/{NAME}\.git/info/lfs/objects/batch": batch,
    f"/{NAME}/verify": verify,
    f"/api/models/{NAME}/commit/main": commit,
}
