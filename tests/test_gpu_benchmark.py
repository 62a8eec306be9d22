"""Measuring on a card: where there is none, the same in small; and the page about it."""

import json
import re
from itertools import islice

import pytest
import soundfile
import torch

from benchmarks import by_hand, gpu
from scripts import gpu as gpu_page
from ser.core.tables import CLIP_COLUMNS, write_csv
from ser.sources import demo

TRAINING = {
    "epochs": 60,
    "epochs_wanted": 60,
    "seconds": 2.5,
    "epoch_seconds": 0.04,
    "plain_epoch_seconds": 0.1,
    "times_as_fast": 2.5,
    "test_accuracy": 0.875,
    "peak_megabytes": 321.4,
}
RESULTS = {
    "machine": {"card": "NVIDIA T", "gigabytes": 16, "torch": "2.13", "cuda": "13.0"},
    "default": TRAINING,
    "prediction": {
        "clips": 120,
        "seconds": 0.01,
        "plain_seconds": 0.2,
        "times_as_fast": 20.0,
        "furthest_from_cpu": 0.001,
    },
    "s0-cnn3-bs1": TRAINING | {"epochs": 12},
    "s0-cnn4-bs1-artificial": {"failed": "RuntimeError: no"},
    "same_bytes": {"default": True, "s0-cnn3-bs1": True},
    "mixed_precision": {
        "float32": {"seconds": [2.0, 3.0], "mean_val_accuracy": 0.9},
        "bfloat16": {"seconds": [1.0, 2.0], "mean_val_accuracy": 0.8},
    },
    "traffic": {
        "default": {
            "steps": 106,
            "waits": 12,
            "waits_in_a_step": False,
            "bytes_to_the_card": 1234,
            "kernels_in_a_step": 700.2,
            "microseconds_of_kernels_in_a_step": 900.1,
        }
    },
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A few of the demo's clips, as `dvc repro` leaves them."""
    folder = tmp_path_factory.mktemp("gpu")
    paths = []
    for clip in islice(demo.clips(), 0, None, 9):
        path = folder / "data/raw/demo" / clip.path
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, demo.render(clip), demo.SAMPLE_RATE)
        paths.append(path.relative_to(folder / "data/raw").as_posix())
    rows = [dict.fromkeys(CLIP_COLUMNS, "") | {"path": path} for path in paths]
    write_csv(folder / "data/clips.csv", rows, CLIP_COLUMNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        return gpu.prepare(folder / "data", folder)


@pytest.mark.parametrize("part", ["default", "prediction", "mixed_precision"])
def test_without_a_card_a_part_runs_in_small_and_times_nothing(bench, part):
    found = gpu.PARTS[part](bench)
    times = re.findall(r'"(?:\w*seconds|times_as_fast)": ([^,}]+)', json.dumps(found))
    assert times
    assert set(times) <= {"null", "[null]"}
    assert "accuracy" in json.dumps(found) or found["furthest_from_cpu"] < 1e-6


def test_the_notebooks_loop_takes_one_clip_at_a_time(bench):
    settings = gpu.experiment_settings(bench, gpu.NOTEBOOK)
    epoch = by_hand.notebook_loop(bench.default, settings, 5, bench.device)()
    assert epoch.seconds > 0
    assert epoch.val_accuracy is None


def test_what_was_measured_is_told():
    told = gpu_page.sentence(RESULTS)
    assert "On one NVIDIA T: the default training takes 2.5 s" in told
    assert "artificial" not in told
    page = gpu_page.page(RESULTS)
    assert "| 12 of 60 | 2.5 s | 40 ms | 100 ms | **2.5 times** | 87.5 % | 321 MB |" in page
    assert "1.5 s instead of 2.5 s, and recognises 80.0 % of the val clips instead of" in page
    assert "Two trainings give the same bytes" in page
    assert "12 times for the card, none in a step; 1,234 bytes" in page


@pytest.mark.parametrize("results", [{}, {"machine": {}, "default": {"failed": "no"}}])
def test_what_was_not_measured_is_said_to_be(results):
    assert gpu_page.sentence(results) == gpu_page.page(results) == gpu_page.NOT_MEASURED
