"""Whatever a file holds, the program answers: with an emotion or with the reason why not."""

import json
import math
import re

import damaged_files
import pytest
from small_model import EMOTIONS, make, ser_and_peak, ser_here

from ser.core.rejection import NO_SPEECH, REASONS

FILES = 2000
MOST_MEMORY = 1.5e6  # kB


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def answered(model, tmp_path_factory):
    """What the program says of a folder of damaged files: names, process and memory."""
    folder = tmp_path_factory.mktemp("damaged")
    files = damaged_files.named()
    files |= damaged_files.damaged(0, FILES - len(files))
    assert len(files) == FILES
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done, peak = ser_and_peak("predict", folder, "--model", model, "--json", timeout=300)
    return folder, sorted(files), done, peak


@pytest.fixture(scope="module")
def rows(answered):
    folder, _, done, _ = answered
    return {row["file"].removeprefix(f"{folder}/"): row for row in json.loads(done.stdout)}


def test_every_damaged_file_has_a_row_and_the_program_ends_by_itself(answered, rows):
    _, names, done, _ = answered
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert sorted(rows) == names
    assert len(json.loads(done.stdout)) == len(names)


def test_every_row_is_a_prediction_or_a_reason(rows):
    told = [row for row in rows.values() if row["emotion"]]
    assert len(told) > FILES / 10
    assert len(told) < FILES
    for row in rows.values():
        if row["emotion"]:
            shares = row["probabilities"]
            assert list(shares) == EMOTIONS
            assert all(0 <= share <= 1 for share in shares.values())
            assert math.isclose(sum(shares.values()), 1, abs_tol=1e-5)
            assert 0 < row["seconds"] < math.inf
            assert row["reason"] is None
            # Of a low rate, with a doubt.
            assert row["detail"] is None or row["detail"].startswith("sampled at ")
        else:
            assert row["reason"] in (*REASONS, NO_SPEECH)
            assert row["detail"]
            assert row["probabilities"] is row["seconds"] is None
            assert row["windows"] == []


def test_no_damaged_file_costs_much_memory(answered):
    assert answered[-1] < MOST_MEMORY


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nan.wav", "not_finite"),
        ("inf.wav", "not_finite"),
        ("-inf.wav", "not_finite"),
        ("empty.wav", "zero_length"),
        ("empty.m4a", "zero_length"),
        ("text.mp3", "undecodable"),
        ("text.webm", "undecodable"),
        ("one sample.wav", "too_short"),
        ("no sample.wav", "zero_length"),
        ("1024 channels.wav", "undecodable"),
        ("0 channels.wav", "undecodable"),
        ("65 channels.wav", "undecodable"),
        ("0 Hz.wav", "undecodable"),
        ("2^31 Hz.wav", "undecodable"),
        ("2 hours promised.wav", "truncated"),
        ("2^30 bytes promised.wav", "truncated"),
        ("2 hours of silence.flac", "silent"),
        ("silence.wav", "silent"),
        ("offset.wav", "silent"),
        ("subnormal.wav", "silent"),
        ("clipped.wav", "clipped"),
        ("noise.wav", "no_speech"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(rows, name, reason):
    assert rows[name]["reason"] == reason


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3", "m4a", "aac", "webm"])
def test_a_wrong_suffix_changes_nothing(rows, kind):
    named = [rows[f"{kind}-called{suffix}"] for suffix in damaged_files.SUFFIXES]
    assert named[0]["emotion"]
    assert all(row["probabilities"] == named[0]["probabilities"] for row in named)


@pytest.mark.parametrize(
    "name",
    ["good.wav", "8 channels.wav", "64 channels.wav", "192 kHz.wav", "655350 Hz.flac", "1 kHz.wav"],
)
def test_what_is_merely_unusual_is_answered(rows, name):
    assert rows[name]["emotion"] or name == "1 kHz.wav"
    assert rows[name]["reason"] in (None, "no_speech")


@pytest.mark.parametrize(
    "name", ["empty.wav", "text.m4a", "0 Hz.wav", "nan.wav", "CAPITALS-flac.FLAC", "one.mp3"]
)
def test_a_damaged_file_alone_is_marked_and_the_status_is_1(answered, rows, model, name):
    folder, _, _, _ = answered
    done = ser_here("predict", folder / name, "--model", model)
    assert done.returncode == 1
    (line,) = done.stdout.decode().splitlines()[1:]
    assert re.search(rf"^- .*{re.escape(name)}: {rows[name]['reason']}, ", line)
    assert b"1 of 1 without an emotion" in done.stderr
    assert b"Traceback" not in done.stderr
