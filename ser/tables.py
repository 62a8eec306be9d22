"""The project's csv and json files: how they are written and read back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ser.errors import UserError

CLIP_COLUMNS = (
    "clip",
    "corpus",
    "path",
    "emotion",
    "speaker",
    "utterance",
    "take",
    "gender",
    "intensity",
    "language",
    "seconds",
    "sample_rate",
    "channels",
    "subtype",
)
# Everything else in any of the tables is text: an utterance "05" is no number, a take "" no gap.
_NUMERIC = {"seconds", "sample_rate", "channels", "fold", "copy", "epoch"}


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as csv with exactly these columns, in this order."""
    write_table(path, pd.DataFrame(list(rows), columns=list(columns)))


def write_table(path: Path, table: pd.DataFrame, decimals: int | None = None) -> None:
    """Write a table as csv, its floats in full or with so many decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = None if decimals is None else f"%.{decimals}f"
    table.to_csv(path, index=False, lineterminator="\n", float_format=form)


def read_csv(path: Path) -> pd.DataFrame:
    """Read one of the project's tables; text columns stay text.

    Raises:
        UserError: the file is missing or is no table.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}): run `dvc repro`") from None
    for column in _NUMERIC.intersection(table.columns):
        table[column] = pd.to_numeric(table[column])
    return table


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a metrics file: keys in the given order, floats rounded to 6 decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(value), indent=2) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
