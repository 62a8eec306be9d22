"""The demo, and every command that it tells its user to run next."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from dagshub_server import DagsHubServer
from part_of_demo import write_part_of_demo
from small_project import commit, reproduced, stages_run, write_dvc_config

from scripts.workspace import make_workspace

ACTIVATE = Path(sys.prefix, "bin/activate")
SMALL = {"model": {"width": 4, "epochs": 2}, "evaluate": {"bootstrap": 200}}


def user(folder):
    """Return the environment of a user without git identity, settings or an activated .venv."""
    home = str(folder.parent / "home")
    own = {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "SER_WORKERS": "1"}
    hidden = ("VIRTUAL_ENV", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in hidden} | own
    if ACTIVATE.exists():
        path = environment["PATH"].split(os.pathsep)
        environment["PATH"] = os.pathsep.join(p for p in path if Path(p) != ACTIVATE.parent)
    return environment


def run_demo(folder):
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo"], cwd=folder, env=user(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory, stage_results):
    """A copy of the project after the demo, and what that printed.

    The user's own settings of DVC name a cache, in which other tests have left results.
    """
    folder = tmp_path_factory.mktemp("demo") / "project"
    make_workspace(folder, SMALL)
    write_dvc_config(folder.parent / "home/dvc/config", stage_results)
    commit(folder)
    return folder, run_demo(folder)


def next_commands(printed):
    """Return what stands on the lines of commands at the end, without the activation."""
    end = printed.split("\nNext:\n")[1]
    assert all(line.startswith("  ") for line in end.splitlines())
    commands = [line.strip() for line in end.splitlines() if not line.startswith("  #")]
    if ACTIVATE.exists():
        assert commands.pop(0) == f"source {ACTIVATE}"
    return commands


def start(folder, command, **variables):
    """Run a command of the demo's end in a new terminal, as its user does."""
    first = f"source {ACTIVATE} && " if ACTIVATE.exists() else ""
    return subprocess.Popen(
        ["bash", "-c", f"{first}exec {command}" if command[0] != "(" else first + command],
        cwd=folder, env=user(folder) | variables, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # A test run in the background may ignore Ctrl-C, and so would the server.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def output_of(folder, command, **variables):
    with start(folder, command, **variables) as process:
        printed = process.stdout.read()
    assert process.returncode == 0, printed
    return printed


def test_the_demo_ends_with_its_accuracy_and_what_to_do_next(demo):
    _, printed = demo
    end = printed.split("\nThe demo is done. ")[1]
    assert re.match(r"Accuracy [\d.]+% \(95% interval [\d.]+% to [\d.]+%\) on \d+ clips", end)
    assert ".png" not in end
    assert "git add" not in printed
    assert len(next_commands(printed)) == 4


def test_the_next_command_predicts_a_recording_that_was_not_trained_on(demo):
    folder, printed = demo
    command = next_commands(printed)[0]
    recording = re.search(r"'demo/data/raw/demo/\w+/(\w+ \(\d\))\.wav'$", command)[1]
    assert f"demo/{recording},1,test,1.0\n" in (folder / "demo/data/splits.csv").read_text()
    assert recording in output_of(folder, command)


def test_the_next_command_serves_a_page(demo):
    folder, printed = demo
    command = next_commands(printed)[1]
    assert command.startswith("ser serve ")
    # Another program may have the usual port.
    with start(folder, f"{command} --port 0") as process:
        said = next(line for line in process.stdout if "the page is at" in line)
        address = re.search(r"http://\S+", said)[0]
        with urllib.request.urlopen(address) as answer:
            assert "html" in answer.headers["Content-Type"]
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()


def test_the_next_command_writes_a_report(demo):
    folder, printed = demo
    assert "report.html: " in output_of(folder, next_commands(printed)[2])
    page = (folder / "demo/report.html").read_text("utf-8")
    assert "demo/3" in page
    assert not (folder / "report.html").exists()


def test_the_last_command_runs_the_pipeline_on_the_corpus_of_params_yaml(demo, tmp_path):
    folder, printed = demo
    write_part_of_demo(tmp_path, speakers=3, utterances=4)  # whose names are like the AESDD's
    with DagsHubServer(tmp_path) as server:
        command = next_commands(printed)[3]
        output = output_of(folder, command, DAGSHUB_CLIENT_HOST=server.url)
    assert len(reproduced(output)) == 9
    assert (folder / "data/raw/aesdd").is_dir()


def test_a_second_demo_runs_no_stage_and_ends_alike(demo):
    folder, printed = demo
    again = run_demo(folder)
    assert stages_run(again) == []
    end = "\nThe demo is done. "
    assert again.split(end)[1] == printed.split(end)[1]
