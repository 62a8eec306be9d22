import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_project import (
    FOLDS,
    ROOT,
    TRAIN_PATHS,
    ending,
    make_project,
    results,
    run,
    set_params,
    start,
    three_folds,
    train_here,
)

from ser.training.folds import fingerprint

CHANGES = {"epochs": 4, "snapshots": True, "balance": "upsample"}
TWO = {"SER_WORKERS": "2"}
LONG = {"epochs": 300}  # seconds: what is to end early must not reach the last of them


@pytest.fixture(autouse=True, scope="module")
def _on_the_cpu(one_thread):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_DEVICE", "cpu")
        patch.setenv("SER_WORKERS", "1")
        yield


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """A project whose folds were trained one after the other, and what that printed."""
    folder = make_project(tmp_path_factory.mktemp("one"), changes=CHANGES)
    return folder, train_here(folder)


def untimed(out):
    return sorted(line.rsplit("; ", 1)[0] for line in out.splitlines())


def test_folds_trained_at_once_are_those_trained_one_by_one(one_by_one, tmp_path):
    folder = make_project(tmp_path, changes=CHANGES)
    code, out, err = run("train", folder, TRAIN_PATHS, TWO)
    assert code == 0, err
    assert results(folder) == results(one_by_one[0])
    assert untimed(out) == untimed(one_by_one[1])
    assert list((folder / ".checkpoints").iterdir()) == []


def test_folds_stopped_one_by_one_go_on_at_once(one_by_one, tmp_path, monkeypatch):
    folder = make_project(tmp_path, changes=CHANGES | {"stop_after": 2})
    train_here(folder)
    set_params(folder, stop_after=0)
    monkeypatch.setenv("SER_WORKERS", "2")
    train_here(folder)
    assert results(folder) == results(one_by_one[0])


def test_a_training_that_was_finished_starts_anew(tmp_path):
    folder = make_project(tmp_path, changes={"epochs": 2})
    outputs = [train_here(folder) for _ in range(2)]
    assert outputs[0].count(" epoch 1/2:") == FOLDS
    assert untimed(outputs[1]) == untimed(outputs[0])


def test_many_folds_need_few_open_files(tmp_path, monkeypatch):
    # As many folds as speakers times as many weights as layers reach the usual limit of 1024.
    # Those that earlier tests left open do not count.
    limit = 100 + len(list(Path("/proc/self/fd").iterdir()))
    folder = make_project(tmp_path, changes={"name": "resnet", "width": 2, "epochs": 1})
    monkeypatch.setenv("SER_WORKERS", "2")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        train_here(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (folder / "train.json").exists()


def test_an_error_in_a_fold_ends_the_others_and_is_reported_without_a_traceback(tmp_path):
    # The first fold has no val clips.
    splits = [
        row | {"subset": row["subset"].replace("val", "train")} if row["fold"] == 1 else row
        for row in three_folds()
    ]
    folder = make_project(tmp_path, splits, LONG | {"patience": 300})
    code, out, err = run("train", folder, TRAIN_PATHS, TWO)
    assert code == 1
    assert err.startswith("error: model.patience 300 stops by the validation loss, but fold 1 has")
    assert "Traceback" not in err
    assert " epoch 300/300" not in out
    assert not (folder / "trained").exists()


def started(folder):
    """Start a parallel training of folds; return once one of them is in progress."""
    process = start("train", folder, TRAIN_PATHS, TWO, start_new_session=True)
    assert b" epoch 1/300" in process.stdout.readline()
    return process


def test_an_interrupted_training_trains_no_other_fold(tmp_path):
    process = started(make_project(tmp_path, changes=LONG))
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    code, out, err = ending(process)
    assert code == 1
    assert err == "interrupted: `dvc repro` continues from here\n"
    assert f"fold {FOLDS}/{FOLDS}" not in out


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGTERM, 1), (signal.SIGKILL, -9)])
def test_a_killed_training_leaves_no_process_behind(tmp_path, sent, expected):
    process = started(make_project(tmp_path, changes=LONG))
    process.send_signal(sent)
    code, out, _ = ending(process)  # of all that hold its output
    assert code == expected
    assert " epoch 300/300" not in out


# What a training on one device can do without takes its time to be imported.
_NEEDLESS = ("librosa", "numba", "matplotlib", "sklearn", "imblearn", "lightning_fabric")
_IMPORTS = """
import os, pathlib, sys
from stages import train
os.chdir(sys.argv[1])
train.main(*map(pathlib.Path, sys.argv[2].split(",")))
found = {name.split(".")[0] for name in sys.modules}
print(*sorted(found & set(sys.argv[3].split(","))))
"""


def test_training_imports_nothing_that_it_does_not_need(tmp_path):
    folder = make_project(tmp_path, changes={"epochs": 1})
    arguments = [str(folder), ",".join(TRAIN_PATHS), ",".join([*_NEEDLESS, "dask", "distributed"])]
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *epochs, found = done.stdout.splitlines()
    assert len(epochs) == FOLDS
    assert found == ""


def test_evaluation_starts_without_importing_plots_or_decoders():
    code = "import sys, stages.evaluate; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "torch" in done.stdout.split()
    assert set(_NEEDLESS).isdisjoint(done.stdout.split())


def test_a_training_is_resumed_only_by_the_code_that_started_it(tmp_path):
    code = tmp_path / "code"
    for package in ("ser", "stages"):
        shutil.copytree(ROOT / package, code / package)
    folder = make_project(tmp_path / "project", changes={"epochs": 3, "stop_after": 1})

    def first_epochs():
        status, out, err = run("train", folder, TRAIN_PATHS, {"PYTHONPATH": str(code)})
        assert status == 0, err
        return out.count(" epoch 1/3:")

    assert first_epochs() == FOLDS
    set_params(folder, stop_after=2)
    assert first_epochs() == 0
    set_params(folder, stop_after=0)
    with (code / "ser/nets/resnet.py").open("a") as net:
        net.write("# another net\n")
    assert first_epochs() == FOLDS


def test_a_fingerprint_tells_apart_contents_and_values(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("one")
    second.write_text("two")
    names = [fingerprint([first, second], 1, "x")]
    assert fingerprint([second, first], 1, "x") == names[0]
    names.append(fingerprint([first, second], 2, "x"))
    names.append(fingerprint([first], 1, "x"))
    first.write_text("onet")
    second.write_text("wo")
    names.append(fingerprint([first, second], 1, "x"))
    first.write_text("two")
    second.write_text("one")
    names.append(fingerprint([first, second], 1, "x"))
    assert len(set(names)) == len(names)
