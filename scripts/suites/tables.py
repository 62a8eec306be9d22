"""Read and write tables of results, entry by entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ser.core.errors import UserError
from ser.core.tables import write_csv


@dataclass(frozen=True)
class Table:
    """A csv file of results.

    Attributes:
        path: of the file.
        columns: the first holds the entry's name; columns of times begin with `seconds`.
    """

    path: Path
    columns: tuple[str, ...]

    def read(self) -> list[dict[str, str]]:
        """Read the existing rows, all cells as text; no rows if the file does not exist.

        Raises:
            UserError: the file is not such a table.
        """
        if not self.path.exists():
            return []
        try:
            table = pd.read_csv(self.path, dtype=str, keep_default_na=False)
            rows: list[dict[str, str]] = table[list(self.columns)].to_dict("records")
            return rows
        except (OSError, ValueError, LookupError) as error:
            raise damaged(self.path, error) from None

    def put(self, name: str, figures: Sequence[Mapping[str, Any]], order: Sequence[str]) -> None:
        """Replace the rows of an entry.

        Times that were not measured this time keep their former values.

        Args:
            name: of the entry.
            figures: of each row: column -> value; other keys are ignored.
            order: of the entries; rows of other entries are removed.
        """
        key, old, new = self.columns[0], self.read(), []
        times = [column for column in self.columns if column.startswith("seconds")]
        measured = {(row[key], row.get("seed")): row for row in old}
        for row in figures:
            seed = str(row["seed"]) if "seed" in self.columns else None
            former = measured.get((name, seed), {})
            kept_times = {time: former.get(time) for time in times if row[time] is None}
            new.append({**row, key: name, **kept_times})
        kept = [row for row in old if row[key] in order and row[key] != name]
        part = self.path.with_suffix(".part")  # so that the file is never incomplete
        rows = sorted([*kept, *new], key=lambda row: order.index(row[key]))
        write_csv(part, rows, self.columns)
        part.replace(self.path)


def damaged(path: Path, reason: object) -> UserError:
    """Return the error for a file of results that cannot be read."""
    return UserError(
        f"{path} is damaged ({reason}): remove it, and the results of finished experiments are "
        "written again"
    )
