"""The conditions are what they are said to be, and the figures follow from the answers."""

import numpy as np
import pandas as pd
import pyroomacoustics
import pytest
import soundfile
from small_model import RATE, make, speech

from scripts.robustness import conditions
from scripts.robustness.conditions import CLEAN, CONDITIONS, Sound, Surroundings, room_response
from scripts.robustness.figures import compute_figures
from scripts.robustness.measuring import clips_to_test, measure
from ser.use.loading import load

# Processes are forked, which must not happen after a net has started threads.
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


def test_each_clip_is_answered_by_the_net_it_was_tested_with(data):
    answers = measure(data)
    # Before this process listens for speech: a fork after that would hang.
    pd.testing.assert_frame_equal(measure(data), answers)
    assert len(answers) == 6 * len(CONDITIONS)
    as_recorded = answers[answers["condition"] == CLEAN]
    for row in as_recorded.to_dict("records"):
        number = int(row["clip"].split("/")[1])
        net = load(data / "model", fold=1 + number % 2)
        assert row["predicted"] == net.predict_file(data / f"raw/own/{number}.wav").emotion


def test_a_clip_does_not_babble_against_itself(data):
    for clip in clips_to_test(data):
        assert len(clip.others) == 5
        assert clip.path not in clip.others
