"""Writing and reading the project's csv and json files."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.core.dimensions import DIMENSIONS, PREDICTED
from ser.core.errors import UserError, naming

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
    "level",
    "samples_digest",
)
_ROWS_AT_ONCE = 5000
# All other columns of all tables are text: utterance "05" is not a number, take "" not a gap.
_NUMERIC = {"seconds", "sample_rate", "channels", "level", "fold", "copy", "epoch", "weight"}
_NUMERIC |= {*DIMENSIONS, *(PREDICTED + name for name in DIMENSIONS)}  # an empty cell is NaN


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as csv with exactly these columns, in this order, without collecting the rows.

    None and NaN leave an empty cell.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            cells = (row[column] for column in columns)
            writer.writerow(["" if cell is None or cell != cell else cell for cell in cells])


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read one of the project's tables row by row, all cells as text.

    Raises:
        UserError: the file is missing or is not a table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None


def read_header(path: Path) -> list[str]:
    """Return the names of the columns of one of the project's tables.

    Raises:
        UserError: the file is missing or is not a table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None


def write_table(path: Path, table: "pd.DataFrame", decimals: int | None = None) -> None:
    """Write a table as csv, its floats in full or with this many decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = None if decimals is None else f"%.{decimals}f"
    with naming(path):
        table.to_csv(path, index=False, lineterminator="\n", float_format=form)


def count_rows(path: Path) -> int:
    """Count the rows of one of the project's tables.

    Raises:
        UserError: the file is missing or is not a table.
    """
    return sum(1 for _ in read_rows(path))


def read_csv(path: Path, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read one of the project's tables, or some of its columns; text columns stay text.

    Raises:
        UserError: the file is missing, is not a table or lacks a column.
    """
    # Imported only here: reading row by row does not need it.
    import pandas as pd

    try:
        # In parts, which are freed one by one: the whole text would need as much memory again.
        with pd.read_csv(
            path, dtype=str, keep_default_na=False, usecols=columns, chunksize=_ROWS_AT_ONCE
        ) as parts:
            table = pd.concat(parts, ignore_index=True)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None
    for column in _NUMERIC.intersection(table.columns):
        table[column] = pd.to_numeric(table[column])
    return table


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a JSON file: keys in the given order, floats rounded to 6 decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_text(json.dumps(rounded(value), indent=2) + "\n", encoding="utf-8")


def write_report(path: Path, values: Mapping[str, Any]) -> None:
    """Write what a stage counted and measured.

    The file is a list of one mapping, because DVC takes a mapping for metrics: `dvc exp show` would
    have a column for every value, and the headline figures would be lost among them.
    """
    write_json(path, [values])


def parse_report(text: str) -> Any:  # noqa: ANN401 - any JSON value, if it is not a report
    """Return the values that `write_report` wrote; older versions wrote the mapping alone.

    Raises:
        ValueError: the text is not JSON.

    >>> parse_report('[{"clips": 604}]')
    {'clips': 604}
    """
    values = json.loads(text)
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value with all its floats rounded to 6 decimals.

    >>> rounded({"accuracy": 2 / 3, "n": 3})
    {'accuracy': 0.666667, 'n': 3}
    """
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return value
