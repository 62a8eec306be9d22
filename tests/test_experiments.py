"""Named experiments and tuning, through the real dvc."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml
from small_project import (
    SMALL,
    commit,
    environment,
    experiments_shown,
    make_small_project,
    run,
    stages_run,
    write,
)

from scripts import experiments, tune
from scripts.workspace import ROOT, make_workspace
from ser.core import params
from ser.core.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of experiments."""
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    return tmp_path


# The folder of EmoBox's lists, which an experiment's file cannot know.
EMOBOX = {"split": {"emobox": "/EmoBox/data"}}
NEEDED = {"emobox": EMOBOX, "batch-size-1": EMOBOX}


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_is_valid_and_contains_only_differences(name):
    experiments.read_experiment(name, NEEDED.get(name))
    own = yaml.safe_load((experiments.FOLDER / f"{name}.yaml").read_text("utf-8")) or {}
    base = own.pop("extends", None)
    inherited = experiments.resolve(
        experiments.read_experiment(base, NEEDED.get(base)) if base else {}
    )
    before = dict(experiments.flatten(inherited))
    repeated = [key for key, value in experiments.flatten(own) if before[key] == value]
    assert repeated == []


def test_an_experiment_inherits_what_it_extends(folder):
    write(
        folder,
        base="model: {epochs: 5, dropout: 0.1}\nsplit: {seed: 1}",
        middle="extends: base\nmodel: {epochs: 6}",
        top="extends: middle\nmodel: {width: 8}",
    )
    assert experiments.read_experiment("top") == {
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
        ("model: {epochs: [", r"is not valid YAML"),
        ("extends: nothing", r"no experiment 'nothing': expected one of wrong"),
        ("extends: wrong", r"extends itself: wrong -> wrong"),
    ],
)
def test_a_wrong_experiment_is_refused_with_what_is_valid(folder, text, expected):
    write(folder, wrong=text)
    with pytest.raises(UserError, match=re.compile(expected, re.DOTALL)):
        experiments.read_experiment("wrong")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no experiment 's9': expected one of .*s0-cnn3"):
        experiments.read_experiment("s9")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small committed project with its own experiments; nothing has run yet."""
    folder = make_small_project(tmp_path_factory.mktemp("experiments") / "project")
    write(folder / "experiments", plain="model: {seed: 1}", wrong="model: {depth: 3}")
    commit(folder)
    return folder


def test_an_experiment_runs_under_its_name_and_does_not_change_the_workspace(project):
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
    assert stages_run(run(project, "experiments", "wrong", ok=False)) == []
    assert "no experiment" in run(project, "experiments", "other", ok=False)


def test_a_training_is_timed_from_the_output_of_its_run():
    log = [
        (1.0, "Stage 'split' is cached - skipping run, checking out outputs"),
        (2.0, "Running stage 'train':"),
        (3.0, "> python -m stages.train"),
        (5.0, "fold 1/2 epoch 1/1: loss 1.769 21.4% (0.8 s)"),
        (8.0, "fold 2/2 epoch 1/1: loss 1.769 21.4%, val 1.5 32.0% (0.4 s)"),
        (9.5, "Running stage 'evaluate':"),
        (20.0, "Ran experiment(s): x"),
    ]
    assert experiments.time_training(log) == (7.5, pytest.approx(0.6))
    assert experiments.time_training(log[:5]) == (6.0, pytest.approx(0.6))  # it was the last stage
    assert experiments.time_training(log[:3]) == (1.0, None)
    assert experiments.time_training([log[0], log[-2], log[-1]]) is None


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("model.seed", "<key>=<value> expected"),
        ("model.seed=[", "is not valid YAML"),
        ("model.seed=2024-13-45", "is not valid YAML"),
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


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], "loso"),
        (["model.seed=1"], "loso-model.seed-1"),
        (["split.folds=5", "model.seed=1"], "loso-model.seed-1-split.folds-5"),
        (["model.weight_decay=0"], "loso-model.weight_decay-0"),
        (["model.learning_rate=1e-05"], "loso-model.learning_rate-1e-05"),
        (["model.optimizer=adam"], "loso-model.optimizer-adam"),
        (["clean.relabel={}"], "loso"),  # which changes nothing
    ],
)
def test_a_setting_is_a_part_of_the_experiments_name(settings, expected):
    assert experiments.experiment_name("loso", experiments.parse_settings(settings)) == expected


def test_names_with_settings_are_valid_and_different_for_every_setting():
    values = [
        *("/data/EmoBox", "data/EmoBox", "data EmoBox", "data-EmoBox", "a..b", "a.b.", "a..."),
        *("x.lock", "true", "x" * 300, "x" * 299, "é", "e", "[1, 2]"),
        *("a@{b", "a^", "'a:'", "a?b*", r"'a\b'", "'a\nb'", "-1", "1", "1.0", "null", "' '"),
    ]
    names = [
        experiments.experiment_name("emobox", experiments.parse_settings([f"split.emobox={value}"]))
        for value in values
    ]
    assert len(set(names)) == len(values)
    for name in names:
        assert re.fullmatch(r"emobox-split\.emobox-[\w.-]*", name, re.ASCII)
        assert len(name) < 80
        ref = f"refs/exps/ab/{'c' * 38}/{name}"
        subprocess.run(["git", "check-ref-format", ref], check=True)


def test_an_experiment_with_a_setting_does_not_take_the_place_of_the_one_without(project):
    run(project, "experiments", "plain")
    output = run(project, "experiments", "plain", "model.seed=3", "model.epochs=1")
    name = "plain-model.epochs-1-model.seed-3"
    assert f"`dvc exp apply {name}`" in output
    shown = experiments_shown(project)
    assert shown["plain"]["model.seed"] == "1"
    assert (shown[name]["model.seed"], shown[name]["model.epochs"]) == ("3", "1")


def test_a_killed_experiment_continues(project):
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


def test_every_trial_of_a_tuning_is_an_experiment_with_validation_only(project):
    first = run(project, "tune", "1")
    assert "evaluate" not in stages_run(first)
    (name,) = trials_shown(project)
    best = json.loads(re.search(rf"Best: {name}, validation loss [\d.]+, (\{{.*\}})", first)[1])
    shown = experiments_shown(project)[name]
    assert float(shown["model.learning_rate"]) == pytest.approx(best["learning_rate"])
    assert float(shown["val_loss"]) > 0

    # A larger number continues the study from another folder; the same number does nothing.
    second = run(project, "tune", "2")
    assert f"== {name}" not in second
    assert len(trials_shown(project)) == 2
    rates = {
        experiments_shown(project)[trial]["model.learning_rate"] for trial in trials_shown(project)
    }
    assert len(rates) == 2
    assert stages_run(run(project, "tune", "2")) == []


# A test run in the background may ignore Ctrl-C, and so would the processes that it starts.
_TUNE_INTERRUPTIBLY = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["scripts.tune", "3"]
runpy.run_module("scripts.tune", run_name="__main__")
"""


