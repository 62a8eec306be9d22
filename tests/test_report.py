import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from scipy.stats import binomtest

from scripts import report
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.figures import read_figures


class Page(HTMLParser):
    """Collects the addresses that a page would load, and its text."""

    def __init__(self, html):
        super().__init__()
        self.loads, self.tags, self.words = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A clone of the project at its last commit, for the report."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    git(clone, "config", "user.name", "Tester")
    git(clone, "config", "user.email", "tester@example.org")
    for module in (report, report.tables, report.differences):
        monkeypatch.setattr(module, "ROOT", clone)
    monkeypatch.setattr(report, "REPORT", clone / "report.html")
    return clone


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def made(project, base=None):
    report.main(base)
    return (project / "report.html").read_text("utf-8")


def change(path, edit):
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def test_the_page_loads_nothing_and_contains_the_figures(project):
    html = made(project)
    page = Page(html)
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    assert sum(load.startswith("data:") for load in page.loads) == 10
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "@import" not in html
    assert "url(" not in html
    evaluated = read_figures(project / "metrics/evaluate.json")
    low, high = evaluated.accuracy_interval
    assert f"accuracy {evaluated.accuracy * 100:.1f} %" in page.text
    assert f"{low * 100:.1f} to {high * 100:.1f}" in page.text
    for name, figures in evaluated.per_speaker.items():
        n = figures.n
        found = binomtest(round(figures.accuracy * n), n).proportion_ci(method="wilson")
        interval = f"{found.low * 100:.1f} to {found.high * 100:.1f}"
        assert f"{name} {figures.accuracy * 100:.1f} % {interval} {n}" in page.text
    assert "data/mistakes.csv is missing" in page.text


def test_a_second_report_has_the_same_bytes(project):
    assert made(project) == made(project)


def test_differences_from_another_revision_are_listed(project):
    git(project, "tag", "before")
    evaluated = read_figures(project / "metrics/evaluate.json")
    old = evaluated.accuracy
    change(project / "metrics/evaluate.json", lambda e: e.update(accuracy=0.5))
    params = project / "params.yaml"
    params.write_text(re.sub(r"batch_size: \d+", "batch_size: 7", params.read_text()))
    git(project, "commit", "--quiet", "--all", "--message", "worse")
    page = Page(made(project, "before"))
    assert re.search(f"evaluate: accuracy {old} 0.5 ▼ \u2212{old - 0.5:.6g} ", page.text)
    assert re.search(r"model.batch_size 32 7 ", page.text)
    low, high = (f"{100 * end:.1f}" for end in evaluated.accuracy_interval)
    points = f"{50 - 100 * old:+.1f}"
    assert (
        f"accuracy {100 * old:.1f} % {low} to {high} 50.0 % {low} to {high} {points}" in page.text
    )
    assert "No param differs" not in page.text
    same = Page(made(project, "HEAD"))
    assert "No figure differs." in same.text
    assert "No param differs." in same.text


def test_an_interval_of_a_revision_that_has_it_as_a_list_is_shown(project):
    """Older versions of metrics/evaluate.json have lists."""
    listed = {"accuracy": [0.111, 0.222], "uar": [0.333, 0.444]}

    def edit(evaluated):
        for name, low_high in listed.items():
            del evaluated[f"{name}_low"], evaluated[f"{name}_high"]
            evaluated[f"{name}_ci95"] = low_high

    change(project / "metrics/evaluate.json", edit)
    git(project, "commit", "--quiet", "--all", "--message", "lists")
    git(project, "tag", "lists")
    git(project, "revert", "--no-edit", "HEAD")
    now = read_figures(project / "metrics/evaluate.json")
    text = Page(made(project, "lists")).text
    for name, value, before, ends in (
        ("accuracy", now.accuracy, listed["accuracy"], now.accuracy_interval),
        ("UAR", now.uar, listed["uar"], now.uar_interval),
    ):
        share = f"{100 * value:.1f} %"
        old = " to ".join(f"{100 * end:.1f}" for end in before)
        new = " to ".join(f"{100 * end:.1f}" for end in ends)
        assert f"{name} {share} {old} {share} {new} " in text


def test_missing_figures_of_a_revision_are_reported(project):
    git(project, "rm", "--quiet", "metrics/split.json")
    git(project, "commit", "--quiet", "--message", "less")
    git(project, "tag", "less")
    git(project, "revert", "--no-edit", "HEAD")
    assert "less has no metrics/split.json" in Page(made(project, "less")).text


@pytest.mark.parametrize("base", ["nowhere", "--output=x", "HEAD:params.yaml"])
def test_an_invalid_revision_is_refused(project, base):
    with pytest.raises(UserError, match=r"BASE=.*revision"):
        report.main(base)
    assert not (project / "report.html").exists()


