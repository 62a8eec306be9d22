"""`ser push`: which models go to the Hub, and what is said where they do not."""

import json
import os
import re
import shutil
import subprocess

import pytest
from absent import run_without
from hub_server import OWNER, TOKEN, HubServer, Repository
from huggingface_hub import ModelCard, constants
from small_model import CORPUS, METRICS, SER, release, ser_here

from ser.corpora import CORPORA
from ser.evaluation import card
from ser.use import hub as client

NAME = f"{OWNER}/speech-emotions"
PUSHED = ["README.md", "model.json", "fold-1.safetensors", "fold-2.safetensors", "model.onnx"]


def trained_on(folder, *corpora, folds=(1, 2), metrics=METRICS, dimensions=()):
    """Write an evaluated model that was trained on these corpora."""
    own = dict.fromkeys(corpora, CORPUS["corpora"]["demo"])
    settings = {"folds": folds, "metrics": metrics, "corpus": CORPUS | {"corpora": own}}
    description = release(folder, dimensions=dimensions, **settings)
    (folder / "README.md").write_text(card.write_card(description), "utf-8")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = trained_on(tmp_path_factory.mktemp("released") / "model", "demo")
    (folder / "fold-1-epochs").mkdir()
    (folder / "notes.txt").write_text("for nobody else")
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub of this test, and a user who has its token and no other one."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    # As they would be if the package were imported with these variables set.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with HubServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        yield server


def push(*arguments):
    """Return status, output and errors; none may show the token."""
    done = ser_here("push", *arguments)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert TOKEN not in out + err
    assert "Traceback" not in err
    return done.returncode, out, err


def refused(*arguments):
    status, out, err = push(*arguments)
    assert (status, out) == (1, "")
    (said,) = [line for line in err.splitlines() if line.startswith("error: ")]
    return said


def files_of(folder):
    return {name: (folder / name).read_bytes() for name in PUSHED}


def test_the_model_folder_goes_to_a_private_repository_in_one_commit(model, tmp_path):
    with HubServer() as hub:
        environment = os.environ | {"HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}
        environment["HF_HOME"] = str(tmp_path)
        command = [SER, "push", NAME, "--model", model]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{', '.join(PUSHED)}: {hub.url}/{NAME} (can be read by those it is shared with)\n"
    )
    assert TOKEN not in done.stdout + done.stderr
    assert hub.repositories == {NAME: Repository(True, files_of(model), ["Model of ser 0.1.0"])}
    keys = [key for key, _ in hub.log]
    assert keys[:5] == ["create", "info", "validate", "preupload", "batch"]
    assert sorted(keys[5:-1]) == ["storage"] * 3 + ["verify"] * 3  # several at a time
    assert keys[-1] == "commit"
    # Nothing is told about this computer, such as the version of torch.
    agents = {headers["User-Agent"] for key, headers in hub.log if key != "storage"}
    assert not any("torch" in agent or "agent/" in agent for agent in agents)
    assert any(agent.startswith("ser/0.1.0") for agent in agents)
    assert not any("ser/None" in agent for agent in agents)


def test_a_new_version_replaces_the_files_and_the_same_one_makes_no_commit(hub, tmp_path):
    folder = trained_on(tmp_path / "model", "demo")
    assert push(NAME, "--model", folder)[0] == 0
    assert push(NAME, "--model", folder)[0] == 0
    assert len(hub.repositories[NAME].commits) == 1
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMore.\n")
    assert push(NAME, "--model", folder)[0] == 0
    assert len(hub.repositories[NAME].commits) == 2
    assert hub.repositories[NAME].files == files_of(folder)


RATED = {
    **{"ccc": 0.5, "ccc_low": 0.4, "ccc_high": 0.6, "mae": 0.1, "mae_low": 0.05, "mae_high": 0.2},
    **{"mean_mae": 0.2, "n": 24},
}


