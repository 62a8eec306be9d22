"""Stages end soon, with a sentence and no process left, when told to or when a write fails."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time

import pytest
from small_project import make_small_project

from scripts.workspace import change_params, dvc, dvc_environment, stage_command

# What a stage writes first: from then on it is at work.
FIRST_WRITTEN = {
    "clean": "data/clean",
    "extract": "data/features",
    "augment": "data/augmented",
    "train": "plots/history.csv",
}
PATIENCE = 60  # seconds, on a busy machine
SOON = 5  # seconds


@pytest.fixture(scope="module")
def done(tmp_path_factory, stage_results):
    folder = make_small_project(tmp_path_factory.mktemp("endings") / "project", stage_results)
    change_params(folder / "params.yaml", {"augment": {"copies": 2}})
    done = dvc(folder, "repro", "extract", "augment", "split", capture_output=True)
    assert done.returncode == 0, done.stderr
    change_params(folder / "params.yaml", {"model": {"epochs": 1000, "patience": 0}})
    return folder


@pytest.fixture
def project(done, stage, tmp_path):
    """A copy of the project without what the stage writes."""
    ignored = shutil.ignore_patterns(".dvc", ".git")
    copy = shutil.copytree(done, tmp_path / "project", ignore=ignored)
    shutil.rmtree(copy / FIRST_WRITTEN[stage], ignore_errors=True)  # train has not written yet
    return copy


def start(project, stage, workers, **kwargs):
    """Start a stage at the head of a group of processes."""
    return subprocess.Popen(
        stage_command(stage),
        cwd=project,
        env=dvc_environment() | {"SER_WORKERS": str(workers), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **kwargs,
    )


def wait_until_at_work(process, path):
    deadline = time.monotonic() + PATIENCE
    while not written(path):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def written(path):
    """Return whether a file, or one in a folder, has any bytes."""
    files = path.iterdir() if path.is_dir() else [path]
    return any(file.exists() and file.stat().st_size for file in files)


def ending(process, within):
    """Return what a process printed and how it ended; nothing of its group may be left."""
    try:
        printed, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, printed


@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stage", FIRST_WRITTEN)
def test_a_stage_ends_when_told_to(project, stage, workers, number, send):
    process = start(project, stage, workers)
    wait_until_at_work(process, project / FIRST_WRITTEN[stage])
    send(process.pid, number)
    code, printed = ending(process, SOON)
    assert (code, printed.splitlines()[-1]) == (
        1,
        "interrupted: `dvc repro` continues from here",
    )
    assert "Traceback" not in printed


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stage", FIRST_WRITTEN)
def test_a_stage_ends_when_a_write_fails(project, stage, workers):
    # As on a full disk, some way into a file.
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    most = 3000 if stage == "train" else 1_000_000
    process = start(project, stage, workers, preexec_fn=limit)
    code, printed = ending(process, PATIENCE)
    assert code == 1
    said = re.search(r"^error: (\S+): File too large$", printed, re.MULTILINE)
    assert said, printed
    assert (project / said[1]).resolve().is_relative_to(project.resolve())
    assert "Traceback" not in printed
