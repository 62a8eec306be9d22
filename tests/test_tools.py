"""The tools of development are of one version, wherever they are started."""

import contextlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from scripts.workspace import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
LOCK, APP, CUDA, TORCH_CPU, BUILD, CONSTRAINTS = (
    (ROOT / name).read_text("utf-8")
    for name in (
        "requirements.lock",
        "requirements/app.lock",
        "requirements/cuda.lock",
        "requirements/torch-cpu.lock",
        "requirements/build.lock",
        "requirements/constraints.txt",
    )
)


@pytest.mark.parametrize("tool", ["ruff", "codespell"])
def test_a_hook_before_a_commit_is_of_the_pinned_version(tool):
    (revision,) = (
        repo["rev"] for repo in HOOKS if repo["repo"].endswith((tool, f"{tool}-pre-commit"))
    )
    assert f"\n{tool}=={revision.removeprefix('v')} \\\n" in LOCK


def pins(text):
    """Return what is pinned, as name==version with its marker, and how many hashes each has."""
    found = re.findall(r"^([a-z0-9][^\\\n]*?) ?\\?\n((?: .*\n)*)", text, re.MULTILINE)
    return {pin: hashes.count("--hash=sha256:") for pin, hashes in found}


def test_every_pin_has_hashes_and_is_a_constraint():
    locked = pins(LOCK) | pins(CUDA)
    assert len(locked) > 200
    assert all(locked.values())
    assert list(pins(TORCH_CPU).values()) > [0]
    assert min(pins(BUILD).values()) > 0
    assert set(pins(CONSTRAINTS)) == set(locked)


def test_what_is_installed_here_is_what_is_pinned():
    versions = dict(pin.split(" ;")[0].split("==") for pin in pins(LOCK) | pins(BUILD))
    for name, version in versions.items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            # torch 2.13.0+cpu is the same release as 2.13.0, from another index.
            assert metadata.version(name).partition("+")[0] == version


def test_actions_of_the_workflow_are_pinned_to_commits():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    actions = re.findall(r"uses: (.*)", workflow)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_the_citation_is_one():
    tool = Path(sys.executable).with_name("check-jsonschema")
    schema = ("--builtin-schema", "vendor.citation-file-format")
    done = subprocess.run([tool, *schema, ROOT / "CITATION.cff"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
