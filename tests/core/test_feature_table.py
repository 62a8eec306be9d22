import os

import numpy as np
import pandas as pd
import pytest

from ser.core import feature_table
from ser.core.errors import UserError
from ser.core.feature_table import read_table, require_table

CLIPS = ["aesdd/a 1", "aesdd/b,2", "own/ψ", "own/d"]
VALUES = np.random.default_rng(0).normal(0, 1e4, (4, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(path, clips=CLIPS, values=VALUES, key_at=0, **options):
    table = pd.DataFrame(values, columns=[f"x{n}" for n in range(len(values[0]))])
    table.insert(key_at, "clip", clips)
    table.to_csv(path, index=False, **options)
    return path


def write_npy(path, clips=CLIPS, values=VALUES):
    np.save(path, values)
    path.with_suffix(".txt").write_text("".join(f"{clip}\n" for clip in clips), encoding="utf-8")
    return path


def refusal(path, clips=CLIPS):
    with pytest.raises(UserError) as refused:
        read_table(path, clips)
    text = str(refused.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
@pytest.mark.parametrize("key_at", [0, 1, 3])
def test_rows_of_a_csv_come_in_the_order_of_the_clips(folder, key_at, order):
    clips = [CLIPS[i] for i in order]
    found, others = read_table(write_csv(folder / "x.csv", key_at=key_at), clips)
    assert found.dtype == np.float32
    assert np.array_equal(found, VALUES[order])
    assert others == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
def test_rows_of_an_npy_have_their_names_beside_it(folder, dtype):
    values = np.abs(VALUES % 100).astype(dtype)
    found, others = read_table(write_npy(folder / "x.npy", values=values), CLIPS[::-1])
    assert np.array_equal(found, values[::-1].astype(np.float32))
    assert others == []


def test_what_spreadsheets_write_is_read(folder):
    path = write_csv(folder / "x.csv", lineterminator="\r\n", encoding="utf-8-sig")
    path.write_bytes(path.read_bytes() + b"\r\n")
    assert np.array_equal(read_table(path, CLIPS)[0], VALUES)


@pytest.mark.parametrize("write", [write_csv, write_npy])
def test_rows_of_other_clips_are_returned_and_not_read(folder, write):
    values = VALUES.copy()
    values[1] = np.nan
    path = write(folder / ("x.csv" if write is write_csv else "x.npy"), values=values)
    found, others = read_table(path, [CLIPS[0], *CLIPS[2:]])
    assert np.array_equal(found, VALUES[[0, 2, 3]])
    assert others == [CLIPS[1]]


@pytest.mark.parametrize("write", [write_csv, write_npy])
def test_all_that_is_wrong_with_rows_is_said_at_once(folder, write):
    values = VALUES.astype(np.float64)
    values[0, 1], values[3, 2], values[3, 0] = np.nan, np.inf, 1e39
    clips = [CLIPS[0], "other/e", CLIPS[0], CLIPS[3]]
    path = write(folder / ("x.csv" if write is write_csv else "x.npy"), clips, values)
    text = refusal(path)
    assert "clips without a row: 2, such as aesdd/b,2, own/ψ; " in text
    assert "rows of a clip that has one already: 1, such as aesdd/a 1; " in text
    assert "rows of no clip: 1, such as other/e" in text
    first = "column x1" if write is write_csv else "column 2"
    if write is write_npy:  # in a CSV, NaN is an empty cell
        assert (
            f"numbers that are NaN, infinite or too large for 32 bits: 3, such as {first}" in text
        )
    else:
        assert "cells that are not numbers: 1, such as '' in column x1 of aesdd/a 1" in text
        assert (
            "numbers that are NaN, infinite or too large for 32 bits: 2, such as column x0" in text
        )


@pytest.mark.parametrize("cell", ["sad", "1,5", "", "0x1f", "--1"])
def test_a_cell_that_is_no_number_is_named_with_its_clip_and_column(folder, cell):
    path = folder / "x.csv"
    path.write_text(f'clip,level,"pitch"\na,1,2\nb,"{cell}",3\n', encoding="utf-8")
    assert f"cells that are not numbers: 1, such as {cell!r} in column level of b" in refusal(
        path, ["a", "b"]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line, '', names 0 columns 'clip'"),
        ("a;1;2\n", "the first line, 'a;1;2', names 0 columns 'clip' between its commas"),
        ("clip,x,clip\na,1,a\n", "names 2 columns 'clip'"),
        ("clip\na\n", "0 columns of numbers, 1 to 65,536 are read"),
        ("clip,x\na,1,2\n", "row 2 has 3 cells, and the first line 2"),
        ("clip,x\na\n", "row 2 has 1 cells, and the first line 2"),
        ('clip,x\na,"1\n', "unexpected end of data"),
        ("clip,x\nb,1\n", "clips without a row: 1, such as a; rows of no clip: 1, such as b"),
    ],
)
def test_what_is_no_such_table_is_refused_with_what_is_expected(folder, text, said):
    path = folder / "x.csv"
    path.write_text(text, encoding="utf-8")
    told = refusal(path, ["a"])
    assert said in told
    assert "expected is a row for each clip of data/clips.csv, with its name in the column" in told


def test_bytes_that_are_no_text_are_refused(folder):
    path = folder / "x.csv"
    path.write_bytes(b"clip,x\n\xff\xfe,1\n")
    assert "cannot be read ('utf-8' codec can't decode" in refusal(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(4), r"an array \[4\] of float64"),
        (np.zeros((4, 2, 2)), r"an array \[4, 2, 2\] of float64"),
        (np.zeros((4, 2), bool), r"an array \[4, 2\] of bool"),
        (np.full((4, 2), "1"), r"an array \[4, 2\] of <U1"),
        (np.full((4, 2), None), "Array can't be memory-mapped: Python objects in dtype"),
        (np.zeros((3, 2)), r"3 rows, and 4 names in x\.txt"),
    ],
)
def test_an_npy_of_another_kind_is_refused(folder, values, said):
    path = write_npy(folder / "x.npy", values=values)
    with pytest.raises(UserError, match=said):
        read_table(path, CLIPS)


