"""Make a small copy of the project with its own experiments, and run scripts in it."""

import csv
import re
import subprocess
import sys

from scripts.workspace import dvc, dvc_environment, make_workspace

SMALL = {
    "pull": {"corpora": ["demo"]},
    "features": {"n_mels": 32},
    "augment": {"copies": 0},
    "model": {"width": 4, "epochs": 2},
    "evaluate": {"bootstrap": 200, "baseline": "none"},
}


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def make_small_project(folder):
    """Make the copy, without experiments; nothing has run and nothing is committed."""
    make_workspace(folder, SMALL)
    for path in (folder / "experiments").rglob("*.yaml"):
        path.unlink()
    return folder


def share_results(folder, results):
    """Let the project's DVC take what another project has computed, from a cache for all."""
    (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {results}\n")


def prepare(project):
    """Run the stages before train, and commit: experiments with their params begin there."""
    stages = ("explore", "extract", "augment", "split")
    done = dvc(project, "repro", *stages, env=environment(project), capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    commit(project)


def commit(folder):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("add", "--all"), ("commit", "--quiet", "--message", "all")):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)


def environment(project):
    """Return the environment of a user without git identity or settings."""
    home = str(project.parent / "home")
    return dvc_environment() | {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}


def run(project, module, *arguments, ok=True):
    """Run a module of scripts/ in the project; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{module}", *arguments],
        cwd=project,
        env=environment(project),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode == 0) == ok, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def experiments_shown(project):
    shown = dvc(project, "exp", "show", "--csv", env=environment(project), stdout=-1).stdout
    return {row["Experiment"]: row for row in csv.DictReader(shown.splitlines())}


def stages_run(output):
    return re.findall(r"Running stage '(\w+)'", output)
