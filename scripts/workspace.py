"""Work with copies of the project, its files, git and DVC.

A copy has other params, for the demo and the tests. It is made from the working tree, so that it
runs the current code; results (dvc.lock, metrics, plots, data) are not copied.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ser.core.errors import UserError
from ser.core.extras import needed_by

ROOT = Path(__file__).resolve().parents[1]
# Mappings of params.yaml that may have any key.
_FREE_KEYS = ("sources", "relabel", "train_corpora")
_RESULTS = ("dvc.lock", "metrics/", "plots/")
# Files below metrics/ that no stage writes -> the command that does.
_MAKERS = {
    "compare": "make compare",
    "enrolment": "make enrolment",
    "explanations": "make explanations",
    "fusion": "make fuse",
    "importance": "make importance",
    "protocols": "make protocols",
    "robustness": "make robustness",
    "trials": "make trials",
}
# Options of git for commits that are not the user's.
IDENTITY = ("-c", "user.name=ser", "-c", "user.email=ser@localhost")


def make_workspace(folder: Path, changes: Mapping[str, Any]) -> None:
    """Copy the project to a folder and change its params.

    Results of a former run in that folder stay, so that `dvc repro` reuses them.

    Args:
        folder: the target, which becomes a git repository.
        changes: sections of params.yaml with the keys that differ.

    Raises:
        UserError: a change names a key that params.yaml does not have.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if not name.startswith(_RESULTS) and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    change_params(folder / "params.yaml", changes)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)


def change_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Change values of a params file in place, keeping its comments.

    Raises:
        UserError: a change names a key that the file does not have.
    """
    yaml = YAML()
    values = yaml.load(path)
    _merge(values, changes, path)
    yaml.dump(values, path)


def _merge(values: Any, changes: Mapping[str, Any], path: Path) -> None:  # noqa: ANN401
    for key, change in changes.items():
        if key not in values:
            raise UserError(f"{path} has no key {key!r} here: expected one of {', '.join(values)}")
        if isinstance(change, Mapping) and key in _FREE_KEYS:
            values[key].update(change)
        elif isinstance(change, Mapping):
            _merge(values[key], change, path)
        else:
            values[key] = change


def at_least_one(text: str) -> int:
    """Return a whole number of at least 1 from the command line, for argparse.

    >>> at_least_one("3")
    3

    Raises:
        argparse.ArgumentTypeError: it is not such a number.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least 1 is expected")
    return int(text)


def parse_text(text: str, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401
    """Parse the content of a project's file.

    Raises:
        UserError: the file is damaged, such as after a merge with conflicts.
    """
    try:
        return parse(text)
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name} is damaged ({reason}): {_writer(name)} writes it again") from None


def read_file(folder: Path, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401
    """Read and parse a file of a project.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        text = (folder / name).read_text("utf-8")
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}: {_writer(name)} writes it") from None
    except UnicodeDecodeError:
        raise UserError(f"{name} is damaged (not text): {_writer(name)} writes it again") from None
    return parse_text(text, name, parse)


def _writer(name: str) -> str:
    """Return the command that writes a file, given its path in the project.

    >>> _writer("metrics/robustness-robust.json"), _writer("benchmarks/page.csv")
    ('`make robustness NAME=robust`', '`python -m benchmarks.page`')
    """
    path = Path(name)
    if path.parts[0] == "benchmarks":
        return f"`python -m benchmarks.{'run' if path.stem == 'results' else path.stem}`"
    name, _, experiment = path.stem.partition("-")
    command = _MAKERS.get(name, "dvc repro")
    return f"`{command} NAME={experiment}`" if experiment else f"`{command}`"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints.

    Raises:
        UserError: git fails, such as without a repository, or without a commit.
    """
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"this needs a commit of a git repository: git {' '.join(arguments)} says "
            f"{done.stderr.strip()}"
        )
    return done.stdout


def stage_command(stage: str) -> list[str]:
    """Return the command line of a stage, as dvc.yaml has it, for this interpreter."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return [sys.executable, *stages[stage]["cmd"].split()[1:]]


def dvc_command(*arguments: str) -> list[str]:
    """Return the command line that runs `dvc` with this interpreter.

    Raises:
        UserError: it is not installed.
    """
    with needed_by("this"):
        import dvc  # noqa: F401
    return [sys.executable, "-m", "dvc", *arguments]


def dvc_environment() -> dict[str, str]:
    """Return the environment with this interpreter's folder first on PATH, for stages' `python`."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", "")}


def dvc(folder: Path, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    """Run `dvc` in a folder."""
    environment = dvc_environment() | kwargs.pop("env", {})
    command = dvc_command(*arguments)
    return subprocess.run(command, cwd=folder, env=environment, text=True, **kwargs)


def dvc_json(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return the JSON output of a DVC command in a folder.

    Raises:
        UserError: DVC fails.
    """
    done = dvc(folder, *arguments, "--json", capture_output=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"dvc {' '.join(arguments)}: {reason}")
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found
