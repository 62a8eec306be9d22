"""What a training prints: through a pipe, and on a real terminal (pseudo-terminal)."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from toy_project import (
    EPOCHS,
    FOLDS,
    ROOT,
    TRAIN_PATHS,
    make_project,
    one_split,
    run,
    set_params,
    train_here,
)

from scripts import experiments
from ser.core import params
from ser.training.history import Epoch
from ser.training.progress import Progress

LINE = re.compile(
    r"fold (?P<fold>\d)/\d epoch (?P<epoch>\d+)/\d+: train loss \d\.\d{3}, accuracy [\d.]+%; "
    r"val loss \d\.\d{3}, accuracy [\d.]+%; \d+\.\d\d s per epoch(, (?P<left>[\d:]+) left)?"
)
TENTHS = [1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]  # of EPOCHS, and the first
STOPPING_EARLY = {"patience": 3}


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch, one_thread):
    monkeypatch.setenv("SER_DEVICE", "cpu")


def train_on_a_terminal(folder, variables, interrupted_at=None):
    """Train on a pseudo-terminal; interrupt it, as Ctrl-C does, where it has printed a text.

    Returns:
        (exit status, what the screen shows line by line: what came after the last return).
    """
    terminal, screen = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    with subprocess.Popen(
        [sys.executable, "-m", "stages.train", *TRAIN_PATHS], cwd=folder, env=environment,
        stdout=screen, stderr=screen, start_new_session=True,
        # A test run in the background may ignore Ctrl-C, and so would the stage.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        os.close(screen)
        printed = b""
        try:
            while part := os.read(terminal, 1 << 16):
                printed += part
                if interrupted_at and interrupted_at in printed:
                    os.killpg(process.pid, signal.SIGINT)
                    interrupted_at = None
        except OSError:  # Linux's end of a terminal that nobody writes to
            pass
        os.close(terminal)
    shown = printed.decode(environment.get("PYTHONIOENCODING", "utf-8")).removesuffix("\r\n")
    return process.returncode, [line.rsplit("\r", 1)[-1] for line in shown.split("\r\n")]


def bar(fold, folds, epochs):
    """Return the pattern of a fold's line."""
    accuracies = r"accuracy: train [\d.]+%, val [\d.]+%"
    pattern = rf"fold {fold}/{folds}: \|.+\| {epochs}/{EPOCHS} epochs, \d\d:\d\d left, {accuracies}"
    return re.compile(pattern)


def test_through_a_pipe_a_tenth_of_the_epochs_are_printed_with_the_time_left(tmp_path):
    folder = make_project(tmp_path, one_split())
    code, out, err = run("train", folder, TRAIN_PATHS)
    assert (code, err) == (0, "")
    lines = [LINE.fullmatch(line) for line in out.splitlines()]
    assert [int(line["epoch"]) for line in lines] == TENTHS
    assert [line["left"] is None for line in lines] == [False] * 10 + [True]
    log = [(1.0, "Running stage 'train':"), *((2.0, line) for line in out.splitlines())]
    # An epoch may be too short to have seconds.
    assert f"{experiments.time_training(log).seconds_per_epoch:.2f} s per epoch" in out


def test_on_a_terminal_a_fold_is_one_line_that_is_updated(tmp_path):
    code, shown = train_on_a_terminal(make_project(tmp_path, one_split()), {})
    assert code == 0
    (line,) = shown
    assert bar(1, 1, EPOCHS).fullmatch(line)
    assert len(line) < 80


def test_folds_that_several_processes_share_are_a_line_each(tmp_path):
    code, shown = train_on_a_terminal(make_project(tmp_path), {"SER_DEVICES": "2"})
    assert code == 0
    lines = [line for line in shown if line.startswith("fold")]  # others are lightning_fabric's
    assert len(lines) == FOLDS
    for fold, line in enumerate(lines, start=1):
        assert bar(fold, FOLDS, EPOCHS).fullmatch(line)


def test_folds_trained_at_once_are_printed_line_by_line_on_a_terminal_as_well(tmp_path):
    code, shown = train_on_a_terminal(make_project(tmp_path), {"SER_WORKERS": "2"})
    assert code == 0
    lines = [LINE.fullmatch(line) for line in shown]
    for fold in range(1, FOLDS + 1):
        assert [int(line["epoch"]) for line in lines if line["fold"] == str(fold)] == TENTHS


def test_a_message_does_not_continue_the_line_of_an_interrupted_fold(tmp_path):
    folder = make_project(tmp_path, one_split(), {"epochs": 3000})
    code, shown = train_on_a_terminal(folder, {}, interrupted_at=b"| 2/3000 ")
    assert code == 1
    assert shown[-1] == "interrupted: `dvc repro` continues from here"
    assert len(shown) == 2


def test_a_terminal_without_unicode_has_a_bar_as_well(tmp_path):
    variables = {"PYTHONIOENCODING": "latin-1"}
    code, (line,) = train_on_a_terminal(make_project(tmp_path, one_split()), variables)
    assert code == 0
    assert "|###" in line


@pytest.mark.parametrize("way", ["pipe", "terminal"])
def test_a_fold_that_stops_early_prints_which_epoch_is_kept(tmp_path, way):
    folder = make_project(tmp_path, one_split(), STOPPING_EARLY)
    if way == "pipe":
        lines = train_here(folder).splitlines()
        assert "at most" in lines[0]
    else:
        code, lines = train_on_a_terminal(folder, {})
        assert code == 0
        assert len(lines) == 2
    stopped, kept = re.fullmatch(
        r"fold 1/1: stopped after epoch (\d+), 3 epochs without a better val loss; the weights of "
        r"epoch (\d+) are kept",
        lines[-1],
    ).groups()
    assert int(stopped) == int(kept) + 3 < EPOCHS


def test_a_resumed_training_begins_with_its_first_epoch(tmp_path):
    folder = make_project(tmp_path, one_split(), {"stop_after": 6})
    assert [LINE.fullmatch(line)["epoch"] for line in train_here(folder).splitlines()] == [
        *("1", "2", "3", "4", "5", "6")
    ]
    set_params(folder, stop_after=0)
    goes_on, first, second, *_ = train_here(folder).splitlines()
    assert goes_on.startswith("fold 1: goes on from ")
    assert [LINE.fullmatch(line)["epoch"] for line in (first, second)] == ["7", "8"]


def printed_epochs(capsys, epochs, seconds):
    """Return (epoch, seconds per epoch, time left) of each line; all epochs take as long."""
    model = params.load(ROOT / "params.yaml").model
    progress = Progress(1, model.model_copy(update={"epochs": epochs}))
    for number in range(1, epochs + 1):
        progress.print_some(Epoch(1, number, 1.5, None, 0.25, None), seconds)
    line = (
        r"epoch (\d+)/\d+: train loss 1\.500, accuracy 25\.0%; ([\d.]+) s per epoch(?:, (.+) left)?"
    )
    return re.findall(line, capsys.readouterr().out)


def test_slow_epochs_are_printed_at_least_once_a_minute(capsys):
    printed = printed_epochs(capsys, 100, 25.0)
    assert [int(epoch) for epoch, _, _ in printed[:5]] == [1, 4, 7, 10, 13]
    assert printed[1][1:] == ("25.00", "40:00")
    assert printed[-1] == ("100", "25.00", "")


def test_a_single_epoch_is_printed_once(capsys):
    assert printed_epochs(capsys, 1, 0.5) == [("1", "0.50", "")]
