"""What benchmarks/scale.csv says: is time linear, is memory flat, what would break first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import TypeAdapter

DVC = "dvc add"  # of the recordings: the step beside the stages
ONE_PROCESS = ("split", DVC)
TIME_TOLERANCE = 0.15  # of the seconds, where time counts as linear
MEMORY_TOLERANCE = 0.25  # of the peak memory, where it counts as flat

# Assumptions of what breaks first: nothing here is measured.
MEMORY_GB = 64  # of one machine, for one process
MD5_GB_PER_SECOND = 0.6  # of one core, as DVC hashes a file

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # head, rows


@dataclass(frozen=True)
class Row:
    """A line of scale.csv.

    Attributes:
        clips: how many recordings there were.
        stage: clean, extract, augment or split; or `dvc add` of the recordings.
        cores: how many processes worked.
        copies: changed copies of each clip, made by augment.
        hours: of audio, in all.
        raw_bytes: of the recordings on disk.
        seconds: the stage took, the median where it ran more than once.
        core_seconds: of computing, in all its processes.
        driver_seconds: of computing, in the one that feeds the others and writes their results.
        clips_per_second: of the stage.
        peak_mb: largest memory of all its processes together, in 10^6 bytes.
        bytes: of its outputs on disk.
    """

    clips: int
    stage: str
    cores: int
    copies: int
    hours: float
    raw_bytes: int
    seconds: float
    core_seconds: float
    driver_seconds: float
    clips_per_second: float
    peak_mb: float
    bytes: int


@dataclass(frozen=True)
class Judgement:
    """A size held against the smaller ones.

    Attributes:
        row: what was measured.
        expected: seconds, by the line through the run of few clips and that of the size before.
        least: clips of the smallest size, beside the run of few clips.
        memory: peak, as a multiple of that of the smallest size.
        grown: bytes of memory that each further clip takes.
    """

    row: Row
    expected: float
    least: int
    memory: float
    grown: float

    @property
    def off(self) -> float:
        """How much longer it took than expected: a share, negative where it was faster."""
        return self.row.seconds / self.expected - 1

    @property
    def linear(self) -> bool:
        """Whether the time grows with the number of clips, and no more: it may grow less."""
        return self.off <= TIME_TOLERANCE

    @property
    def flat(self) -> bool:
        """Whether the memory is that of the smallest size, or little more."""
        return self.memory <= 1 + MEMORY_TOLERANCE

    @property
    def text(self) -> str:
        """The verdict in a line."""
        return (
            f"{self.row.stage}, {self.row.clips} clips: {self.row.seconds:.1f} s, "
            f"{self.expected:.1f} s expected ({self.off:+.0%}, "
            f"{'linear' if self.linear else 'NOT linear'}); memory {self.memory:.2f} times that of "
            f"{self.least} clips, {self.grown:+.0f} bytes a clip "
            f"({'flat' if self.flat else 'NOT flat'})"
        )


def read(lines: Sequence[Mapping[str, str]]) -> list[Row]:
    """Make rows of the lines of scale.csv."""
    return TypeAdapter(list[Row]).validate_python(lines)


def by_stage(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Sort the rows of every stage by the number of clips."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.clips):
        found.setdefault(row.stage, []).append(row)
    return found


def judge(rows: Sequence[Row]) -> list[Judgement]:
    """Judge every stage at every size but the run of few clips and the smallest size."""
    judgements = []
    for few, *sizes in by_stage(rows).values():
        for smaller, row in pairwise(sizes):
            least = sizes[0]
            expected = few.seconds + slope(few, smaller, "seconds") * (row.clips - few.clips)
            memory = row.peak_mb / least.peak_mb
            grown = 1e6 * slope(least, row, "peak_mb")
            judgements.append(Judgement(row, expected, least.clips, memory, grown))
    return judgements


def slope(few: Row, many: Row, column: str) -> float:
    """How much of a column each further clip takes; 0 where more clips happened to take less."""
    more: float = getattr(many, column) - getattr(few, column)
    return max(0.0, more) / (many.clips - few.clips)


def conditions(rows: Sequence[Row]) -> str:
    """Under what conditions was measured."""
    last = max(rows, key=lambda row: row.clips)
    return (
        f"On {last.cores} cores, with {last.copies} changed copies of each clip; the clips are "
        f"{3600 * last.hours / last.clips:.1f} s long on average, "
        f"{last.raw_bytes / last.clips / 1e3:.0f} kB each."
    )


def measured(rows: Sequence[Row]) -> Table:
    """Everything that was measured, with the verdicts."""
    judged = {(one.row.stage, one.row.clips): one for one in judge(rows)}
    head = (
        *("clips", "stage", "seconds", "clips/s", "peak memory", "on disk"),
        *("seconds against the line", "memory against the least"),
    )
    lines: list[tuple[str, ...]] = []
    for row in rows:
        one = judged.get((row.stage, row.clips))
        lines.append(
            (
                f"{row.clips:,}",
                row.stage,
                f"{row.seconds:.1f}",
                f"{row.clips_per_second:,.1f}",
                f"{row.peak_mb:.0f} MB",
                f"{row.bytes / 1e6:,.1f} MB",
                f"{one.off:+.0%}{'' if one.linear else ' (not linear)'}" if one else "",
                f"x {one.memory:.2f}{'' if one.flat else ' (not flat)'}" if one else "",
            )
        )
    return head, lines


@dataclass(frozen=True)
class PerClip:
    """What a further clip costs in a stage.

    Attributes:
        core_seconds: of all processes.
        driver_seconds: of the one that feeds the others.
        memory: bytes, of all processes.
        bytes: on disk.
    """

    core_seconds: float
    driver_seconds: float
    memory: float
    bytes: float


def per_clip(rows: Sequence[Row]) -> dict[str, PerClip]:
    """What a further clip costs in each stage: from the run of few clips to the largest size.

    Memory grows from the smallest size on. There must be two sizes beside the run of few clips.
    """
    return {
        stage: PerClip(
            slope(own[0], own[-1], "core_seconds"),
            slope(own[0], own[-1], "driver_seconds"),
            1e6 * slope(own[1], own[-1], "peak_mb"),
            own[-1].bytes / own[-1].clips,
        )
        for stage, own in by_stage(rows).items()
        if len(own) > 2
    }


def fed_cores(one: PerClip) -> float:
    """How many cores one driver keeps busy."""
    return one.core_seconds / one.driver_seconds if one.driver_seconds > 0 else math.inf


def costs(rows: Sequence[Row]) -> Table:
    """What a further clip costs in each stage."""
    head = ("stage", "core time", "of it in the driver", "feeds", "memory", "disk")
    lines: list[tuple[str, ...]] = []
    for stage, one in per_clip(rows).items():
        lines.append(
            (
                stage,
                f"{1e3 * one.core_seconds:.2f} ms",
                f"{1e3 * one.driver_seconds:.2f} ms",
                "" if stage in ONE_PROCESS else f"{fed_cores(one):.1f} cores",
                f"{one.memory:.0f} bytes",
                f"{one.bytes / 1e3:,.2f} kB",
            )
        )
    return head, lines


def limits(rows: Sequence[Row]) -> Table:
    """What breaks first in one run on a machine of MEMORY_GB, the soonest first."""
    cost, last = per_clip(rows), max(rows, key=lambda row: row.clips)
    found: list[tuple[float, str, str]] = []
    for stage, one in cost.items():
        if one.memory > 0:
            found.append(
                (
                    1e9 * MEMORY_GB / one.memory,
                    f"memory of {stage}",
                    f"{one.memory:.0f} bytes a clip fill {MEMORY_GB} GB",
                )
            )
        if stage not in ONE_PROCESS and one.driver_seconds > 0:
            found.append(
                (
                    86400 / one.driver_seconds,
                    f"driver of {stage}",
                    f"one process at {1e3 * one.driver_seconds:.2f} ms a clip works a day, however "
                    "many cores it feeds",
                )
            )
    hashed = 3600 * MD5_GB_PER_SECOND * 1e9
    for name, per in (
        ("data/raw", last.raw_bytes / last.clips),
        ("data/clean/values.npy", cost["clean"].bytes),
        ("data/augmented/values.npy", cost["augment"].bytes),
    ):
        text = f"{per / 1e3:.0f} kB a clip: DVC hashes an hour after any change"
        found.append((hashed / per, name, text))
    found.append(
        (
            3600 / cost[DVC].core_seconds,
            "the number of files in data/raw",
            f"`dvc add` at {1e3 * cost[DVC].core_seconds:.2f} ms a file works an hour",
        )
    )
    trained = cost["extract"].bytes + cost["augment"].bytes
    found.append(
        (
            1e9 * MEMORY_GB / trained,
            "training",
            f"{trained / 1e3:.0f} kB a clip of features and copies no longer fit {MEMORY_GB} GB of "
            "page cache: batches are read from disk",
        )
    )
    head = ("at about", "what", "why")
    return head, [(f"{clips / 1e6:,.1f} million clips", *rest) for clips, *rest in sorted(found)]
