"""What a run logs to MLflow, with a real server; and that no server can disturb a run."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from threading import Barrier

import pytest
from absent import run_without
from mlflow import MlflowClient
from mlflow_server import OtherServer, mlflow_server
from toy_project import evaluate_here, make_project, one_split, results, train_here

from scripts.workspace import ROOT
from ser.core import params
from ser.evaluation import pictures
from ser.training import tracking
from ser.training.history import Epoch, read_history
from stages import track

SECRET = "a-secret-that-nobody-may-see"
WARNING = "warning: SER_MLFLOW_URI: nothing more is logged to MLflow, and the run goes on: "
EPOCHS = [Epoch(1, 1, 0.9, 0.8, 0.5, 0.6), Epoch(1, 2, 0.7, None, 0.6, None)]
TRACK_PATHS = ["trained", "plots/history.csv", "headline.json", "plots", "model"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def settings():
    return params.load(ROOT / "params.yaml")


@pytest.fixture
def user(monkeypatch):
    """A user's environment: set and restore variables; a lost server is lost at once."""
    for name in (*tracking._ALWAYS, *tracking._USUALLY, tracking.ADDRESS, "DVC_EXP_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return monkeypatch


def runs_of(server, name):
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(name)
    return client, client.search_runs([experiment.experiment_id])


def curves_of(client, run):
    """Return the logged curves: name -> [(epoch, value)]."""
    return {
        name: [(point.step, point.value) for point in client.get_metric_history(run, name)]
        for name in client.get_run(run).data.metrics
        if name.startswith("fold_")
    }


def curves_in(file):
    found = {}
    for epoch in read_history(file):
        for name, value in tracking.curves(epoch):
            found.setdefault(name, []).append((epoch.epoch, pytest.approx(value)))
    return found


def wait_for(find):
    """Return what a function finds, as soon as that is something."""
    deadline = time.monotonic() + 30
    while not (found := find()):
        assert time.monotonic() < deadline
    return found


def make(folder, splits):
    return make_project(folder, splits, {"epochs": 3, "width": 4})


def train_and_evaluate(folder):
    train_here(folder)
    evaluate_here(folder)
    for name in (*pictures.ALL, "of-another-command.png"):
        (folder / "plots" / name).write_bytes(b"a picture")
    with chdir(folder):
        track.main(*map(Path, TRACK_PATHS))


def test_training_and_evaluation_are_one_run_and_their_results_are_the_same(
    server, user, tmp_path, capsys
):
    plain = make(tmp_path / "plain", one_split())
    train_here(plain)
    folder = make(tmp_path / "tracked", one_split())
    user.setenv("SER_MLFLOW_URI", server)
    user.setenv("MLFLOW_EXPERIMENT_NAME", "one run")
    user.setenv("DVC_EXP_NAME", "my-experiment")
    train_and_evaluate(folder)
    assert capsys.readouterr() == ("", "")
    assert results(folder) == results(plain)
    assert sorted(path.name for path in folder.iterdir() if "ml" in path.name) == ["params.yaml"]

    client, (run,) = runs_of(server, "one run")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "my-experiment")
    assert run.data.params["model.epochs"] == "3"
    assert run.data.params["features.kinds"] == '["logmel", "rms"]'
    assert curves_of(client, run.info.run_id) == curves_in(folder / "plots/history.csv")
    assert 0 <= run.data.metrics["accuracy"] <= 1
    got = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    drawn = {path.name: path.read_bytes() for path in (got / "plots").iterdir()}
    assert drawn == dict.fromkeys(pictures.ALL, b"a picture")
    model = {path.name: path.read_bytes() for path in (folder / "model").iterdir()}
    assert {path.name: path.read_bytes() for path in (got / "model").iterdir()} == model

    # As after `dvc repro` with other settings of the evaluation.
    with chdir(folder):
        track.main(*map(Path, TRACK_PATHS))
    client, found = runs_of(server, "one run")
    assert [run.info.status for run in found] == ["FINISHED"] * 2
    assert len({str(curves_of(client, run.info.run_id)) for run in found}) == 1


def test_folds_that_are_trained_side_by_side_each_have_curves(server, user, tmp_path):
    folder = make(tmp_path / "folds", None)
    user.setenv("SER_MLFLOW_URI", server)
    user.setenv("MLFLOW_EXPERIMENT_NAME", "folds")
    train_here(folder)
    client, (run,) = runs_of(server, "folds")
    curves = curves_of(client, run.info.run_id)
    assert curves == curves_in(folder / "plots/history.csv")
    assert {name.split("/")[0] for name in curves} == {"fold_1", "fold_2", "fold_3"}