def test_an_npy_that_was_cut_is_refused(folder):
    path = write_npy(folder / "x.npy")
    path.write_bytes(path.read_bytes()[:-8])
    refusal(path)
    path.write_bytes(b"")
    refusal(path)


@pytest.mark.parametrize("name", ["x.csv", "x.npy"])
def test_a_file_that_is_not_there_is_named(folder, name):
    with pytest.raises(UserError, match=f"{name} is not there"):
        require_table(folder / name)
    (folder / name).mkdir()
    with pytest.raises(UserError, match=f"{name} is not there"):
        require_table(folder / name)


def test_names_that_are_not_there_are_named(folder):
    path = write_npy(folder / "x.npy")
    path.with_suffix(".txt").unlink()
    with pytest.raises(UserError, match=r"x\.txt is not there"):
        require_table(path)


def test_a_link_is_refused_unless_it_is_dvcs(folder):
    target = write_csv(folder / "elsewhere")
    (folder / "x.csv").symlink_to(target)
    assert "x.csv is a link: copy the file there, or `dvc add` it" in refusal(folder / "x.csv")
    (folder / "x.csv.dvc").touch()
    assert np.array_equal(read_table(folder / "x.csv", CLIPS)[0], VALUES)


def test_a_file_beyond_all_use_is_not_read(folder):
    path = folder / "x.csv"
    with path.open("wb") as file:
        os.truncate(file.fileno(), (1 << 31) + 1)  # a hole, which takes no space
    assert "has 2,147,483,649 bytes, at most 2,147,483,648 are read" in refusal(path)


def test_a_table_that_would_fill_the_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(feature_table, "_MOST_VALUES", 11)
    assert "12 values of 4 clips, at most 11 are read" in refusal(write_csv(folder / "x.csv"))


def test_more_columns_than_a_net_could_take_are_refused(folder):
    path = write_npy(folder / "x.npy", values=np.zeros((4, 65_537), np.float32))
    assert "65,537 columns of numbers, 1 to 65,536 are read" in refusal(path)


@pytest.mark.parametrize("again", [False, True])
def test_numbers_of_rows_that_pandas_adds_are_no_features(folder, again):
    table = pd.DataFrame({"clip": CLIPS, "x": range(len(CLIPS))})
    path = folder / "x.csv"
    table.to_csv(path)
    if again:  # read and written once more, the column is called Unnamed: 0
        pd.read_csv(path).to_csv(path, index=False)
    assert "to_csv with index=False" in refusal(path)


def test_an_archive_of_arrays_under_the_name_of_one_is_refused(folder):
    with (folder / "x.npy").open("wb") as file:
        np.savez(file, VALUES)
    (folder / "x.txt").write_text("\n".join(CLIPS), encoding="utf-8")
    assert "expected is a row for each clip" in refusal(folder / "x.npy")
