"""Arrays that workers compute and write to a store."""

import os
import signal

import numpy as np
import pytest

from ser.core.errors import UserError
from ser.core.store import ArraySlice, Store, StoreWriter
from ser.parallel.stored import AT_ONCE, stored_map

FILES = ["offsets.npy", "store.json", "values.npy"]
MANY = 12 * AT_ONCE + 5  # groups enough for workers to join what others have written


def rows(number):
    """Return an array for most numbers, none or two for some, and something small."""
    count = {0: 0, 1: 2}.get(number % 7, 1)
    rng = np.random.default_rng(number)
    made = [rng.standard_normal((number % 5, 3), dtype=np.float32) for _ in range(count)]
    return f"result {number}", made


def refuse_forty(number):
    if number == 40:
        raise UserError("forty is refused")
    return rows(number)


def die_of_forty(number):
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(number)


def write(folder, function=rows, items=MANY):
    """Store all arrays but every tenth; return what the function returned."""
    with StoreWriter(folder, (3,), {}) as store:
        results = []
        for result, arrays in stored_map(function, range(items), store):
            for array in arrays:
                if len(results) % 10:
                    store.add(f"{result} {len(store)}", array)
            results.append(result)
        return results


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("items", [0, 1, AT_ONCE, MANY])
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, monkeypatch, workers, items):
    monkeypatch.setenv("SER_WORKERS", "1")
    alone = write(tmp_path / "alone", items=items)
    monkeypatch.setenv("SER_WORKERS", str(workers))
    assert write(tmp_path / "shared", items=items) == alone
    assert alone == [f"result {number}" for number in range(items)]
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert list(files(tmp_path / "shared")) == FILES


def test_arrays_are_written_by_the_workers_and_not_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_WORKERS", "2")
    with StoreWriter(tmp_path, (3,), {}) as store:
        for number, (_, arrays) in enumerate(stored_map(rows, range(MANY), store)):
            assert all(isinstance(array, ArraySlice) for array in arrays)
            for array, made in zip(arrays, rows(number)[1], strict=True):
                assert np.array_equal(array.read(), made)


def test_shards_are_deleted_while_others_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("SER_WORKERS", "2")
    most = 0
    with StoreWriter(tmp_path, (3,), {}) as store:
        for result, arrays in stored_map(rows, range(4 * MANY), store):
            for array in arrays:
                store.add(f"{result} {len(store)}", array)
            most = max(most, len(list((tmp_path / "shards").iterdir())))
    assert most <= 2 * 2 * 4 + 2  # those read ahead, those not joined yet, and those begun


@pytest.mark.parametrize(
    ("workers", "function", "expected"),
    [
        (1, refuse_forty, "forty is refused"),
        (2, refuse_forty, "forty is refused"),
        (2, die_of_forty, f"was killed at item {2 * AT_ONCE + 1}, "),
    ],
)
def test_an_error_leaves_neither_a_readable_store_nor_shards(
    tmp_path, monkeypatch, workers, function, expected
):
    monkeypatch.setenv("SER_WORKERS", str(workers))
    with pytest.raises(UserError, match=expected):
        write(tmp_path, function)
    assert list(files(tmp_path)) == ["values.npy"]
    with pytest.raises(UserError, match="cannot be read"):
        Store(tmp_path)


def test_shards_of_a_process_that_was_killed_are_removed(tmp_path, monkeypatch):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "old").write_bytes(b"old")
    monkeypatch.setenv("SER_WORKERS", "2")
    write(tmp_path)
    assert list(files(tmp_path)) == FILES
