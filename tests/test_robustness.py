"""The conditions are what they are said to be, and the figures follow from the answers."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyroomacoustics
import pytest
import soundfile
from small_model import RATE, make, speech

from scripts.robustness import conditions, measuring
from scripts.robustness.conditions import CLEAN, CONDITIONS, Sound, Surroundings, room_response
from scripts.robustness.figures import compute_figures
from scripts.workspace import ROOT
from ser.use.loading import load

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def voices():
    return [speech(number, seconds=1.0) for number in range(3)]


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_gives_a_recording(name, voices):
    voice, *others = voices
    around = Surroundings(np.random.default_rng(0), others)
    sound = CONDITIONS[name].apply(Sound(voice, RATE), around)
    assert sound.waveform.dtype == np.float32
    assert np.isfinite(sound.waveform).all()
    pace = float(name.removeprefix("pace_")) if name.startswith("pace") else 1.0
    assert len(sound.waveform) / sound.sample_rate == pytest.approx(1 / pace, abs=1e-3)
    assert np.array_equal(sound.waveform, voice) == (name == CLEAN)


@pytest.mark.parametrize("rt60", [0.3, 0.8])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_room_has_its_reverberation_time(rt60, rate):
    measured = pyroomacoustics.experimental.measure_rt60(room_response(rt60, rate), rate, 30)
    assert measured == pytest.approx(rt60, rel=0.05)


def test_a_codec_that_is_missing_is_known(monkeypatch):
    monkeypatch.setattr(conditions, "can_encode", lambda codec: codec != "libopus")
    missing = [name for name, condition in CONDITIONS.items() if not condition.available]
    assert missing == ["opus_24k", "opus_12k"]


def test_figures_follow_from_the_answers():
    answers = pd.DataFrame(
        [
            (f"c{n}", "sad", condition, predicted)
            for condition, all_predicted in {
                CLEAN: ["sad", "sad", "sad", "angry"],
                "quiet": ["sad", "angry", "", "sad"],
                "offset": ["sad", "sad", "sad", "angry"],
            }.items()
            for n, predicted in enumerate(all_predicted)
        ],
        columns=["clip", "emotion", "condition", "predicted"],
    )
    figures = compute_figures(answers)
    assert figures["clips"] == 4
    assert figures["clean"] == 0.75
    assert figures["mean"] == 0.625
    assert figures["worst"] == 0.5
    clean, quiet, offset = figures["conditions"]
    assert (clean["lost"], clean["changed"], clean["rejected"]) == (0, 0, 0)
    assert (quiet["accuracy"], quiet["lost"]) == (0.5, 0.25)
    assert (quiet["changed"], quiet["rejected"]) == (0.75, 0.25)
    assert (offset["lost_low"], offset["lost_high"]) == (0, 0)
    assert quiet["lost_low"] < 0.25 < quiet["lost_high"]


@pytest.fixture
def data(tmp_path, voices):
    """Return a data folder as after `dvc repro`, of six clips in two folds."""
    make(tmp_path / "model", folds=(1, 2))
    emotions = load(tmp_path / "model").emotions
    rows, predictions = [], []
    for number in range(6):
        path = tmp_path / f"raw/own/{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, voices[number % 3], RATE)
        rows.append({"clip": f"own/{number}", "path": f"own/{number}.wav"})
        emotion = emotions[number % len(emotions)]
        predictions.append({"clip": f"own/{number}", "fold": 1 + number % 2, "emotion": emotion})
    pd.DataFrame(rows).to_csv(tmp_path / "clips.csv", index=False)
    pd.DataFrame(predictions).to_csv(tmp_path / "predictions.csv", index=False)
    return tmp_path


def run(program, *arguments, workers=1):
    """Run a program; measuring forks, which a process must not do once it has heard speech."""
    command = [sys.executable, "-c", program, *arguments]
    environment = os.environ | {"SER_WORKERS": str(workers)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_each_clip_is_answered_by_the_net_it_was_tested_with(data):
    for clip in measuring.clips_to_test(data):
        net = load(data / "model", fold=clip.fold)
        found = measuring.answers(clip, data / "model")
        assert list(found) == list(CONDITIONS)
        assert found[CLEAN] == net.predict_file(clip.path).emotion


def test_measuring_twice_gives_the_same_answers(data):
    """In one process and in two."""
    program = (
        "import sys; from pathlib import Path; from scripts.robustness.measuring import measure; "
        "print(measure(Path(sys.argv[1])).to_csv())"
    )
    first = run(program, data)
    assert len(first.split()) > 6 * len(CONDITIONS)
    assert run(program, data, workers=2) == first


def test_the_files_are_named_after_the_experiment(data, tmp_path):
    program = (
        "import sys; from pathlib import Path; from scripts.robustness import __main__, conditions;"
        "__main__.ROOT = Path(sys.argv[2]); conditions.can_encode = lambda codec: codec == 'aac';"
        "__main__.main(Path(sys.argv[1]), 'robustness-robust')"
    )
    told = run(program, data, tmp_path / "project")
    assert "not measured: Opus, 24 kbit/s: this FFmpeg has no libopus" in told
    files = {path.name for path in (tmp_path / "project").rglob("*") if path.is_file()}
    assert files == {"robustness-robust.json", "robustness-robust.png"}
    figures = json.loads((tmp_path / "project/metrics/robustness-robust.json").read_text())
    assert figures["clips"] == 6
    assert len(figures["conditions"]) == len(CONDITIONS) - 4


def test_a_clip_does_not_babble_against_itself(data):
    for clip in measuring.clips_to_test(data):
        assert len(clip.others) == 5
        assert clip.path not in clip.others
