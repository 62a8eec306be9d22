"""The whole pipeline through the real dvc, in temporary copies of the project."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_project import assert_dvc_sees_every_figure, seen_by_dvc

from scripts.workspace import change_params, dvc, make_workspace
from ser.core.tables import read_rows
from ser.use.loading import load

SMALL = {
    "pull": {"corpora": ["demo"]},
    "features": {"n_mels": 32},
    "model": {"width": 4, "epochs": 2},
    "evaluate": {"bootstrap": 200},
}
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org")


def run(folder, *arguments, env=None, ok=True):
    """Run dvc as a user without git identity or settings; return its output."""
    environment = {
        "HOME": str(folder.parent / "home"),
        "XDG_CONFIG_HOME": str(folder.parent / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "COLUMNS": "400",
        **(env or {}),
    }
    done = dvc(folder, *arguments, env=environment, stdout=-1, stderr=subprocess.STDOUT)
    if ok:
        assert done.returncode == 0, done.stdout
    else:
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout
    return done.stdout


def git(folder, *arguments):
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def stages_run(output):
    return re.findall(r"Running stage '(\w+)'", output)


def commit_all(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small pipeline that has run once, committed."""
    folder = tmp_path_factory.mktemp("one") / "project"
    make_workspace(folder, SMALL)
    output = run(folder, "repro", env={"SER_WORKERS": "1"})
    assert len(stages_run(output)) == 8
    commit_all(folder, "first run")
    return folder


@pytest.fixture
def restored(project):
    """The small pipeline, reset to its commit after the test."""
    yield project
    git(project, "checkout", "--quiet", "--force", "main")
    git(project, "clean", "--quiet", "--force", "-d")
    run(project, "checkout", "--force", "--quiet")


def test_nothing_reruns_without_a_change(project):
    assert stages_run(run(project, "repro")) == []
    assert git(project, "status", "--porcelain") == ""


def test_dvc_sees_every_figure(project):
    metrics = sorted(path.relative_to(project).as_posix() for path in project.glob("metrics/*"))
    assert len(metrics) == 6
    assert_dvc_sees_every_figure(project, *metrics)
    # Without names it shows the metrics of dvc.yaml.
    assert sorted(seen_by_dvc(project)) == metrics


def test_the_model_knows_the_recordings_that_it_was_trained_on(project):
    recogniser = load(project / "data/model")
    paths = {row["clip"]: row["path"] for row in read_rows(project / "data/clips.csv")}
    subsets = {row["clip"]: row["subset"] for row in read_rows(project / "data/splits.csv")}
    assert set(subsets.values()) == {"train", "val", "test"}
    for clip in sorted(paths)[:20]:
        note = recogniser.predict_file(project / "data/raw" / paths[clip]).note
        known = note is not None and "was trained on this recording" in note
        assert known == (subsets[clip] == "train")


def test_a_second_copy_with_two_processes_gives_the_same_lock(project, tmp_path):
    other = tmp_path / "project"
    make_workspace(other, SMALL)
    run(other, "repro", env={"SER_WORKERS": "2"})
    assert (other / "dvc.lock").read_text() == (project / "dvc.lock").read_text()


@pytest.mark.parametrize(
    ("section", "changes", "expected"),
    [
        ("model", {"batch_size": 1}, {"train"}),
        ("split", {"seed": 1}, {"split", "evaluate"}),
        ("augment", {"seed": 1}, {"augment"}),
        ("features", {"n_mels": 24}, {"explore", "extract", "augment"}),
        ("clean", {"min_seconds": 0.1}, {"clean"}),
        ("evaluate", {"bootstrap": 300}, {"evaluate"}),
    ],
)
def test_a_param_reruns_only_these_stages(restored, section, changes, expected):
    change_params(restored / "params.yaml", {section: changes})
    assert set(json.loads(run(restored, "status", "--json"))) == expected


