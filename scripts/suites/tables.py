"""Tables of results, which are filled entry by entry."""

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
        columns: the first is for the entry's name, those of times begin with `seconds`.
    """

    path: Path
    columns: tuple[str, ...]

    def read(self) -> list[dict[str, str]]:
        """Read what was written before, all cells as text; no rows if nothing was.

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
        """Write the rows of an entry in the place of its former ones.

        Times that were not measured now stay as they were.

        Args:
            name: of the entry.
            figures: of each row: column -> value, and what else there is.
            order: of the entries; rows of what is not among them go.
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
        whole = self.path.with_suffix(".part")  # it is whole, or it is the former one
        rows = sorted([*kept, *new], key=lambda row: order.index(row[key]))
        write_csv(whole, rows, self.columns)
        whole.replace(self.path)


def damaged(path: Path, reason: object) -> UserError:
    """Return the error of results that cannot be read."""
    return UserError(
        f"{path} is damaged ({reason}): remove it, and finished experiments are written to it anew"
    )
