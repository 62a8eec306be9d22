"""Sharing results with DagsHub, GitHub and VS Code."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagshub.logger
import dvc.api
import pytest
import small_model
import yaml
from dvc.exceptions import ArtifactNotFoundError
from dvc_remote_server import DvcRemoteServer
from stage_metrics import metrics_of

from scripts import dagshub_metrics
from scripts.workspace import ROOT
from ser import load

PASSWORD = "a-token-that-nobody-may-see"
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def run(folder, *command, check=True, **environment):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | environment
    return subprocess.run(command, cwd=folder, env=env, check=check, capture_output=True, text=True)


@pytest.fixture
def results(tmp_path):
    """A committed project with one result."""
    folder = tmp_path / "mine"
    folder.mkdir()
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "git", "config", "user.name", "Tester")
    run(folder, "git", "config", "user.email", "tester@example.org")
    run(folder, "dvc", "init", "--quiet")
    (folder / "model").mkdir()
    (folder / "model/weights").write_bytes(bytes(range(256)) * 4000)
    (folder / "model/card").write_text("good")
    run(folder, "dvc", "add", "--quiet", "model")
    return folder


def connect(folder, url, password):
    run(folder, "dvc", "remote", "modify", "--local", "dagshub", "auth", "basic")
    run(folder, "dvc", "remote", "modify", "--local", "dagshub", "user", "somebody")
    run(folder, "dvc", "remote", "modify", "--local", "dagshub", "password", password)


def test_results_go_to_a_dagshub_remote_and_come_back_in_another_clone(results, tmp_path):
    with DvcRemoteServer("somebody", PASSWORD) as server:
        run(results, "dvc", "remote", "add", "--default", "dagshub", server.url)
        connect(results, server.url, PASSWORD)
        run(results, "git", "add", "--all")
        run(results, "git", "commit", "--quiet", "--message", "a result")
        run(results, "dvc", "push")
        assert len(server.files) == 3
        run(tmp_path, "git", "clone", "--quiet", "mine", "theirs")
        theirs = tmp_path / "theirs"
        refused = run(theirs, "dvc", "pull", check=False)
        assert refused.returncode != 0
        connect(theirs, server.url, "wrong")
        refused = run(theirs, "dvc", "pull", check=False)
        assert refused.returncode != 0
        assert server.refused > 0
        connect(theirs, server.url, PASSWORD)
        run(theirs, "dvc", "pull")
    for name in ("weights", "card"):
        assert (theirs / "model" / name).read_bytes() == (results / "model" / name).read_bytes()
    for folder in (results, theirs):
        found = run(folder, "git", "grep", "--cached", "-e", PASSWORD, check=False)
        assert found.returncode == 1
        assert ".dvc/config.local" not in run(folder, "git", "ls-files").stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A committed project that declares its model as this one does, and has pushed it."""
    folder = tmp_path_factory.mktemp("registry") / "theirs"
    folder.mkdir()
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "git", "config", "user.name", "Tester")
    run(folder, "git", "config", "user.email", "tester@example.org")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "remote", "add", "--quiet", "--default", "shared", "../remote")
    small_model.release(folder.parent / "made")
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["artifacts"]
    made = {"cmd": "mkdir -p data && cp -r ../made data/model", "outs": ["data/model"]}
    pipeline = {"stages": {"evaluate": made}, "artifacts": declared}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline), "utf-8")
    run(folder, "dvc", "repro", "--quiet")
    run(folder, "dvc", "push", "--quiet", "evaluate")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "a model")
    return folder


def test_the_registered_model_is_what_the_pipeline_releases():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
    ((name, artifact),) = pipeline["artifacts"].items()
    assert (name, artifact["type"]) == ("recogniser", "model")
    assert artifact["path"] in pipeline["stages"]["evaluate"]["outs"]


