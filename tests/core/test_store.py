import json
import mmap
import pickle
from pathlib import Path

import numpy as np
import pytest

from ser.core.errors import UserError
from ser.core.store import Store, StoreWriter

FILES = ("offsets.npy", "store.json", "values.npy")


def write(folder, arrays, row_shape=(), meta=None):
    with StoreWriter(folder, row_shape, meta or {}) as store:
        for key, array in arrays.items():
            store.add(key, array)
    return folder


def waveforms():
    rng = np.random.default_rng(0)
    sizes = {"b": 5, "a/x (1).wav": 1, "empty": 0, "ψ": 1000}
    return {key: rng.standard_normal(n).astype(np.float32) for key, n in sizes.items()}


def features():
    rng = np.random.default_rng(0)
    sizes = {"one": 1, "none": 0, "many": 70}
    return {key: rng.standard_normal((n, 3)).astype(np.float32) for key, n in sizes.items()}


@pytest.mark.parametrize(("arrays", "row_shape"), [(waveforms(), ()), (features(), (3,))])
def test_what_is_written_is_read_back(tmp_path, arrays, row_shape):
    meta = {"sample_rate": 16000, "nested": {"list": [1, 2.5, None]}}
    store = Store(write(tmp_path / "new" / "store", arrays, row_shape, meta))
    assert store.meta == meta
    assert list(store) == list(arrays)
    assert len(store) == len(arrays)
    for key, array in arrays.items():
        assert store[key].dtype == np.float32
        assert store[key].shape == array.shape
        assert np.array_equal(store[key], array)
        assert store.length(key) == len(array)


@pytest.mark.parametrize(("arrays", "row_shape"), [(waveforms(), ()), (features(), (3,))])
def test_what_is_read_into_memory_of_its_own_is_what_is_mapped(tmp_path, arrays, row_shape):
    store = Store(write(tmp_path, arrays, row_shape))
    for key in reversed(arrays):
        read = store.read(key)
        assert type(read) is np.ndarray
        assert read.dtype == np.float32
        assert read.shape == arrays[key].shape
        assert np.array_equal(read, store[key])
        assert not np.shares_memory(read, store[key])


def test_what_is_read_into_memory_of_its_own_can_be_written_to(tmp_path):
    store = Store(write(tmp_path, features(), (3,)))
    store.read("many")[:] = 7
    assert np.array_equal(store["many"], features()["many"])
    assert np.array_equal(store.read("many"), features()["many"])


@pytest.mark.parametrize("row_shape", [(), (7,), (7, 2)])
def test_empty_arrays_are_read_from_a_store_of_nothing_else(tmp_path, row_shape):
    empty = {key: np.zeros((0, *row_shape), dtype=np.float32) for key in "ab"}
    store = Store(write(tmp_path, empty, row_shape))
    for key in empty:
        assert store.read(key).shape == (0, *row_shape)


def test_a_store_of_many_arrays_is_read_from_its_middle(tmp_path):
    block = np.arange(100_003, dtype=np.float32)
    store = Store(write(tmp_path, {str(i): block[i:] + i for i in range(9)}))
    assert np.array_equal(store.read("4"), block[4:] + 4)
    assert store.read("8")[-1] == block[-1] + 8


def test_the_writer_counts_arrays_and_rows(tmp_path):
    with StoreWriter(tmp_path, (3,), {}) as store:
        for array in features().values():
            store.add(str(len(store)), array)
        assert (len(store), store.rows) == (3, 71)


def test_an_unknown_key_is_no_member(tmp_path):
    store = Store(write(tmp_path, waveforms()))
    assert "b" in store
    assert "c" not in store
    with pytest.raises(KeyError):
        store["c"]
    with pytest.raises(KeyError):
        store.read("c")


@pytest.mark.parametrize("row_shape", [(), (7,)])
def test_a_store_of_no_arrays_and_one_of_empty_arrays_can_be_read(tmp_path, row_shape):
    store = Store(write(tmp_path / "none", {}, row_shape))
    assert dict(store) == {}
    empty = {"a": np.zeros((0, *row_shape), dtype=np.float32)}
    assert Store(write(tmp_path / "empty", empty, row_shape))["a"].shape == (0, *row_shape)


def test_arrays_of_other_float_types_and_layouts_are_converted(tmp_path):
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    arrays = {"f8": columns, ">f4": columns.astype(">f4"), "every other": columns[::-1]}
    store = Store(write(tmp_path, arrays, (3,)))
    for key, array in arrays.items():
        assert np.array_equal(store[key], array)