def test_what_the_card_shows_is_pushed_and_what_an_older_version_had_goes(hub, tmp_path):
    metrics = METRICS | {"dimensions": {"arousal": RATED}}
    folder = trained_on(tmp_path / "rated", "demo", metrics=metrics, dimensions=["arousal"])
    (folder / "dimensions.png").write_bytes(b"a picture")
    assert push(NAME, "--model", folder)[0] == 0
    there = hub.repositories[NAME]
    linked = re.findall(r"\]\(([^):#]+)\)", there.files["README.md"].decode())
    assert linked == ["dimensions.png"]
    assert set(there.files) == {*PUSHED, *linked}
    there.files["notes.md"] = b"the owner's"

    plain = trained_on(tmp_path / "plain", "demo", folds=(1,))
    (plain / "model.onnx").unlink()
    assert push(NAME, "--model", plain)[0] == 0
    assert set(there.files) == {"README.md", "model.json", "fold-1.safetensors", "notes.md"}
    assert len(there.commits) == 2


def test_everybody_can_read_it_only_if_that_is_wanted(hub, model):
    assert "can be read by everybody" in push(NAME, "--public", "--model", model)[1]
    assert not hub.repositories[NAME].private
    hub.repositories[NAME] = Repository(private=False)
    said = refused(NAME, "--model", model)
    assert "can be read by everybody, so nothing was uploaded: add --public" in said
    assert hub.repositories[NAME].files == {}


@pytest.mark.parametrize("corpus", [*CORPORA, "own"])
def test_a_licence_that_does_not_allow_it_stops_the_push(hub, corpus, tmp_path):
    folder = trained_on(tmp_path / "model", "demo", corpus)
    if corpus in ("demo", "ravdess", "cremad", "emodb"):
        assert push(NAME, "--model", folder)[0] == 0
        return
    said = refused(NAME, "--model", folder)
    assert f"passed on: {corpus} (" in said
    assert said.endswith("add --with-permission")
    assert hub.log == []
    assert push(NAME, "--model", folder, "--with-permission")[0] == 0


def test_a_folder_that_is_not_a_released_model_is_refused(hub, model, tmp_path):
    assert "holds no usable model" in refused(NAME, "--model", tmp_path)
    assert "the folder of a model is expected" in refused(NAME, "--model", model / "model.onnx")
    without_card = shutil.copytree(model, tmp_path / "without_card")
    (without_card / "README.md").unlink()
    assert "no README.md, the model card: run `dvc" in refused(NAME, "--model", without_card)
    release(tmp_path / "trained")
    assert "has no figures" in refused(NAME, "--model", tmp_path / "trained")
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes(b"another")
    assert "model.onnx is not of the weights beside it" in refused(NAME, "--model", damaged)
    assert hub.log == []


@pytest.mark.parametrize("name", ["speech", "a/b/c", "some body/x", "/x", "x/", ""])
def test_a_name_that_is_none_of_a_repository_is_refused(hub, model, name):
    status, _, said = push(name, "--model", model)
    assert (status, hub.log) == (2, [])
    assert "<owner>/<name> is expected" in said


def test_a_name_that_the_hub_does_not_allow_is_refused(hub, model):
    assert "Cannot have -- or .. in repo_id" in refused("me/a--b", "--model", model)
    assert hub.log == []


def test_a_user_without_a_token_is_told_where_to_get_one(hub, model, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    said = refused(NAME, "--model", model)
    assert "there is none: set HF_TOKEN to one with the right to write, from " in said
    assert hub.log == []


def test_a_token_that_cannot_be_had(hub, model, monkeypatch, tmp_path):
    stored = tmp_path / "token"
    stored.write_bytes(b"\xff\xfe\x00")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(stored))
    monkeypatch.delenv("HF_TOKEN")
    said = refused(NAME, "--model", model)
    assert f"cannot be had (UnicodeDecodeError): check {stored}, and HF_OIDC_RESOURCE" in said
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("HF_OIDC_RESOURCE", "x")
    assert "cannot be had (OIDCError): check " in refused(NAME, "--model", model)
    assert hub.log == []


def test_the_token_goes_to_the_hub_alone(hub, model):
    with HubServer() as other:
        hub.verifier = other.url
        assert f"the token is not sent to {other.url}" in refused(NAME, "--model", model)
        hub.faults["create"] = (307, "moved", {"Location": f"{other.url}/api/repos/create"})
        said = refused(NAME, "--model", model)
        assert f"it leads to {other.url}/api/repos/create: check HF_ENDPOINT and the name" in said
        assert other.log == []


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (403, "if the token may not write to"),
        (409, "run again"),
        (412, "run again"),
        (413, "correct what it names"),
    ],
)
def test_what_is_to_be_done_about_a_refused_commit(hub, model, status, advice):
    hub.faults["commit"] = (status, "Private repository storage limit reached")
    said = refused(NAME, "--model", model)
    assert f"HTTP {status}: Private repository storage limit reached; " in said
    assert advice in said


