import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn import metrics
from toy_project import (
    EMOTIONS,
    EPOCHS,
    EVALUATE_PATHS,
    FOLDS,
    ROOT,
    TRAIN_PATHS,
    assert_dvc_compares_the_headline_alone,
    clip_names,
    contents,
    digest_of,
    evaluate_here,
    make_project,
    one_split,
    results,
    run,
    set_params,
    three_folds,
    train_here,
)

from scripts.stage_deps import (
    data_deps,
    files_of,
    group_by_package,
    imported_files,
    imported_names,
    is_code,
    scripts_of,
)
from ser.core import tables
from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import parse_report
from ser.evaluation import card
from ser.nets import model_folder
from stages import draw, evaluate

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
DRAW_PATHS = [
    "evaluate.json",
    "predictions.csv",
    "reliability.csv",
    "plots/history.csv",
    "test_history.csv",
    "map.csv",
    "model",
    "plots",
]


@pytest.fixture(autouse=True, scope="module")
def _one_process_on_the_cpu(one_thread):
    """Folds are trained one after the other, so that a test knows what comes first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_DEVICE", "cpu")
        patch.setenv("SER_WORKERS", "1")
        yield


def goes_on(fold, folder):
    """Return the message about a fold whose checkpoint is found in a project."""
    return f"fold {fold}: goes on from {folder.resolve() / '.checkpoints'}{os.sep}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project that was trained without an interruption, and what that printed."""
    folder = make_project(tmp_path_factory.mktemp("whole"))
    return folder, train_here(folder)


# Trains, and is killed at the moment when it would print a text.
_TRAIN_UNTIL = """
import os, pathlib, signal, sys
from stages import train
text, *paths = sys.argv[1:]
write = sys.stdout.write
def write_or_die(printed):
    if text in printed:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(printed)
sys.stdout.write = write_or_die
train.main(*map(pathlib.Path, paths))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The same project, killed within its second fold."""
    folder = make_project(tmp_path_factory.mktemp("killed"))
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN_UNTIL, f"fold 2/{FOLDS} epoch 4/", *TRAIN_PATHS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


@pytest.fixture
def copy_of_killed(killed, tmp_path):
    return Path(shutil.copytree(killed, tmp_path / "copy"))


def test_a_model_knows_which_recordings_each_net_was_trained_on(whole):
    description, _ = model_folder.load(whole[0] / "trained")
    place = {clip: number for number, (clip, _, _) in enumerate(clip_names())}
    for fold in range(FOLDS):
        expected = {
            digest_of(place[row["clip"]])
            for row in three_folds()
            if (row["fold"], row["subset"]) == (fold + 1, "train")
        }
        assert description.training_clips.of_nets([fold]) == expected
    # Every clip is in the training set of one of the folds.
    everything = {digest_of(number) for number in place.values()}
    assert description.training_clips.of_nets([0, 1, 2]) == everything
    assert description.training_clips.digests == sorted(everything)


def test_training_writes_model_history_and_figures(whole):
    folder, out = whole
    description, nets = model_folder.load(folder / "trained")
    assert description.emotions == EMOTIONS
    assert description.folds == [1, 2, 3]
    assert description.preprocessing.model_dump(mode="json") == Store(folder / "features").meta
    history = pd.read_csv(folder / "plots/history.csv")
    assert list(history.columns) == [
        "fold",
        "epoch",
        "train_loss",
        "val_loss",
        "train_accuracy",
        "val_accuracy",
    ]
    expected = [(fold, epoch) for fold in (1, 2, 3) for epoch in range(1, EPOCHS + 1)]
    assert list(zip(history["fold"], history["epoch"], strict=True)) == expected
    last = history[history["epoch"] == EPOCHS]
    figures = parse_report((folder / "train.json").read_text())
    assert figures["parameters"] == sum(p.numel() for p in nets[0].parameters())
    assert figures["epoch"] == EPOCHS
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert figures[name] == pytest.approx(last[name].mean(), abs=1e-6)
    assert out.count(f" epoch {EPOCHS}/{EPOCHS}: ") == FOLDS
    assert "goes on" not in out


def test_a_finished_training_leaves_no_checkpoint(whole):
    assert list((whole[0] / ".checkpoints").iterdir()) == []


def test_a_killed_training_goes_on_and_ends_with_the_identical_files(whole, copy_of_killed):
    folder = copy_of_killed
    before = (folder / "plots/history.csv").read_bytes()
    assert before.count(b"\n") == 1 + EPOCHS  # the finished fold
    assert not (folder / "trained").exists()
    code, out, err = run("train", folder, TRAIN_PATHS)
    assert code == 0, err
    assert goes_on(1, folder) in out
    assert goes_on(2, folder) in out
    assert f"fold 1/{FOLDS} epoch" not in out  # the finished fold is not trained again
    assert f"fold 2/{FOLDS} epoch 1/" not in out
    assert (folder / "plots/history.csv").read_bytes().startswith(before)
    assert results(folder) == results(whole[0])
    assert list((folder / ".checkpoints").iterdir()) == []


