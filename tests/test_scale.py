import subprocess
import sys
from dataclasses import asdict

import numpy as np
import psutil
import pytest
import soundfile

from benchmarks import scale
from scripts import scaling
from scripts.scaling import Row, judge, parse_rows
from ser.core.tables import read_rows, write_csv
from ser.corpora import aesdd

STAGES = (*scale.STAGES, scaling.DVC)


def row(clips, seconds, peak_mb=100.0, stage="clean", **others):
    values = {
        "cores": 2,
        "copies": 6,
        "hours": clips / 900,
        "raw_bytes": 100_000 * clips,
        "core_seconds": 2 * seconds,
        "driver_seconds": seconds / 4,
        "clips_per_second": clips / seconds,
        "bytes": 200_000 * clips,
    }
    return Row(clips=clips, stage=stage, seconds=seconds, peak_mb=peak_mb, **values | others)


def rows(start=1.0, each=0.01, growth=0.0):
    """Make rows of all stages at four sizes, exactly linear."""
    return [
        row(clips, start + each * clips, 100 + growth * clips / 1e6, stage)
        for clips in (60, 600, 6000, 60000)
        for stage in STAGES
    ]


# The recordings


def sources(count=3, samples=400):
    rng = np.random.default_rng(0)
    return [
        (f"anger/a0{i} (2)b.wav", rng.uniform(-0.9, 0.9, samples + i).astype(np.float32))
        for i in range(1, count + 1)
    ]


def test_every_recording_has_a_unique_name_that_the_corpus_parses():
    made = [path for path, _ in scale.recordings(sources(), 1000)]
    assert len(set(made)) == 1000
    assert made[:4] == [
        "anger/a01 (2)b.wav",
        "anger/a02 (2)b.wav",
        "anger/a03 (2)b.wav",
        "anger/a01 (102)b.wav",
    ]
    labels = [aesdd.parse_aesdd(path) for path in made]
    assert len({(one.speaker, one.utterance, one.take) for one in labels}) == 1000


def test_recordings_are_not_duplicates_but_similar_to_their_sources(tmp_path):
    _, size = scale.make(sources(), 30, tmp_path)
    files = sorted(tmp_path.rglob("*.wav"))
    contents = {file.read_bytes() for file in files}
    assert len(files) == len(contents) == 30
    assert size == sum(map(len, contents))
    original = sources()[0][1]
    for file in tmp_path.rglob("a01 *"):
        samples, rate = soundfile.read(file)
        assert rate == scale.RATE
        assert soundfile.info(file).subtype == "PCM_16"
        assert np.corrcoef(samples, original)[0, 1] > 0.999


def test_recordings_are_reproducible_and_larger_sets_begin_with_smaller_ones():
    few, more = list(scale.recordings(sources(), 5)), list(scale.recordings(sources(), 9))
    for (path, waveform), (other_path, other) in zip(few, more, strict=False):
        assert path == other_path
        assert np.array_equal(waveform, other)


def test_real_clips_are_read_and_others_left_out(tmp_path):
    (tmp_path / "anger").mkdir()
    sound = np.sin(np.arange(44100) / 20)
    soundfile.write(tmp_path / "anger/a01 (1).wav", 0.1 * sound, 44100)
    soundfile.write(tmp_path / "anger/other.wav", sound, 44100)
    (tmp_path / "anger/a02 (1).wav").write_bytes(b"")
    ((path, waveform),) = scale.read_sources(tmp_path)
    assert path == "anger/a01 (1).wav"
    assert len(waveform) == scale.RATE
    assert np.abs(waveform).max() == pytest.approx(0.9)


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="has no clips of the AESDD"):
        scale.read_sources(tmp_path)


# The measurements


def test_memory_counts_all_processes_of_a_tree():
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}], check=True)"
    waits = "x = b'1' * 50_000_000; print(flush=True); input()"
    command = [sys.executable, "-c", child.format(waits)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        held = scale.pss(psutil.Process(process.pid))
        process.stdin.close()
    assert 50_000_000 < held < 100_000_000


def test_a_run_measures_time_memory_and_the_drivers_share(tmp_path):
    work = "x = bytearray(b'1' * 40_000_000); sum(range(5_000_000)); print(file=open('out', 'w'))"
    taken = scale.run_measured([sys.executable, "-c", work], tmp_path, [tmp_path / "out"])
    assert (tmp_path / "out").exists()
    assert taken.core_seconds > 0
    assert taken.driver_seconds <= taken.core_seconds + 0.05  # the system counts in ticks


def test_a_run_that_fails_ends_the_benchmark(tmp_path):
    with pytest.raises(SystemExit, match="failed"):
        scale.run_measured([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, [])


def test_the_size_of_a_folder_is_that_of_all_its_files(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"12345")
    (tmp_path / "a/d").write_bytes(b"123")
    assert scale.size_of(tmp_path) == 8
    assert scale.size_of(tmp_path / "a/d") == 3


# The verdicts


def test_time_proportional_to_the_clips_is_linear_and_memory_flat():
    judged = judge(rows())
    assert [(one.row.clips, one.row.stage) for one in judged] == [
        (clips, stage) for stage in STAGES for clips in (6000, 60000)
    ]
    for one in judged:
        assert one.off == pytest.approx(0)
        assert one.linear
        assert one.flat
        assert one.least == 600


def test_time_proportional_to_the_square_of_the_clips_is_not_linear():
    measured = [row(n, 1 + 1e-6 * n * n) for n in (60, 600, 6000)]
    (one,) = judge(measured)
    assert not one.linear
    assert "NOT linear" in one.text


@pytest.mark.parametrize(("grown", "flat"), [(300, True), (2000, False)])
def test_memory_is_compared_with_the_smallest_size(grown, flat):
    for one in judge(rows(growth=grown)):
        assert one.grown == pytest.approx(grown)
        assert one.flat == (flat or one.row.clips == 6000)


def test_rows_are_read_back_as_they_were_written(tmp_path):
    written = rows()
    write_csv(tmp_path / "scale.csv", map(asdict, written), list(asdict(written[0])))
    assert parse_rows(list(read_rows(tmp_path / "scale.csv"))) == written


def test_limits_are_sorted_by_the_number_of_clips_and_have_reasons():
    head, lines = scaling.limits(rows(growth=640))
    assert all(len(line) == len(head) for line in lines)
    sizes = [float(line[0].split()[0].replace(",", "")) for line in lines]
    assert sizes == sorted(sizes)
    found = {line[1]: line for line in lines}
    assert found["memory of split"][0] == "100.0 million clips"


def test_all_rows_of_a_table_have_the_columns_of_its_head():
    for write in (scaling.measured, scaling.costs, scaling.limits):
        head, lines = write(rows(growth=100))
        assert lines
        assert {len(line) for line in lines} == {len(head)}


def test_the_conditions_are_those_of_the_largest_size():
    assert "2 cores" in scaling.conditions(rows())
    assert "6 changed copies" in scaling.conditions(rows())
    assert "4.0 s" in scaling.conditions(rows())


def test_cores_per_driver_is_the_ratio_of_their_times():
    cost = scaling.PerClip(core_seconds=0.08, driver_seconds=0.01, memory=0, bytes=0)
    assert scaling.cores_per_driver(cost) == pytest.approx(8)
