"""The whole pipeline through the real dvc, in temporary copies of the project."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from small_project import (
    SMALL,
    environment,
    make_small_project,
    reproduced,
    stages_run,
    use_part_of_demo,
)
from toy_project import assert_dvc_compares_the_headline_alone, contents, seen_by_dvc

from scripts.workspace import ROOT, change_params, dvc, make_workspace
from ser.core.tables import read_rows
from ser.use.loading import load

README = (ROOT / "README.md").read_text("utf-8")
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org")
# `dvc exp run` needs an identity if the workspace has changes.
AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "A"), ("EMAIL", "a@example.org"))
}


def run(folder, *arguments, env=None, ok=True):
    """Run dvc as a user without git identity or settings; return its output."""
    variables = environment(folder) | {"COLUMNS": "400"} | (env or {})
    done = dvc(folder, *arguments, env=variables, stdout=-1, stderr=subprocess.STDOUT)
    if ok:
        assert done.returncode == 0, done.stdout
    else:
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout
    return done.stdout


def git(folder, *arguments):
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit_all(folder, message):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


@pytest.fixture(scope="module")
def project(tmp_path_factory, stage_results):
    """A small pipeline that has run once, committed."""
    folder = make_small_project(tmp_path_factory.mktemp("one") / "project", stage_results)
    assert len(reproduced(run(folder, "repro"))) == 9
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


HEADLINE = "metrics/headline.json"


def test_dvc_compares_the_headline_alone(project):
    reports = {path.relative_to(project).as_posix() for path in project.glob("metrics/*")}
    assert len(reports) == 7
    # Without names it shows the metrics of dvc.yaml.
    assert set(seen_by_dvc(project)) == reports
    assert_dvc_compares_the_headline_alone(project, HEADLINE, *sorted(reports - {HEADLINE}))


def test_the_table_of_experiments_begins_with_the_headline(project):
    table = run(project, "exp", "show", "--csv")
    columns = next(csv.reader(table.splitlines()))
    headline = json.loads((project / HEADLINE).read_text())
    assert list(headline)[:3] == ["accuracy", "accuracy_low", "accuracy_high"]
    after = columns.index("parent") + 1
    assert columns[after : after + len(headline)] == list(headline)
    assert columns[after + len(headline)] == "pull.corpora"  # the first of params.yaml


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
    """It has a cache of its own, so that all of its stages run."""
    other = tmp_path / "project"
    make_workspace(other, SMALL)
    assert len(stages_run(run(other, "repro", env={"SER_WORKERS": "2"}))) == 9
    assert (other / "dvc.lock").read_text() == (project / "dvc.lock").read_text()


# A change of params.yaml -> the stages that it runs again, and the row of the README that says so.
# The demo corpus has no clip that is shorter than 0.1 s or calm, so clean writes the same.
RERUNS = [
    ({"pull": {"redirect_hosts": ["example.org"]}}, "pull.*", "pull"),
    ({"clean": {"relabel": {"calm": "neutral"}}}, "clean.*", "clean"),
    ({"clean": {"noise_seconds": 0.2}}, "clean.*", "clean"),
    ({"clean": {"min_seconds": 0.1}}, "clean.*", "clean evaluate"),
    (
        {"clean": {"highpass": 100.0}},
        "clean.*",
        "clean explore extract augment train evaluate",
    ),
    ({"features": {"n_mels": 24}}, "features.*", "explore extract augment train evaluate"),
    ({"augment": {"seed": 1}}, "augment.*", "augment"),
    (
        {"augment": {"copies": 1, "gain": {"probability": 1.0}}},
        "augment.*",
        "augment train evaluate",
    ),
    ({"split": {"seed": 1}}, "split.*", "split train evaluate"),
    ({"model": {"batch_size": 1}}, "model.*", "train evaluate"),
    ({"evaluate": {"bootstrap": 300, "baseline": "logistic_regression"}}, "evaluate.*", "evaluate"),
]


@pytest.mark.parametrize(
    ("changes", "row", "expected"), RERUNS, ids=[f"{row}-{stages}" for _, row, stages in RERUNS]
)
def test_a_change_runs_the_stages_that_the_readme_says(restored, changes, row, expected):
    change_params(restored / "params.yaml", changes)
    # Stages may come from the cache, but only if they had to run again.
    assert set(reproduced(run(restored, "repro"))) == {"check", *expected.split()}
    (said,) = re.findall(rf"^\| `{re.escape(row)}` \| (.*) \|$", README, re.MULTILINE)
    assert set(expected.split()) - set(re.findall(r"\w+", said)) == set() or "everything" in said


def test_every_section_of_params_has_its_row_in_the_readme():
    rows = {row for _, row, _ in RERUNS}
    assert rows == {
        f"{section}.*" for section in yaml.safe_load((ROOT / "params.yaml").read_text())
    }
    assert rows == set(re.findall(r"^\| `(\w+\.\*)` \|", README, re.MULTILINE))


def test_batch_size_one_reruns_train_and_evaluate_only(restored):
    output = run(restored, "exp", "run", "-S", "model.batch_size=1", "--name", "one-by-one")
    assert set(reproduced(output)) == {"check", "train", "evaluate"}
    assert git(restored, "diff", "--numstat", "params.yaml").split()[:2] == ["1", "1"]
    model = json.loads((restored / "data/model/model.json").read_text())["model"]
    assert (model["batch_size"], model["length"]) == (1, "own")
    assert "one-by-one" in run(restored, "exp", "show")
    assert "one-by-one" in run(restored, "exp", "list")


def test_a_tiny_learning_rate_given_on_the_command_line_is_a_number(restored):
    run(restored, "exp", "run", "-S", "model.learning_rate=1e-05", "-S", "model.epochs=1", "train")
    model = json.loads((restored / "data/trained/model.json").read_text())["model"]
    assert model["learning_rate"] == 1e-5


def test_metrics_and_plots_of_two_branches_differ_in_a_clone_without_a_cache(restored, tmp_path):
    git(restored, "checkout", "--quiet", "-b", "longer")
    change_params(restored / "params.yaml", {"model": {"epochs": 3}})
    assert reproduced(run(restored, "repro")) == ["check", "train", "evaluate"]
    commit_all(restored, "longer")
    git(tmp_path, "clone", "--quiet", str(restored), "clone")
    clone = tmp_path / "clone"
    git(clone, "branch", "--quiet", "main", "origin/main")
    changed = json.loads(run(clone, "metrics", "diff", "main", "--json"))
    assert set(changed) == {HEADLINE}
    assert set(changed[HEADLINE]) <= set(json.loads((clone / HEADLINE).read_text()))
    assert {"old", "new", "diff"} == set(changed[HEADLINE]["ece"])
    assert "accuracy" in run(clone, "metrics", "show")
    page = run(clone, "plots", "diff", "main", "longer").strip().splitlines()[-1]
    assert Path(page.removeprefix("file://")).exists()


def test_plots_show_draws_every_picture_once(restored):
    run(restored, "plots", "show", "--out", "page")
    page = (restored / "page/index.html").read_text()
    for picture in sorted(restored.glob("plots/*.png")):
        assert page.count(f"plots_{picture.name}") == 1, picture


def test_queued_experiments_run(restored):
    before = len(git(restored, "for-each-ref", "refs/exps").splitlines())
    output = run(restored, "exp", "run", "--queue", "-S", "model.dropout=0.1,0.3", "train")
    assert output.count("Queued experiment") == 2
    run(restored, "queue", "start")
    deadline = time.monotonic() + 120
    while len(git(restored, "for-each-ref", "refs/exps").splitlines()) < before + 2:
        assert time.monotonic() < deadline, run(restored, "queue", "status")
        time.sleep(0.1)  # dvc, which could tell as well, would take its share of the processor
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
    run(restored, "repro", "train")
    reference = (restored / "dvc.lock").read_text()
    git(restored, "checkout", "--quiet", "--force", "main")
    change_params(restored / "params.yaml", longer)
    # Without the run cache only training can restore the model.
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--no-run-cache", "train"],
        cwd=restored,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert any("epoch 2/12" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    output = run(restored, "repro", "--no-run-cache", "train")
    assert "goes on from" in output
    assert (restored / "dvc.lock").read_text() == reference


def data_and_results(folder):
    """All that a run has made, without what DVC keeps besides."""
    return contents(folder / "data") | contents(folder / "metrics") | contents(folder / "plots")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"batch_size": 0}}, "model.batch_size = 0"),
        ({"features": {"win_length": 4096}}, "win_length 4096"),
        ({"evaluate": {"seed": -1}, "model": {"name": "transformer"}}, "evaluate.seed = -1"),
    ],
)
@pytest.mark.parametrize("command", [("repro",), ("repro", "train"), ("exp", "run")])
def test_a_wrong_setting_removes_nothing(restored, changes, said, command):
    before = data_and_results(restored)
    change_params(restored / "params.yaml", changes)
    output = run(restored, *command, env=AUTHOR, ok=False)
    assert said in output
    assert "Nothing was run, and nothing was removed." in output
    valid = {"params_valid.txt": b"params.yaml is valid\n"}
    assert data_and_results(restored) | valid == before
    # Not by `git checkout`: `dvc exp run` leaves an index in which a change that keeps the size of
    # a file can look like none.
    (restored / "params.yaml").write_text(git(restored, "show", "HEAD:params.yaml"))
    assert stages_run(run(restored, "repro")) == []
    assert data_and_results(restored) == before


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("clean", {"min_seconds": 1000.0}, "every clip of demo was rejected"),
        ("split", {"scheme": "speaker_kfold", "folds": 7}, "6 speakers"),
    ],
)
def test_what_a_failed_stage_removed_comes_back(restored, section, changes, said):
    before, lock = data_and_results(restored), (restored / "dvc.lock").read_text()
    change_params(restored / "params.yaml", {section: changes})
    assert said in run(restored, "repro", ok=False)
    # Not by `git checkout`: `dvc exp run` leaves an index in which a change that keeps the size of
    # a file can look like none.
    (restored / "params.yaml").write_text(git(restored, "show", "HEAD:params.yaml"))
    assert stages_run(run(restored, "repro")) == []
    assert data_and_results(restored) == before
    assert (restored / "dvc.lock").read_text() == lock


@pytest.fixture(scope="module")
def clone(project, tmp_path_factory):
    """A clone whose user has fewer recordings than the author of its commit, and has run it."""
    parent = tmp_path_factory.mktemp("clone")
    git(parent, "clone", "--quiet", str(project), "project")
    folder = parent / "project"
    use_part_of_demo(folder)
    assert len(stages_run(run(folder, "repro"))) == 9
    return folder


def stopped_in_training(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "exp", "run", "-S", "model.epochs=400"],
        cwd=folder,
        env={**os.environ, **AUTHOR, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert any(re.search(r"epoch \d+/400", line) for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)


def finished(folder):
    run(folder, "exp", "run", "-S", "model.batch_size=4", env=AUTHOR)


def failed(folder):
    settings = ("-S", "split.scheme=speaker_kfold", "-S", "split.folds=7")
    run(folder, "exp", "run", *settings, env=AUTHOR, ok=False)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("experiment", [finished, failed, stopped_in_training])
def test_the_way_back_from_an_experiment_loses_nothing(clone, experiment, committed):
    if committed:
        commit_all(clone, "my own run")
    before = data_and_results(clone)
    params = (clone / "params.yaml").read_text()
    experiment(clone)
    assert (clone / "params.yaml").read_text() != params
    (clone / "params.yaml").write_text(params)  # the change is undone by hand
    assert stages_run(run(clone, "repro")) == []
    assert data_and_results(clone) == before


def test_the_lock_of_another_author_loses_nothing(clone):
    """As after `git checkout dvc.lock metrics plots`: its hashes are not in this user's cache."""
    before = data_and_results(clone)
    first = git(clone, "rev-list", "--max-parents=0", "HEAD").strip()
    git(clone, "checkout", first, "--", "dvc.lock", "metrics", "plots")
    git(clone, "reset", "--quiet")  # DVC cannot run experiments on staged changes
    assert stages_run(run(clone, "repro")) == ["pull"]  # which compares the recordings
    assert data_and_results(clone) == before


def test_an_experiment_in_its_own_folder_leaves_the_workspace_as_it_is(clone):
    before, params = data_and_results(clone), (clone / "params.yaml").read_text()
    experiment = ("--temp", "-S", "model.batch_size=16", "--name", "single", "train")
    output = run(clone, "exp", "run", *experiment, env=AUTHOR)
    assert "train" in stages_run(output)
    assert data_and_results(clone) == before
    assert (clone / "params.yaml").read_text() == params
    assert "single" in run(clone, "exp", "list")


def test_an_unknown_key_on_the_command_line_is_refused(restored):
    assert "batchsize" in run(restored, "exp", "run", "-S", "model.batchsize=1", ok=False)