def change_params(folder):
    set_params(folder, weight_decay=0.04)


def change_a_feature(folder):
    path = folder / "features" / "values.npy"
    values = np.load(path)
    values[5, 5] += 1
    np.save(path, values)


def change_a_copy(folder):
    path = folder / "augmented" / "values.npy"
    values = np.load(path)
    values[5, 5] += 1
    np.save(path, values)


def change_the_split(folder):
    path = folder / "splits.csv"
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].rsplit(",", 2)[0] + ",train,1.0"
    path.write_text("\n".join(lines) + "\n")


def change_an_emotion(folder):
    path = folder / "clips.csv"
    path.write_text(path.read_text().replace(",angry,1,", ",sad,1,", 1))


class Interrupting(io.StringIO):
    """An output that is interrupted, as by Ctrl-C, when it is told of an epoch."""

    def __init__(self, at=" epoch "):
        super().__init__()
        self._at = at

    def write(self, text):
        if self._at in text:
            raise KeyboardInterrupt
        return super().write(text)


def test_an_unchanged_input_uses_its_checkpoints(copy_of_killed):
    output = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        train_here(copy_of_killed, output)
    assert output.getvalue().startswith(goes_on(1, copy_of_killed))


@pytest.mark.parametrize(
    "change",
    [change_params, change_a_feature, change_a_copy, change_the_split, change_an_emotion],
)
def test_a_changed_input_uses_no_checkpoint_of_the_former_one(copy_of_killed, change):
    before = contents(copy_of_killed / ".checkpoints")
    change(copy_of_killed)
    output = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        train_here(copy_of_killed, output)
    assert output.getvalue() == ""
    after = contents(copy_of_killed / ".checkpoints")
    assert before.items() < after.items()


def clips_of(*subsets):
    return [row["clip"] for row in one_split() if row["subset"] in subsets]


@pytest.mark.parametrize("copies", ["one", "all"])
def test_test_clips_and_copies_of_val_and_test_clips_are_never_seen(tmp_path, copies):
    unseen = [*clips_of("test"), *(f"{clip}#1" for clip in clips_of("val", "test"))]
    changes = {"copies": copies, "epochs": 5}
    folder = make_project(tmp_path, one_split(), changes, without=unseen)
    train_here(folder)
    history = pd.read_csv(folder / "plots/history.csv")
    assert np.isfinite(history.to_numpy()).all()
    for tensor in model_folder.load(folder / "trained")[1][0].state_dict().values():
        assert tensor.isfinite().all()


@pytest.mark.parametrize("copies", ["one", "all"])
@pytest.mark.parametrize("mark", ["", "#1"])
def test_train_clips_and_their_copies_are_seen(tmp_path, copies, mark):
    seen = [clip + mark for clip in clips_of("train")]
    changes = {"copies": copies, "epochs": 5}
    folder = make_project(tmp_path, one_split(), changes, without=seen)
    with pytest.raises(UserError, match="the training loss is nan"):
        train_here(folder)


def test_with_patience_the_figures_are_those_of_the_best_epoch(tmp_path):
    changes = {"patience": 2, "epochs": 6}
    folder = make_project(tmp_path, one_split(), changes)
    train_here(folder)
    history = pd.read_csv(folder / "plots/history.csv")
    figures = parse_report((folder / "train.json").read_text())
    best = history.loc[history["val_loss"].idxmin()]
    assert figures["epoch"] == best["epoch"]
    assert figures["val_loss"] == pytest.approx(best["val_loss"], abs=1e-6)


def test_a_processor_without_bfloat16_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    folder = make_project(tmp_path, one_split(), {"precision": "bfloat16", "epochs": 1})
    printed = train_here(folder)
    assert "this cpu has no bfloat16 of its own: it trains in float32\n" in printed
    plain = make_project(tmp_path / "plain", one_split(), {"epochs": 1})
    train_here(plain)
    for name in ("fold-1.safetensors", "model.json"):
        assert (folder / "trained" / name).read_bytes() == (plain / "trained" / name).read_bytes()


def test_without_val_clips_there_are_no_validation_figures(tmp_path):
    splits = [row | {"subset": row["subset"].replace("val", "train")} for row in one_split()]
    folder = make_project(tmp_path, splits, {"epochs": 2})
    train_here(folder)
    figures = parse_report((folder / "train.json").read_text())
    assert not {"val_loss", "val_accuracy"} & figures.keys()
    assert figures["train_loss"] > 0
    assert pd.read_csv(folder / "plots/history.csv")["val_loss"].isna().all()


