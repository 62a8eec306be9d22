"""Judge benchmarks/scale.csv: is time linear, is memory flat, which limit is reached first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import TypeAdapter

DVC = "dvc add"  # of the recordings: the one step that is not a stage
ONE_PROCESS = ("split", "train", DVC)
TIME_TOLERANCE = 0.15  # share of the seconds up to which time counts as linear
MEMORY_TOLERANCE = 0.25  # share of the peak memory up to which it counts as flat

# Assumptions about the limits, which are not measured.
MEMORY_GB = 64  # of one machine, for one process
MD5_GB_PER_SECOND = 0.6  # at which DVC hashes a file, on one core

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # head, rows


@dataclass(frozen=True)
class Row:
    """A line of scale.csv.

    Attributes:
        clips: number of recordings.
        stage: clean, extract, augment, split or train; or `dvc add` of the recordings.
        cores: number of worker processes.
        copies: changed copies of each clip, made by augment.
        hours: total duration of the audio.
        raw_bytes: size of the recordings on disk.
        seconds: wall-clock time of the stage, the median of several runs.
        core_seconds: CPU time of all its processes.
        driver_seconds: CPU time of the process that feeds the others and writes their results.
        clips_per_second: of the stage.
        peak_mb: largest total memory of its processes, in 10^6 bytes.
        bytes: size of its outputs on disk.
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
    """A size compared with the smaller ones.

    The run of few clips, which measures the start-up cost, does not count as a size.

    Attributes:
        row: the measurement.
        expected: seconds by the line through the run of few clips and the next smaller size.
        least: number of clips of the smallest size.
        memory: peak, as a multiple of the smallest size's.
        grown: bytes of memory per further clip.
    """

    row: Row
    expected: float
    least: int
    memory: float
    grown: float

    @property
    def off(self) -> float:
        """The relative difference from the expected time; negative: faster than expected."""
        return self.row.seconds / self.expected - 1

    @property
    def linear(self) -> bool:
        """Whether the time grows at most in proportion to the number of clips."""
        return self.off <= TIME_TOLERANCE

    @property
    def flat(self) -> bool:
        """Whether the memory is about that of the smallest size, or less."""
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


def parse_rows(lines: Sequence[Mapping[str, str]]) -> list[Row]:
    """Convert the lines of scale.csv to rows."""
    return TypeAdapter(list[Row]).validate_python(lines)


def by_stage(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Group the rows by stage, sorted by the number of clips."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.clips):
        found.setdefault(row.stage, []).append(row)
    return found


def judge(rows: Sequence[Row]) -> list[Judgement]:
    """Judge every stage at every size except the run of few clips and the smallest size."""
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
    """Compute how much of a column each further clip takes; 0 if more clips took less."""
    more: float = getattr(many, column) - getattr(few, column)
    return max(0.0, more) / (many.clips - few.clips)


def conditions(rows: Sequence[Row]) -> str:
    """Return a sentence about the conditions of the measurement."""
    last = max(rows, key=lambda row: row.clips)
    copies = "1 changed copy" if last.copies == 1 else f"{last.copies} changed copies"
    return (
        f"On {last.cores} cores, with {copies} of each clip; the clips are "
        f"{3600 * last.hours / last.clips:.1f} s long on average, "
        f"{last.raw_bytes / last.clips / 1e3:.0f} kB each."
    )


def measured(rows: Sequence[Row]) -> Table:
    """Return a table of all measurements and verdicts."""
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
    """The cost of a further clip in a stage.

    Attributes:
        core_seconds: CPU time of all processes.
        driver_seconds: CPU time of the process that feeds the others.
        memory: bytes of all processes.
        bytes: on disk.
    """

    core_seconds: float
    driver_seconds: float
    memory: float
    bytes: float


def per_clip(rows: Sequence[Row]) -> dict[str, PerClip]:
    """Compute the cost of a further clip in each stage that has at least two sizes.

    Times grow from the run of few clips to the largest size, memory from the smallest size on.
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


def cores_per_driver(one: PerClip) -> float:
    """Compute how many cores one driver keeps busy."""
    return one.core_seconds / one.driver_seconds if one.driver_seconds > 0 else math.inf


def costs(rows: Sequence[Row]) -> Table:
    """Return a table of the cost of a further clip in each stage."""
    head = ("stage", "core time", "of it in the driver", "feeds", "memory", "disk")
    lines: list[tuple[str, ...]] = []
    for stage, one in per_clip(rows).items():
        lines.append(
            (
                stage,
                f"{1e3 * one.core_seconds:.2f} ms",
                f"{1e3 * one.driver_seconds:.2f} ms",
                "" if stage in ONE_PROCESS else f"{cores_per_driver(one):.1f} cores",
                f"{one.memory:.0f} bytes",
                f"{one.bytes / 1e3:,.2f} kB",
            )
        )
    return head, lines


def limits(rows: Sequence[Row]) -> Table:
    """Return a table of the limits of one run on a machine of MEMORY_GB, the lowest first."""
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
                    f"one process at {1e3 * one.driver_seconds:.2f} ms a clip takes a day, however "
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
            f"`dvc add` at {1e3 * cost[DVC].core_seconds:.2f} ms a file takes an hour",
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