def test_an_interrupted_tuning_continues_its_trial(project):
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
    # The first trial to continue is the one that was stopped.
    assert drawn[1] == drawn[0]


def test_tuning_needs_validation_clips(tmp_path):
    folder = tmp_path / "project"
    make_workspace(folder, SMALL | {"split": {"val": 0.0}})
    assert "set split.val above 0" in run(folder, "tune", "1", ok=False)


def test_without_a_commit_there_are_no_experiments(tmp_path):
    folder = tmp_path / "project"
    make_workspace(folder, SMALL)
    for command in (("tune", "1"), ("experiments", "default"), ("suites", "compare", "default")):
        assert "a commit of a git repository" in run(folder, *command, ok=False)


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_numbers_must_be_whole_and_positive(number):
    of_suites = (("compare", "--epochs", number), ("trials", "--seeds", number))
    for arguments in (("scripts.tune", number), *(("scripts.suites", *each) for each in of_suites)):
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
def test_drawn_params_are_valid_for_the_net(studies, name):
    changes = experiments.read_experiment(name)
    settings = params.parse_params(experiments.resolve(changes), name)
    study = tune.open_study(settings, "c")
    for _ in range(8):
        drawn = experiments.merge(changes, tune.suggest(study.ask(), settings))
        params.parse_params(experiments.resolve(drawn), name)


def test_other_code_or_params_start_another_study(studies):
    names = {tune.open_study(studies, commit).study_name for commit in ("c", "d", "c")}
    other = studies.model_copy(update={"model": studies.model.model_copy(update={"width": 3})})
    names.add(tune.open_study(other, "c").study_name)
    assert len(names) == 3


def test_only_valid_numbers_of_layers_are_tried(studies):
    def layers(**changes):
        of_features = {"kinds": ["logmel"], "n_mels": changes.pop("n_mels", 64)}
        features = studies.features.model_copy(update=of_features)
        model = studies.model.model_copy(update=changes)
        update = {"model": model, "features": features}
        return tune.allowed_sizes(studies.model_copy(update=update), "layers")

    assert layers(name="resnet") == [3, 4]
    assert layers(name="cnn", n_mels=8) == [3]


def test_a_failing_experiment_leaves_the_former_one(project):
    before = experiments_shown(project).keys()
    write(project / "experiments", plain="model: {seed: 2, learning_rate: 1.0e+30}")
    output = run(project, "experiments", "plain", ok=False)
    assert "lower model.learning_rate" in output
    assert "git checkout" not in output
    assert "plain" in before
    assert experiments_shown(project).keys() == before


def test_non_ascii_text_is_preserved(project):
    write(project / "experiments", odd="split: {emobox: /tmp/p\u00e4 th}\nmodel: {epochs: 1}")
    run(project, "experiments", "odd")
    assert experiments_shown(project)["odd"]["split.emobox"] == "/tmp/p\u00e4 th"
