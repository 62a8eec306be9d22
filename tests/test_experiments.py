"""Named experiments, their comparison and the tuning, through the real dvc."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from toy_project import assert_dvc_sees_every_figure

from scripts import compare, experiments, protocols, tune
from scripts.workspace import ROOT, change_params, dvc, dvc_environment, make_workspace
from ser.core import params
from ser.core.errors import UserError

SMALL = {
    "pull": {"corpora": ["demo"]},
    "features": {"n_mels": 32},
    "augment": {"copies": 0},
    "model": {"width": 4, "epochs": 2},
    "evaluate": {"bootstrap": 200},
}


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of experiments."""
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    return tmp_path


# What an experiment cannot know: where EmoBox's lists are.
EMOBOX = {"split": {"emobox": "/EmoBox/data"}}
NEEDED = {"emobox": EMOBOX, "batch-size-1": EMOBOX}


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_is_valid_and_says_only_what_differs(name):
    experiments.read(name, NEEDED.get(name))
    own = yaml.safe_load((experiments.FOLDER / f"{name}.yaml").read_text("utf-8")) or {}
    base = own.pop("extends", None)
    inherited = experiments.resolve(experiments.read(base, NEEDED.get(base)) if base else {})
    before = dict(experiments.flatten(inherited))
    repeated = [key for key, value in experiments.flatten(own) if before[key] == value]
    assert repeated == []


def test_all_experiments_on_the_aesdd_are_compared_or_measured_over_seeds():
    on_aesdd = [
        name
        for name in experiments.names()
        if experiments.resolve(experiments.read(name, NEEDED.get(name)))["pull"]["corpora"]
        == ["aesdd"]
    ]
    assert sorted([*compare.compared(), *protocols.listed()]) == on_aesdd


def test_an_experiment_takes_over_what_it_extends(folder):
    write(
        folder,
        base="model: {epochs: 5, dropout: 0.1}\nsplit: {seed: 1}",
        middle="extends: base\nmodel: {epochs: 6}",
        top="extends: middle\nmodel: {width: 8}",
    )
    assert experiments.read("top") == {
        "model": {"epochs": 6, "dropout": 0.1, "width": 8},
        "split": {"seed": 1},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: {depth: 3}", r"model\.depth: unknown key, allowed here: name, layers"),
        ("modle: {epochs: 3}", r"modle: unknown key, allowed here: pull, clean"),
        ("model: {name: lstm}", r"model\.name = 'lstm'.*'resnet', 'cnn', 'conv1d'.*'exponet'"),
        ("features: {kinds: [pitch]}", r"features\.kinds\.0 = 'pitch'.*'logmel', 'mfcc'"),
        ("split: {scheme: best}", r"split\.scheme = 'best'.*'random', 'speaker', 'kfold'"),
        (
            "features: {kinds: [logmel]}\nmodel: {name: exponet}",
            r"needs clips of one length",
        ),
        ("- model", r"sections of params\.yaml expected"),
        ("model: {epochs: [", r"is no valid YAML"),
        ("extends: nothing", r"no experiment 'nothing': expected one of wrong"),
        ("extends: wrong", r"extends itself: wrong -> wrong"),
    ],
)
def test_a_wrong_experiment_is_refused_with_what_is_valid(folder, text, expected):
    write(folder, wrong=text)
    with pytest.raises(UserError, match=re.compile(expected, re.DOTALL)):
        experiments.read("wrong")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no experiment 's9': expected one of .*s0-cnn3"):
        experiments.read("s9")


def test_an_experiment_is_shortened_but_never_prolonged(folder):
    write(folder, long="model: {epochs: 300}", short="model: {epochs: 5}")
    epochs = [
        compare.shorten(experiments.read(name), limit)["model"]["epochs"]
        for name, limit in [("long", 10), ("long", None), ("short", 10)]
    ]
    assert epochs == [10, 300, 5]


