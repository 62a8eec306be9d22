"""A copy of the project in a folder of its own, with other params: for the demo and the tests.

What is copied is the working tree, so that it shows what the code does now; results (dvc.lock,
metrics, plots, data) stay behind.
"""

import argparse
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
_FREE_KEYS = ("sources", "relabel")  # mappings of params.yaml that may have any key
_RESULTS = ("dvc.lock", "metrics/", "plots/")


def make_workspace(folder: Path, changes: Mapping[str, Any]) -> None:
    """Copy the project into a folder and change its params.

    What a former run left in that folder stays, so that `dvc repro` reuses it.

    Args:
        folder: where; it becomes a git repository of its own.
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
    """Change values of a params file in place; comments are kept.

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
    """Read a number from the command line, for argparse: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 on is expected")
    return int(text)


def parsed(text: str, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401
    """Parse what a file of the project holds.

    Raises:
        UserError: it is damaged, such as after a merge with conflicts.
    """
    try:
        return parse(text)
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{name} is damaged ({reason}): `dvc repro` makes it anew") from None


def read(folder: Path, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401
    """Read and parse a file of a project.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        text = (folder / name).read_text("utf-8")
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}: `dvc repro` makes it") from None
    except UnicodeDecodeError:
        raise UserError(f"{name} is damaged (no text): `dvc repro` makes it anew") from None
    return parsed(text, name, parse)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints.

    Raises:
        UserError: git fails, such as where there is no repository, or no commit in it.
    """
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"this needs a commit of a git repository: git {' '.join(arguments)} says "
            f"{done.stderr.strip()}"
        )
    return done.stdout


def dvc_command(*arguments: str) -> list[str]:
    """Make the command line of `dvc`, of this interpreter's environment.

    Raises:
        UserError: it is not installed.
    """
    with needed_by("this"):
        import dvc  # noqa: F401
    return [sys.executable, "-m", "dvc", *arguments]


def dvc_environment() -> dict[str, str]:
    """Put this interpreter's environment first on the path: stages are started as `python`."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", "")}


def dvc(folder: Path, *arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    """Run `dvc` in a folder."""
    environment = dvc_environment() | kwargs.pop("env", {})
    command = dvc_command(*arguments)
    return subprocess.run(command, cwd=folder, env=environment, text=True, **kwargs)
