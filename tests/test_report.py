import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from browser import CAN_BROWSE, assert_fits, browse, look_like
from PIL import Image
from scipy.stats import binomtest
from selenium.webdriver.support.ui import WebDriverWait
from toy_project import evaluate_here, make_project, one_split, train_here

from scripts import experiments, tables
from scripts.report import clip_map, comparison, last_run, page, pictures, revisions, sounds
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.figures import read_figures
from ser.core.store import StoreWriter
from ser.plots import results

NOW = datetime(2031, 2, 3, 4, 5, tzinfo=UTC)
RATE = 8000


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
    modules = (comparison, experiments, last_run, page, pictures, revisions, sounds, tables)
    for module in modules:
        monkeypatch.setattr(module, "ROOT", clone)
    monkeypatch.setattr(page, "REPORT", clone / "report.html")
    return clone


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def made(project, base=""):
    page.main(base, NOW)
    return (project / "report.html").read_text("utf-8")


def write_output(project, path, text):
    """Write a file as if a stage had written it: with its hash in dvc.lock, and in DVC's cache."""
    written = hashlib.md5(text.encode()).hexdigest()
    cached = project / f".dvc/cache/files/md5/{written[:2]}/{written[2:]}"
    for file in (project / path, cached):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    lock = project / "dvc.lock"
    former = re.compile(rf"(path: {path}\n\s+hash: md5\n\s+md5: )\w+")
    changed, found = former.subn(rf"\g<1>{written}", lock.read_text())
    assert found
    lock.write_text(changed)


def predictions(right):
    """Make a table of predictions from clip -> whether it is recognised."""
    rows = [f"{clip},1,a/1,sad,{'sad' if hit else 'happy'}" for clip, hit in right.items()]
    return "\n".join(["clip,fold,speaker,emotion,predicted", *rows]) + "\n"


def write_mistakes(project, *clips, seconds=0.5):
    """Write a list of mistakes, and the clips themselves: tones."""
    write_output(
        project,
        "data/mistakes.csv",
        "clip,speaker,emotion,predicted,confidence,probability_of_emotion\n"
        + "".join(f"{clip},a/1,sad,happy,0.9,0.05\n" for clip in clips),
    )
    rows = "".join(f"{clip},{clip}.wav\n" for clip in clips)
    (project / "data/clips.csv").write_text(f"clip,path\n{rows}")
    waveforms = {}
    with StoreWriter(project / "data/clean", (), {"sample_rate": RATE}) as store:
        for number, clip in enumerate(clips, start=1):
            times = np.arange(round(seconds * RATE)) / RATE
            waveforms[clip] = np.sin(2 * np.pi * 200 * number * times).astype(np.float32)
            store.add(f"{clip}.wav", waveforms[clip])
    return waveforms


def change(path, edit):
    values = json.loads(path.read_text())
    edit(values[0] if isinstance(values, list) else values)
    path.write_text(json.dumps(values))


def test_the_page_loads_nothing_and_contains_the_figures(project):
    html = made(project)
    shown = Page(html)
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in shown.loads)
    assert sum(load.startswith("data:") for load in shown.loads) == 11
    assert not {"script", "link", "iframe"} & set(shown.tags)
    assert "@import" not in html
    assert "url(" not in html
    evaluated = read_figures(project / "metrics/evaluate.json")
    low, high = evaluated.accuracy_interval
    assert f"accuracy {evaluated.accuracy * 100:.1f} %" in shown.text
    assert f"{low * 100:.1f} to {high * 100:.1f}" in shown.text
    for name, figures in evaluated.per_speaker.items():
        n = figures.n
        found = binomtest(round(figures.accuracy * n), n).proportion_ci(method="wilson")
        interval = f"{found.low * 100:.1f} to {found.high * 100:.1f}"
        assert f"{name} {figures.accuracy * 100:.1f} % {interval} {n}" in shown.text
    assert "data/mistakes.csv is missing" in shown.text


def test_a_second_report_at_the_same_time_has_the_same_bytes(project):
    assert made(project) == made(project)


