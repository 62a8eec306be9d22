"""docs/colab.ipynb, run as its user runs it, with another repository and recordings."""

import os
import subprocess
import sys
from contextlib import nullcontext
from copy import deepcopy

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from part_of_demo import write_part_of_demo
from small_project import SMALL, commit

from scripts.workspace import ROOT, make_workspace
from ser.use.loading import load

NOTEBOOK = ROOT / "docs/colab.ipynb"
VALUES, INSTALL, PATH, DEMO, TRAIN, PICTURE, PREDICT, KEEP = range(8)  # its cells of code
FOLDER = "Anna's rec (1), #2 ä"  # of recordings, beside the clone
# git runs it in a new clone: `make setup` finds the packages of this environment installed.
READY = f"""#!/bin/sh
[ -e .venv ] && exit
mkdir .venv
for part in bin lib pyvenv.cfg; do ln -s "{sys.prefix}/$part" .venv; done
touch .venv/ready
"""


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def run(folder, choose=list, outcome=None):
    """Run the cells of code in a folder, or those chosen of them; return what each says.

    outcome: a context that the run has to end as; without errors if not given.
    """
    notebook = read()
    notebook.cells = choose([cell for cell in notebook.cells if cell.cell_type == "code"])
    with outcome or nullcontext():
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    return [
        "".join(output.get("text", output.get("evalue", "")) for output in cell.outputs)
        for cell in notebook.cells
    ]


def run_until_it_fails(folder, choose=list):
    """Return all that the cells say until one of them ends the run."""
    return "".join(run(folder, choose, pytest.raises(CellExecutionError)))


@pytest.fixture
def new_machine(tmp_path, monkeypatch):
    """The environment of a user without any settings."""
    for name in ("HOME", "XDG_CONFIG_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "SER_REPOSITORY", "SER_RECORDINGS"):
        monkeypatch.delenv(name, raising=False)


def test_the_notebook_is_valid_and_has_no_outputs():
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


@pytest.mark.slow
def test_it_installs_runs_the_demo_trains_on_a_folder_and_predicts_and_again(
    new_machine, tmp_path, monkeypatch
):
    project = tmp_path / "project"
    make_workspace(project, SMALL)
    commit(project)
    hook = tmp_path / "template/hooks/post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(READY)
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    monkeypatch.setenv("SER_REPOSITORY", str(project))
    monkeypatch.setenv("SER_RECORDINGS", FOLDER)
    write_part_of_demo(tmp_path / FOLDER, speakers=3, utterances=4)
    printed = run(tmp_path, lambda cells: [*cells, *deepcopy(cells)])
    first, again = printed[: KEEP + 1], printed[KEEP + 1 :]
    assert "The demo is done. Accuracy " in first[DEMO]
    assert "Running stage 'train'" in first[TRAIN]
    assert "Running stage 'train'" not in again[TRAIN]
    model = load(tmp_path / "ser-project/data/model")
    assert model.description.corpus.corpora.keys() == {"own"}
    for predicted in (first[PREDICT], again[PREDICT]):
        assert "data/raw/own/" in predicted
        assert "warning" not in predicted
    assert (tmp_path / "model.zip").stat().st_size > 10_000


def test_without_a_folder_the_recordings_of_the_demo_are_taken(new_machine, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_REPOSITORY", "a")
    show = nbformat.v4.new_code_cell("print(os.environ['RECORDINGS'])")
    *_, printed = run(tmp_path, lambda cells: [cells[VALUES], show])
    assert printed.strip() == str(tmp_path / "ser-project/demo/data/raw")


def test_what_makes_environments_is_installed_for_the_python_that_makes_them(
    new_machine, tmp_path, monkeypatch
):
    programs = tmp_path / "bin"
    programs.mkdir()
    lacking = f'[ "$2" != "import ensurepip" ] && exec "{sys.executable}" "$@"'
    for name, line in (("python3", lacking), ("apt-get", 'echo "apt-get $@"')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SER_REPOSITORY", "/gone")
    said = run_until_it_fails(tmp_path, lambda cells: [cells[VALUES], cells[INSTALL]])
    assert f"apt-get install --yes python3.{sys.version_info.minor}-venv\n" in said


def test_a_clone_of_another_repository_is_not_taken_for_it(new_machine, tmp_path, monkeypatch):
    clone = tmp_path / "ser-project"
    subprocess.run(["git", "init", "--quiet", clone], check=True)
    subprocess.run(["git", "-C", clone, "remote", "add", "origin", "/first"], check=True)
    monkeypatch.setenv("SER_REPOSITORY", "/second")
    said = run_until_it_fails(tmp_path, lambda cells: [cells[VALUES], cells[INSTALL]])
    assert said.startswith(f"{clone} is a clone of /first, not of /second: rename it")


def test_a_training_that_fails_leaves_no_picture_of_another(new_machine, tmp_path, monkeypatch):
    (tmp_path / "ser-project/plots").mkdir(parents=True)
    for picture in ("confusion.png", "ser-project/plots/confusion.png"):
        (tmp_path / picture).touch()
    monkeypatch.setenv("SER_REPOSITORY", "a")
    said = run_until_it_fails(tmp_path, lambda cells: [cells[VALUES], cells[TRAIN]])
    assert "not inside of a DVC repository" in said
    assert not (tmp_path / "confusion.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "Write the address of the project into REPOSITORY"),
        ({"SER_REPOSITORY": "a", "SER_RECORDINGS": "gone"}, "There is no folder gone"),
        ({"SER_REPOSITORY": "/gone"}, "repository '/gone' does not exist"),
    ],
)
def test_a_missing_value_ends_the_notebook_with_a_sentence(
    new_machine, tmp_path, monkeypatch, variables, said
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert said in run_until_it_fails(tmp_path)
    assert not (tmp_path / "ser-project").exists()
