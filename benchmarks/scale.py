"""Measure time, memory and disk space of the stages from clean to train on ever more clips.

    python -m benchmarks.scale FOLDER_OF_AESDD_WAVS
    python -m benchmarks.scale FOLDER_OF_AESDD_WAVS --clips 600 6000 --copies 1

The recordings are the real ones, resampled to 16 kHz and repeated under the names of new speakers
as 16-bit files; each repetition has another gain and a little noise. The commands are those of
dvc.yaml, run without DVC in a temporary folder; train takes EPOCHS epochs. In addition, `dvc add`
of the recordings is measured. Writes benchmarks/scale.csv after every stage.

A first run of few clips measures the start-up cost. Each size is compared with the line through
that run and the next smaller size (`scripts.scaling`). Memory is the sampled sum of the
proportional set sizes (PSS) of all processes of a stage: shared pages count once, the page cache
does not count. Linux only.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile
import soxr
import yaml
from tqdm import tqdm

from scripts.scaling import DVC, Row, judge
from scripts.workspace import ROOT, at_least_one, change_params, dvc_command, stage_command
from ser.core.rejection import Rejected
from ser.core.tables import write_csv
from ser.core.typing import FloatArray
from ser.corpora import aesdd
from ser.decoding.decoding import decode
from ser.parallel import worker_count

RATE = 16000  # Hz
STAGES = ("clean", "extract", "augment", "split", "train")
EPOCHS = 1  # of train: all take equally long
FEW = 60  # clips of the run that measures the start-up cost
_SAMPLE_SECONDS = 0.2
_REPORT_SECONDS = 60
# Short runs are repeated up to _MAX_RUNS times, because their times vary more.
_ENOUGH_SECONDS, _MAX_RUNS = 15, 5
_BYTES_PER_SAMPLE = 2 + 4  # 16-bit recordings, clean's float32
_BYTES_PER_SPECTROGRAM = 70_000  # log-mel of a clip, or of a copy: 257 frames of 64 float32


def read_sources(folder: Path) -> list[tuple[str, FloatArray]]:
    """Read the real clips in random order, which mixes emotions and speakers.

    Args:
        folder: of the AESDD's wavs.

    Returns:
        For each: (path below the folder, waveform float32 [samples] at 16 kHz with peak 0.9).
    """
    found = []
    for path in sorted(folder.rglob("*.wav")):
        try:
            aesdd.parse_aesdd(path.name)
            recording = decode(path)
        except Rejected:
            continue
        waveform = soxr.resample(recording.samples.mean(axis=1), recording.sample_rate, RATE)
        waveform *= np.float32(0.9 / np.abs(waveform).max())
        found.append((path.relative_to(folder).as_posix(), waveform))
    if not found:
        sys.exit(f"{folder} has no clips of the AESDD, with names such as '{aesdd.EXAMPLE}'")
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def recordings(
    sources: Sequence[tuple[str, FloatArray]], clips: int
) -> Iterator[tuple[str, FloatArray]]:
    """Repeat the real clips under new names, each changed a little.

    Args:
        sources: (path, waveform float32 [samples]) of the real clips.
        clips: number of recordings to yield.

    Yields:
        (path, waveform float32 [samples]); no path and no waveform occurs twice.
    """
    for number in range(clips):
        path, waveform = sources[number % len(sources)]
        rng = np.random.default_rng(number)
        gain = 10 ** (rng.uniform(-6, 0) / 20)
        noise = rng.standard_normal(len(waveform), dtype=np.float32) * np.float32(0.001)
        yield renamed(path, number // len(sources)), waveform * np.float32(gain) + noise


def renamed(path: str, repetition: int) -> str:
    """Return a clip's path with another speaker.

    >>> renamed("angry/a05 (3).wav", 2)
    'angry/a05 (203).wav'
    """
    return re.sub(r"\((\d+)\)", lambda match: f"({int(match[1]) + 100 * repetition})", path)


def make(sources: Sequence[tuple[str, FloatArray]], clips: int, raw: Path) -> tuple[float, int]:
    """Write recordings as 16-bit wavs.

    Returns:
        (hours of audio, bytes).
    """
    samples = 0
    made = recordings(sources, clips)
    for path, waveform in tqdm(made, f"make {clips}", clips, unit="clip", mininterval=2):
        target = raw / path
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, waveform, RATE, subtype="PCM_16")
        samples += len(waveform)
    return samples / RATE / 3600, size_of(raw)


def size_of(path: Path) -> int:
    """Compute the bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(
        (Path(folder) / name).stat().st_size for folder, _, names in os.walk(path) for name in names
    )


def pss(tree: psutil.Process) -> int:
    """Compute the proportional set size of a process and all its descendants, in bytes."""
    total = 0
    for one in (tree, *tree.children(recursive=True)):
        try:
            text = Path(f"/proc/{one.pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it has ended
            continue
        if match := re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE):
            total += 1024 * int(match[1])
    return total


@dataclass(frozen=True)
class Run:
    """Time and memory of a command.

    Attributes:
        seconds: wall-clock time.
        core_seconds: CPU time of all its processes.
        driver_seconds: CPU time of its first process, which feeds the others.
        peak: largest total memory of its processes, in bytes.
    """

    seconds: float
    core_seconds: float
    driver_seconds: float
    peak: int