def test_the_header_names_date_branch_and_commits(project):
    git(project, "checkout", "--quiet", "-b", "<work>")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "more")
    commits = subprocess.run(
        ["git", "log", "-2", "--format=%h of %cs"], cwd=project, capture_output=True, text=True
    ).stdout.splitlines()
    text = Page(made(project, "HEAD~1")).text
    assert f"Written 2031-02-03 04:05 UTC, on branch <work> , at commit {commits[0]}" in re.sub(
        r"(\w) of", r"\1 of", text
    )
    assert f"Compared with HEAD~1 , commit {commits[1]}" in text
    git(project, "checkout", "--quiet", "--detach")
    assert "04:05 UTC, without a branch, at commit" in Page(made(project)).text


def test_differences_from_another_revision_are_listed(project):
    git(project, "tag", "before")
    evaluated = read_figures(project / "metrics/evaluate.json")
    old = evaluated.accuracy
    change(project / "metrics/evaluate.json", lambda e: e.update(accuracy=0.5))
    params = project / "params.yaml"
    params.write_text(re.sub(r"batch_size: \d+", "batch_size: 7", params.read_text()))
    git(project, "commit", "--quiet", "--all", "--message", "worse")
    shown = Page(made(project, "before"))
    assert re.search(f"evaluate: accuracy {old} 0.5 ▼ \u2212{old - 0.5:.6g} ", shown.text)
    assert re.search(r"model.batch_size 32 7 ", shown.text)
    low, high = (f"{100 * end:.1f}" for end in evaluated.accuracy_interval)
    points = f"{50 - 100 * old:+.1f}"
    assert (
        f"accuracy {100 * old:.1f} % {low} to {high} 50.0 % {low} to {high} {points}" in shown.text
    )
    assert "No param differs" not in shown.text
    # The params that differ come first: before the figures, and among all params.
    assert shown.text.index("model.batch_size 32 7") < shown.text.index(f"accuracy {100 * old:.1f}")
    assert re.search(r"Params model.batch_size 7 ", shown.text)
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
        made(project, base)
    assert not (project / "report.html").exists()


def test_names_are_escaped(project):
    hostile = "<script>alert('x')</script>"
    write_mistakes(project, hostile)
    change(
        project / "metrics/evaluate.json",
        lambda e: e["per_speaker"].update({hostile: {"accuracy": 0.5, "n": 2}}),
    )
    shown = Page(made(project))
    assert "script" not in shown.tags
    assert shown.text.count(hostile) == 2
    assert "90.0 %" in shown.text


def test_the_groups_of_functionals_that_a_model_needs_are_listed(project, monkeypatch):
    assert "Features" not in Page(made(project)).words
    monkeypatch.setenv("SER_DEVICE", "cpu")
    learner = {"name": "logistic_regression", "normalisation": "train"}
    changes = learner | {"mixup": 0.0, "frequency_mask": 0, "time_mask": 0}
    make_project(project / "data", one_split(), changes, kinds=["functionals"])
    train_here(project / "data")
    evaluate_here(project / "data")
    rows = last_run.importance_of_groups()
    assert len(rows) == 10
    html = made(project)
    for row in rows:
        points = [f"{100 * row[key]:z.1f}" for key in ("fall", "low", "high")]
        said = f"{row['group']} {points[0]} {points[1]} to {points[2]} {row['columns']}"
        assert said in Page(html).text
    (project / "data/splits.csv").unlink()
    assert "Unknown which the model needs: " in Page(made(project)).text


def test_changes_since_the_last_run_are_reported(project):
    lock = (project / "dvc.lock").read_text()
    assert "split of params.yaml" not in last_run.changes_since_run().get("split", [])
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
    assert "its code" in last_run.changes_since_run()["split"]


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
        made(project)


def commit_base(project, **right):
    """Commit predictions at a tag "before"; right: clip -> whether it is recognised."""
    write_output(project, "data/predictions.csv", predictions(right))
    git(project, "commit", "--quiet", "--all", "--message", "before")
    git(project, "tag", "before")


