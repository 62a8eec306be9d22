import json

import numpy as np
import pytest
import soundfile
from small_model import METRICS, RATE, features_of, make, release, ser_here, speech

from ser.core.errors import UserError
from ser.evaluation.card import write_card
from ser.use.loading import load
from ser.use.page.answering import answer, explain_answer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=[("mlp", ["egemaps"]), ("conv1d", ["egemaps_lld"])])
def model(request, tmp_path_factory):
    """A model on features of openSMILE, with its ONNX file, and a recording beside it."""
    name, kinds = request.param
    folder = tmp_path_factory.mktemp("model")
    release(folder / "model", name, normalisation="train", kinds=kinds, metrics=METRICS)
    soundfile.write(folder / "clip.wav", speech(3), RATE)
    return folder


def test_a_recording_is_answered_by_the_same_features(model):
    recogniser = load(model / "model")
    told = recogniser.predict_file(model / "clip.wav")
    assert told.note is None
    waveform = recogniser.waveform(speech(3), RATE)
    expected = recogniser.probabilities(recogniser.features(waveform))
    assert list(told.probabilities.values()) == pytest.approx(expected, abs=1e-4)
    (features,) = features_of(recogniser.description, 3)
    assert features.shape == recogniser.features(waveform).shape


def test_ser_predict_answers(model):
    done = ser_here("predict", "--model", model / "model", model / "clip.wav", "--json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["emotion"] in load(model / "model").emotions


def test_the_page_answers(model):
    recogniser, path = load(model / "model"), model / "clip.wav"
    html, described, prediction = answer(recogniser, path, "sad")
    assert described["emotion"] == prediction.emotion
    assert prediction.emotion in html
    assert "sees no mel spectrogram" in explain_answer(recogniser, path, prediction)


def test_features_of_another_version_are_answered_with_a_warning(model):
    text = (model / "model/model.json").read_text(encoding="utf-8")
    older = json.loads(text)
    older["preprocessing"]["packages"] = {"opensmile": "2.5.0"}
    (model / "model/model.json").write_text(json.dumps(older), encoding="utf-8")
    try:
        note = load(model / "model").predict(speech(3), RATE).note
    finally:
        (model / "model/model.json").write_text(text, encoding="utf-8")
    assert note.startswith(
        "the model was measured on features of opensmile 2.5.0, here they are of "
    )


def test_no_page_can_compute_them(model):
    done = ser_here("export", "--model", model / "model", "--web", model / "page")
    assert done.returncode == 1
    assert b"cannot run on a page, which computes mel spectrograms only" in done.stderr
    assert not (model / "page").exists()


def test_a_file_takes_the_features(model):
    done = ser_here("export", "--model", model / "model", "--onnx", model / "x.onnx", model)
    assert done.returncode == 0, done.stderr
    assert b"takes features, made by `ser`" in done.stdout
    ours, theirs = (load(model / name).predict(speech(3), RATE) for name in ("model", "x.onnx"))
    assert list(theirs.probabilities.values()) == pytest.approx(
        list(ours.probabilities.values()), abs=1e-4
    )


def test_the_card_names_the_licence_of_opensmile(model, tmp_path):
    description = load(model / "model").description
    assert "openSMILE, whose licence allows research, teaching" in write_card(description)
    other, _ = make(tmp_path, "mlp", metrics=METRICS)
    assert "openSMILE" not in write_card(other)


def test_columns_that_hardly_vary_leave_the_answer_finite(tmp_path):
    make(tmp_path, "mlp", normalisation="train", kinds=["compare"])
    recogniser = load(tmp_path)
    rng = np.random.default_rng(0)
    for sound in (rng.normal(0, 0.1, 2 * RATE), np.sin(np.arange(2 * RATE) / 20)):
        answer = recogniser.fold_answers(sound.astype(np.float32), RATE)
        assert np.isfinite(answer).all()


def test_a_model_whose_package_is_missing_is_refused_with_what_to_install(model, monkeypatch):
    from importlib import metadata

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(UserError, match=r"needs opensmile, .*: pip install .* '\.\[opensmile\]'"):
        load(model / "model")
