"""The tables of README.md and docs/ are those of the committed figures; its Python runs."""

import re
import subprocess
import sys

import pytest
import soundfile
from ruamel.yaml import YAML
from small_model import RATE, make, speech

from scripts import readme, tables
from scripts.workspace import ROOT


@pytest.mark.parametrize("name", readme.PAGES)
def test_the_tables_of_a_page_are_those_of_the_figures(name):
    page = (ROOT / name).read_text("utf-8")
    assert readme.render(page, readme.PAGES[name]) == page, "run `make readme`"


@pytest.mark.parametrize("name", readme.PAGES)
def test_every_table_has_its_place_and_every_place_its_table(name):
    page = (ROOT / name).read_text("utf-8")
    assert sorted(re.findall("<!-- (\\w+) -->", page)) == sorted(readme.PAGES[name])
    assert sorted(re.findall("<!-- /(\\w+) -->", page)) == sorted(readme.PAGES[name])


def test_what_is_between_the_markers_is_replaced_and_nothing_else():
    page = "a\n<!-- x -->\nold\ntext\n<!-- /x -->\nb\n<!-- y -->\nkept\n<!-- /y -->\n"
    new = readme.render(page, {"x": lambda: r"| \| |"})
    assert new == page.replace("old\ntext", r"| \| |")


def test_a_table_follows_the_figures(monkeypatch):
    figures = tables.load_figures().model_copy(update={"accuracy": 0.1234})
    monkeypatch.setattr(tables, "load_figures", lambda: figures)
    assert "**12.3 %**" in tables.headline()


def test_every_published_figure_has_a_source():
    for row in tables.rows_of("benchmarks/published.csv"):
        assert row["source"], row
        assert row["url"], row
        assert f"| {row['accuracy']} |" in tables.headline(), row


def test_what_was_not_run_is_a_row(monkeypatch):
    monkeypatch.setattr(tables, "rows_of", lambda _: [])
    assert f"| `s1-kfold` |  |  |  | {tables.NOT_RUN} |" in tables.compare()
    assert f"| default | params.yaml as it is | {tables.NOT_RUN} |" in tables.trials()


@pytest.mark.parametrize(("change", "same"), [(0.0, True), (0.01, False), (None, False)])
def test_explanations_of_another_model_are_said_to_be(change, same):
    accuracy = tables.load_figures().accuracy
    net = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["name"]
    row = {"net": net, "clips": "120"}
    if change is not None:
        row["accuracy"] = f"{accuracy + change:.6f}"
    text = tables.explained_model(row)
    assert f"The net is `{net}`, tested on 120 clips." in text
    assert ("not those of the last run" not in text) == same
    assert "not those of the last run" in tables.explained_model(row | {"net": "other"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model where `dvc repro` writes it."""
    folder = tmp_path_factory.mktemp("project")
    make(folder / "data/model")
    return folder


def run_python(page, folder):
    """Run the first Python block of a page; return what it prints."""
    block = re.search(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    command = [sys.executable, "-c", block[1]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_readmes_python_prints_the_emotion_or_why_there_is_none(folder):
    soundfile.write(folder / "recording.wav", speech(3), RATE)
    assert re.match(r"(angry|neutral|sad) \{", run_python("README.md", folder).stdout)
    soundfile.write(folder / "recording.wav", 0 * speech(3), RATE)
    assert run_python("README.md", folder).stdout.startswith("silent ")
    (folder / "data/model").rename(folder / "data/elsewhere")
    done = run_python("README.md", folder)
    (folder / "data/elsewhere").rename(folder / "data/model")
    assert done.returncode == 0, done.stderr
    assert "data/model" in done.stdout


def test_the_python_of_docs_using_prints_a_line_per_window(folder):
    soundfile.write(folder / "recording.wav", speech(3, 4.0), RATE)
    lines = run_python("docs/using.md", folder).stdout.splitlines()
    assert len(lines) > 3
    assert all(re.fullmatch(r"[\d.]+ [\d.]+ (angry|neutral|sad|no_speech)", line) for line in lines)
