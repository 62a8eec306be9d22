"""docs/colab.ipynb, run as its user runs it, with another repository and recordings."""

import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from small_project import SMALL, commit

from scripts.workspace import ROOT, make_workspace
from ser.use.loading import load

NOTEBOOK = ROOT / "docs/colab.ipynb"
# git runs it in a new clone: `make setup` finds the packages of this environment installed.
READY = f"""#!/bin/sh
[ -e .venv ] && exit
mkdir .venv
for part in bin lib pyvenv.cfg; do ln -s "{sys.prefix}/$part" .venv; done
touch .venv/ready
"""


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def run(folder):
    """Run the notebook in a folder; return all that its cells print, one text per cell."""
    notebook = read()
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    return [
        "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


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
def test_it_installs_runs_the_demo_trains_on_a_folder_and_predicts(
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
    printed = run(tmp_path)
    assert "The demo is done. Accuracy " in printed[3]
    assert "Running stage 'train'" in printed[4]
    clone = tmp_path / "ser-project"
    assert load(clone / "data/model").description.corpus.corpora.keys() == {"own"}
    assert "data/raw/own/" in printed[-2]
    assert "warning" not in printed[-2]
    assert (clone / "model.zip").stat().st_size > 10_000


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
    with pytest.raises(CellExecutionError, match=said):
        run(tmp_path)
    assert not (tmp_path / "ser-project").exists()
