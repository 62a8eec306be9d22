"""The containers: what the Dockerfile says of the page, run in this environment with less in it.

No image is built here: the steps RUN are not run, and the names and hashes of what they install are
compared.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from absent import command_without
from browser import PATIENCE
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_model import RATE, SER, encoded, make, release, ser_here, speech

from scripts.workspace import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yml"
TEXT = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STEPS = re.findall(r"^([A-Z]+) (.*)$", TEXT, re.MULTILINE)
# The last of each is of the page.
ENTRYPOINT, COMMAND = (json.loads(dict(STEPS)[step]) for step in ("ENTRYPOINT", "CMD"))
VARIABLES = dict(
    word.split("=", 1) for step, text in STEPS if step == "ENV" for word in text.split()
)
HEALTH = json.loads(re.search(r"CMD (\[.*\])", dict(STEPS)["HEALTHCHECK"])[1])


def pinned(name):
    """Return the versions and the hashes of a lock file's packages, by their names."""
    text = (ROOT / name).read_text("utf-8")
    found = re.findall(r"^([a-z0-9-]+)==(\S+).*\n((?: +--hash.*\n)+)", text, re.MULTILINE)
    return {package: (version, set(hashes.split())) for package, version, hashes in found}


APP = pinned("requirements/app.lock")


def needed(name, extras):
    """Yield what a package and its extras need here, and what these need."""
    for text in metadata.requires(name) or ():
        wanted = Requirement(text)
        if any(not wanted.marker or wanted.marker.evaluate({"extra": e}) for e in extras):
            yield canonicalize_name(wanted.name), frozenset(wanted.extras)


def test_the_page_has_all_that_it_needs_from_the_one_lock_file():
    assert APP.items() <= pinned("requirements.lock").items()
    found, new = set(), {("ser", frozenset(["app"]))}
    while new:
        found |= new
        new = {each for package in new for each in needed(package[0], {"", *package[1]})} - found
    assert {name for name, _ in found} - {"ser"} <= APP.keys()
    assert len(found) > 60
    assert "torch" not in APP


def test_what_is_copied_is_there_and_not_ignored():
    let_through = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in let_through
    copied = [words.split()[:-1] for step, words in STEPS if step == "COPY"]
    for source in (each for words in copied if "--from" not in words[0] for each in words):
        assert (ROOT / source).exists()
        assert f"!{source.split('/')[0]}" in let_through


def test_no_image_runs_as_root():
    for stage in TEXT.split("\nFROM ")[1:]:
        if "\nCMD " in stage:
            assert "\nUSER 10001:10001\n" in stage


def test_compose_takes_all_rights_from_the_page():
    tool = Path(sys.executable).with_name("check-jsonschema")
    schema = ("--builtin-schema", "vendor.compose-spec")
    done = subprocess.run([tool, *schema, ROOT / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    page = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["page"]
    assert page["command"][: len(COMMAND)] == COMMAND
    assert page["read_only"]
    assert all(volume["read_only"] for volume in page["volumes"])
    assert page["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in page["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in page["ports"])


def test_what_trains_is_built_for_gpus_unless_told_and_the_workflow_builds_it_as_documented():
    assert [text for step, text in STEPS if step == "ARG"] == ["TORCH", "PIP_EXTRA_INDEX_URL"]
    documented = re.findall(
        "^docker build --target train .*",
        (ROOT / "docs/sharing.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert len(documented) == 2
    assert "--build-arg" not in documented[0]
    steps = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["container"]["steps"]
    assert documented[1] in [step.get("run") for step in steps]


@pytest.fixture
def in_container(monkeypatch):
    monkeypatch.setenv("SER_MODEL_MOUNT", VARIABLES["SER_MODEL_MOUNT"])


def test_a_container_without_a_model_says_what_to_mount(in_container):
    done = ser_here(*COMMAND)
    assert done.returncode == 1
    assert done.stderr == (
        b"error: /model holds no usable model (/model/model.json: No such file or directory): "
        b"mount the folder of a trained model there, readable by all: -v ./data/model:/model:ro\n"
    )


def test_a_folder_of_that_name_outside_of_a_container_has_the_usual_advice():
    assert b"(on the command line: `--model`)" in ser_here(*COMMAND).stderr


def test_a_container_with_a_model_without_its_onnx_file_says_who_writes_it(monkeypatch, tmp_path):
    make(tmp_path / "model")
    monkeypatch.setenv("SER_MODEL_MOUNT", str(tmp_path / "model"))
    done = ser_here("predict", "--model", tmp_path / "model", "a.wav")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        f"error: {tmp_path / 'model'} has no model.onnx, and this container has no PyTorch: run "
        "`dvc repro evaluate` where the model was trained, which writes model.onnx\n"
    )


def absent():
    """Return the modules that are installed here but are not in the image."""
    return [
        module
        for module, packages in metadata.packages_distributions().items()
        if not {canonicalize_name(package) for package in packages} & {*APP, "ser"}
    ]


def without_rights():
    """Return the beginning of a command that runs without root's rights, where root runs this."""
    if os.name != "posix" or os.getuid() or not shutil.which("setpriv"):
        return []
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


def is_healthy(port):
    """Ask as the image's health check does."""
    python, *words = (word.replace("7860", str(port)) for word in HEALTH)
    assert python == "python"
    return subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a model that nobody may write to, and recordings, where the demo has them."""
    data = tmp_path_factory.mktemp("container") / "demo/data"
    (data / "raw").mkdir(parents=True)
    (data / "raw/a (1).wav").write_bytes(encoded(speech(), RATE, ".wav"))
    release(data / "model", "cnn")
    for path in (*(data / "model").iterdir(), data / "model"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield data.parents[1]
    (data / "model").chmod(0o755)


@pytest.fixture(scope="module")
def port(project, tmp_path_factory):
    """The port of a page that is started as in the image, and whose health was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert not is_healthy(port)
    temporary = str(tmp_path_factory.mktemp("writable"))
    environment = {"PATH": os.environ["PATH"], "HOME": temporary, "TMPDIR": temporary}
    environment["PYTHONPATH"] = str(ROOT)  # the image has this code installed
    command = [word.replace("/model", str(project / "demo/data/model")) for word in COMMAND]
    assert [SER.name] == ENTRYPOINT
    program = command_without(absent(), SER, *command, "--port", str(port))
    process = subprocess.Popen(
        [*without_rights(), *program], cwd=temporary, env=environment, stdout=-1, stderr=-1
    )
    try:
        assert process.stdout.readline().startswith(b"the page is at "), process.stderr.read()
        yield port
    finally:
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE)
    assert said == b""
    assert process.returncode == 0


def test_the_page_is_healthy_and_answers_as_the_workflow_asks(project, port):
    assert is_healthy(port)
    steps = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["container"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("name") == "Ask")
    environment = os.environ | {"PAGE": f"http://127.0.0.1:{port}"}
    command = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    _, answer, *_ = json.loads((project / "answer.json").read_text())["data"]
    recording = next((project / "demo/data/raw").iterdir())
    expected = ser_here("predict", "--model", project / "demo/data/model", recording, "--json")
    assert [answer] == [row | {"file": recording.name} for row in json.loads(expected.stdout)]
