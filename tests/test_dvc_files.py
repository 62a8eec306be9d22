"""How DVC treats the project's files: .dvcignore, params.yaml after `-S`, plots, metrics."""

import difflib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from toy_project import assert_dvc_compares_the_headline_alone, seen_by_dvc

from scripts.workspace import ROOT, change_params, dvc, dvc_command, dvc_environment
from ser.core.tables import write_csv

PATTERNS = [
    line
    for line in (ROOT / ".dvcignore").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def ignored(folder, paths):
    """Return those of the paths that DVC ignores."""
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


def test_recordings_are_never_ignored_whatever_the_names_of_their_folders(repository):
    names = sorted({Path(pattern).name for pattern in PATTERNS} | {"recordings", "build"})
    assert "demo" in names
    paths = []
    for name in names:
        paths += [f"data/raw/{name}/happiness/x.wav", f"data/raw/own/{name}/x.wav"]
        paths += [f"data/raw/own/angry/{name}/x.wav", f"data/raw/other/angry/{name}"]
        paths += [f"recordings/{name}/x.wav", f"data/clean/{name}"]
    assert ignored(repository, paths) == []


def test_every_pattern_ignores_the_intended_files(repository):
    places = [
        pattern.lstrip("/").replace("**/", folder)
        for pattern in PATTERNS
        for folder in (("", "deep/er/") if "**/" in pattern else ("",))
    ]
    paths = [f"{place}/x" for place in places]
    assert ignored(repository, paths) == paths


def plot_of_history(repository, rows):
    """Return DVC's Vega specification of these learning curves, drawn as in dvc.yaml."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
    plots = pipeline["stages"]["train"]["plots"]
    stages = {"stages": {"train": {"cmd": "train", "plots": plots}}}
    (repository / "dvc.yaml").write_text(yaml.safe_dump(stages), "utf-8")
    shutil.copytree(ROOT / ".dvc/plots", repository / ".dvc/plots")
    write_csv(repository / "plots/history.csv", rows, list(rows[0]))
    done = dvc(repository, "plots", "show", "--json", capture_output=True)
    assert done.returncode == 0, done.stderr
    ((drawn,),) = json.loads(done.stdout)["data"].values()
    return drawn["content"]


def points(plot):
    """Return the points (subset, fold, epoch, loss) that the specification draws."""
    fold, *_ = plot["transform"]
    name, value = fold["as"]
    encoding = plot["encoding"]
    assert (encoding["y"]["field"], encoding["strokeDash"]["field"]) == (value, name)
    return {
        (subset, row[encoding["detail"]["field"]], row[encoding["x"]["field"]], row[subset])
        for row in plot["data"]["values"]
        for subset in fold["fold"]
        if row[subset]
    }


@pytest.mark.parametrize("validated", [True, False])
def test_learning_curves_show_train_and_val_if_any(repository, validated):
    rows = [
        {
            "fold": fold,
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "val_loss": 2 / epoch if validated else None,
            "train_accuracy": 0.5,
            "val_accuracy": 0.4 if validated else None,
        }
        for fold in (1, 2)
        for epoch in (1, 2, 3)
    ]
    plot = plot_of_history(repository, rows)
    assert points(plot) == {
        (subset, str(row["fold"]), str(row["epoch"]), str(row[subset]))
        for row in rows
        for subset in ("train_loss", *(["val_loss"] if validated else []))
    }
    # Programs without the template draw this column.
    assert all(row[row["field"]] for row in plot["data"]["values"])
    # A line through a single epoch would be invisible.
    assert plot["mark"]["point"]


def test_curves_can_be_looked_at_while_the_training_goes_on(repository, tmp_path_factory):
    pipe = tmp_path_factory.mktemp("pipe") / "go on"
    os.mkfifo(pipe)
    rows = ["fold,epoch,train_loss", "1,1,0.9", "1,2,0.7"]
    (repository / "rows.csv").write_text("\n".join(rows), "utf-8")
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]["train"]["plots"]
    command = f"mkdir -p plots && cp rows.csv plots/history.csv && echo written && cat '{pipe}'"
    stages = {"stages": {"train": {"cmd": command, "plots": plots}}}
    (repository / "dvc.yaml").write_text(yaml.safe_dump(stages), "utf-8")
    shutil.copytree(ROOT / ".dvc/plots", repository / ".dvc/plots")
    training = subprocess.Popen(
        dvc_command("repro"),
        cwd=repository,
        env=dvc_environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert "written\n" in iter(training.stdout.readline, "")
        done = dvc(repository, "plots", "show", "--json", capture_output=True)
        assert training.poll() is None
        pipe.write_text("")
        training.communicate()
    finally:
        if training.poll() is None:
            os.killpg(training.pid, signal.SIGKILL)  # with the stage, which waits for the pipe
    assert training.returncode == 0
    ((drawn,),) = json.loads(done.stdout)["data"].values()
    assert [row["train_loss"] for row in drawn["content"]["data"]["values"]] == ["0.9", "0.7"]


@pytest.fixture
def params_file(tmp_path):
    """A copy of params.yaml."""
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def changed_lines(old, new):
    """Return the removed and the added lines."""
    lines = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "+-"]
    return [line[2:] for line in lines if line[0] == "-"], [
        line[2:] for line in lines if line[0] == "+"
    ]


def test_a_round_trip_through_dvc_or_this_project_changes_no_byte(params_file):
    before = params_file.read_bytes()
    apply_overrides(params_file, [])
    assert params_file.read_bytes() == before
    change_params(params_file, {})
    assert params_file.read_bytes() == before


# An override by -S, the same change for change_params, and the line's expected content.
CHANGES = [
    ("model.batch_size=1", {"model": {"batch_size": 1}}, "batch_size: 1 "),
    ("model.learning_rate=1e-05", {"model": {"learning_rate": 1e-5}}, "learning_rate: 1e-05"),
    ("augment.crop.share=[0.5,0.9]", {"augment": {"crop": {"share": [0.5, 0.9]}}}, "[0.5, 0.9]}"),
    ("augment.noise.probability=0.5", {"augment": {"noise": {"probability": 0.5}}}, "y: 0.5, "),
    ("split.emobox='/a b/EmoBox'", {"split": {"emobox": "/a b/EmoBox"}}, "/a b/EmoBox"),
    ("pull.sources.own=path:/x/y", {"pull": {"sources": {"own": "path:/x/y"}}}, "own: path:/x/y"),
    ("pull.corpora=[demo]", {"pull": {"corpora": ["demo"]}}, "- demo"),
    ("features.kinds=[mfcc]", {"features": {"kinds": ["mfcc"]}}, "- mfcc"),
    ("evaluate.baseline=none", {"evaluate": {"baseline": "none"}}, "baseline: none "),
]


@pytest.mark.parametrize(("override", "changes", "there"), CHANGES)
def test_a_changed_value_changes_one_line(params_file, override, changes, there):
    before = params_file.read_text("utf-8")
    apply_overrides(params_file, [override])
    after = params_file.read_text("utf-8")
    (old,), (new,) = changed_lines(before, after)
    assert there in new
    assert old.partition("#")[2] == new.partition("#")[2]  # the comment
    params_file.write_text(before, "utf-8")
    change_params(params_file, changes)
    assert params_file.read_text("utf-8") == after


# Keys with several values or none: how to set them, the expected lines below the key, and back.
SEVERAL = [
    ("pull.corpora=[a,b]", {"pull": {"corpora": ["a", "b"]}}, ["- a", "- b"], "[aesdd]"),
    ("pull.corpora=[]", {"pull": {"corpora": []}}, [], "[aesdd]"),
    ("pull.redirect_hosts=[h]", {"pull": {"redirect_hosts": ["h"]}}, ["- h"], "[]"),
    ("clean.emotions=[a,b]", {"clean": {"emotions": ["a", "b"]}}, ["- a", "- b"], "all"),
    ("clean.emotions=[]", {"clean": {"emotions": []}}, [], "all"),
    ("features.kinds=[a,b]", {"features": {"kinds": ["a", "b"]}}, ["- a", "- b"], "[logmel]"),
    ("features.kinds=[]", {"features": {"kinds": []}}, [], "[logmel]"),
    ("split.test_corpora=[b]", {"split": {"test_corpora": ["b"]}}, ["- b"], "[]"),
    ("clean.columns=[a,b]", {"clean": {"columns": ["a", "b"]}}, ["- a", "- b"], "[]"),
    (
        "evaluate.groups=[age]",
        {"evaluate": {"groups": ["age"]}},
        ["- age"],
        "[gender,corpus,language,seconds,level]",
    ),
    ("++clean.relabel.a=sad", {"clean": {"relabel": {"a": "sad"}}}, ["  a: sad"], None),
    ("++split.train_corpora.a=0.5", {"split": {"train_corpora": {"a": 0.5}}}, ["  a: 0.5"], None),
]


def test_a_mapping_is_set_as_a_whole(params_file):
    for given in ("{ravdess: 0.5, own: 1}", "{ravdess: 0.25}"):
        apply_overrides(params_file, [f"++split.train_corpora={given}"])
    split = yaml.safe_load(params_file.read_text("utf-8"))["split"]
    assert split["train_corpora"] == {"ravdess": 0.25, "own": 1}


def comments(text):
    return sorted("#" + line.partition("#")[2] for line in text.splitlines() if " #" in line)


@pytest.mark.parametrize(("override", "changes", "items", "back"), SEVERAL)
def test_several_values_are_written_below_their_key_and_can_be_reset(
    params_file, override, changes, items, back
):
    before = params_file.read_text("utf-8")
    apply_overrides(params_file, [override])
    after = params_file.read_text("utf-8")
    _, new = changed_lines(before, after)
    assert [
        line.removeprefix("  ") for line in new if not line.rstrip(" []").endswith(":")
    ] == items
    assert comments(after) == comments(before)
    key = override.strip("+").partition("=")[0]
    apply_overrides(params_file, [f"~{key}" if back is None else f"{key}={back}"])
    assert params_file.read_text("utf-8") == before
    change_params(params_file, changes)
    assert params_file.read_text("utf-8") == after


def test_a_users_own_corpus_adds_one_line(params_file):
    before = params_file.read_text("utf-8")
    change_params(params_file, {"pull": {"sources": {"calls": "path:/calls"}}})
    after = params_file.read_text("utf-8")
    assert changed_lines(before, after) == ([], ["    calls: path:/calls"])
    params_file.write_text(before, "utf-8")
    apply_overrides(params_file, ["+pull.sources.calls=path:/calls"])
    assert params_file.read_text("utf-8") == after


def test_dvc_compares_a_little_of_the_robustness_where_it_is_named():
    robustness = "metrics/robustness.json"
    seen = seen_by_dvc(ROOT, robustness)
    assert set(seen[robustness]) == {"clips", "clean", "mean", "worst"}


def test_dvc_compares_the_headline_of_the_repository_alone():
    headline = "metrics/headline.json"
    reports = sorted(set(seen_by_dvc(ROOT)) - {headline})
    assert len(reports) == 6
    assert_dvc_compares_the_headline_alone(ROOT, headline, *reports)