def test_an_epoch_is_there_before_the_next_one_and_an_error_ends_the_run(server, user, settings):
    user.setenv("SER_MLFLOW_URI", server)
    user.setenv("MLFLOW_EXPERIMENT_NAME", "live")
    client = MlflowClient(server)

    def failing():
        with tracking.Tracking(settings) as logged:
            logged.epochs(EPOCHS[:1])
            experiment = wait_for(lambda: client.get_experiment_by_name("live"))
            (found,) = wait_for(lambda: client.search_runs([experiment.experiment_id]))
            wait_for(lambda: "fold_1/val_loss" in client.get_run(found.info.run_id).data.metrics)
            logged.epochs(EPOCHS)
            raise MemoryError

    with pytest.raises(MemoryError):
        failing()
    client, (run,) = runs_of(server, "live")
    assert run.info.status == "FAILED"
    assert curves_of(client, run.info.run_id)["fold_1/train_loss"] == [(1, 0.9), (2, 0.7)]


def logged_to(address, settings, user, capsys):
    """Log two epochs; return the one line that is printed."""
    user.setenv("SER_MLFLOW_URI", address)
    with tracking.Tracking(settings) as logged:
        logged.epochs(EPOCHS[:1])
        logged.epochs(EPOCHS)
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(WARNING)
    assert SECRET not in line
    return line


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b"the disk is full"), "too many 500 error responses"),
        ((404, b"<html>no such page</html>"), "error code 404"),
        ((200, b"<html>a proxy</html>"), "not in a valid JSON format"),
        ((200, b"[]"), "not in a valid JSON format"),
        ((401, f"{SECRET} is unknown".encode()), "*** is unknown"),
        ((403, b'{"error_code": "PERMISSION_DENIED", "message": "read only"}'), "read only"),
    ],
)
def test_a_server_that_refuses_or_is_another_is_named(answer, said, user, settings, capsys):
    user.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    with OtherServer(*answer) as other:
        assert said in logged_to(other.url, settings, user, capsys)
        assert len(other.log) == 1  # and not asked again
        assert other.log[0][1]["Authorization"] == f"Bearer {SECRET}"


def test_a_server_does_not_lead_to_another_one(user, settings, capsys):
    user.setenv("MLFLOW_TRACKING_USERNAME", "me")
    user.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with OtherServer() as there, OtherServer(302, b"", {"Location": there.url}) as other:
        assert "302" in logged_to(other.url, settings, user, capsys)
        assert there.log == []


def answer_of(place):
    """Return what answers every request of a run whose files are kept at a place."""
    info = {"run_id": "1", "experiment_id": "1", "status": "RUNNING", "artifact_uri": place}
    answer = {"experiment": {"experiment_id": "1"}, "run": {"info": info, "data": {}}}
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    "place",
    ["mlflow-artifacts://{host}/1", "http://me:pass@{host}/1", "file://{folder}", "s3://bucket/1"],
)
def test_a_server_does_not_choose_where_files_go(place, user, settings, tmp_path, capsys):
    user.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    with OtherServer() as there:
        host = there.url.removeprefix("http://")
        place = place.format(host=host, folder=tmp_path / "theirs")
        with OtherServer(200, answer_of(place)) as other:
            user.setenv("SER_MLFLOW_URI", other.url)
            with tracking.Tracking(settings) as logged:
                logged.results(folder, EPOCHS, {"accuracy": 0.5}, [], folder)
        assert there.log == []
    assert list(tmp_path.iterdir()) == [folder]
    assert other.log[-1][0].endswith("/runs/update")  # its end
    assert capsys.readouterr().err == (
        "warning: SER_MLFLOW_URI: pictures and model are not logged: they would not go to this "
        f"server, but to {place.replace('me:pass@', '')}; start it with `--artifacts-destination`\n"
    )


@pytest.mark.parametrize(
    ("place", "own"),
    [
        ("mlflow-artifacts:/1/files", True),
        ("mlflow-artifacts://example.org:8080/1", True),
        ("https://example.org:8080/files/1", True),
        ("mlflow-artifacts://example.org/1", False),
        ("http://example.org:8080/files/1", False),
        ("https://me@example.org:8080/files/1", False),
        ("/home/me", False),
    ],
)
def test_which_places_are_of_a_server(place, own):
    assert tracking.is_of_server(place, "https://example.org:8080/mlflow") == own


