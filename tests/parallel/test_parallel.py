import itertools
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from ser.core.errors import UserError
from ser.parallel import ordered_map, worker_count
from ser.parallel.local import local_map


def square(number):
    return number * number


def product(seed):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((80, 80)) @ rng.standard_normal((80, 80))).tobytes()


def refuse_seven(number):
    if number == 7:
        raise UserError("seven is refused")
    return number


def process(_):
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 3, 50])
def test_results_come_in_the_order_of_the_items(workers, items):
    assert list(local_map(square, range(items), workers)) == [n * n for n in range(items)]


def test_results_do_not_depend_on_the_number_of_workers():
    one = list(local_map(product, range(12), 1))
    assert list(local_map(product, range(12), 2)) == one


def test_one_worker_works_here_and_two_work_elsewhere():
    assert set(local_map(process, range(3), 1)) == {os.getpid()}
    elsewhere = set(local_map(process, range(20), 2))
    assert os.getpid() not in elsewhere
    assert len(elsewhere) <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_in_its_place_with_its_type(workers):
    results = local_map(refuse_seven, range(20), workers)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(UserError, match="seven is refused"):
        next(results)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_items_themselves_arrives(workers):
    def items():
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(local_map(square, items(), workers))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_endless_items_are_taken_only_a_little_ahead(workers):
    taken = []

    def items():
        for number in itertools.count():
            taken.append(number)
            yield number

    results = local_map(square, items(), workers)
    for number in range(30):
        assert next(results) == number * number
        assert len(taken) <= number + 1 + 4 * workers
    results.close()


def die_of_seven(number):
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_process_is_reported_with_its_item():
    results = local_map(die_of_seven, range(30), 2)
    with pytest.raises(UserError, match=r"killed at item 8, .*SER_WORKERS=1"):
        list(results)


def note_and_linger(job):
    number, folder = job
    (folder / str(number)).write_text(str(os.getpid()))
    if number:
        threading.Event().wait()
    return number


def test_stopping_early_ends_what_is_at_work_and_begins_no_more(tmp_path):
    results = local_map(note_and_linger, ((number, tmp_path) for number in range(100)), 2)
    assert next(results) == 0
    results.close()
    begun = list(tmp_path.iterdir())
    assert len(begun) <= 1 + 2
    for worker in {int(path.read_text() or 0) for path in begun} - {0}:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


# In a process of its own, which can be ended where it does not end by itself.
STOPPED_WHILE_SENDING = """
from contextlib import closing
import numpy as np
from ser.parallel.local import local_map

for _ in range(5):
    with closing(local_map(np.zeros, [3_000_000] * 50, 2)) as results:
        next(results)
"""


def test_stopping_early_while_results_are_sent_ends_at_once():
    subprocess.run([sys.executable, "-c", STOPPED_WHILE_SENDING], check=True, timeout=60)


def name_the_caller(_):
    raise ValueError("no value")


def test_an_error_tells_where_it_was_raised():
    with pytest.raises(ValueError, match="no value") as error:
        list(local_map(name_the_caller, range(3), 2))
    assert "in name_the_caller" in error.value.__notes__[0]


def make_a_lock(_):
    return threading.Lock()


def test_a_result_that_cannot_be_sent_is_an_error_in_its_place():
    with pytest.raises(TypeError, match="cannot pickle"):
        list(local_map(make_a_lock, range(3), 2))


def test_ser_workers_decides_how_many_processes_work(monkeypatch):
    monkeypatch.setenv("SER_WORKERS", "1")
    assert set(ordered_map(process, range(3))) == {os.getpid()}
    monkeypatch.setenv("SER_WORKERS", "2")
    assert os.getpid() not in set(ordered_map(process, range(3)))


def test_ser_workers_sets_the_number_of_processes(monkeypatch):
    monkeypatch.setenv("SER_WORKERS", "3")
    assert worker_count() == 3


@pytest.mark.parametrize("text", [None, ""])
def test_without_ser_workers_there_is_one_process_per_core(monkeypatch, text):
    monkeypatch.delenv("SER_WORKERS", raising=False)
    if text is not None:
        monkeypatch.setenv("SER_WORKERS", text)
    assert 1 <= worker_count() <= os.cpu_count()


@pytest.mark.parametrize("text", ["0", "-1", "2.0", "two", " ", "1e1", "²"])
def test_a_ser_workers_that_is_not_a_count_is_refused_with_its_value(monkeypatch, text):
    monkeypatch.setenv("SER_WORKERS", text)
    with pytest.raises(UserError, match=r"SER_WORKERS=.*a whole number from 1 on") as caught:
        worker_count()
    assert repr(text) in str(caught.value)