def folds_that_lack_sad():
    """The first has none to test, the second none to train on, the third none to validate."""
    subsets = {  # of the three takes of an emotion, in each fold
        "angry": ("test val train", "train test val", "val train test"),
        "neutral": ("test val train", "train test val", "val train test"),
        "sad": ("train val train", "val val val", "train test test"),
    }
    return [
        {"clip": clip, "fold": fold + 1, "subset": subsets[emotion][fold].split()[i // 2 % 3]}
        for fold in range(3)
        for i, (clip, _, emotion) in enumerate(clip_names())
    ]


@pytest.mark.parametrize(
    ("changes", "baseline"),
    [
        ({"balance": "none", "normalisation": "train"}, "logistic_regression"),
        ({"balance": "class_weights", "normalisation": "speaker", "patience": 1}, "svm"),
        ({"balance": "upsample", "snapshots": True}, "none"),
    ],
)
def test_folds_that_lack_an_emotion_are_trained_measured_and_drawn(tmp_path, changes, baseline):
    folder = make_project(tmp_path, folds_that_lack_sad(), {"epochs": 3, **changes})
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["evaluate"]["baseline"] = baseline
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    train_here(folder)
    figures = evaluate_here(folder)
    with chdir(folder), redirect_stdout(io.StringIO()):
        draw.main(*map(Path, DRAW_PATHS))
    assert figures["n_folds"] == 3
    supports = {emotion: part["support"] for emotion, part in figures["per_class"].items()}
    assert supports == {"angry": 6, "neutral": 6, "sad": 4}
    assert (figures.get("baseline") or {"kind": "none"})["kind"] == baseline
    predictions = tables.read_csv(folder / "predictions.csv")
    assert set(predictions["emotion"][predictions["fold"] == 1]) == {"angry", "neutral"}
    card = (folder / "model/README.md").read_text()
    assert "| sad |" in card
    assert (folder / "plots/confusion.png").exists()
    # A fold tests fewer clips than a map needs.
    assert tables.read_csv(folder / "map.csv").empty
    assert (folder / "plots/map.png").exists()


@pytest.fixture(scope="module")
def evaluated(whole, tmp_path_factory):
    """The trained project with the results of its evaluation."""
    folder = Path(shutil.copytree(whole[0], tmp_path_factory.mktemp("evaluated") / "project"))
    with chdir(folder), redirect_stdout(io.StringIO()) as out:
        evaluate.main(*map(Path, EVALUATE_PATHS))
        draw.main(*map(Path, DRAW_PATHS))
    return folder, out.getvalue()


def figures_of(evaluated):
    return parse_report((evaluated[0] / "evaluate.json").read_text())


def predictions_of(evaluated):
    return tables.read_csv(evaluated[0] / "predictions.csv")


def test_an_evaluated_model_is_released_with_its_figures_and_its_card(evaluated, tmp_path):
    folder, _ = evaluated
    description, _ = model_folder.load(folder / "model")
    trained, _ = model_folder.load(folder / "trained")
    assert trained.metrics is None
    confusions = np.array(description.metrics.confusion)
    tables.write_report(tmp_path / "figures.json", description.metrics.for_report())
    assert (tmp_path / "figures.json").read_bytes() == (folder / "evaluate.json").read_bytes()
    table = tables.read_csv(folder / "predictions.csv")
    pairs = list(zip(table["emotion"], table["predicted"], strict=True))
    # Rows are what the clips are.
    expected = [[pairs.count((is_, taken)) for taken in EMOTIONS] for is_ in EMOTIONS]
    assert confusions.tolist() == expected
    released, weights = contents(folder / "model"), contents(folder / "trained")
    assert {name for name in released if name.endswith(".json")} == {"model.json"}
    assert released.pop("README.md").decode() == card.write_card(description)
    assert released.pop("model.onnx")
    assert {n: released[n] for n in released if n != "model.json"} == {
        n: weights[n] for n in weights if n != "model.json"
    }


def test_the_evaluation_holds_every_figure_of_the_interface(evaluated):
    figures = figures_of(evaluated)
    wanted = {
        "accuracy",
        "uar",
        "precision_macro",
        "recall_macro",
        "f1_macro",
        "accuracy_low",
        "accuracy_high",
        "uar_low",
        "uar_high",
        "per_fold",
        "n_test",
        "n_folds",
        "split_scheme",
        "per_class",
        "per_speaker",
        "majority_accuracy",
    }
    assert wanted <= figures.keys()
    assert list(figures["per_class"]) == EMOTIONS
    for row in figures["per_class"].values():
        assert list(row) == ["precision", "recall", "f1", "support"]
    assert list(figures["per_speaker"]) == ["toy/1", "toy/2"]
    for row in figures["per_speaker"].values():
        assert list(row) == ["accuracy", "n"]
    assert figures["n_test"] == len(clip_names())
    assert figures["n_folds"] == FOLDS
    assert figures["split_scheme"] == "random"
    assert figures["majority_accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures["baseline"]["kind"] == "logistic_regression"


def test_the_figures_are_those_of_the_predictions(evaluated):
    figures, table = figures_of(evaluated), predictions_of(evaluated)
    actual, predicted = table["emotion"], table["predicted"]
    accuracy = metrics.accuracy_score(actual, predicted)
    assert figures["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    balanced = metrics.balanced_accuracy_score(actual, predicted)
    assert figures["uar"] == pytest.approx(balanced, abs=1e-6)
    f1 = metrics.f1_score(actual, predicted, average="macro")
    assert figures["f1_macro"] == pytest.approx(f1, abs=1e-6)
    low, high = figures["accuracy_low"], figures["accuracy_high"]
    assert 0 <= low <= figures["accuracy"] <= high <= 1
    hits = actual == predicted
    for speaker, row in figures["per_speaker"].items():
        own = hits[table["speaker"] == speaker]
        assert row == {"accuracy": pytest.approx(own.mean(), abs=1e-6), "n": len(own)}
    per_fold = hits.groupby(table["fold"]).mean()
    assert figures["fold_accuracy"]["mean"] == pytest.approx(per_fold.mean(), abs=1e-6)
    assert figures["fold_accuracy"]["std"] == pytest.approx(per_fold.std(ddof=0), abs=1e-6)


def test_every_tested_clip_has_a_prediction_whose_probabilities_sum_to_1(evaluated):
    table = predictions_of(evaluated)
    assert list(table.columns) == ["clip", "fold", "speaker", "emotion", "predicted", *EMOTIONS]
    tested = {(row["clip"], row["fold"]) for row in three_folds() if row["subset"] == "test"}
    assert len(table) == len(tested)
    assert set(zip(table["clip"], table["fold"], strict=True)) == tested
    assert table["clip"].is_monotonic_increasing
    probabilities = table[EMOTIONS].astype(float)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert probabilities.idxmax(axis=1).tolist() == table["predicted"].tolist()
    emotions = {clip: emotion for clip, _, emotion in clip_names()}
    assert table["emotion"].tolist() == [emotions[clip] for clip in table["clip"]]


def test_each_clip_is_predicted_by_the_net_that_did_not_learn_it(evaluated):
    folder, _ = evaluated
    _, nets = model_folder.load(folder / "trained")
    store, table = Store(folder / "features"), predictions_of(evaluated)
    for row in table.to_dict("records"):
        blocks = np.split(np.array(store[row["clip"]], dtype=np.float64), [8], axis=1)
        clip = np.hstack([(block - block.mean()) / block.std() for block in blocks])
        features = torch.from_numpy(clip.astype(np.float32))[None]
        with torch.no_grad():
            logits = nets[row["fold"] - 1](features, torch.tensor([len(clip)]))
        expected = logits.softmax(dim=1)[0].numpy()
        np.testing.assert_allclose([float(row[e]) for e in EMOTIONS], expected, atol=1e-5)


def test_the_evaluations_tables_and_pictures_are_written(evaluated):
    folder, out = evaluated
    table = predictions_of(evaluated)
    confusion = tables.read_csv(folder / "plots/confusion.csv")
    assert list(confusion.columns) == ["actual", "predicted"]
    assert confusion["actual"].tolist() == table["emotion"].tolist()
    assert confusion["predicted"].tolist() == table["predicted"].tolist()
    assert re.search(r"emotion +precision +recall +f1 +support", out)
    reliability = pd.read_csv(folder / "reliability.csv")
    assert (reliability["count"] > 0).all()
    assert reliability["count"].sum() == len(table)
    mistakes = tables.read_csv(folder / "mistakes.csv")
    wrong = table[table["emotion"] != table["predicted"]]
    assert len(mistakes) == min(3, len(wrong))
    assert set(mistakes["clip"]) <= set(wrong["clip"])
    for name in ("confusion.png", "reliability.png", "history.png"):
        assert (folder / "plots" / name).read_bytes().startswith(b"\x89PNG")
    assert f"{len(table)} clips, split random" in out


def test_evaluation_without_a_file_of_the_model_says_which_and_ends_with_1(whole, tmp_path):
    folder, name = Path(shutil.copytree(whole[0], tmp_path / "project")), "fold-2.safetensors"
    (folder / "trained" / name).unlink()
    code, out, err = run("evaluate", folder, EVALUATE_PATHS)
    assert code == 1
    assert out == ""
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: trained holds no usable model (")
    assert name in line
    assert line.endswith("run `dvc repro train evaluate`")
    assert not (folder / "evaluate.json").exists()


def unequal_split():
    """Every clip of angry is a train clip, and three each of the others."""
    subsets = ["train"] * 3 + ["val", "test", "test"]
    rows = []
    for i, (clip, _, emotion) in enumerate(clip_names()):
        subset = "train" if emotion == "angry" else subsets[i % 6]
        rows.append({"clip": clip, "fold": 1, "subset": subset})
    return rows


def by_hand(clip, reference):
    """Normalise in plain numpy by all values of each kind in `reference`."""
    whole = np.concatenate(reference).astype(np.float64)
    parts = [
        (clip[:, own] - whole[:, own].mean()) / whole[:, own].std()
        for own in (slice(0, 8), slice(8, 9))
    ]
    return np.hstack(parts).astype(np.float32)


def probabilities_of(net, features):
    with torch.no_grad():
        logits = net(torch.from_numpy(features)[None], torch.tensor([len(features)]))
    return logits.softmax(dim=1)[0].numpy()


BALANCES = {  # balance and copies -> number of examples of the unequal split's 12 train clips
    ("none", "one"): 12,
    ("class_weights", "one"): 12,
    ("upsample", "one"): 18,
    ("none", "all"): 24,
    ("class_weights", "all"): 24,
    ("upsample", "all"): 36,
    ("smote", "all"): 36,
}


@pytest.mark.parametrize(("balance", "copies"), BALANCES)
def test_balance_and_train_statistics_are_of_the_train_clips_alone(tmp_path, balance, copies):
    splits = unequal_split()
    clips = {
        subset: [row["clip"] for row in splits if row["subset"] == subset]
        for subset in ("train", "val", "test")
    }
    unseen = [*clips["test"], *(f"{clip}#1" for clip in clips["val"] + clips["test"])]
    changes = {"balance": balance, "copies": copies, "normalisation": "train", "epochs": 3}
    changes |= {"length": "pad", "frames": 32}
    folder = make_project(tmp_path, splits, changes, without=unseen)
    train_here(folder)
    figures = parse_report((folder / "train.json").read_text())
    assert figures["examples"] == BALANCES[balance, copies]
    assert all(np.isfinite(value) for value in figures.values())
    # The val clips are each predicted once, as they are.
    description, (net,) = model_folder.load(folder / "trained")
    store = Store(folder / "features")
    reference = [store[clip] for clip in clips["train"]]
    emotions, losses = {clip: emotion for clip, _, emotion in clip_names()}, []
    for clip in clips["val"]:
        features = np.zeros((32, 9), dtype=np.float32)
        features[: len(store[clip])] = by_hand(store[clip], reference)
        losses.append(-np.log(probabilities_of(net, features)[EMOTIONS.index(emotions[clip])]))
    assert figures["val_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    (statistics,) = description.statistics
    assert statistics["rms"] == pytest.approx(
        [
            np.concatenate(reference)[:, 8].astype(float).mean(),
            np.concatenate(reference)[:, 8].std(),
        ],
        rel=1e-5,
    )


def test_smote_of_too_few_clips_names_the_emotions(tmp_path):
    changes = {"balance": "smote", "copies": "one", "length": "pad", "frames": 32}
    folder = make_project(tmp_path, unequal_split(), changes)
    with pytest.raises(UserError, match=r"neutral has 3, sad has 3: model\.balance upsample or"):
        train_here(folder)


@pytest.mark.parametrize("normalisation", ["clip", "speaker", "train", "corpus"])
def test_test_clips_are_normalised_as_in_training(tmp_path, normalisation):
    folder = make_project(tmp_path, changes={"epochs": 2, "normalisation": normalisation})
    if normalisation == "corpus":  # one for each speaker, each with train clips in every fold
        rows = [row | {"corpus": row["speaker"]} for row in tables.read_rows(folder / "clips.csv")]
        tables.write_csv(folder / "clips.csv", rows, tables.CLIP_COLUMNS)
    train_here(folder)
    figures = evaluate_here(folder)
    assert figures["uses_test_speakers_audio"] == (normalisation == "speaker")
    description, nets = model_folder.load(folder / "trained")
    common = normalisation in ("train", "corpus")
    assert all((s is None) != common for s in description.statistics)
    store, table = Store(folder / "features"), tables.read_csv(folder / "predictions.csv")
    speakers = {clip: speaker for clip, speaker, _ in clip_names()}
    for row in table.to_dict("records"):
        clip, fold = row["clip"], row["fold"]
        train = [
            other["clip"]
            for other in three_folds()
            if other["fold"] == fold and other["subset"] == "train"
        ]
        group = {
            "clip": [clip],
            "speaker": [name for name in speakers if speakers[name] == speakers[clip]],
            "train": train,
            "corpus": [name for name in train if speakers[name] == speakers[clip]],
        }[normalisation]
        features = by_hand(store[clip], [store[name] for name in group])
        expected = probabilities_of(nets[fold - 1], features)
        np.testing.assert_allclose([float(row[e]) for e in EMOTIONS], expected, atol=1e-5)


# Steps so large that the last epoch is not the best.
RESTLESS = {
    "epochs": 6,
    "learning_rate": 0.05,
    "schedule": "constant",
    "snapshots": True,
    "seed": 2,
}


@pytest.fixture(scope="module")
def restless(tmp_path_factory):
    """A project that keeps every epoch's weights, trained; its figures and its files."""
    folder = make_project(tmp_path_factory.mktemp("restless"), changes=RESTLESS)
    train_here(folder)
    files = results(folder)
    return folder, evaluate_here(folder), files


def test_with_snapshots_a_model_holds_the_weights_of_every_epoch(restless):
    folder, _, files = restless
    model = folder / "trained"
    for fold in range(1, FOLDS + 1):
        names = [f"fold-{fold}-epochs/epoch-{n:05d}.safetensors" for n in range(1, 7)]
        found = sorted((model / f"fold-{fold}-epochs").iterdir())
        assert [path.relative_to(model).as_posix() for path in found] == names
        assert files[names[-1]] == files[f"fold-{fold}.safetensors"]
        assert len({files[name] for name in names}) == 6
    assert list((folder / ".checkpoints").iterdir()) == []


def test_the_test_history_holds_every_epochs_figures_on_the_test_clips(restless):
    folder, figures, _ = restless
    history = tables.read_csv(folder / "test_history.csv")
    assert list(history.columns) == ["fold", "epoch", "test_loss", "test_accuracy"]
    expected = [(fold, epoch) for fold in (1, 2, 3) for epoch in range(1, 7)]
    assert list(zip(history["fold"], history["epoch"], strict=True)) == expected
    description, _ = model_folder.load(folder / "trained")
    store, emotions = Store(folder / "features"), {c: e for c, _, e in clip_names()}
    history = pd.read_csv(folder / "test_history.csv", index_col=["fold", "epoch"])
    for fold in (1, 2, 3):
        test = [
            row["clip"] for row in three_folds() if (row["fold"], row["subset"]) == (fold, "test")
        ]
        labels = [EMOTIONS.index(emotions[clip]) for clip in test]
        for epoch, net in model_folder.load_snapshots(folder / "trained", description, fold):
            features = [by_hand(store[clip], [store[clip]]) for clip in test]
            rows = np.array([probabilities_of(net, clip) for clip in features], dtype=np.float64)
            row = history.loc[fold, epoch]
            hits = metrics.accuracy_score(labels, rows.argmax(axis=1))
            assert row["test_accuracy"] == pytest.approx(hits, abs=1e-6)
            right = rows[np.arange(len(labels)), labels]
            assert row["test_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-3, abs=1e-3)
    last = history.xs(6, level="epoch")["test_accuracy"]
    each = [fold["accuracy"] for fold in figures["per_fold"].values()]
    assert each == pytest.approx(last.tolist(), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_folds_that_lack_emotions_are_trained_and_measured(tmp_path):
    """Tested on one emotion that is not learned, on some, and after learning one alone."""
    subsets = {
        1: lambda emotion, speaker: "test" if emotion == "sad" else "train",
        2: lambda emotion, speaker: "test" if (emotion, speaker) < ("neutral", "2") else "train",
        3: lambda emotion, speaker: "train" if emotion == "angry" else "test",
    }
    splits = [
        {"clip": clip, "fold": fold, "subset": subset(emotion, speaker)}
        for fold, subset in subsets.items()
        for clip, speaker, emotion in clip_names()
    ]
    folder = make_project(tmp_path, splits, {"epochs": 1})
    train_here(folder)
    figures = evaluate_here(folder)
    table = tables.read_csv(folder / "predictions.csv")
    held = table.groupby("fold")["emotion"].unique().map(sorted).tolist()
    assert held == [["sad"], ["angry", "neutral"], ["neutral", "sad"]]
    first, _, third = figures["per_fold"].values()
    assert first["baseline"] == {"accuracy": 0.0, "uar": 0.0}
    assert first["uar"] == first["accuracy"]
    assert third["baseline"] == {"accuracy": 0.0, "uar": 0.0}
    assert third["majority_accuracy"] == 0.0


def test_dvc_sees_every_figure_of_folds_and_snapshots(restless):
    folder, figures, _ = restless
    assert len(figures["per_fold"]) == len(figures["oracle"]["per_fold"]) == 3
    assert_dvc_compares_the_headline_alone(folder, "headline.json", "evaluate.json", "train.json")


def test_the_oracle_is_the_best_epoch_of_each_fold_on_its_test_clips(restless):
    folder, figures, _ = restless
    history = pd.read_csv(folder / "test_history.csv")
    wide = history.pivot_table(index="fold", columns="epoch", values="test_accuracy")
    oracle = figures["oracle"]
    assert oracle["accuracy"] == pytest.approx(wide.max(axis=1).mean(), abs=1e-6)  # equal folds
    best = {str(fold): epoch for fold, epoch in wide.idxmax(axis=1).items()}
    assert {fold: found["epoch"] for fold, found in oracle["per_fold"].items()} == best
    for fold, found in oracle["per_fold"].items():
        assert found["accuracy"] == pytest.approx(wide.loc[int(fold)].max(), abs=1e-6)
    assert oracle["accuracy"] > figures["accuracy"]
    assert wide.max(axis=1).tolist() != wide[6].tolist()


def test_snapshots_change_nothing_else(restless, tmp_path):
    folder = make_project(tmp_path, changes=RESTLESS | {"snapshots": False})
    train_here(folder)
    own, kept = results(folder), restless[2]
    assert own.keys() == {name for name in kept if "-epochs/" not in name}
    assert all(own[name] == kept[name] for name in own if name != "model.json")
    figures = evaluate_here(folder)
    assert "oracle" not in figures
    assert figures == {k: v for k, v in restless[1].items() if k != "oracle"}
    lines = (folder / "test_history.csv").read_text()
    assert lines == "fold,epoch,test_loss,test_accuracy\n"


def test_the_figures_of_each_fold_are_told(evaluated):
    table, folds = predictions_of(evaluated), figures_of(evaluated)["per_fold"]
    assert list(folds) == [str(fold) for fold in sorted(table["fold"].unique())]
    for fold, own in table.groupby("fold"):
        actual, predicted = own["emotion"], own["predicted"]
        found = folds[str(fold)]
        assert list(found) == ["accuracy", "uar", "n", "majority_accuracy", "baseline"]
        accuracy = metrics.accuracy_score(actual, predicted)
        assert found["accuracy"] == pytest.approx(accuracy, abs=1e-6)
        balanced = metrics.balanced_accuracy_score(actual, predicted)
        assert found["uar"] == pytest.approx(balanced, abs=1e-6)
        assert found["n"] == len(own)


@pytest.mark.parametrize("moment", ["fold 1/3 epoch 1/", "fold 2/3 epoch 3/", "fold 3/3 epoch 6/"])
def test_a_training_interrupted_with_snapshots_ends_with_the_identical_files(
    restless, tmp_path, moment
):
    folder = make_project(tmp_path, changes=RESTLESS)
    with pytest.raises(KeyboardInterrupt):
        train_here(folder, Interrupting(moment))
    train_here(folder)
    assert results(folder) == restless[2]


STOPPING = [
    {},
    {"snapshots": True},
    {"patience": 3},
    {"balance": "upsample", "normalisation": "train"},
    {"balance": "smote", "copies": "all", "length": "resize", "frames": 20},
]


@pytest.mark.parametrize("changes", STOPPING, ids=["plain", "snapshots", "patience", "up", "smote"])
def test_a_stopped_training_goes_on_and_ends_with_the_identical_files(tmp_path, changes):
    changes = {"epochs": 5, "copies": "one"} | changes
    whole = make_project(tmp_path / "whole", unequal_split(), changes)
    train_here(whole)
    folder = make_project(tmp_path / "stopped", unequal_split(), changes)
    expected = (whole / "plots/history.csv").read_bytes()
    for stop in (1, 3):
        set_params(folder, stop_after=stop)
        out = train_here(folder)
        assert (goes_on(1, folder) in out) == (stop == 3)
        history = (folder / "plots/history.csv").read_bytes()
        assert history.count(b"\n") == 1 + stop
        assert expected.startswith(history)
        assert len(model_folder.load(folder / "trained")[1]) == 1
        (checkpoints,) = (folder / ".checkpoints").iterdir()
        assert (checkpoints / "fold-1.safetensors").is_file()
        shutil.rmtree(folder / "trained")  # as DVC does before it runs a stage
    set_params(folder, stop_after=0)
    assert goes_on(1, folder) in train_here(folder)
    assert results(folder) == results(whole)
    assert list((folder / ".checkpoints").iterdir()) == []


def test_the_history_is_written_after_each_epoch_of_a_single_fold(tmp_path):
    folder = make_project(tmp_path, one_split(), {"epochs": 5})
    with pytest.raises(KeyboardInterrupt):
        train_here(folder, Interrupting("fold 1/1 epoch 3/5"))
    assert pd.read_csv(folder / "plots/history.csv")["epoch"].tolist() == [1, 2, 3]


def test_a_lost_snapshot_is_reported(tmp_path):
    changes = {"epochs": 4, "stop_after": 2, "snapshots": True}
    folder = make_project(tmp_path / "project", one_split(), changes)
    train_here(folder)
    next(folder.glob(".checkpoints/*/fold-1-epochs/epoch-00001.*")).unlink()
    set_params(folder, stop_after=0)
    with pytest.raises(UserError, match="lost or gained files"):
        train_here(folder)


def test_a_stop_earlier_than_a_checkpoint_leads_to_the_same_result_as_without_one(tmp_path):
    changes = {"epochs": 5, "stop_after": 2}
    expected = make_project(tmp_path / "expected", one_split(), changes)
    train_here(expected)
    folder = make_project(tmp_path / "longer-before", one_split(), changes | {"stop_after": 4})
    train_here(folder)
    shutil.rmtree(folder / "trained")
    set_params(folder, stop_after=2)
    train_here(folder)
    assert results(folder) == results(expected)


# Trains in each of the folders, which a variable of the environment cannot tell apart.
_TRAIN_IN = """
import os, pathlib, sys
from stages import train
for folder in sys.argv[1].split(os.pathsep):
    os.chdir(folder)
    train.main(*map(pathlib.Path, sys.argv[2:]))
"""


def test_ser_checkpoints_names_where_checkpoints_are_kept(tmp_path):
    changes, kept = {"epochs": 3, "stop_after": 1}, tmp_path / "kept"
    first = make_project(tmp_path / "first", one_split(), changes)
    second = make_project(tmp_path / "second", one_split(), changes | {"stop_after": 0})
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN_IN, f"{first}{os.pathsep}{second}", *TRAIN_PATHS],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SER_CHECKPOINTS": str(kept)}
        | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + 1 + 2
    assert lines[1].startswith(f"fold 1: goes on from {kept.resolve()}{os.sep}")
    assert list(kept.iterdir()) == []
    for folder in (first, second):
        assert not (folder / ".checkpoints").exists()
    set_params(first, stop_after=0)
    train_here(first)
    assert results(first) == results(second)


def test_early_stopping_without_val_clips_is_refused(tmp_path):
    splits = [row | {"subset": row["subset"].replace("val", "train")} for row in one_split()]
    folder = make_project(tmp_path, splits, {"patience": 2})
    with pytest.raises(UserError, match=r"model\.patience 2 stops by the validation loss"):
        train_here(folder)
    assert not (folder / "trained").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_among_a_stages_deps_is_what_its_scripts_import(stage):
    deps = STAGES[stage]["deps"]
    code = [dep for dep in deps if is_code(dep)]
    assert code == group_by_package(imported_files(scripts_of(STAGES[stage], ROOT), ROOT), ROOT)
    assert deps == [*data_deps(deps), *code]


# Prints, as JSON, script -> the repository's files that run when it is imported.
_IMPORTS = """
import importlib, json, pathlib, sys
root, files = pathlib.Path(sys.argv[1]), {}
for script in sys.argv[2:]:
    for name in [n for n in sys.modules if n.split(".")[0] in ("ser", "stages", "scripts")]:
        del sys.modules[name]
    importlib.import_module("stages." + script)
    paths = [pathlib.Path(getattr(m, "__file__", None) or "/") for m in sys.modules.values()]
    own = [p.relative_to(root) for p in paths if p.is_relative_to(root)]
    files[script] = sorted(p.as_posix() for p in own if p.parts[0] in ("ser", "stages", "scripts"))
print(json.dumps(files))
"""


def test_every_file_that_a_stage_loads_is_among_its_deps():
    scripts = {path.stem: name for name in STAGES for path in scripts_of(STAGES[name], ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, str(ROOT), *scripts],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for script, files in json.loads(done.stdout).items():
        assert f"stages/{script}.py" in files
        deps = [Path(dep) for dep in STAGES[scripts[script]]["deps"]]
        for file in map(Path, files):
            named = any(file.is_relative_to(dep) for dep in deps)
            assert named or file.read_text().count('"""') == 2, (script, file)


def test_imports_of_every_form_are_found(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import ser.one\n"
        "import os, ser.two as two\n"
        "from ser import three\n"
        "from ser.four import name\n"
        "def later():\n"
        "    from ser.five import name\n"
    )
    for name in ("__init__", "one", "two", "three", "four", "five", "six"):
        (tmp_path / "ser").mkdir(exist_ok=True)
        (tmp_path / "ser" / f"{name}.py").write_text("")
    (tmp_path / "ser" / "four.py").write_text("import ser.six\nimport ser.one\n")
    names = imported_names(script)
    assert {"ser.one", "ser.two", "ser.three", "ser.four", "ser.five"} <= set(names)
    files = [f"ser/{n}.py" for n in ("__init__", "five", "four", "one", "six", "three", "two")]
    assert imported_files([script], tmp_path) == ["script.py", *files]
    again = [tmp_path / "ser" / "five.py", tmp_path / "ser" / "six.py", script]
    assert imported_files(again, tmp_path) == ["script.py", *files]


def test_an_imports_files_are_its_packages_and_its_module(tmp_path):
    for name in ("ser/__init__.py", "ser/nets/__init__.py", "ser/nets/cnn.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    paths = files_of("ser.nets.cnn", tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert names == ["ser/__init__.py", "ser/nets/__init__.py", "ser/nets/cnn.py"]
    assert files_of("numpy.linalg", tmp_path) == []


def test_threads_sleep_while_they_wait_unless_the_user_wants_otherwise():
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")):
        environment = os.environ | {"OMP_DISPLAY_ENV": "true"}
        environment.pop("OMP_WAIT_POLICY", None)
        done = subprocess.run(
            [sys.executable, "-c", "import stages.train"], cwd=ROOT, env=environment | given,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = re.findall(r"OMP_WAIT_POLICY = '(\w+)'", done.stderr)
        assert set(found) == {expected}