def test_an_array_of_another_shape_is_refused_with_its_key(tmp_path):
    with (
        pytest.raises(ValueError, match=r"clip 7: shape \(2, 4\) does not end in \(3,\)"),
        StoreWriter(tmp_path, (3,), {}) as store,
    ):
        store.add("clip 7", np.zeros((2, 4), dtype=np.float32))


def test_arrays_are_mapped_and_not_loaded_and_cannot_be_written_to(tmp_path):
    block = np.arange(2_000_000, dtype=np.float32)
    store = Store(write(tmp_path, {str(i): block + i for i in range(4)}))
    last = owner = store["3"]
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)
    assert last[-1] == block[-1] + 3
    with pytest.raises(ValueError, match="read-only"):
        last[0] = 1


def test_values_are_a_plain_npy_file_of_all_rows(tmp_path):
    arrays = features()
    write(tmp_path, arrays, (3,))
    values = np.load(tmp_path / "values.npy", allow_pickle=False)
    assert np.array_equal(values, np.concatenate(list(arrays.values())))
    assert np.load(tmp_path / "offsets.npy").tolist() == [0, 1, 1, 71]
    assert json.loads((tmp_path / "store.json").read_text())["keys"] == list(arrays)


def test_the_same_arrays_give_the_same_bytes(tmp_path):
    for name in "ab":
        write(tmp_path / name, waveforms(), meta={"b": 1, "a": 2})
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == list(FILES)


def test_a_folder_that_is_not_there_is_refused_with_its_name(tmp_path):
    with pytest.raises(UserError, match=r"nowhere cannot be read .*dvc repro"):
        Store(tmp_path / "nowhere")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "garbage", "emptied array"])
def test_a_missing_or_damaged_file_is_refused(tmp_path, file, damage):
    path = write(tmp_path, waveforms()) / file
    data = path.read_bytes()
    path.unlink()
    if damage == "emptied array":
        with path.open("wb") as opened:
            np.save(opened, np.zeros(0, dtype=np.float32))
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "half": data[: len(data) // 2], "garbage": b"x" * 99}[damage]
        )
    with pytest.raises(UserError, match="cannot be read"):
        Store(tmp_path)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", '{"meta": {}}', '{"meta": {}, "keys": ["b"]}']
)
def test_a_description_that_does_not_fit_the_arrays_is_refused(tmp_path, text):
    write(tmp_path, waveforms())
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        Store(tmp_path)


def test_offsets_of_another_store_are_refused(tmp_path):
    write(tmp_path / "a", {"x": np.ones(5, dtype=np.float32)})
    write(tmp_path / "b", {"x": np.ones(9, dtype=np.float32)})
    (tmp_path / "b" / "offsets.npy").replace(tmp_path / "a" / "offsets.npy")
    with pytest.raises(UserError, match="cannot be read"):
        Store(tmp_path / "a")


def aborted(folder):
    def write_half():
        with StoreWriter(folder, (), {}) as store:
            store.add("a", np.ones(4, dtype=np.float32))
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write_half()
    return folder


def test_an_aborted_writer_leaves_no_readable_store(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Store(aborted(tmp_path))


def test_an_aborted_writer_leaves_no_readable_store_where_one_was_before(tmp_path):
    write(tmp_path, waveforms())
    with pytest.raises(UserError, match="cannot be read"):
        Store(aborted(tmp_path))


def test_a_store_can_be_written_over(tmp_path):
    write(tmp_path, features(), (3,))
    assert np.array_equal(Store(write(tmp_path, waveforms()))["b"], waveforms()["b"])


def test_an_array_is_read_from_its_place_alone(tmp_path, monkeypatch):
    arrays = features()
    write(tmp_path / "store", arrays, (3,))
    monkeypatch.chdir(tmp_path)
    places = {key: Store(Path("store")).array_slice(key) for key in arrays}
    monkeypatch.chdir("/")
    for key, place in pickle.loads(pickle.dumps(places)).items():
        assert place.shape == arrays[key].shape
        assert np.array_equal(place.read(), arrays[key])
    assert len(pickle.dumps(places["many"])) < 500


@pytest.mark.parametrize("keys", [[], ["a"], ['"quoted" \\ ψ \n', "b", "c"]])
def test_the_description_is_plain_json_whatever_the_keys(tmp_path, keys):
    meta = {"keys": [], "list": [{"a": []}]}
    write(tmp_path, dict.fromkeys(keys, np.ones(2, dtype=np.float32)), meta=meta)
    text = (tmp_path / "store.json").read_text(encoding="utf-8")
    assert text == json.dumps({"meta": meta, "keys": keys}, indent=1) + "\n"
    assert list(Store(tmp_path)) == keys


def test_an_aborted_writer_leaves_no_part_of_a_description(tmp_path):
    assert not list(aborted(tmp_path).glob("*.json*"))