def test_rows_are_replaced_and_kept_in_order():
    old = pd.DataFrame({"experiment": ["c", "a", "gone"], "x": [1, 2, 3]})
    new = pd.DataFrame({"experiment": ["b", "b", "c"], "x": [4, 5, 6]})
    table = compare.replace_rows(old, new, ["a", "b", "c"])
    assert table.to_dict("list") == {"experiment": ["a", "b", "b", "c"], "x": [2, 4, 5, 6]}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small project with experiments of its own, committed; nothing has run yet."""
    folder = tmp_path_factory.mktemp("experiments") / "project"
    make_workspace(folder, SMALL)
    for path in (folder / "experiments").glob("*"):
        path.unlink()
    write(
        folder / "experiments",
        plain="model: {seed: 1}",
        snaps="extends: plain\nfeatures: {kinds: [logmel]}\n"
        "model: {name: cnn, normalisation: clip, epochs: 3, snapshots: true}",
        wrong="model: {depth: 3}",
    )
    (folder / "experiments/compared.csv").write_text(
        "experiment,reported_accuracy,reported_on,selected\nsnaps,74.38,x,y\nplain,,,\n"
    )
    (folder / "experiments/protocols.csv").write_text("experiment,protocol\nplain,random\n")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("add", "--all"), ("commit", "--quiet", "--message", "start")):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


def environment(project):
    """Of a user without any git identity or settings."""
    home = str(project.parent / "home")
    return dvc_environment() | {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1"}


def run(project, module, *arguments, ok=True):
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{module}", *arguments],
        cwd=project,
        env=environment(project),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode == 0) == ok, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def experiments_shown(project):
    shown = dvc(project, "exp", "show", "--csv", env=environment(project), stdout=-1).stdout
    return {row["Experiment"]: row for row in csv.DictReader(shown.splitlines())}


def stages_run(output):
    return re.findall(r"Running stage '(\w+)'", output)


def test_an_experiment_runs_under_its_name_and_leaves_the_workspace_alone(project):
    output = run(project, "experiments", "plain")
    assert stages_run(output)[-2:] == ["train", "evaluate"]
    shown = experiments_shown(project)["plain"]
    assert shown["model.seed"] == "1"
    accuracy = re.search(r"^  accuracy: ([\d.]+)$", output, re.MULTILINE)
    assert float(shown["accuracy"]) == pytest.approx(float(accuracy[1]), abs=1e-5)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, check=True, capture_output=True
    )
    assert status.stdout == b""


def test_a_wrong_experiment_runs_nothing(project):
    for module in ("experiments", "compare"):
        assert stages_run(run(project, module, "wrong", ok=False)) == []
        assert "no experiment" in run(project, "experiments", "other", ok=False)


def test_a_comparison_says_what_its_experiments_measured(project):
    output = run(project, "compare")
    table = pd.read_csv(project / "metrics/compare.csv").set_index("experiment")
    assert table.index.tolist() == ["snaps", "plain"]
    for name, row in table.iterrows():
        ref = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}"],
            cwd=project, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        shown = subprocess.run(
            ["git", "show", f"{ref}:metrics/evaluate.json"],
            cwd=project, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        figures = json.loads(shown)
        assert row["accuracy"] == figures["accuracy"]
        assert [row["accuracy_low"], row["accuracy_high"]] == [
            figures["accuracy_low"],
            figures["accuracy_high"],
        ]
        assert row["uar"] == figures["uar"]
    # Each of three epochs was tested; the best is at least as good as the last.
    assert table.loc["snaps", "oracle"] >= table.loc["snaps", "accuracy"]
    assert pd.isna(table.loc["plain", "oracle"])
    for column in ("epochs", "epochs_allowed", "epochs_wanted"):
        assert table[column].tolist() == [3, 2]
    assert table.loc["snaps", "seconds_per_epoch"] >= 0
    history = pd.read_csv(project / "plots/compare_history.csv").set_index("experiment")
    assert history.loc["snaps", "test_loss"].notna().tolist() == [True] * 3
    assert history.loc["plain", "test_loss"].isna().all()
    assert (project / "plots/compare.png").stat().st_size > 10_000

    # A second time nothing is trained, and nothing changes.
    before = (project / "metrics/compare.csv").read_bytes()
    again = run(project, "compare")
    assert stages_run(again) == []
    assert again.count("done already") == 2
    assert (project / "metrics/compare.csv").read_bytes() == before

    # Some names with fewer epochs: only those rows change.
    run(project, "compare", "--epochs", "1", "snaps")
    shorter = pd.read_csv(project / "metrics/compare.csv").set_index("experiment")
    epochs = shorter.loc["snaps", ["epochs", "epochs_allowed", "epochs_wanted"]]
    assert epochs.tolist() == [1, 1, 3]
    assert shorter.loc["plain"].equals(table.loc["plain"])
    assert "Traceback" not in output


def test_a_protocol_is_measured_over_all_seeds(project):
    change_params(project / "params.yaml", {"evaluate": {"bootstrap": 150}})  # not committed
    output = run(project, "protocols")
    subprocess.run(["git", "checkout", "--quiet", "params.yaml"], cwd=project, check=True)
    for seed in protocols.SEEDS:
        name = f"plain-seed{seed}"
        assert f"{name}: Reproducing experiment '{name}'" in output
    # What all share is done once; each line says whose it is.
    assert stages_run(output).count("augment") <= 1
    assert all(line.startswith("plain") for line in output.splitlines() if "Running" in line)
    figures = json.loads((project / "metrics/protocols.json").read_text("utf-8"))["plain"]
    shown = experiments_shown(project)
    of_seeds = [shown[f"plain-seed{seed}"] for seed in protocols.SEEDS]
    assert {row["evaluate.bootstrap"] for row in of_seeds} == {"150"}
    assert [row["model.seed"] for row in of_seeds] == [str(seed) for seed in protocols.SEEDS]
    assert list(figures["per_seed"]) == [str(seed) for seed in protocols.SEEDS]
    for name in ("accuracy", "uar"):
        each = [float(row[name]) for row in of_seeds]
        of_each = [of_seed[name] for of_seed in figures["per_seed"].values()]
        assert of_each == pytest.approx(each, abs=1e-5)
        assert figures[name]["mean"] == pytest.approx(np.mean(each), abs=1e-5)
        assert figures[name]["std"] == pytest.approx(np.std(each, ddof=1), abs=1e-5)
    assert figures["accuracy"]["low"] <= figures["accuracy"]["mean"] <= figures["accuracy"]["high"]
    for groups in ("per_speaker", "per_emotion", "per_length"):
        assert sum(group["n"] for group in figures[groups].values()) == figures["clips"]
        hits = sum(group["n"] * group["accuracy"] for group in figures[groups].values())
        assert hits / figures["clips"] == pytest.approx(figures["accuracy"]["mean"], abs=1e-4)
    counted = sum(sum(row.values()) for row in figures["confusions"].values())
    assert counted == figures["clips"] * len(protocols.SEEDS)
    assert_dvc_sees_every_figure(project, "metrics/protocols.json")
    assert "no such protocol" in run(project, "protocols", "snaps", ok=False)


def test_the_figures_of_all_seeds_have_names():
    clips = [f"c/{i}" for i in range(4)]
    actual = ["angry", "angry", "sad", "sad"]
    shared = {"clip": clips, "fold": [1, 2, 1, 2], "speaker": list("xxyy"), "emotion": actual}
    said = {0: actual, 7: ["angry", "sad", "sad", "sad"]}
    runs = {seed: pd.DataFrame(shared | {"predicted": taken}) for seed, taken in said.items()}
    figures = protocols.summarise(runs, pd.Series(dict.fromkeys(clips, 2.0)))
    low, high = (figures["accuracy"].pop(end) for end in ("low", "high"))
    assert 0.5 <= low < 0.875 < high <= 1
    assert figures == {
        "clips": 4,
        "folds": 2,
        "accuracy": {"mean": 0.875, "std": pytest.approx(0.25 / 2**0.5)},
        "uar": {"mean": 0.875, "std": pytest.approx(0.25 / 2**0.5)},
        "per_seed": {"0": {"accuracy": 1.0, "uar": 1.0}, "7": {"accuracy": 0.75, "uar": 0.75}},
        "per_fold": {"1": {"accuracy": 1.0}, "2": {"accuracy": 0.75}},
        "per_speaker": {"x": {"accuracy": 0.75, "n": 2}, "y": {"accuracy": 1.0, "n": 2}},
        "per_emotion": {"angry": {"accuracy": 0.75, "n": 2}, "sad": {"accuracy": 1.0, "n": 2}},
        "per_length": {"0 to 3 s": {"accuracy": 0.875, "n": 4}},
        "confusions": {"angry": {"angry": 3, "sad": 1}, "sad": {"angry": 0, "sad": 4}},
    }


@pytest.mark.parametrize(
    ("workers", "scheduler", "expected"),
    [("1", "", 1), ("2", "", 2), ("64", "", 5), ("1", "tcp://127.0.0.1:8786", 5)],
)
def test_as_many_seeds_run_at_once_as_there_is_room_for(monkeypatch, workers, scheduler, expected):
    monkeypatch.setenv("SER_WORKERS", workers)
    monkeypatch.setenv("SER_DASK_SCHEDULER", scheduler)
    assert protocols.at_once() == expected


def test_emoboxs_fold_needs_its_lists(project):
    write(project / "experiments", emobox="split: {scheme: emobox}")
    (project / "experiments/protocols.csv").write_text("experiment,protocol\nemobox,fold 1\n")
    assert "needs EmoBox's lists" in run(project, "protocols", "emobox", ok=False)
    assert "is no folder" in run(project, "protocols", "--emobox", "nowhere", ok=False)


def test_an_interval_over_clips_is_that_of_a_binomial_share():
    shares = np.repeat([1.0, 0.0], [80, 20])
    low, high = protocols.interval(shares)
    deviation = np.sqrt(0.8 * 0.2 / 100)
    assert low == pytest.approx(0.8 - 1.96 * deviation, abs=0.01)
    assert high == pytest.approx(0.8 + 1.96 * deviation, abs=0.01)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("model.seed", "<key>=<value> expected"),
        ("model.seed=[", "is no valid YAML"),
        ("model.seed=2024-13-45", "is no valid YAML"),
    ],
)
def test_settings_are_keys_with_values(setting, said):
    with pytest.raises(UserError, match=said):
        experiments.parse_settings([setting])


def test_settings_reach_any_depth():
    settings = ["split.emobox=/a b/c=d", "augment.noise.probability=0.5", "model.seed=3"]
    assert experiments.parse_settings(settings) == {
        "split": {"emobox": "/a b/c=d"},
        "augment": {"noise": {"probability": 0.5}},
        "model": {"seed": 3},
    }


def test_an_experiment_that_was_killed_goes_on(project):
    write(project / "experiments", plain="model: {seed: 2, epochs: 6}")
    command = [sys.executable, "-m", "scripts.experiments", "plain"]
    with subprocess.Popen(
        command, cwd=project, env=environment(project), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if "epoch 3/6" in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
    output = run(project, "experiments", "plain")
    assert "goes on from" in output
    epochs = [int(n) for n in re.findall(r"epoch (\d)/6", output)]
    assert epochs[0] >= 3
    assert epochs[-1] == 6


def trials_shown(project):
    return sorted(name for name in experiments_shown(project) if name.startswith("tune-"))


def test_every_trial_of_a_tuning_is_an_experiment_on_validation_alone(project):
    first = run(project, "tune", "1")
    assert "evaluate" not in stages_run(first)
    (name,) = trials_shown(project)
    best = json.loads(re.search(rf"Best: {name}, validation loss [\d.]+, (\{{.*\}})", first)[1])
    shown = experiments_shown(project)[name]
    assert float(shown["model.learning_rate"]) == pytest.approx(best["learning_rate"])
    assert float(shown["val_loss"]) > 0

    # One more goes on with the same study, elsewhere; as many as there are is nothing to do.
    second = run(project, "tune", "2")
    assert f"== {name}" not in second
    assert len(trials_shown(project)) == 2
    rates = {
        experiments_shown(project)[trial]["model.learning_rate"] for trial in trials_shown(project)
    }
    assert len(rates) == 2
    assert stages_run(run(project, "tune", "2")) == []


# A test run in the background may have been started with Ctrl-C ignored, and what it starts, too.
_TUNE_INTERRUPTIBLY = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["scripts.tune", "3"]
runpy.run_module("scripts.tune", run_name="__main__")
"""


