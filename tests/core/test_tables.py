import math

import numpy as np
import pytest

from ser.core.errors import UserError
from ser.core.tables import count_rows, read_csv, read_rows, write_csv

ROWS = [
    {"clip": 'a "quoted", one', "copy": 1, "share": 0.1},
    {"clip": "two\nlines", "copy": 2, "share": None},
    {"clip": "ψ", "copy": 3, "share": math.nan},
]
COLUMNS = ("clip", "copy", "share")


def test_what_is_written_is_read_back_row_by_row_and_as_a_table(tmp_path):
    write_csv(tmp_path / "new" / "t.csv", ROWS, COLUMNS)
    rows = list(read_rows(tmp_path / "new" / "t.csv"))
    assert [row["clip"] for row in rows] == [row["clip"] for row in ROWS]
    assert [row["share"] for row in rows] == ["0.1", "", ""]
    assert count_rows(tmp_path / "new" / "t.csv") == 3
    table = read_csv(tmp_path / "new" / "t.csv")
    assert list(table["clip"]) == [row["clip"] for row in ROWS]
    assert list(table["copy"]) == [1, 2, 3]
    assert list(table["share"]) == ["0.1", "", ""]


def test_numbers_are_written_in_full_and_lines_end_alike_everywhere(tmp_path):
    row = {"a": 1 / 3, "b": np.float64(1 / 3), "c": 2**63, "d": True, "unused": 1}
    write_csv(tmp_path / "t.csv", [row], ("d", "c", "b", "a"))
    expected = b"d,c,b,a\nTrue,9223372036854775808,0.3333333333333333,0.3333333333333333\n"
    assert (tmp_path / "t.csv").read_bytes() == expected


def test_each_row_is_written_as_it_comes(tmp_path):
    def rows():
        for i in range(100_000):
            if i == 90_000:
                assert (tmp_path / "t.csv").stat().st_size > 100_000
            yield {"a": i}

    write_csv(tmp_path / "t.csv", rows(), ("a",))
    assert count_rows(tmp_path / "t.csv") == 100_000


def test_a_long_table_is_read_whole_and_in_order(tmp_path):
    write_csv(
        tmp_path / "t.csv",
        ({"clip": f"{i:05}", "fold": i} for i in range(12_345)),
        ("clip", "fold"),
    )
    table = read_csv(tmp_path / "t.csv")
    assert list(table["clip"]) == [f"{i:05}" for i in range(12_345)]
    assert list(table["fold"]) == list(range(12_345))
    assert list(table.index) == list(range(12_345))


def test_some_columns_alone_are_read(tmp_path):
    write_csv(tmp_path / "t.csv", ROWS, COLUMNS)
    assert list(read_csv(tmp_path / "t.csv", ("copy", "clip")).columns) == ["clip", "copy"]
    with pytest.raises(UserError, match="dvc repro"):
        read_csv(tmp_path / "t.csv", ("clip", "path"))


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    write_csv(tmp_path / "t.csv", [], COLUMNS)
    assert list(read_csv(tmp_path / "t.csv").columns) == list(COLUMNS)
    assert list(read_rows(tmp_path / "t.csv")) == []


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00"])
def test_what_is_no_table_is_refused(tmp_path, data):
    if data:
        (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(UserError, match=r"t\.csv .*dvc repro"):
        read_csv(tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"t\.csv .*dvc repro"):
        list(read_rows(tmp_path / "t.csv"))
