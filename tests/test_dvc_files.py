"""What the project's files are to DVC: what .dvcignore hides, how `-S` rewrites params.yaml."""

import subprocess
from pathlib import Path

import pytest

from scripts.workspace import ROOT, dvc

PATTERNS = [
    line
    for line in (ROOT / ".dvcignore").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def ignored(folder, paths):
    """Of these paths, the ones that DVC does not see."""
    for path in map(folder.joinpath, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    done = dvc(folder, "check-ignore", *paths, capture_output=True)
    assert done.returncode in (0, 1), done.stderr  # 1: none of them
    return done.stdout.splitlines()


@pytest.fixture
def repository(tmp_path):
    """An empty repository with this project's .dvcignore."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert dvc(tmp_path, "init", "--quiet", capture_output=True).returncode == 0
    (tmp_path / ".dvcignore").write_bytes((ROOT / ".dvcignore").read_bytes())
    return tmp_path


def test_no_recording_is_ignored_whatever_its_folders_are_called(repository):
    names = sorted({Path(pattern).name for pattern in PATTERNS} | {"recordings", "build"})
    assert "demo" in names
    paths = []
    for name in names:
        paths += [f"data/raw/{name}/happiness/x.wav", f"data/raw/own/{name}/x.wav"]
        paths += [f"data/raw/own/angry/{name}/x.wav", f"data/raw/other/angry/{name}"]
        paths += [f"recordings/{name}/x.wav", f"data/clean/{name}"]
    assert ignored(repository, paths) == []


def test_every_pattern_ignores_what_it_is_meant_for(repository):
    places = [
        pattern.lstrip("/").replace("**/", folder)
        for pattern in PATTERNS
        for folder in (("", "deep/er/") if "**/" in pattern else ("",))
    ]
    paths = [f"{place}/x" for place in places if place != ".git"]
    assert ignored(repository, paths) == paths