def test_a_tuning_that_was_interrupted_takes_its_trial_up_again(project):
    command = [sys.executable, "-c", _TUNE_INTERRUPTIBLY]
    drawn = []
    with subprocess.Popen(
        command, cwd=project, env=environment(project), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("== tune-"):
                drawn.append(line.split(": ", 1)[1])
                os.killpg(process.pid, signal.SIGINT)
    again = run(project, "tune", "3")
    drawn += [line.split(": ", 1)[1] for line in again.splitlines(True) if line.startswith("== ")]
    # The first trial that goes on is the one that was stopped.
    assert drawn[1] == drawn[0]


def test_tuning_needs_validation_clips(tmp_path):
    folder = tmp_path / "project"
    make_workspace(folder, SMALL | {"split": {"val": 0.0}})
    assert "set split.val above 0" in run(folder, "tune", "1", ok=False)


def test_without_a_commit_there_are_no_experiments(tmp_path):
    folder = tmp_path / "project"
    make_workspace(folder, SMALL)
    for module, argument in (("tune", "1"), ("experiments", "default"), ("compare", "default")):
        assert "a commit of a git repository" in run(folder, module, argument, ok=False)


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_numbers_are_whole_and_from_one_on(number):
    for arguments in (("scripts.tune", number), ("scripts.compare", "--epochs", number)):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """An empty folder of studies."""
    monkeypatch.setattr(tune, "FOLDER", tmp_path)
    return params.load(ROOT / "params.yaml")


def test_a_trial_that_was_stopped_is_tried_again(studies):
    wanted = tune.suggest(tune.open_study(studies, "c").ask(), studies)
    assert tune.suggest(tune.open_study(studies, "c").ask(), studies) == wanted


@pytest.mark.parametrize("name", ["default", "functionals", "resnet"])
def test_whatever_is_drawn_suits_the_net(studies, name):
    changes = experiments.read(name)
    settings = params.parse(experiments.resolve(changes), name)
    study = tune.open_study(settings, "c")
    for _ in range(8):
        drawn = experiments.merge(changes, tune.suggest(study.ask(), settings))
        params.parse(experiments.resolve(drawn), name)


def test_other_code_and_other_params_are_other_studies(studies):
    names = {tune.open_study(studies, commit).study_name for commit in ("c", "d", "c")}
    other = studies.model_copy(update={"model": studies.model.model_copy(update={"width": 3})})
    names.add(tune.open_study(other, "c").study_name)
    assert len(names) == 3


def test_only_layers_that_the_net_can_have_are_tried(studies):
    def layers(**changes):
        of_features = {"kinds": ["logmel"], "n_mels": changes.pop("n_mels", 64)}
        features = studies.features.model_copy(update=of_features)
        model = studies.model.model_copy(update=changes)
        update = {"model": model, "features": features}
        return tune.allowed_sizes(studies.model_copy(update=update), "layers")

    assert layers(name="resnet") == [3, 4]
    assert layers(name="cnn", n_mels=8) == [3]


@pytest.mark.parametrize("text", ["", "experiment\n", "<<<<<<< HEAD\na,b\n", "\xff"])
def test_a_damaged_comparison_is_refused_before_anything_runs(tmp_path, text):
    path = tmp_path / "compare.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is damaged"):
        compare.read_table(path, compare.COLUMNS)


def test_a_failing_experiment_leaves_the_former_one(project):
    before = experiments_shown(project).keys()
    write(project / "experiments", plain="model: {seed: 2, learning_rate: 1.0e+30}")
    output = run(project, "experiments", "plain", ok=False)
    assert "lower model.learning_rate" in output
    assert "git checkout" not in output
    assert "plain" in before
    assert experiments_shown(project).keys() == before


def test_text_beyond_ascii_arrives_as_it_is(project):
    write(project / "experiments", odd="split: {emobox: /tmp/p\u00e4 th}\nmodel: {epochs: 1}")
    run(project, "experiments", "odd")
    assert experiments_shown(project)["odd"]["split.emobox"] == "/tmp/p\u00e4 th"