def test_the_same_test_clips_are_compared_one_by_one(project):
    commit_base(project, a=True, b=False, c=False, d=False, e=True, f=False)
    now = {"a": True, "b": True, "c": True, "d": True, "e": False, "f": False}
    write_output(project, "data/predictions.csv", predictions(now))
    text = Page(made(project, "before")).text
    assert (
        "the same 6 test clips right in before wrong in before right now 1 3 wrong now 1 1" in text
    )
    found = re.search(
        r"accuracy: \+33.3 points \(95 % interval ([+-]\S+) to (\S+); exact test of McNemar: "
        r"p = 0.62\)",  # twice the chance of at most 1 of 4: 2 * (1 + 4) / 16
        text,
    )
    assert -100 <= float(found[1]) < 0 < float(found[2]) <= 100
    assert "It contains 0" in text
    assert "overlap does not tell" in text


def test_why_there_is_no_comparison_clip_by_clip_is_told(project):
    commit_base(project, a=True, b=False)
    reason = "There is no comparison clip by clip: "
    (project / "data/predictions.csv").unlink()
    assert reason + "data/predictions.csv is missing" in Page(made(project, "before")).text
    (project / "data/predictions.csv").write_text("clip\n")
    assert reason + "data/predictions.csv is from another" in Page(made(project, "before")).text
    write_output(project, "data/predictions.csv", predictions({"a": True, "c": True, "d": True}))
    text = Page(made(project, "before")).text
    assert reason + "the test clips differ: 2 there, 3 here, 1 of them the same" in text
    shutil.rmtree(project / ".dvc/cache")
    text = Page(made(project, "before")).text
    assert reason + "data/predictions.csv of before is not in DVC's cache" in text


def test_an_experiment_of_this_commit_is_a_base(project):
    git(project, "tag", "here")
    change(project / "metrics/evaluate.json", lambda e: e.update(accuracy=0.25))
    git(project, "commit", "--quiet", "--all", "--message", "an experiment")
    git(project, "tag", "there")
    git(project, "reset", "--quiet", "--hard", "here")
    git(project, "update-ref", experiments.reference("wide"), "there")
    text = Page(made(project, "wide")).text
    assert "Change against wide" in text
    assert "accuracy 25.0 %" in text


def test_pictures_that_differ_are_side_by_side(project):
    git(project, "rm", "--quiet", "plots/dataset/durations.png")
    git(project, "commit", "--quiet", "--message", "less")
    git(project, "tag", "before")
    git(project, "revert", "--no-edit", "HEAD")
    old = (project / "plots/history.png").read_bytes()
    Image.new("RGB", (300, 200), "grey").save(project / "plots/history.png")
    (project / "plots/confusion.png").unlink()
    html = made(project, "before")
    shown = Page(html)
    assert shown.tags.count("img") == 12  # eleven, one of them twice
    assert html.count('class="pair"') == 1
    then, now = (base64.b64encode(png).decode() for png in (
        old, (project / "plots/history.png").read_bytes(),
    ))  # fmt: skip
    assert 0 < html.index(then) < html.index(now)
    assert "Reliability of the probabilities; the same in before." in shown.text
    assert "Durations of the clips; before has no plots/dataset/durations.png." in shown.text
    assert "Confusion matrix of the test clips; plots/confusion.png is missing" in shown.text


def test_a_missing_picture_is_reported(project):
    (project / "plots/history.png").unlink()
    html = made(project)
    shown = Page(html)
    assert "Loss and accuracy by epoch; plots/history.png is missing" in shown.text
    assert "<code>dvc repro</code> restores or makes it)." in html
    assert shown.tags.count("img") == 10


def write_map(project, *rows):
    head = "clip,fold,speaker,emotion,predicted,x,y"
    write_output(project, "data/map.csv", "\n".join([head, *rows]) + "\n")


