"""Named experiments and tuning, through the real dvc."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from optuna.trial import TrialState
from small_project import (
    SMALL,
    environment,
    experiments_shown,
    make_small_project,
    prepare,
    reproduced,
    run,
    stages_run,
    write,
)

from scripts import experiments, tune
from scripts.val_comparison import Comparison, compare
from scripts.workspace import ROOT, change_params, dvc, make_workspace
from ser.core import params
from ser.core.errors import UserError
from ser.core.tables import parse_report


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
    repeated = [key for key, value in experiments.flatten(own) if before.get(key) == value]
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
def project(tmp_path_factory, stage_results):
    """A small committed project with its own experiments; nothing has been trained yet."""
    folder = make_small_project(tmp_path_factory.mktemp("experiments") / "project", stage_results)
    write(folder / "experiments", plain="model: {seed: 11}", wrong="model: {depth: 3}")
    prepare(folder)
    return folder


def test_an_experiment_runs_under_its_name_and_does_not_change_the_workspace(project):
    output = run(project, "experiments", "plain")
    stages = reproduced(output)
    assert stages.index("train") < stages.index("evaluate")
    shown = experiments_shown(project)["plain"]
    assert shown["model.seed"] == "11"
    accuracy = re.search(r"^  accuracy: ([\d.]+)$", output, re.MULTILINE)
    assert float(shown["accuracy"]) == pytest.approx(float(accuracy[1]), abs=1e-5)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, check=True, capture_output=True
    )
    assert status.stdout == b""


def test_the_table_begins_with_the_commit_and_has_what_differs(project):
    shown = experiments_shown(project)["plain"]
    printed = run(project, "table").splitlines()
    assert re.split(r"  +", printed[0]) == [
        *("experiment", "accuracy", "95 % interval", "UAR", "training time", "changed params")
    ]
    # The project's commit has no figures: nothing was trained in its workspace.
    assert re.split(r"  +", printed[1]) == ["(this commit)", "-", "-", "-", "-", "-"]
    name, accuracy, interval, uar, seconds, changed = re.split(r"  +", printed[2])
    assert (name, changed) == ("plain", "model.seed=11")
    assert accuracy == f"{float(shown['accuracy']) * 100:.1f} %"
    assert interval == " to ".join(
        f"{float(shown[end]) * 100:.1f}" for end in ("accuracy_low", "accuracy_high")
    )
    assert uar == f"{float(shown['uar']) * 100:.1f} %"
    assert re.fullmatch(r"\d+ s", seconds)


def test_a_wrong_experiment_runs_nothing(project):
    assert stages_run(run(project, "experiments", "wrong", ok=False)) == []
    assert "no experiment" in run(project, "experiments", "other", ok=False)


def test_a_training_is_timed_from_the_output_of_its_run():
    log = [
        (1.0, "Stage 'split' is cached - skipping run, checking out outputs"),
        (2.0, "Running stage 'train':"),
        (3.0, "> python -m stages.train"),
        (4.0, "fold 1/2 epoch 1/9: train loss 1.7, accuracy 21%; 2.80 s per epoch, 00:22 left"),
        (5.0, "fold 1/2 epoch 9/9: train loss 1.7, accuracy 21%; 0.80 s per epoch"),
        (8.0, "fold 2/2 epoch 9/9: train loss 1.7, accuracy 21%; val loss 1; 0.40 s per epoch"),
        (9.5, "Running stage 'evaluate':"),
        (20.0, "Ran experiment(s): x"),
    ]
    assert experiments.time_training(log) == (7.5, pytest.approx(0.6))
    assert experiments.time_training(log[:6]) == (6.0, pytest.approx(0.6))  # it was the last stage
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
    output = run(project, "experiments", "plain", "model.seed=3", "model.epochs=1")
    name = "plain-model.epochs-1-model.seed-3"
    assert f"`dvc exp apply {name}`" in output
    shown = experiments_shown(project)
    assert shown["plain"]["model.seed"] == "11"
    assert (shown[name]["model.seed"], shown[name]["model.epochs"]) == ("3", "1")


def test_experiments_are_fused_by_their_answers_to_the_same_clips(project):
    names = ("plain", "plain-model.epochs-1-model.seed-3")
    output = run(project, "fusion", *names)
    shown = experiments_shown(project)
    (fused,) = json.loads((project / "metrics/fusion.json").read_text()).values()
    for name in names:
        alone = fused["of_each"][name]
        assert alone["accuracy"] == pytest.approx(float(shown[name]["accuracy"]), abs=1e-5)
        assert alone["gain"] == pytest.approx(fused["accuracy"] - alone["accuracy"], abs=1e-5)
        assert f"  {name}: accuracy {alone['accuracy']:.1%}" in output
    assert set(fused["weights"]["1"]) == set(names)
    assert f"together: accuracy {fused['accuracy']:.1%}" in output
    assert fused["n_test"] == sum(own["support"] for own in fused["per_class"].values())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "at least two different experiments, got none"),
        (["plain"], "at least two different experiments, got plain"),
        (["plain", "plain"], "at least two different experiments, got plain plain"),
        (["plain", "other"], "no experiment other; it has plain"),
    ],
)
def test_a_fusion_needs_two_experiments_of_this_commit(project, names, said):
    assert said in run(project, "fusion", *names, ok=False)


def test_a_killed_experiment_continues(project):
    path = "split: {emobox: /tmp/p\u00e4 th}"
    write(project / "experiments", plain=f"model: {{seed: 2, epochs: 6}}\n{path}")
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
    # Text that is not ASCII is preserved.
    assert experiments_shown(project)["plain"]["split.emobox"] == "/tmp/p\u00e4 th"


def trained(project, name):
    """Read metrics/train.json of a DVC experiment."""
    (ref,) = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}"],
        cwd=project, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    file = f"{ref}:metrics/train.json"
    shown = subprocess.run(["git", "show", file], cwd=project, check=True, capture_output=True)
    return parse_report(shown.stdout.decode())


def trials_shown(project):
    return sorted(name for name in experiments_shown(project) if name.startswith("tune-"))


@pytest.fixture(scope="module")
def untuned(tmp_path_factory, stage_results):
    """A committed project whose learning rate is far too low."""
    folder = make_small_project(tmp_path_factory.mktemp("untuned") / "project", stage_results)
    # A trial trains in two runs, up to one epoch and three.
    model = {"width": 64, "epochs": 3, "learning_rate": 1e-6}
    change_params(folder / "params.yaml", {"features": {"n_mels": 32}, "model": model})
    prepare(folder)
    return folder


def test_a_tuning_begins_with_the_present_params_and_recommends_what_beats_them(untuned):
    first = run(untuned, "tune", "1")
    (present,) = trials_shown(untuned)
    shown = experiments_shown(untuned)[present]
    assert float(shown["model.learning_rate"]) == 1e-6
    loss = trained(untuned, present)["val_loss"]
    kept = f"None has a lower validation loss than the present params ({present}: {loss:.3f})"
    assert kept in first
    in_git = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{present}"],
        cwd=untuned, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    files = subprocess.run(
        ["git", "ls-tree", "--name-only", in_git, "metrics/"],
        cwd=untuned, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert "metrics/train.json" in files
    assert "metrics/evaluate.json" not in files

    # A larger number continues the study.
    second = run(untuned, "tune", "2")
    assert f"== {present}" not in second
    assert stages_run(second) == []  # stages print only if they fail
    _, best = trials_shown(untuned)
    shown = experiments_shown(untuned)[best]
    drawn = json.loads(re.search(rf"Best: {best}, .*%, (\{{.*\}})", second)[1])
    assert float(shown["model.learning_rate"]) == pytest.approx(drawn["learning_rate"])
    # The comparison predicts the clips anew; training has written the same figures.
    for name, title in ((present, "Present params"), (best, "Best")):
        row = trained(untuned, name)
        accuracy, loss = row["val_accuracy"], row["val_loss"]
        assert f"  {title}: {name}, loss {loss:.3f}, accuracy {accuracy:.1%}" in second
    assert "more than chance, but optimistic: the best of 2 trials was picked" in second
    assert f"`dvc exp apply {best}`" in second

    # The same number trains nothing and recommends the same.
    assert run(untuned, "tune", "2") == second[second.index("\n2 trials") :]


# A test run in the background may ignore Ctrl-C, and so would the processes that it starts.
_TUNE_INTERRUPTIBLY = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["scripts.tune", "3"]
runpy.run_module("scripts.tune", run_name="__main__")
"""