def test_first_runs_at_the_same_time_share_the_experiment(server, user, settings, capsys):
    user.setenv("SER_MLFLOW_URI", server)
    user.setenv("MLFLOW_EXPERIMENT_NAME", "new")
    together = Barrier(4)

    def log(_):
        with tracking.Tracking(settings) as logged:
            together.wait(30)
            logged.epochs(EPOCHS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(log, range(4)))
    assert capsys.readouterr().err == ""
    assert len(runs_of(server, "new")[1]) == 4


def test_a_stage_waits_once_for_a_slow_server_and_not_for_each_thing(user, settings, capsys):
    user.setattr(tracking, "_PATIENCE", 0.5)
    with OtherServer(200, answer_of("mlflow-artifacts:/1"), pause=0.05) as other:
        user.setenv("SER_MLFLOW_URI", other.url)
        with tracking.Tracking(settings) as logged:
            for number in range(20):
                logged.epochs([Epoch(1, number, 0.9, 0.8, 0.5, 0.6)])
    assert capsys.readouterr().err == f"{WARNING}the server takes more than 0.5 s\n"


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"])
def test_a_secret_with_a_line_end_is_refused_and_not_shown(name, user, settings, capsys):
    user.setenv(name, f"{SECRET}\n")
    with OtherServer() as other:
        said = logged_to(other.url, settings, user, capsys)
        assert other.log == []
    assert (
        said == f"{WARNING}{name} has a line end or another control character: set it without one"
    )


def test_a_training_does_not_wait_for_a_server_that_never_answers(user, tmp_path, capsys):
    user.setattr(tracking, "_PATIENCE", 0.05)
    plain, folder = (make(tmp_path / name, one_split()) for name in ("plain", "tracked"))
    train_here(plain)
    with OtherServer(None) as other:
        user.setenv("SER_MLFLOW_URI", other.url)
        train_here(folder)
        assert not other.ended.is_set()
        assert len(other.log) <= 1
    assert results(folder) == results(plain)
    assert capsys.readouterr().err == f"{WARNING}the server takes more than 0.05 s\n"


def test_a_lost_server_is_a_warning(user, settings, capsys):
    assert "Connection refused" in logged_to("http://127.0.0.1:9", settings, user, capsys)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mlruns", "an address such as https://example.org is expected"),
        ("sqlite:///runs.db", "an address such as https://example.org is expected"),
        (f"https://me:{SECRET}@example.org", "do not belong in an address, but in MLFLOW_TRACKING"),
    ],
)
def test_what_is_no_address_of_a_server_is_a_warning(address, problem, user, settings, capsys):
    assert problem in logged_to(address, settings, user, capsys)


def run_apart(code, **variables):
    """Run Python code in a process without the variables of continuous integration and of tests."""
    telling = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in telling}
    command = [sys.executable, "-c", f"{CODE}\n{code}"]
    done = subprocess.run(
        command, env=environment | variables, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


CODE = """
import sys
from ser.core import params
from ser.training.history import Epoch
from ser.training.tracking import Tracking

with Tracking(params.load()) as tracking:
    tracking.epochs([Epoch(1, 1, 0.9, 0.8, 0.5, 0.6)])
"""


def test_only_the_named_server_is_asked(server):
    with OtherServer() as proxy:
        proxies = dict.fromkeys(
            ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"], proxy.url
        )
        run_apart(
            "assert 'mlflow' in sys.modules",
            **proxies,
            NO_PROXY="127.0.0.1",
            SER_MLFLOW_URI=server,
            MLFLOW_EXPERIMENT_NAME="alone",
            MLFLOW_DISABLE_TELEMETRY="false",
        )
        assert proxy.log == []
    assert len(runs_of(server, "alone")[1]) == 1


def test_without_a_server_mlflow_is_not_even_imported():
    run_apart("assert 'mlflow' not in sys.modules", SER_MLFLOW_URI="")


def test_without_the_package_the_run_goes_on(user, tmp_path):
    folder = make(tmp_path, one_split())
    train_here(folder)
    evaluate_here(folder)
    user.setenv("SER_MLFLOW_URI", "http://127.0.0.1:9")
    done = run_without(["mlflow"], "stages.track", *(folder / path for path in TRACK_PATHS))
    assert done.returncode == 0
    assert done.stderr == (
        f"{WARNING}it needs mlflow, which is not installed: "
        "pip install -c requirements/constraints.txt '.[tracking]'\n"
    )