def test_the_map_tells_each_clip_under_the_pointer(project):
    write_map(project, "a,1,a/1,sad,sad,-3.5,0", "<b>,1,a/1,sad,angry,10,2")
    html = made(project)
    shown = Page(html)
    assert "a: sad, recognised" in shown.text
    assert "<b>: sad, taken for angry" in shown.text
    places = re.findall(
        r'translate\(([\d.]+) ([\d.]+)\)" d="([^"]+)" fill="([^"]+)" stroke="([^"]+)', html
    )
    # From the left and from the top: the first clip is further to the left and below.
    assert [tuple(map(float, place[:2])) for place in places] == [(20, 580), (880, 20)]
    (_, _, outline, *same), (_, _, also, hollow, colour) = places
    assert outline == also
    assert same == [colour, colour]
    assert hollow == "#fff"
    assert shown.tags.count("title") == 3  # of the page and of both clips


def test_why_there_is_no_map_is_told(project):
    assert "The map cannot be shown: data/map.csv is missing" in Page(made(project)).text
    write_map(project)
    assert "There are too few test clips for a map." in Page(made(project)).text
    write_map(project, "a,1,a/1,sad,sad,left,0")
    with pytest.raises(UserError, match=r"data/map.csv is damaged .*left"):
        made(project)


@pytest.mark.parametrize("marker", results._MARKERS)
def test_a_mark_is_a_closed_outline_of_the_same_size(marker):
    outline = clip_map._outline(marker)
    assert re.fullmatch(r"M([-\d. MLQCZ])+Z", outline)
    numbers = np.array(re.findall(r"-?\d+\.\d+", outline), float)
    assert 4 <= np.abs(numbers).max() <= 12


def test_a_triangle_that_points_up_does_so_on_the_page():
    """There, y grows downwards."""
    points = re.findall(r"[ML](\S+) (\S+?)(?=[LZ])", clip_map._outline("^"))
    tip = min(points, key=lambda point: float(point[1]))
    assert float(tip[0]) == 0


def test_the_mistakes_can_be_heard(project):
    waveforms = write_mistakes(project, "a", "b")
    shown = Page(made(project))
    found = [load for load in shown.loads if load.startswith("data:audio/flac;base64,")]
    for load, waveform in zip(found, waveforms.values(), strict=True):
        content, rate = soundfile.read(io.BytesIO(base64.b64decode(load.partition(",")[2])))
        assert rate == RATE
        assert content == pytest.approx(waveform, abs=1 / 32768)


def test_sound_has_a_limit(project, monkeypatch):
    write_mistakes(project, "a", "b", "c")
    monkeypatch.setattr(sounds, "MOST_BYTES", 9000)
    shown = Page(made(project))
    embedded = sum(load.startswith("data:audio") for load in shown.loads)
    assert 0 < embedded < 3
    assert shown.text.count("not embedded") == 3 - embedded
    assert f"{3 - embedded} clips are left out: the page holds at most 0.009 MB" in shown.text


def test_a_report_without_the_clips_is_silent_and_tells_why(project):
    write_mistakes(project, "a")
    shutil.rmtree(project / "data/clean")
    shown = Page(made(project))
    assert "audio" not in shown.tags
    assert "the clips cannot be played: " in shown.text


@pytest.mark.skipif(not CAN_BROWSE, reason="no Chromium here")
def test_the_page_fits_a_screen_and_a_telephone_and_plays(project):
    write_mistakes(project, "a", "b")
    commit_base(project, a=True, b=False)
    Image.new("RGB", (1200, 480), "grey").save(project / "plots/history.png")
    made(project, "before")
    with browse() as driver:
        for width, dark in ((1280, False), (390, True)):
            look_like(driver, width, 900, dark)
            driver.get((project / "report.html").as_uri())
            assert_fits(driver, width, dark, "h1")
        durations = "return [...document.querySelectorAll('audio')].map(a => a.duration)"
        driver.execute_script(
            "document.querySelectorAll('audio').forEach(a => { a.preload = 'auto'; a.load() })"
        )
        WebDriverWait(driver, 60).until(lambda d: None not in d.execute_script(durations))
        assert driver.execute_script(durations) == [0.5, 0.5]


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
        made(project)


def test_a_mistake_ends_the_command_with_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "scripts.report", "--base", "nowhere"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: BASE=nowhere: git has no such revision, and this commit no such experiment\n"
    )
