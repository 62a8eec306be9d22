import json

import pytest
from small_model import METRICS, make

from ser.core.errors import UserError
from ser.core.figures import Figures, UnheardVoices
from ser.core.sections import Augment
from ser.evaluation.unheard import read_unheard, training_id
from ser.nets import model_folder

MEASURED = {
    "accuracy": 0.5432,
    "accuracy_low": 0.5012,
    "accuracy_high": 0.5876,
    "clips": 604,
    "trainings": 5,
}
AUGMENT = {
    "copies": 1,
    "seed": 0,
    "crop": {"probability": 0.5, "share": [0.6, 0.9]},
    "noise": {"probability": 0.0, "snr_db": [10.0, 30.0]},
    "pitch": {"probability": 0.0, "semitones": [-2.0, 2.0]},
    "stretch": {"probability": 0.0, "rate": [0.9, 1.1]},
    "shift": {"probability": 0.0, "seconds": [-0.2, 0.2]},
    "gain": {"probability": 0.0, "db": [-6.0, 6.0]},
    "recording": {
        "probability": 0.0,
        "rt60": [0.1, 0.9],
        "direct_db": [-3.0, 12.0],
        "snr_db": [5.0, 30.0],
        "tilt_db": [-6.0, 0.0],
        "low_hz": [20.0, 350.0],
        "high_hz": [2500.0, 8000.0],
        "clipped": [0.005, 0.08],
        "codec_kbps": [14.0, 40.0],
    },
    "feature_noise": {"probability": 0.0, "deviations": [0.0, 0.1]},
    "frequency_mask": {"probability": 0.0, "bands": [1, 8]},
    "time_mask": {"probability": 0.0, "frames": [1, 20]},
}


@pytest.fixture
def description(tmp_path):
    return make(tmp_path / "model", metrics=METRICS)[0]


def changed(description, section, **values):
    old = getattr(description, section)
    return description.model_copy(update={section: old.model_copy(update=values)})


def measured_of(path, description, **changes):
    path.write_text(json.dumps({"training": training_id(description), **MEASURED, **changes}))
    return path


def test_figures_of_the_same_training_are_read(tmp_path, description):
    path = measured_of(tmp_path / "unheard.json", description)
    assert read_unheard(path, description) == UnheardVoices(**MEASURED)
    # The seed and the folds are what the figures are the mean over.
    assert read_unheard(path, changed(description, "model", seed=3)) is not None
    of_folds = description.model_copy(update={"folds": [1, 2], "statistics": [None, None]})
    assert read_unheard(path, of_folds) is not None


def test_nothing_is_known_before_it_was_measured(tmp_path, description):
    path = tmp_path / "unheard.json"
    path.write_text("{}\n")
    assert read_unheard(path, description) is None


def others(description):
    corpus = description.corpus.model_dump()
    corpus["emotions"]["sad"] += 1
    preprocessing = description.preprocessing
    form = preprocessing.form.model_copy(update={"highpass": 0.0})
    augment = Augment.model_validate(AUGMENT)
    yield changed(description, "model", epochs=99)
    yield changed(description, "corpus", **type(description.corpus).model_validate(corpus).__dict__)
    yield changed(description, "preprocessing", form=form)
    yield description.model_copy(update={"augment": augment})
    yield description.model_copy(
        update={"augment": augment.model_copy(update={"copies": 2})},
    )


def test_figures_of_another_training_are_not(tmp_path, description):
    path = measured_of(tmp_path / "unheard.json", description)
    names = {training_id(description)}
    for other in others(description):
        assert read_unheard(path, other) is None
        names.add(training_id(other))
    assert len(names) == 6


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"accuracy": 1}', '{"training": "x"}', "3", "<<<<<<< HEAD"],
)
def test_a_damaged_file_is_named(tmp_path, description, text):
    path = tmp_path / "unheard.json"
    path.write_text(text.replace('"x"', json.dumps(training_id(description))))
    with pytest.raises(UserError, match=r"unheard.json is damaged .*make protocols"):
        read_unheard(path, description)


def test_both_voices_are_named_the_unheard_one_first(description):
    figures = Figures.from_values(METRICS)
    first, second = figures.by_voice(UnheardVoices(**MEASURED))
    assert first[0] == "A voice it has never heard"
    assert first[1] == (
        "Accuracy 54.3% (95% interval 50.1% to 58.8%), leave one speaker out, 604 clips, mean of 5 "
        "trainings with these settings"
    )
    one = figures.by_voice(UnheardVoices(**MEASURED | {"trainings": 1}))[0][1]
    assert one.endswith(", 604 clips, one training with these settings")
    assert second[0] == "A voice it knows from training"
    assert second[1].startswith("Accuracy 61.2% (95% interval 51.0% to 71.0%)")


def test_what_was_not_measured_is_said(description):
    first, second = Figures.from_values(METRICS).by_voice(None)
    assert "Not measured with these settings" in first[1]
    assert "61.2%" in second[1]
    apart = Figures.from_values(METRICS | {"split_scheme": "leave_one_speaker_out"})
    first, second = apart.by_voice(None)
    assert "61.2%" in first[1]
    assert second[1] == "Not measured with this split"


def test_the_figures_come_back_with_the_model(tmp_path):
    description, nets = make(tmp_path / "model", metrics=METRICS)
    unheard = UnheardVoices(**MEASURED)
    released = description.released([0.5], description.metrics, unheard, description.limits)
    weights = [{k: t.contiguous() for k, t in net.state_dict().items()} for net in nets]
    model_folder.save(tmp_path / "released", released, weights)
    assert model_folder.load(tmp_path / "released")[0].unheard_voices == unheard
