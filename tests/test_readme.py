"""The README shows the figures of the committed run."""

import re

import pytest
from ruamel.yaml import YAML

from scripts import readme
from scripts.workspace import ROOT

PAGES = [page.read_text("utf-8") for page in readme.PAGES]
TEXT = PAGES[0]


def test_its_figures_are_those_of_the_metrics():
    for page in PAGES:
        assert readme.render(page) == page, "run `make readme`"


def test_every_block_exists_and_is_filled():
    pages = "\n".join(PAGES)
    for name in readme.BLOCKS:
        block = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", pages, re.DOTALL)
        assert block, name
        assert len(block[1]) > 20, name


def test_rendering_follows_the_metrics(monkeypatch):
    figures = readme.load_figures().model_copy(update={"accuracy": 0.1234})
    monkeypatch.setattr(readme, "load_figures", lambda: figures)
    assert "**12.3 %**" in readme.render(TEXT)


@pytest.mark.parametrize(("change", "same"), [(0.0, True), (0.01, False), (None, False)])
def test_explanations_of_another_model_are_marked(change, same):
    accuracy = readme.load_figures().accuracy
    net = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["name"]
    row = {"net": net, "clips": "120"}
    if change is not None:
        row["accuracy"] = f"{accuracy + change:.6f}"
    said = readme.explained_model(row)
    assert f"Net `{net}`, 120 test clips" in said
    assert ("Of another model" not in said) == same
    assert "Of another model" in readme.explained_model(row | {"net": "other"})


def test_its_pictures_and_files_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT):
        assert (ROOT / path).is_file(), path
    for folder in re.findall(r"^([a-z]+)/ ", TEXT, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_its_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
