"""What recordings of an unknown voice bring is measured on its other clips."""

import numpy as np
import pandas as pd
import pytest
from small_model import RATE, make, speech

from scripts import enrolment
from ser.core.errors import UserError
from ser.core.store import StoreWriter
from ser.use.loading import load

CLIPS = 12  # of two speakers in turn, of three emotions

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path):
    """Return a data folder as after a run that leaves one of two speakers out in each fold."""
    make(tmp_path / "model", "statpool", (1, 2), normalisation="train")
    recogniser = load(tmp_path / "model")
    dims = recogniser.description.preprocessing.features.dims
    clips, splits = [], []
    with StoreWriter(tmp_path / "features", (sum(dims.values()),), {"dims": dims}) as store:
        for number in range(CLIPS):
            clip = f"own/{number}"
            store.add(clip, recogniser.features(recogniser.waveform(speech(number), RATE)))
            emotion = recogniser.emotions[number // 2 % len(recogniser.emotions)]
            speaker = str(number % 2)
            clips.append({"clip": clip, "corpus": "own", "speaker": speaker, "emotion": emotion})
            for fold in (1, 2):
                subset = "test" if number % 2 == fold - 1 else "train"
                splits.append({"clip": clip, "fold": fold, "subset": subset})
    pd.DataFrame(clips).to_csv(tmp_path / "clips.csv", index=False)
    pd.DataFrame(splits).to_csv(tmp_path / "splits.csv", index=False)
    return tmp_path


def test_voices_are_the_test_speakers_of_the_folds(data):
    voices = enrolment.unknown_voices(data)
    assert [(voice.speaker, voice.fold) for voice in voices] == [("own/0", 1), ("own/1", 2)]
    assert voices[1].clips == [f"own/{number}" for number in range(1, CLIPS, 2)]


def test_a_speaker_who_is_trained_on_is_no_unknown_voice(data):
    splits = pd.read_csv(data / "splits.csv")
    splits.loc[(splits["clip"] == "own/0") & (splits["fold"] == 1), "subset"] = "train"
    splits.to_csv(data / "splits.csv", index=False)
    with pytest.raises(UserError, match=r"speaker own/0 is trained on and tested in fold 1"):
        enrolment.unknown_voices(data)


def test_each_clip_is_answered_by_a_net_that_leans_towards_other_clips(data):
    voice = enrolment.unknown_voices(data)[0]
    rows = enrolment.answers(voice, data)
    drawn = list(enrolment.enrolled(voice, enrolment.generator(voice)))
    assert {count for kind, count, _ in drawn if kind == enrolment.ANY} == {0, 1, 2, 5}
    assert len(rows) == sum(len(voice.clips) - len(chosen) for _, _, chosen in drawn)
    blind = rows[rows["recordings"] == 0]
    net = load(data / "model", voice.fold)
    for row, emotion in zip(blind.to_dict("records"), voice.emotions, strict=True):
        waveform = speech(int(row["clip"].split("/")[1]))
        probabilities = net.probabilities(net.features(net.waveform(waveform, RATE)))
        assert row["recognised"] == (net.emotions[probabilities.argmax()] == emotion)


def test_clips_of_one_emotion_are_of_one_emotion(data):
    voice = enrolment.unknown_voices(data)[0]
    for kind, _, chosen in enrolment.enrolled(voice, np.random.default_rng(0)):
        assert len(set(chosen)) == len(chosen)
        if kind == enrolment.ONE:
            assert len({voice.emotions[i] for i in chosen}) == 1


def test_voices_have_draws_of_their_own(data):
    one, other = (
        [chosen for *_, chosen in enrolment.enrolled(voice, enrolment.generator(voice))]
        for voice in enrolment.unknown_voices(data)
    )
    assert len(one) == len(other)
    assert one != other


@pytest.mark.parametrize("settings", [{"name": "resnet"}, {"normalisation": "speaker"}])
def test_a_model_that_does_not_lean_towards_voices_is_refused(data, settings):
    make(data / "model", **{"name": "statpool", "folds": (1, 2)} | settings)
    with pytest.raises(UserError, match="can adapt to a voice and also answers without it"):
        enrolment.main(data)


def test_a_clip_counts_once_however_often_it_was_drawn(tmp_path):
    rows = pd.DataFrame(
        {
            "clip": ["a", "a", "a", "b"],
            "drawn": enrolment.ANY,
            "recordings": 2,
            "recognised": [1.0, 1.0, 1.0, 0.0],
        }
    )
    (row,) = enrolment.summarise(rows)
    assert row["accuracy"] == 0.5
    enrolment.draw(tmp_path / "enrolment.png", [row], 2)
    assert (tmp_path / "enrolment.png").stat().st_size > 10_000
