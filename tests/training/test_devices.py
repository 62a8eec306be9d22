import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from settings import PLAIN_MODEL
from toy_project import (
    TRAIN_PATHS,
    make_project,
    one_split,
    results,
    run,
    set_params,
    train_here,
)

from ser.core.errors import UserError
from ser.core.sections import Model
from ser.core.tables import parse_report
from ser.nets import model_folder
from ser.training.devices import choose_device, limit_threads
from ser.training.team import join

# 12 examples in batches of 7 and 5, which no two processes share evenly; all that is drawn.
UNEVEN = {"epochs": 4, "batch_size": 7, "dropout": 0.3, "mixup": 0.3, "label_smoothing": 0.1}
TWO = {"SER_DEVICES": "2"}
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
# As machines of unlike numbers of cores have them.
UNLIKE_THREADS = 'OMP_NUM_THREADS=$((RANK + 1)) exec "$0" "$@"'


@pytest.fixture(autouse=True, scope="module")
def _on_the_cpu(one_thread):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SER_DEVICE", "cpu")
        yield


def test_ser_device_names_the_device(monkeypatch):
    monkeypatch.setenv("SER_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv("SER_DEVICE", "")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cpu ", "cuda:-1", "cuda:99", "vulkan", "hpu", "meta"])
def test_a_device_that_is_not_here_is_refused(monkeypatch, name):
    monkeypatch.setenv("SER_DEVICE", name)
    with pytest.raises(UserError, match=f"SER_DEVICE='{name}' cannot be used here: .+"):
        choose_device()


@pytest.mark.parametrize("text", ["", "1"])
def test_one_process_is_a_team_that_computes_whole_batches(monkeypatch, text):
    monkeypatch.setenv("SER_DEVICES", text)
    team = join()
    assert (team.rank, team.size, team.leads) == (0, 1, True)
    net = torch.nn.Linear(2, 2)
    assert team.share(net) is net


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5", " ", "²"])
def test_a_ser_devices_that_is_no_count_is_refused_with_its_value(monkeypatch, text):
    monkeypatch.setenv("SER_DEVICES", text)
    with pytest.raises(UserError, match="a whole number from 1 on is expected") as caught:
        join()
    assert f"SER_DEVICES={text!r}" in str(caught.value)


def test_two_processes_do_not_train_on_mps(monkeypatch):
    monkeypatch.setenv("SER_DEVICES", "2")
    monkeypatch.setenv("SER_DEVICE", "mps")
    # Machines without mps say that; the others that they need another device.
    with pytest.raises(UserError, match=r"'mps' cannot be used here|not on mps: set SER_DEVICE"):
        join()


def lines(out):
    """Return the printed lines of the epochs without their durations."""
    return re.findall(r"^(fold .*); .* s per epoch", out, flags=re.MULTILINE)


def assert_alike(folder, expected):
    """Check that the outputs of two trained projects differ only by rounding."""
    assert results(folder).keys() == results(expected).keys()
    own, other = (pd.read_csv(f / "plots/history.csv") for f in (folder, expected))
    np.testing.assert_allclose(own, other, atol=1e-6)
    own, other = (parse_report((f / "train.json").read_text()) for f in (folder, expected))
    assert own == pytest.approx(other, abs=1e-6)
    own, other = (model_folder.load(f / "trained")[1][0].state_dict() for f in (folder, expected))
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-5, rtol=0)
    assert list((folder / ".checkpoints").iterdir()) == []


def test_two_processes_train_as_one_does_and_go_on_after_a_stop(tmp_path):
    splits = [row | {"weight": (0.5, 1.0, 2.0)[i % 3]} for i, row in enumerate(one_split())]
    alone = make_project(tmp_path / "alone", splits, UNEVEN)
    expected = lines(train_here(alone))
    assert len(expected) == 4
    folder = make_project(tmp_path / "two", splits, UNEVEN | {"stop_after": 2})
    code, out, err = run("train", folder, TRAIN_PATHS, TWO)
    assert code == 0, err
    assert lines(out) == expected[:2]  # of one process alone
    set_params(folder, stop_after=0)
    launcher = (*TORCHRUN, "--no-python", "bash", "-c", UNLIKE_THREADS, sys.executable)
    code, out, err = run("train", folder, TRAIN_PATHS, launcher=launcher)
    assert code == 0, err
    assert out.startswith("fold 1: goes on from ")
    assert lines(out) == expected[2:]
    assert_alike(folder, alone)


def test_two_processes_train_clip_by_clip_as_one_does(tmp_path):
    changes = {"batch_size": 1, "epochs": 2, "learning_rate": 0.001}
    alone = make_project(tmp_path / "alone", one_split(), changes)
    expected = lines(train_here(alone))
    folder = make_project(tmp_path / "two", one_split(), changes)
    code, out, err = run("train", folder, TRAIN_PATHS, launcher=TORCHRUN)
    assert code == 0, err
    assert lines(out) == expected
    assert_alike(folder, alone)


def test_errors_in_the_training_of_two_processes_are_reported_without_a_traceback(tmp_path):
    changes = {"optimizer": "sgd", "learning_rate": 1e30, "batch_size": 5}
    folder = make_project(tmp_path, one_split(), changes)
    code, out, err = run("train", folder, TRAIN_PATHS, TWO)
    assert code == 1
    assert out == ""
    assert "error: fold 1, epoch 1: the training loss is nan; lower model.learning_rate" in err
    assert err.count("error: ") == 1  # by one process alone
    assert "Traceback" not in err
    assert not (folder / "trained").exists()


def test_several_cpu_processes_refuse_batch_norms_which_they_could_not_share(tmp_path):
    folder = make_project(tmp_path, one_split(), {"batch_norm": True})
    code, _, err = run("train", folder, TRAIN_PATHS, TWO)
    assert code == 1
    assert err.count("error: the net has batch norms") == 1
    assert "SER_DEVICES" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "threads"), [("statpool", 1), ("mlp", 1), ("cnn", 2), ("resnet", 2)]
)
def test_nets_of_short_steps_are_kept_on_one_thread(name, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        limit_threads(Model.model_validate(PLAIN_MODEL | {"name": name}))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