def test_versions_of_the_model_are_fetched_by_name_without_a_clone(registry, tmp_path):
    with pytest.raises(ArtifactNotFoundError):
        dvc.api.artifacts_show("recogniser", repo=str(registry))
    untagged = run(tmp_path, "dvc", "artifacts", "get", registry, "recogniser", check=False)
    assert untagged.returncode == 1
    assert "Unable to find artifact 'recogniser'" in untagged.stderr
    assert "No studio config" in untagged.stderr  # the other message, which docs/ explain
    assert "Traceback" not in untagged.stderr

    for tag in ("recogniser@v0.9.0", "recogniser#production#1"):
        run(registry, "git", "tag", "--annotate", tag, "--message", "in use")
    card = registry / "data/model/README.md"
    first = run(registry, "git", "rev-parse", "HEAD").stdout.strip()
    shutil.rmtree(registry.parent / "made")
    small_model.release(registry.parent / "made")
    (registry.parent / "made/README.md").write_text("the second version")
    run(registry, "dvc", "repro", "--quiet", "--force")
    run(registry, "dvc", "push", "--quiet", "evaluate")
    run(registry, "git", "commit", "--quiet", "--all", "--message", "another model")
    run(registry, "git", "tag", "--annotate", "recogniser@v0.10.0", "--message", "new")
    assert card.read_text() == "the second version"

    shown = dvc.api.artifacts_show("recogniser", version="v0.9.0", repo=str(registry))
    assert shown == {"rev": first, "path": "data/model"}
    for given, cards in (([], True), (["--stage", "production"], False)):
        out = tmp_path / f"got-{cards}"
        run(tmp_path, "dvc", "artifacts", "get", registry, "recogniser", *given, "-o", out)
        assert (out / "README.md").exists() == cards
        assert load(out).emotions == small_model.EMOTIONS
    run(tmp_path, "dvc", "get", registry, "data/model", "--rev", first, "-o", "by-commit")
    assert not (tmp_path / "by-commit/README.md").exists()


def test_the_file_for_the_experiments_tab_has_the_format_of_dagshubs_logger(tmp_path):
    dagshub_metrics.main(tmp_path / "ours_metrics.csv")
    with dagshub.logger.dagshub_logger(
        str(tmp_path / "metrics.csv"), str(tmp_path / "params.yml"), should_log_hparams=False
    ) as logger:
        logger.log_metrics(accuracy=0.5, step_num=1)
    ours, theirs = (
        list(csv.reader((tmp_path / name).open(newline="")))
        for name in ("ours_metrics.csv", "metrics.csv")
    )
    assert ours[0] == theirs[0]
    evaluated = metrics_of(ROOT, "evaluate")
    row = next(row for row in ours if row[0] == "accuracy")
    assert float(row[1]) == evaluated["accuracy"]
    assert len(row[2]) == len(theirs[1][2])  # both in milliseconds
    history = list(csv.DictReader((ROOT / "plots/history.csv").open(newline="")))
    losses = {int(row[3]): float(row[1]) for row in ours if row[0] == "train_loss"}
    assert losses == {int(row["epoch"]): float(row["train_loss"]) for row in history}


def test_the_committed_file_matches_the_committed_figures():
    with dagshub_metrics.TARGET.open(newline="") as file:
        rows = [
            (row["Name"], float(row["Value"]), int(row["Step"])) for row in csv.DictReader(file)
        ]
    assert rows == list(dagshub_metrics.figures()), "run `make readme`"


def test_the_workflow_is_valid():
    tool = Path(sys.executable).with_name("check-jsonschema")
    run(ROOT, tool, "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_the_workflows_comment_lists_the_differences(tmp_path):
    run(tmp_path, "git", "clone", "--quiet", ROOT, "clone")
    clone = tmp_path / "clone"
    run(clone, "git", "config", "user.name", "Tester")
    run(clone, "git", "config", "user.email", "tester@example.org")
    run(clone, "git", "branch", "base")
    figures = json.loads((clone / "metrics/headline.json").read_text())
    before = figures["accuracy"]
    (clone / "metrics/headline.json").write_text(json.dumps(figures | {"accuracy": 0.125}))
    params = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(params.replace("dropout: 0.5", "dropout: 0.4"))
    run(clone, "git", "commit", "--quiet", "--all", "--message", "worse")
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["metrics"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("name") == "Compare")
    summary = tmp_path / "summary.md"
    run(
        clone,
        "bash",
        "-eo",
        "pipefail",
        "-c",
        script,
        BASE="base",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (clone / "report.md").read_text().splitlines()
        if line.startswith("|")
    ]
    row = next(row for row in cells if row[1] == "accuracy")
    assert float(row[2]) == pytest.approx(before, abs=1e-5)
    assert float(row[3]) == 0.125
    assert any(row[1:4] == ["model.dropout", "0.5", "0.4"] for row in cells)
    assert summary.read_text() == (clone / "report.md").read_text()
    assert "Nothing." not in summary.read_text()
    run(clone, "bash", "-eo", "pipefail", "-c", script, BASE="HEAD", GITHUB_STEP_SUMMARY="same.md")
    assert (clone / "same.md").read_text().count("Nothing.") == 2


@pytest.mark.parametrize(
    "command",
    [
        ("exp", "show", "--json"),
        ("data", "status", "--json", "--granular", "--unchanged"),
        ("params", "diff", "--json"),
        ("stage", "list", "--name-only"),
    ],
)
def test_dvc_answers_the_commands_of_the_vs_code_extension(command):
    done = run(ROOT, "dvc", *command)
    if "--json" in command:
        json.loads(done.stdout)
    else:
        assert "train" in done.stdout.split()