def run_measured(command: Sequence[str], folder: Path, outs: Sequence[Path]) -> Run:
    """Run a command in a folder; print its progress once a minute."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = reported = time.monotonic()
    before = core_seconds_of_children()
    peak, driver_seconds = 0, 0.0
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, pss(tree))
                driver_seconds = max(driver_seconds, sum(tree.cpu_times()[:2]))
            now = time.monotonic()
            if now - reported > _REPORT_SECONDS:
                reported = now
                written = sum(map(size_of, outs)) / 1e9
                text = f"{now - start:.0f} s, {written:.2f} GB, peak {peak / 1e6:.0f} MB"
                print(f"  {text}", flush=True)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SAMPLE_SECONDS)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    core_seconds = core_seconds_of_children() - before
    return Run(time.monotonic() - start, core_seconds, driver_seconds, peak)


def core_seconds_of_children() -> float:
    """Return the CPU time of all finished descendants of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_stage(stage: str, folder: Path) -> tuple[Run, int]:
    """Run a stage's command of dvc.yaml, several times if it is short.

    Returns:
        (the run of median length, bytes of its outputs).
    """
    described = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    command = stage_command(stage)
    outs = [folder / out for out in described["outs"]]
    runs: list[Run] = []
    while not runs or (sum(r.seconds for r in runs) < _ENOUGH_SECONDS and len(runs) < _MAX_RUNS):
        runs.append(run_measured(command, folder, outs))
    return sorted(runs, key=lambda one: one.seconds)[len(runs) // 2], sum(map(size_of, outs))


def run_dvc(folder: Path) -> tuple[Run, int]:
    """Add the recordings to DVC's cache by hard links.

    Returns:
        (the run, bytes of DVC's own files about the recordings).
    """
    for arguments in (
        ("init", "--no-scm"),
        ("config", "cache.type", "hardlink"),
        ("config", "core.site_cache_dir", str(folder / "state")),
    ):
        subprocess.run([*dvc_command(*arguments), "--quiet"], cwd=folder, check=True)
    taken = run_measured([*dvc_command("add", "data/raw"), "--quiet"], folder, [folder / "state"])
    listings = (folder / ".dvc/cache").rglob("*.dir")
    return taken, size_of(folder / "state") + sum(map(size_of, listings))


def bytes_needed(sources: Sequence[tuple[str, FloatArray]], clips: int, copies: int) -> int:
    """Estimate the disk space of one size: the recordings and all outputs of the stages."""
    samples = sum(len(waveform) for _, waveform in sources) / len(sources)
    return round(clips * (samples * _BYTES_PER_SAMPLE + (1 + copies) * _BYTES_PER_SPECTROGRAM))


def run_size(
    sources: Sequence[tuple[str, FloatArray]], clips: int, copies: int, scratch: Path
) -> Iterator[Row]:
    """Run all stages on a number of clips, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"scale-{clips}-", dir=scratch) as name:
        folder = Path(name)
        shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
        changes = {
            "pull": {"corpora": ["aesdd"]},
            "augment": {"copies": copies},
            "model": {"epochs": EPOCHS},
        }
        change_params(folder / "params.yaml", changes)
        hours, raw_bytes = make(sources, clips, folder / "data/raw/aesdd")
        for stage in (*STAGES, DVC):
            print(f"{clips} clips: {stage}", flush=True)
            taken, size = run_dvc(folder) if stage == DVC else run_stage(stage, folder)
            yield Row(
                clips=clips,
                stage=stage,
                cores=worker_count(),
                copies=copies,
                hours=round(hours, 4),
                raw_bytes=raw_bytes,
                seconds=round(taken.seconds, 2),
                core_seconds=round(taken.core_seconds, 2),
                driver_seconds=round(taken.driver_seconds, 2),
                clips_per_second=round(clips / taken.seconds, 2),
                peak_mb=round(taken.peak / 1e6, 1),
                bytes=size,
            )


def main(wavs: Path, sizes: Sequence[int], copies: int, scratch: Path, csv: Path) -> None:
    """Run all sizes; write and print the measurements."""
    sources = read_sources(wavs)
    needed, free = bytes_needed(sources, max(sizes), copies), shutil.disk_usage(scratch).free
    text = f"{needed / 1e9:.1f} GB needed in {scratch}, {free / 1e9:.1f} GB free"
    if needed > 0.9 * free:
        sys.exit(text)
    print(text, flush=True)
    rows: list[Row] = []
    for clips in sorted({FEW, *sizes}):
        for row in run_size(sources, clips, copies, scratch):
            rows.append(row)
            write_csv(csv, map(asdict, rows), [field.name for field in fields(Row)])
            print(
                f"  {row.seconds:.1f} s, {row.clips_per_second:.1f} clips/s, "
                f"peak {row.peak_mb:.0f} MB, {row.bytes / 1e6:.1f} MB on disk",
                flush=True,
            )
    print(*(judgement.text for judgement in judge(rows)), sep="\n")


def options() -> dict[str, Any]:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("wavs", type=Path, help="folder of the AESDD's wavs")
    parser.add_argument(
        "--clips", dest="sizes", type=at_least_one, nargs="+", default=[600, 6000, 60000]
    )
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parser.add_argument("--copies", type=int, default=params["augment"]["copies"])
    parser.add_argument("--folder", dest="scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--csv", type=Path, default=Path(__file__).with_name("scale.csv"))
    return vars(parser.parse_args())


if __name__ == "__main__":
    main(**options())
