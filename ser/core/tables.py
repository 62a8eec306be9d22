"""The project's csv and json files: how they are written and read back."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

CLIP_COLUMNS = (
    "clip",
    "corpus",
    "path",
    "emotion",
    "speaker",
    "utterance",
    "take",
    "gender",
    "age",
    "intensity",
    "language",
    "seconds",
    "sample_rate",
    "channels",
    "subtype",
)
_ROWS_AT_ONCE = 5000
# Everything else in any of the tables is text: an utterance "05" is no number, a take "" no gap.
_NUMERIC = {"seconds", "sample_rate", "channels", "fold", "copy", "epoch"}


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as csv with exactly these columns, in this order, each row as it comes.

    None and NaN leave an empty cell.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            cells = (row[column] for column in columns)
            writer.writerow(["" if cell is None or cell != cell else cell for cell in cells])


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read one of the project's tables row by row, all cells as text.

    Raises:
        UserError: the file is missing or is no table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None


def write_table(path: Path, table: "pd.DataFrame", decimals: int | None = None) -> None:
    """Write a table as csv, its floats in full or with so many decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = None if decimals is None else f"%.{decimals}f"
    table.to_csv(path, index=False, lineterminator="\n", float_format=form)


def count_rows(path: Path) -> int:
    """Count the rows of one of the project's tables.

    Raises:
        UserError: the file is missing or is no table.
    """
    return sum(1 for _ in read_rows(path))


def read_csv(path: Path, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read one of the project's tables, or some of its columns; text columns stay text.

    Raises:
        UserError: the file is missing, is no table or lacks a column.
    """
    # Imported only here: who reads row by row need not wait for it.
    import pandas as pd

    try:
        # In parts, which are freed as they are read: the whole text would take as much again.
        with pd.read_csv(
            path, dtype=str, keep_default_na=False, usecols=columns, chunksize=_ROWS_AT_ONCE
        ) as parts:
            table = pd.concat(parts, ignore_index=True)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None
    for column in _NUMERIC.intersection(table.columns):
        table[column] = pd.to_numeric(table[column])
    return table


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a metrics file: keys in the given order, floats rounded to 6 decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rounded(value), indent=2) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Round all floats in a value to 6 decimals."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return value