def test_a_long_message_is_cut_behind_the_token(hub, model):
    hub.faults["commit"] = (403, f"{'x' * (client._SHOWN - 20)} {TOKEN} has no write access")
    said = refused(NAME, "--model", model)
    assert TOKEN[:10] not in said
    assert "xxx ***" in said


@pytest.mark.parametrize("token", ["hf_wrong", "hf_\x07bell", "hf_\u00e9"])
def test_a_wrong_token_is_refused_and_not_shown(hub, model, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    assert token not in refused(NAME, "--model", model)


def test_a_name_of_others_is_refused(hub, model):
    said = refused("others/model", "--model", model)
    assert "HTTP 403: You don't have the rights" in said
    assert "if the token may not write to others/model, use a name of your own" in said


FAULTS = {
    "create": (500, "the disk is full"),
    "info": (404, "Repository not found"),
    "validate": (400, {"errors": [{"message": '"license" must be one of'}], "warnings": []}),
    "preupload": (401, "expired"),
    "commit": (403, f"{TOKEN} has no write access"),
    "batch": (200, {"objects": "none"}),
    "verify": (404, "lost"),
}
SAID = {
    "create": "HTTP 500: the disk is full; run again later",
    "info": "HTTP 404: Repository not found; if the token may not write to",
    "validate": 'README.md. - "license" must be one of',
    "preupload": "HTTP 401: expired",
    "commit": "HTTP 403: *** has no write access",
    "batch": "answers in an unknown way: Malformed response",
    "verify": "HTTP 404: lost",
}


@pytest.mark.parametrize("key", FAULTS)
def test_a_hub_that_refuses_is_quoted_without_the_token(hub, model, key):
    hub.faults[key] = FAULTS[key]
    assert SAID[key] in refused(NAME, "--model", model)
    assert not hub.repositories or hub.repositories[NAME].files == {}


@pytest.mark.parametrize("answer", [b"<html>a proxy</html>", b"[]", b"{}"])
def test_a_server_that_is_no_hub_is_found_out(hub, model, answer):
    hub.faults["create"] = (200, answer)
    assert "answers in an unknown way" in refused(NAME, "--model", model)


def test_a_hub_that_does_not_answer_is_not_waited_for(hub, model, monkeypatch):
    monkeypatch.setattr(client, "_PATIENCE", 0.05)
    hub.faults["create"] = None
    said = refused(NAME, "--model", model)
    assert "no usable answer from the Hub at http://127.0.0.1:" in said
    assert "(ReadTimeout): check the network and HF_ENDPOINT" in said


def test_a_hub_that_is_not_there(hub, model, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "(ConnectError): check the network" in refused(NAME, "--model", model)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("huggingface.co", "an address such as"),
        ("http://[", "an address such as"),
        ("https://me:secret@example.org", "name and password do not belong in an address"),
    ],
)
def test_an_address_that_is_none_is_refused_and_its_password_not_shown(
    hub, model, monkeypatch, address, problem
):
    monkeypatch.setattr(constants, "ENDPOINT", address)
    said = refused(NAME, "--model", model)
    assert said.startswith(f"error: HF_ENDPOINT: {problem}")
    assert "secret" not in said


def test_the_hubs_own_library_reads_the_card(model):
    read = ModelCard.load(model / "README.md").data
    assert (read.license, read.library_name) == ("mit", "ser")
    assert read.metrics == ["accuracy", "recall"]
    results = {result.metric_type: result.metric_value for result in read.eval_results}
    measured = json.loads((model / "model.json").read_text())["metrics"]
    expected = {"accuracy": measured["accuracy"], "recall": measured["uar"]}
    assert results == pytest.approx(expected, abs=5e-5)


def test_without_the_package_a_sentence_says_what_to_install(model):
    done = run_without(["huggingface_hub"], SER, "push", NAME, "--model", model)
    assert done.returncode == 1
    assert done.stderr == (
        "error: ser push needs huggingface_hub, which is not installed: "
        "pip install -c requirements/constraints.txt '.[hub]'\n"
    )
