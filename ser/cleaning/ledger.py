"""A table of all recordings while the corpora are cleaned.

It is a temporary database on disk, which finds duplicates and sorts, so that memory does not grow
with the number of recordings.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ser.cleaning.duplicates import find_duplicates
from ser.core.dimensions import DIMENSIONS
from ser.core.errors import UserError
from ser.core.tables import CLIP_COLUMNS
from ser.corpora import CORPORA

REJECTED_COLUMNS = ("path", "reason", "detail")
# word: the corpus's own word for the emotion; identity: a key that files of one clip share; digest:
# hash of the waveform in its standard form; reason: NULL if the recording is kept.
_COLUMNS = (*CLIP_COLUMNS, *DIMENSIONS, "word", "identity", "digest", "reason", "detail")
_KEPT = "FROM recordings WHERE reason IS NULL"

Row = Mapping[str, Any]


class Tally(NamedTuple):
    """How often a reason for rejection occurs, and the first recording that has it."""

    reason: str
    times: int
    path: str
    detail: str


@contextmanager
def open_ledger(more: Sequence[str] = ()) -> "Iterator[Ledger]":
    """Make an empty ledger, and delete it afterwards.

    Args:
        more: columns of clips.csv beyond CLIP_COLUMNS and DIMENSIONS.

    Raises:
        UserError: its file, which a large corpus needs, cannot be written.
    """
    ledger = Ledger(more)
    try:
        yield ledger
    except sqlite3.OperationalError as error:
        raise UserError(
            f"the table of all recordings cannot be written to SQLite's temporary folder "
            f"({error}): make room in /var/tmp, or set SQLITE_TMPDIR to a folder with room"
        ) from None
    finally:
        ledger.close()


class Ledger:
    """A table of recordings with the columns of clips.csv and of rejected.csv.

    Closing it deletes its file.
    """

    def __init__(self, more: Sequence[str] = ()) -> None:
        # Names that people chose, in SQL: quoted, and begun so that none is one of _COLUMNS.
        self._more = {name: '"more ' + name.replace('"', '""') + '"' for name in more}
        # With an empty name, SQLite makes a temporary file and removes it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            f"CREATE TABLE recordings ({', '.join((*_COLUMNS, *self._more.values()))})"
        )
        self._database.execute("CREATE INDEX by_path ON recordings (path)")
        self._database.execute("CREATE INDEX by_clip ON recordings (clip)")
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Delete the table."""
        self._database.close()

    def insert(self, rows: Iterable[Row]) -> None:
        """Add recordings: any of the columns, including `path` and `corpus`.

        The key `more` of a row holds its cells of the columns that the user named, by name.
        """
        places = ", ".join("?" for _ in (*_COLUMNS, *self._more))
        self._database.executemany(
            f"INSERT INTO recordings VALUES ({places})",  # noqa: S608 - the columns named above
            (
                [row.get(column) for column in _COLUMNS]
                + [row.get("more", {}).get(name) for name in self._more]
                for row in rows
            ),
        )

    def update(self, row: Row) -> None:
        """Write columns of the recording at `path`: properties of its audio, or a rejection."""
        changes = ", ".join(f"{column} = :{column}" for column in row if column != "path")
        self._database.execute(
            f"UPDATE recordings SET {changes} WHERE path = :path AND reason IS NULL",  # noqa: S608
            row,
        )

    def reject_duplicates(self, trained_only: Sequence[str] = ()) -> None:
        """Reject recordings that occur more than once.

        Args:
            trained_only: corpora that are not tested: of the same audio, that of another corpus is
                kept, so that the tested clips do not depend on them.
        """
        # Of the others, keep the one in a corpus with a known naming, which is labelled better.
        known = ", ".join(f"'{corpus}'" for corpus in CORPORA)
        last = ", ".join("?" * len(trained_only))
        alike = self._database.execute(
            f"""SELECT path, emotion, identity, digest {_KEPT} AND (
                digest IN (SELECT digest {_KEPT} GROUP BY digest HAVING count(*) > 1) OR
                identity IN (SELECT identity {_KEPT} GROUP BY identity HAVING count(*) > 1)
            ) ORDER BY corpus IN ({last}), corpus NOT IN ({known}), path""",
            list(trained_only),
        ).fetchall()
        for row in find_duplicates(alike):
            self.update(row)

    def __len__(self) -> int:
        """Count the recordings not rejected so far."""
        count: int = self._database.execute(f"SELECT count(*) {_KEPT}").fetchone()[0]
        return count

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield (clip, path) of the recordings not rejected so far, sorted by path."""
        for row in self._database.execute(f"SELECT clip, path {_KEPT} ORDER BY path"):
            yield row["clip"], row["path"]

    def has(self, clip: str, digest: bytes) -> bool:
        """Return whether a recording with that clip name and digest is kept."""
        query = f"SELECT 1 {_KEPT} AND clip = ? AND digest = ?"
        return self._database.execute(query, (clip, digest)).fetchone() is not None

    def clip_columns(self) -> list[str]:
        """Return the columns of clips.csv; a dimension is one if a recording kept was rated."""
        return [*CLIP_COLUMNS, *self._more, *self._rated_dimensions()]

    def _rated_dimensions(self) -> list[str]:
        counts = ", ".join(f"count(nullif({name}, ''))" for name in DIMENSIONS)
        rated = self._database.execute(f"SELECT {counts} {_KEPT}").fetchone()
        return [name for name, clips in zip(DIMENSIONS, rated, strict=True) if clips]

    def clips(self) -> Iterator[Row]:
        """Yield the rows of clips.csv, sorted by name."""
        rated = {name: name for name in self._rated_dimensions()}
        names = {column: column for column in CLIP_COLUMNS} | self._more | rated
        query = f"SELECT {', '.join(names.values())} {_KEPT} ORDER BY clip"
        for row in self._database.execute(query):
            yield dict(zip(names, row, strict=True))

    def rejected(self) -> Iterator[Row]:
        """Yield the rows of rejected.csv, sorted by path."""
        query = (
            f"SELECT {', '.join(REJECTED_COLUMNS)} FROM recordings "  # noqa: S608
            "WHERE reason IS NOT NULL ORDER BY path"
        )
        yield from map(dict, self._database.execute(query))

    def corpora(self) -> dict[str, tuple[int, int]]:
        """Return corpus -> (recordings kept, recordings rejected), sorted."""
        query = (
            "SELECT corpus, count(*) - count(reason), count(reason) FROM recordings "
            "GROUP BY corpus ORDER BY corpus"
        )
        return {corpus: (kept, lost) for corpus, kept, lost in self._database.execute(query)}

    def counts_by_emotion(self) -> dict[str, tuple[int, int]]:
        """Return emotion -> (recordings kept, those rejected for their sound), sorted."""
        return self._counts_by("emotion")

    def counts_by_speaker(self) -> dict[str, tuple[int, int]]:
        """Return `<corpus>/<speaker>` -> (recordings kept, those rejected for their sound).

        Sorted; unknown speakers are left out.
        """
        counts = self._counts_by("corpus || '/' || nullif(speaker, '')")
        return {speaker: count for speaker, count in counts.items() if speaker is not None}

    def _counts_by(self, group: str) -> dict[str, tuple[int, int]]:
        # A recording rejected for its label has no emotion here. A duplicate is not a loss.
        query = (
            f"SELECT {group}, count(*) - count(reason), count(reason) FROM recordings "  # noqa: S608
            "WHERE emotion IS NOT NULL AND (reason IS NULL OR reason NOT LIKE 'duplicate%') "
            "GROUP BY 1 ORDER BY 1"
        )
        return {name: (kept, lost) for name, kept, lost in self._database.execute(query)}

    def seconds(self) -> float:
        """Return the length of all recordings kept, in seconds."""
        total: float = self._database.execute(f"SELECT total(seconds) {_KEPT}").fetchone()[0]
        return total

    def reasons(self, corpus: str | None = None) -> list[Tally]:
        """Count the reasons for rejection in all corpora or in one, the most frequent first."""
        # With min(), SQLite takes the other columns from the same row.
        query = (
            "SELECT reason, count(*), min(path), detail FROM recordings "
            "WHERE reason IS NOT NULL AND (:corpus IS NULL OR corpus = :corpus) "
            "GROUP BY reason ORDER BY count(*) DESC, min(path)"
        )
        return [Tally(*row) for row in self._database.execute(query, {"corpus": corpus})]

    def emotions(self) -> dict[str, list[str]]:
        """Return emotion -> corpora that have it, among the recordings kept; both sorted."""
        found: dict[str, list[str]] = {}
        query = f"SELECT DISTINCT emotion, corpus {_KEPT} ORDER BY emotion, corpus"
        for emotion, corpus in self._database.execute(query):
            found.setdefault(emotion, []).append(corpus)
        return found

    def speakers(self) -> Iterator[tuple[str, str]]:
        """Yield (corpus, speaker) of all known speakers, sorted."""
        query = (
            "SELECT DISTINCT corpus, speaker FROM recordings WHERE speaker != '' "
            "ORDER BY corpus, speaker"
        )
        yield from map(tuple, self._database.execute(query))

    def words(self) -> set[str]:
        """Return the corpora's own words for the emotions."""
        query = "SELECT DISTINCT word FROM recordings WHERE word IS NOT NULL"
        return {row["word"] for row in self._database.execute(query)}