def test_names_are_escaped(project):
    hostile = "<script>alert('x')</script>"
    (project / "data").mkdir(exist_ok=True)
    (project / "data/mistakes.csv").write_text(
        "clip,speaker,emotion,predicted,confidence,probability_of_emotion\n"
        f"{hostile},a/1,sad,happy,0.9,0.05\n"
    )
    change(
        project / "metrics/evaluate.json",
        lambda e: e["per_speaker"].update({hostile: {"accuracy": 0.5, "n": 2}}),
    )
    lock = (project / "dvc.lock").read_text()
    written = hashlib.md5((project / "data/mistakes.csv").read_bytes()).hexdigest()
    lock = re.sub(r"(path: data/mistakes.csv\n\s+hash: md5\n\s+md5: )\w+", rf"\g<1>{written}", lock)
    (project / "dvc.lock").write_text(lock)
    page = Page(made(project))
    assert "script" not in page.tags
    assert page.text.count(hostile) == 2
    assert "90.0 %" in page.text


def test_changes_since_the_last_run_are_reported(project):
    lock = (project / "dvc.lock").read_text()
    assert "split of params.yaml" not in report.differences.changes_since_run().get("split", [])
    (project / "dvc.lock").write_text(lock.replace("scheme: random", "scheme: kfold"))
    warned = Page(made(project)).text
    assert re.search(
        r"Not everything on this page is from one run\..* for split: [^;]*split of params\.yaml",
        warned,
    )


def test_a_changed_package_counts_as_code(project):
    lock = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(
        re.sub(r"(path: ser/core\n\s+hash: md5\n\s+md5: )\w+", r"\g<1>0", lock)
    )
    assert "its code" in report.differences.changes_since_run()["split"]


def test_mistakes_of_another_run_are_left_out(project):
    (project / "data").mkdir(exist_ok=True)
    (project / "data/mistakes.csv").write_text(
        "clip,speaker,emotion,predicted,confidence,probability_of_emotion\na,a/1,sad,happy,0.9,0.05\n"
    )
    text = Page(made(project)).text
    assert "data/mistakes.csv is from another run" in text
    assert "a/1" not in text


def test_the_confusions_are_counted(project):
    lines = (project / "plots/confusion.csv").read_text().splitlines()
    names = sorted({line.split(",")[0] for line in lines[1:]})
    text = Page(made(project)).text
    for name in names:
        counts = " ".join(str(lines.count(f"{name},{taken}")) for taken in names)
        assert f"{name} {counts}" in text


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("metrics/evaluate.json", "<<<<<<< HEAD\n{", "metrics/evaluate.json is damaged"),
        ("metrics/evaluate.json", "{}", "evaluate.json is damaged .accuracy: missing"),
        ("metrics/evaluate.json", "[]", "evaluate.json is damaged"),
        ("plots/confusion.csv", "is,was\na,b\n", "plots/confusion.csv has the columns is, was"),
        ("plots/confusion.csv", "actual,predicted\n", "does not match the 120 test clips"),
        ("plots/confusion.csv", None, "No such file"),
        ("dvc.lock", "stages: [", "dvc.lock"),
        ("params.yaml", "model: [", "params.yaml"),
        ("params.yaml", None, "params.yaml"),
        ("data/model/model.json", "{", "model.json is damaged"),
    ],
)
def test_damaged_files_are_reported_in_a_sentence(project, path, text, said):
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        (project / path).unlink()
    else:
        (project / path).write_text(text)
    with pytest.raises(UserError, match=said):
        report.main(None)


def test_names_given_to_make_are_not_run_by_the_shell(tmp_path):
    for name in ("report", "experiment", "protocols", "compare", "tune", "trials"):
        given = "x'; touch made; echo '\"; touch made; echo \""
        arguments = [f"{key}={given}" for key in ("BASE", "NAME", "SET", "NAMES", "EPOCHS")]
        arguments += [f"EMOBOX={given}", f"TRIALS={given}", f"PATH={tmp_path}:/usr/bin:/bin"]
        # The recipe only prints how the shell would read the names.
        (tmp_path / "python").write_text("#!/bin/sh\n")
        (tmp_path / "python").chmod(0o755)
        command = ["make", "-f", ROOT / "Makefile", "-o", "setup", name, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "made").exists()


def test_before_the_first_run_there_is_nothing_to_report(project):
    shutil.rmtree(project / "metrics")
    with pytest.raises(UserError, match="run `dvc repro` before the report"):
        report.main(None)


def test_a_mistake_ends_the_command_with_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.report", "--base", "nowhere"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: BASE=nowhere: git has no such revision\n"
