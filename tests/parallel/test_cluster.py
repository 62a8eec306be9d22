"""Work spread over a Dask cluster: a real scheduler, and workers in processes of their own."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml
from distributed import Client
from part_of_demo import write_part_of_demo

from scripts.workspace import ROOT, change_params
from ser.core.errors import UserError
from ser.core.store import StoreWriter
from ser.parallel import ordered_map
from ser.parallel.local import local_map
from ser.parallel.stored import stored_map
from ser.sources import demo

PATIENCE = 60  # seconds until a condition that does not come true fails its test


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def start(folder, *arguments, project=ROOT):
    """Start a Dask command outside the project's folder, with a log file."""
    folder.mkdir(parents=True)
    tests = project / "tests"
    paths = map(str, (project, tests / "parallel", tests / "helpers"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("SER_DASK_SCHEDULER", None)
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def start_scheduler(folder):
    """Start a scheduler on a free port; return its process and address."""
    file = folder / "scheduler.json"
    process = start(
        folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", str(file),
    )  # fmt: skip
    # The file is written at once, but not renamed into place.
    text = wait_until(lambda: file.exists() and file.read_text().rstrip().endswith("}") and file)
    return process, json.loads(text.read_text())["address"]


def start_worker(folder, address, *options, project=ROOT):
    return start(
        folder, "worker", address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0",
        "--local-directory", str(folder), *options, project=project,
    )  # fmt: skip


def stop(process):
    """End a process and its session, which holds the nannies' children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler with two workers, which start again when they are killed."""
    folder = tmp_path_factory.mktemp("cluster")
    processes = []
    try:
        process, address = start_scheduler(folder / "scheduler")
        processes.append(process)
        processes += [start_worker(folder / f"worker{i}", address) for i in (1, 2)]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield address
    finally:
        for process in processes:
            stop(process)


@pytest.fixture
def on_cluster(cluster, monkeypatch):
    """Set the environment of a program whose work runs on the cluster."""
    monkeypatch.setenv("SER_DASK_SCHEDULER", cluster)
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
    return cluster


def square(number):
    return number * number


def product(seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((200, 200)) @ rng.standard_normal((200, 200))


def whereabouts(_):
    return os.getpid(), str(pathlib.Path.cwd())


def threads(_):
    import torch
    from threadpoolctl import threadpool_info

    return {pool["num_threads"] for pool in threadpool_info()}, torch.get_num_threads()


def refuse_seven(job):
    number, error = job
    if number == 7:
        raise error
    return number


def double(array):
    return array * 2


@pytest.mark.parametrize("items", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(on_cluster, items):
    assert list(ordered_map(square, range(items))) == [n * n for n in range(items)]


def test_the_work_is_done_by_the_workers_in_their_folders(on_cluster):
    processes, folders = zip(*ordered_map(whereabouts, range(40)), strict=True)
    assert len(set(processes)) == 2
    assert os.getpid() not in processes
    assert {pathlib.Path(folder).name for folder in folders} == {"worker1", "worker2"}


def test_bytes_are_those_of_this_process(on_cluster, monkeypatch):
    there = [array.tobytes() for array in ordered_map(product, range(6))]
    monkeypatch.delenv("SER_DASK_SCHEDULER")
    assert there == [array.tobytes() for array in local_map(product, range(6), 1)]


def test_every_worker_computes_on_one_thread(on_cluster):
    assert list(ordered_map(threads, range(4))) == [({1}, 1)] * 4


def test_large_arrays_are_sent_without_a_warning(on_cluster, recwarn):
    items = (np.full(2_500_000, n, np.float64) for n in range(4))  # 20 MB each
    for n, array in enumerate(ordered_map(double, items)):
        assert array[0] == 2 * n
        array += 1  # writable, as from a local process
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    "error", [UserError("seven"), ValueError("seven"), TimeoutError("seven"), ImportError("seven")]
)
def test_an_error_arrives_in_its_place_with_its_type(on_cluster, error):
    results = ordered_map(refuse_seven, ((number, error) for number in range(20)))
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(type(error), match=r"^seven$"):
        next(results)


def test_an_error_of_the_items_themselves_arrives(on_cluster):
    def items():
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(ordered_map(square, items()))


def test_items_are_taken_only_a_little_ahead(on_cluster):
    taken = []

    def items():
        for number in range(10**9):
            taken.append(number)
            yield number

    results = ordered_map(square, items())
    for number in range(60):
        assert next(results) == number * number
        assert len(taken) <= number + 1 + 4 * 2
    results.close()


def note_and_wait(job):
    number, folder = job
    (folder / str(number)).touch()
    while number and not (folder / "go on").exists():
        time.sleep(0.01)
    return number


def test_stopping_early_cancels_the_pending_work(on_cluster, tmp_path):
    results = ordered_map(note_and_wait, ((number, tmp_path) for number in range(100)))
    assert next(results) == 0
    results.close()
    (tmp_path / "go on").touch()
    # When the workers have done other work, they have finished what they were doing.
    assert list(ordered_map(square, range(8))) == [n * n for n in range(8)]
    begun = [path for path in tmp_path.iterdir() if path.name != "go on"]
    assert len(begun) <= 1 + 2


def signal_and_wait(job):
    """Write down where the fifth item is computed, and wait to be killed, once."""
    number, folder = job
    begun = folder / "begun"
    if number == 5 and not begun.exists():
        part = folder / "part"
        part.write_text(str(os.getpid()))
        part.rename(begun)
        while True:
            time.sleep(0.01)
    return number, product(number).tobytes()


def test_the_work_survives_a_killed_worker(on_cluster, tmp_path, monkeypatch):
    jobs = [(number, tmp_path) for number in range(30)]
    results = ordered_map(signal_and_wait, jobs)
    first = [next(results) for _ in range(5)]
    os.kill(int(wait_until((tmp_path / "begun").exists) and (tmp_path / "begun").read_text()), 9)
    there = [*first, *results]
    monkeypatch.delenv("SER_DASK_SCHEDULER")
    assert there == list(local_map(signal_and_wait, jobs, 1))


def signal_and_make(job):
    number, _ = signal_and_wait(job)
    return number, [np.full(number % 7, number, np.float32)]


def files_of_a_store(folder, jobs):
    with StoreWriter(folder, (), {}) as store:
        for number, (array,) in stored_map(signal_and_make, jobs, store):
            store.add(str(number), array)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_store_has_the_same_bytes_though_a_worker_was_killed(on_cluster, tmp_path, monkeypatch):
    jobs = [(number, tmp_path) for number in range(200)]
    begun = tmp_path / "begun"
    killer = threading.Thread(
        target=lambda: os.kill(int(wait_until(begun.exists) and begun.read_text()), signal.SIGKILL)
    )
    killer.start()
    there = files_of_a_store(tmp_path / "there", jobs)
    killer.join()
    monkeypatch.setenv("SER_DASK_SCHEDULER", "")
    monkeypatch.setenv("SER_WORKERS", "1")
    assert there == files_of_a_store(tmp_path / "here", jobs)
    assert len(there) == 3


def die_of_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_an_item_that_kills_its_workers_is_named(on_cluster):
    with pytest.raises(UserError, match=r"item \d+ was with 4 Dask workers that died.*logs"):
        list(ordered_map(die_of_three, range(4)))


CHANGES = {
    "augment": {"copies": 1},
    "split": {"scheme": "kfold", "folds": 2, "val": 0.0},
    "model": {"epochs": 2, "width": 4},
}


def put_clips(folder):
    """Write a few clips, one of them broken, and params for one copy of each and two folds."""
    write_part_of_demo(folder / "data/raw/demo", speakers=2, utterances=2)
    (folder / "data/raw/demo" / demo.BROKEN).write_bytes(b"RIFF")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    change_params(folder / "params.yaml", CHANGES)


def run_stages(folder, **environment):
    """Run the stages of dvc.yaml; return the bytes of all outputs."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    for name in ("metrics", "data", "plots"):
        (folder / name).mkdir(exist_ok=True)
    for stage in ("clean", "extract", "augment", "split", "train"):
        _, *command = shlex.split(stages[stage]["cmd"])
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, text=True, capture_output=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "raw" not in path.parts
    }


def test_the_stages_write_the_same_bytes_as_locally(cluster, tmp_path):
    put_clips(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here = run_stages(tmp_path / "here", SER_WORKERS="1", SER_DASK_SCHEDULER="")
    there = run_stages(tmp_path / "there", SER_DASK_SCHEDULER=cluster)
    assert len(here) > 12
    assert here == there


def test_without_a_scheduler_dask_is_not_even_imported():
    code = (
        "import sys\n"
        "import stages.clean, stages.extract, stages.augment\n"
        "from ser.parallel import ordered_map\n"
        "assert list(ordered_map(abs, [-1, 2])) == [1, 2]\n"
        "print(sorted({'dask', 'distributed'} & set(sys.modules)))"
    )
    for environment in (os.environ | {"SER_DASK_SCHEDULER": ""}, {}):
        environment.setdefault("PATH", os.environ["PATH"])
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout == "[]\n"


def refused(address, monkeypatch, expected):
    monkeypatch.setenv("SER_DASK_SCHEDULER", address)
    with pytest.raises(UserError, match=expected) as caught:
        list(ordered_map(square, range(3)))
    return str(caught.value)


@pytest.mark.parametrize("address", ["nowhere", "tcp://", "tcp://127.0.0.1:x", "abc://h:1", " "])
def test_an_invalid_address_is_refused(monkeypatch, address):
    text = refused(address, monkeypatch, r"tcp://<host>:<port> is expected")
    assert f"SER_DASK_SCHEDULER={address!r}" in text


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setattr("ser.parallel.cluster.CONNECT_SECONDS", 1)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        refused(address, monkeypatch, "no Dask scheduler answers there")
        mute.listen()
        refused(address, monkeypatch, "no Dask scheduler answers there .no answer within 1 s")


@pytest.fixture(scope="module")
def other_project(tmp_path_factory):
    """A copy of the project with one changed byte."""
    folder = tmp_path_factory.mktemp("other")
    for package in ("ser", "stages"):
        shutil.copytree(ROOT / package, folder / package)
    file = folder / "ser/core/errors.py"
    file.write_bytes(file.read_bytes().replace(b"mistake", b"mistakE", 1))
    return folder


def test_a_scheduler_without_workers_or_with_other_code_is_refused(
    tmp_path, monkeypatch, other_project
):
    scheduler, address = start_scheduler(tmp_path / "scheduler")
    workers = []
    try:
        monkeypatch.setattr("ser.parallel.cluster.WORKER_SECONDS", 0.5)
        refused(address, monkeypatch, f"{address} has had no workers for 0.5 s: start some")

        # A worker of the same code begins, one with other code joins later.
        monkeypatch.setattr("ser.parallel.cluster.WORKER_SECONDS", PATIENCE)
        workers.append(start_worker(tmp_path / "same", address, "--no-nanny"))
        results = ordered_map(whereabouts, range(10**9))
        next(results)
        other = start_worker(
            tmp_path / "other", address, "--no-nanny", "--name", "other", project=other_project
        )
        workers.append(other)
        expected = (
            r"worker at tcp://127\.0\.0\.1:\d+ .*: ser/core/errors\.py is \w+, here \w+\. Restart"
        )
        with pytest.raises(UserError, match=expected):
            for _ in results:
                pass

        # It is also refused before any work, and so is one that has no such project at all.
        refused(address, monkeypatch, expected)
        stop(workers.pop())
        stop(workers.pop())
        bare = start(
            tmp_path / "bare", "worker", address, "--no-dashboard", "--no-nanny", project=tmp_path
        )
        workers.append(bare)
        refused(address, monkeypatch, "stages/__init__.py is missing|cannot import the project")

        # When the scheduler goes, so does the work.
        stop(workers.pop())
        workers.append(start_worker(tmp_path / "again", address, "--no-nanny"))
        results = ordered_map(whereabouts, range(10**9))
        next(results)
        stop(scheduler)
        with pytest.raises(UserError, match="was lost at item"):
            for _ in results:
                pass
    finally:
        for process in (*workers, scheduler):
            stop(process)