def test_batch_size_one_reruns_train_and_evaluate_only(restored):
    output = run(restored, "exp", "run", "-S", "model.batch_size=1", "--name", "one-by-one")
    assert stages_run(output) == ["train", "evaluate"]
    assert git(restored, "diff", "--numstat", "params.yaml").split()[:2] == ["1", "1"]
    model = json.loads((restored / "data/model/model.json").read_text())["model"]
    assert (model["batch_size"], model["length"]) == (1, "own")
    assert "one-by-one" in run(restored, "exp", "show")
    assert "one-by-one" in run(restored, "exp", "list")


def test_a_tiny_learning_rate_given_on_the_command_line_is_a_number(restored):
    run(restored, "exp", "run", "-S", "model.learning_rate=1e-05", "-S", "model.epochs=1")
    model = json.loads((restored / "data/model/model.json").read_text())["model"]
    assert model["learning_rate"] == 1e-5


def test_metrics_and_plots_of_two_branches_differ_in_a_clone_without_a_cache(restored, tmp_path):
    git(restored, "checkout", "--quiet", "-b", "longer")
    change_params(restored / "params.yaml", {"model": {"epochs": 3}})
    assert stages_run(run(restored, "repro")) == ["train", "evaluate"]
    commit_all(restored, "longer")
    git(tmp_path, "clone", "--quiet", str(restored), "clone")
    clone = tmp_path / "clone"
    git(clone, "branch", "--quiet", "main", "origin/main")
    changed = json.loads(run(clone, "metrics", "diff", "main", "--json"))
    assert changed["metrics/train.json"]["epoch"] == {"old": 2.0, "new": 3.0, "diff": 1.0}
    assert "accuracy" in run(clone, "metrics", "show")
    page = run(clone, "plots", "diff", "main", "longer").strip().splitlines()[-1]
    assert Path(page.removeprefix("file://")).exists()


def test_plots_show_draws_every_picture_once(restored):
    run(restored, "plots", "show", "--out", "page")
    page = (restored / "page/index.html").read_text()
    for picture in sorted(restored.glob("plots/*.png")):
        assert page.count(f"plots_{picture.name}") == 1, picture


def test_queued_experiments_run(restored):
    output = run(restored, "exp", "run", "--queue", "-S", "model.dropout=0.1,0.3")
    assert output.count("Queued experiment") == 2
    run(restored, "queue", "start")
    deadline = time.monotonic() + 120
    while (status := run(restored, "queue", "status")).count("Success") < 2:
        assert "Failed" not in status, run(restored, "queue", "logs", status.split()[0])
        assert time.monotonic() < deadline, status
    table = json.loads(run(restored, "exp", "show", "--json"))
    text = json.dumps(table)
    assert '"dropout": 0.1' in text
    assert '"dropout": 0.3' in text


def test_a_killed_training_continues_and_ends_with_the_same_bytes(restored):
    longer = {"model": {"epochs": 12}}
    change_params(restored / "params.yaml", longer)
    run(restored, "repro")
    reference = (restored / "dvc.lock").read_text()
    git(restored, "checkout", "--quiet", "--force", "main")
    change_params(restored / "params.yaml", longer)
    # Without the run cache only training can restore the model.
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--no-run-cache"],
        cwd=restored,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert any("epoch 2/12" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    output = run(restored, "repro", "--no-run-cache")
    assert "goes on from" in output
    assert (restored / "dvc.lock").read_text() == reference


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("model", {"batch_size": 0}, "model.batch_size = 0"),
        ("features", {"win_length": 4096}, "win_length 4096"),
        ("clean", {"min_seconds": 1000.0}, "every clip of demo was rejected"),
        ("split", {"scheme": "speaker_kfold", "folds": 7}, "6 speakers"),
    ],
)
def test_a_mistake_is_explained_and_loses_nothing(restored, section, changes, said):
    reference = (restored / "dvc.lock").read_text()
    change_params(restored / "params.yaml", {section: changes})
    assert said in run(restored, "repro", ok=False)
    git(restored, "checkout", "--", ".")
    run(restored, "checkout", "--force")
    assert stages_run(run(restored, "repro")) == []
    assert (restored / "dvc.lock").read_text() == reference


def test_an_unknown_key_on_the_command_line_is_refused(restored):
    assert "batchsize" in run(restored, "exp", "run", "-S", "model.batchsize=1", ok=False)
