"""What README.md and docs/ refer to exists: links, anchors, files, and the commands' arguments."""

import argparse
import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise

import pytest
import yaml

from scripts import experiments
from scripts.suites import lists
from scripts.workspace import ROOT
from ser.core import params
from ser.use.cli import COMMANDS

PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
CODE = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Not checked here.
OTHERS = {
    *("cat", "dask", "docker", "dvc", "echo", "export", "git", "hf", "pip", "sed", "source"),
    *("sudo", "torchrun"),
}


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name):
    for link in LINK.findall(CODE.sub("", PAGES[name])):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("name", PAGES)
def test_a_page_defines_uar_where_it_stands_first(name):
    paragraphs = [text for text in PAGES[name].split("\n\n") if re.search(r"\bUAR\b", text)]
    assert not paragraphs or "unweighted average recall: the mean" in " ".join(
        paragraphs[0].split()
    )


@pytest.mark.parametrize("name", PAGES)
def test_the_readme_links_to_every_page(name):
    assert name == "README.md" or name in {
        link.partition("#")[0] for link in LINK.findall(PAGES["README.md"])
    }


def test_paths_of_the_project_exist():
    there = re.compile(
        r"`((?:ser|stages|scripts|tests|docs|benchmarks|experiments|\.github|\.vscode)/[\w./-]*)`"
    )
    for name, text in PAGES.items():
        for path in there.findall(text):
            example = name == "docs/architecture.md" and path in (
                "ser/nets/average.py",
                "ser/corpora/emovo.py",
            )
            assert example or (ROOT / path).exists(), f"{name}: {path}"


def commands():
    """Each command line of the pages, with its page; the parts of && and | apart."""
    for name, text in PAGES.items():
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.replace("<", "").replace(">", ""), comments=True)
                while words:
                    end = next(
                        (i for i, word in enumerate(words) if word in ("&&", "|")), len(words)
                    )
                    yield name, words[:end]
                    words = words[end + 1 :]
        for line in re.findall(r"`((?:make|ser|dvc exp run|python -m) [^`]+)`", CODE.sub("", text)):
            words = shlex.split(line.replace("<", "").replace(">", "").replace("…", ""))
            yield name, [*words, "x.wav"] if words[:2] == ["ser", "predict"] else words


def settings(words):
    """The variables before a command or behind `make`, and the other words."""
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    return given, [word for word in words if not re.match(r"[A-Z_]+=", word)]


COMMAND_LINES = list(commands())


def test_only_known_programs_are_called():
    programs = {settings(words)[1][0] for _, words in COMMAND_LINES}
    assert programs <= OTHERS | {"make", "python", "ser"}


def called(program):
    found = [words for _, words in COMMAND_LINES if settings(words)[1][0] == program]
    assert found
    return found


def test_make_has_the_targets_and_reads_the_variables():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for words in called("make"):
        given, (_, *targets) = settings(words)
        for target in targets:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), words
        for variable in given:
            own = rf"\$(\$\{{?|\(){variable}\b"  # $$NAME, $${NAME or $(NAME
            assert variable.startswith("PIP_") or re.search(own, makefile), words


def test_make_is_given_names_that_are_there():
    for words in called("make"):
        given, (_, target, *_) = settings(words)
        if target == "experiment" and "NAME" in given:
            assert given["NAME"] in experiments.names()
        elif "NAMES" in given:
            fused = target == "fuse"
            known = experiments.names() if fused else lists.read_suite(target).entries
            assert set(given["NAMES"].split()) <= set(known)


def test_modules_are_there():
    for words in called("python"):
        _, (_, option, module, *_) = settings(words)
        if module not in ("dask", "http.server"):
            assert option == "-m"
            assert find_spec(module), words


def test_ser_takes_the_arguments():
    for words in called("ser"):
        command, *arguments = words[1:]
        assert command in COMMANDS
        parser = argparse.ArgumentParser(exit_on_error=False)
        import_module(f"ser.use.commands.{command}").add_arguments(parser)
        if arguments:  # else the command is only mentioned
            parser.parse_args(arguments)


def overrides():
    for _, words in COMMAND_LINES:
        if words[:3] == ["dvc", "exp", "run"]:
            yield words, [value for option, value in pairwise(words) if option == "-S"]


@pytest.mark.parametrize(("words", "given"), list(overrides()))
def test_experiments_of_dvc_are_valid(words, given):
    values = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for override in given:
        key, _, value = override.lstrip("+").partition("=")
        if "--queue" in words:
            value = value.split(",")[0]
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place[section]
        assert last in place or override.startswith("+"), override
        place[last] = yaml.safe_load(value)
    params.parse_params(values, " ".join(words))