def test_an_interrupted_tuning_continues_its_trial(untuned):
    command = [sys.executable, "-c", _TUNE_INTERRUPTIBLY]
    drawn = []
    with subprocess.Popen(
        command, cwd=untuned, env=environment(untuned), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("== tune-"):
                drawn.append(line.split(": ", 1)[1])
                os.killpg(process.pid, signal.SIGINT)
    again = run(untuned, "tune", "3")
    drawn += [line.split(": ", 1)[1] for line in again.splitlines(True) if line.startswith("== ")]
    # The first trial to continue is the one that was stopped.
    assert drawn[1] == drawn[0]


def test_what_a_tuning_has_removed_is_reported(untuned):
    name = trials_shown(untuned)[-1]
    dvc(untuned, "exp", "remove", name, env=environment(untuned), check=True)
    output = run(untuned, "tune", "2", ok=False)
    assert f"of experiment {name} is no longer here" in output
    assert f"remove {untuned / '.tune'}" in output


def test_present_params_that_cannot_be_trained_end_a_tuning_with_the_stages_output(untuned):
    change_params(untuned / "params.yaml", {"model": {"learning_rate": 1e30}})
    output = run(untuned, "tune", "2", ok=False)
    subprocess.run(["git", "checkout", "--quiet", "params.yaml"], cwd=untuned, check=True)
    assert "the training loss is nan; lower model.learning_rate" in output
    assert "error: the present params cannot be measured: experiment tune-" in output
    assert output.count("== tune-") == 1


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
def test_numbers_must_be_whole_and_positive(monkeypatch, capsys, number):
    suites = "suites/__main__"
    of_suites = ((suites, "compare", "--epochs", number), (suites, "trials", "--seeds", number))
    for script, *arguments in (("tune", number), *of_suites):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(ROOT / f"scripts/{script}.py", run_name="__main__")
        assert ended.value.code == 2
        assert f"{number!r}: a whole number of at least 1 is expected" in capsys.readouterr().err


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """An empty folder of studies."""
    monkeypatch.setattr(tune, "FOLDER", tmp_path)
    return params.load(ROOT / "params.yaml")


def values_of(changes):
    return dict(experiments.flatten(changes))


def test_a_trial_that_was_stopped_is_tried_again(studies):
    study = tune.open_study(studies, "c")
    study.tell(study.ask(), 1.0)  # the present params
    wanted = tune.suggest(study.ask(), studies)
    assert tune.suggest(tune.open_study(studies, "c").ask(), studies) == wanted


def test_the_present_params_come_first_until_they_are_measured(studies):
    first = tune.open_study(studies, "c").ask()
    now = values_of(studies.model_dump())
    drawn = values_of(tune.suggest(first, studies))
    assert drawn == {key: now[key] for key in drawn}
    study = tune.open_study(studies, "c")  # the trial was stopped
    tune.suggest(again := study.ask(), studies)
    assert again.params == first.params
    study.tell(again, state=TrialState.FAIL)
    study = tune.open_study(studies, "c")
    tune.suggest(last := study.ask(), studies)
    assert last.params == first.params
    study.tell(last, 1.0)
    tune.suggest(other := tune.open_study(studies, "c").ask(), studies)
    assert other.params != first.params


def losses(**of_clips):
    rows = [(clip, loss, loss < 1) for clip, own in of_clips.items() for loss in own]
    return pd.DataFrame(rows, columns=["clip", "loss", "hit"])


def test_a_comparison_pairs_the_losses_of_each_clip(studies):
    # Over all clips the losses scatter widely, but each clip's loss is lower by the same.
    base = losses(**{f"c{n}": [float(n)] for n in range(10)})
    own = losses(**{f"c{n}": [n - 0.25] for n in reversed(range(10))})
    found = compare(own, base, studies.evaluate)
    assert found == pytest.approx(Comparison(10, 4.25, 0.2, 4.5, 0.1, 0.25, 0.25))
    assert found.is_better
    assert not compare(base, own, studies.evaluate).is_better


def test_a_difference_within_chance_is_not_better(studies):
    rng = np.random.default_rng(0)
    base, own = (losses(**{f"c{n}": [rng.normal(5)] for n in range(60)}) for _ in range(2))
    found = compare(own, base, studies.evaluate)
    assert found.low < found.gain < found.high
    spread = np.std(base["loss"] - own["loss"]) / np.sqrt(60)  # of the mean, for normal losses
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert not found.is_better


def test_a_clip_that_validates_two_folds_counts_once(studies):
    base, own = losses(a=[3.0, 5.0], b=[1.0, 1.0]), losses(a=[2.0, 4.0], b=[1.0, 3.0])
    found = compare(own, base, studies.evaluate)
    assert (found.clips, found.gain) == (2, 0.0)
    assert (found.low, found.high) == (-1.0, 1.0)


def test_a_best_trial_within_chance_is_not_recommended():
    text = tune.describe(Comparison(60, 0.5, 0.8, 0.6, 0.9, -0.05, 0.25), "b", "a", {}, 20)
    assert "Its loss is lower by 0.100 (95% interval -0.050 to 0.250, paired" in text
    assert "no more than chance, although the best of 20 trials was picked" in text
    assert "Keep the present params." in text
    assert "dvc exp apply" not in text


@pytest.mark.parametrize(
    "name",
    [
        *("default", "functionals", "resnet"),
        *("functionals-logreg", "functionals-svm", "functionals-gb"),
    ],
)
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
