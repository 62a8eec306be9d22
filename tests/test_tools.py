"""The tools of development are of one version, wherever they are started."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.workspace import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


@pytest.mark.parametrize("tool", ["ruff", "codespell"])
def test_a_hook_before_a_commit_is_of_the_pinned_version(tool):
    (revision,) = (
        repo["rev"] for repo in HOOKS if repo["repo"].endswith((tool, f"{tool}-pre-commit"))
    )
    assert f"\n{tool}=={revision.removeprefix('v')}\n" in LOCK


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
