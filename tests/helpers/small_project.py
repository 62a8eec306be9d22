"""Make a small copy of the project with its own experiments, and run scripts in it."""

import csv
import re
import subprocess
import sys

from part_of_demo import write_part_of_demo

from scripts.workspace import change_params, dvc, dvc_environment, make_workspace

SMALL = {
    "pull": {"corpora": ["demo"]},
    "augment": {"copies": 0},
    "model": {"width": 4, "epochs": 2},
    "evaluate": {"bootstrap": 200, "baseline": "none"},
}


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def make_small_project(folder, results):
    """Make the copy, without experiments; nothing has run and nothing is committed.

    Its DVC takes what another project has computed from `results`, a cache for all.
    """
    make_workspace(folder, SMALL)
    share_results(folder, results)
    for path in (folder / "experiments").rglob("*.yaml"):
        path.unlink()
    return folder


def use_part_of_demo(folder):
    """Let the project pull 60 of the demo's clips, for features that take long to compute."""
    recordings = folder.parent / "recordings"
    write_part_of_demo(recordings, speakers=3, utterances=4)
    change_params(folder / "params.yaml", {"pull": {"sources": {"demo": f"path:{recordings}"}}})


def share_results(folder, results):
    """Let a project's DVC take what another project has computed, from a cache for all."""
    write_dvc_config(folder / ".dvc/config.local", results)


def write_dvc_config(path, results):
    """Write a file of DVC's settings that names the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[cache]\n    dir = {results}\n")


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
    """Return the environment of a user without git identity or settings.

    One process does the work of a stage, because the test processes have the processors.
    """
    home = str(project.parent / "home")
    user = {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}
    return dvc_environment() | user | {"SER_WORKERS": "1"}


def run(project, module, *arguments, ok=True, **variables):
    """Run a module of scripts/ in the project; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{module}", *arguments],
        cwd=project,
        env=environment(project) | variables,
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


def reproduced(output):
    """The stages that had to run again, though the result of some was in the run cache."""
    return re.findall(r"(?:Running stage|Stage) '(\w+)'(?:$|:| is cached)", output, re.MULTILINE)
