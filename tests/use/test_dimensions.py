"""Answers of models that learned arousal and valence, in all their forms."""

import csv
import io
import json

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from settings import LIMITS
from small_model import EMOTIONS, METRICS, RATE, enliven, make, release, ser_here, speech

from ser import load
from ser.audio.standard import checked_waveform
from ser.core.errors import UserError
from ser.core.figures import Figures
from ser.core.recording import Recording
from ser.evaluation.card import write_card
from ser.nets import model_folder
from ser.nets.description import FORMAT, UnusableModelError
from ser.nets.folder_files import read_description
from ser.use.loading import load_in_torch
from ser.use.page.answering import answer
from ser.use.page.figures import render_html

pytestmark = pytest.mark.usefixtures("one_thread")
BOTH = ("arousal", "valence")
NAMES = ["statpool", "cnn", "mlp", "rezonet"]
FIGURES = {
    "arousal": {
        **{"ccc": 0.8125, "ccc_low": 0.7, "ccc_high": 0.9},
        **{"mae": 0.125, "mae_low": 0.1, "mae_high": 0.15, "mean_mae": 0.25, "n": 20},
    }
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Name of a net -> folder of a model of two folds, with an ONNX file."""
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        release(folder / name, name, folds=(1, 2), dimensions=BOTH)
    return {name: folder / name for name in NAMES}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    soundfile.write(folder / "short.wav", speech(3), RATE)
    soundfile.write(folder / "long.wav", speech(5, 6.0), RATE)
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_onnx_and_torch_answer_alike_and_in_0_to_1(models, name):
    ours, theirs = load_in_torch(models[name]), load(models[name])
    for number in (0, 30):
        expected = ours.fold_answers(speech(number), RATE)
        assert expected.shape == (2, len(EMOTIONS) + 2)
        assert theirs.fold_answers(speech(number), RATE) == pytest.approx(expected, abs=3e-5)
    prediction = ours.predict(speech(0), RATE)
    values = ours.fold_answers(speech(0), RATE)[:, len(EMOTIONS) :].mean(axis=0)
    assert list(prediction.dimensions) == list(BOTH)
    assert list(prediction.dimensions.values()) == pytest.approx(values)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_values_are_the_sigmoid_of_the_last_outputs_whatever_the_temperature(tmp_path):
    _, (net,) = make(tmp_path / "a", "cnn", dimensions=BOTH, normalisation="train")
    make(tmp_path / "b", "cnn", dimensions=BOTH, normalisation="train", temperatures=[3.0])
    plain, scaled = (load_in_torch(tmp_path / name) for name in "ab")
    values = plain.predict(speech(0), RATE).dimensions
    assert scaled.predict(speech(0), RATE).dimensions == values
    assert scaled.predict(speech(0), RATE).probabilities != values
    bias = net.linear.bias.detach()
    assert bias.shape == (len(EMOTIONS) + 2,)
    with torch.no_grad():
        net.linear.weight.zero_()
    weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    model_folder.save(tmp_path / "c", plain.description, [weights])
    constant = load_in_torch(tmp_path / "c").predict(speech(0), RATE).dimensions
    assert list(constant.values()) == pytest.approx(bias[-2:].sigmoid().tolist())


def test_an_exported_file_has_the_mean_of_the_folds(tmp_path):
    model, file = tmp_path / "model", tmp_path / "m.onnx"
    make(model, "cnn", folds=(1, 2), dimensions=BOTH, normalisation="train")
    enliven(model)
    soundfile.write(tmp_path / "clip.wav", speech(3), RATE)
    done = ser_here("export", "--onnx", file, "--model", model, tmp_path / "clip.wav")
    assert done.returncode == 0, done.stderr
    ours, theirs = load_in_torch(model), load(file)
    session = onnxruntime.InferenceSession(file)
    means = []
    for number in range(0, 50, 10):
        waveform = checked_waveform(Recording(speech(number)[:, None], RATE, ""), LIMITS, RATE)
        of_folds = ours.fold_answers(speech(number), RATE)[:, len(EMOTIONS) :]
        assert theirs.fold_answers(speech(number), RATE)[:, len(EMOTIONS) :] == pytest.approx(
            of_folds, abs=1e-4
        )
        mean, each = session.run(["dimensions", "dimensions_of_folds"], {"waveform": waveform})
        assert each == pytest.approx(of_folds, abs=1e-4)
        assert mean == pytest.approx(of_folds.mean(axis=0), abs=1e-4)
        means.append(mean)
    assert np.ptp(means, axis=0).min() > 0.05


def test_a_long_recording_has_values_in_each_window_and_their_mean(models, recordings):
    prediction = load(models["cnn"]).predict_file(recordings / "long.wav")
    heard = [window for window in prediction.windows if window.probabilities]
    assert len(heard) > 2
    for name in BOTH:
        values = [window.dimensions[name] for window in heard]
        assert min(values) <= prediction.dimensions[name] <= max(values)
        assert max(values) > min(values)


def test_the_table_the_json_and_the_csv_have_the_values(models, recordings):
    model = models["cnn"]
    wanted = load(model).predict_file(recordings / "short.wav").dimensions

    def predicted(*options):
        done = ser_here("predict", "--model", model, *options, recordings)
        assert done.returncode == 1  # the silent one has no emotion
        told = "arousal: 0 is calm, 1 is excited; valence: 0 is unpleasant, 1 is pleasant"
        assert told in done.stderr.decode()
        return done.stdout.decode()

    head, *lines = predicted().splitlines()
    assert head.split() == ["emotion", *EMOTIONS, *BOTH, "seconds", "file"]
    (line,) = [line for line in lines if line.endswith("short.wav")]
    assert line.split()[4:6] == [f"{value:.2f}" for value in wanted.values()]
    (silent,) = [line for line in lines if "silent.wav" in line]
    assert silent.index(str(recordings)) == head.index("file")
    answers = {row["file"].split("/")[-1]: row for row in json.loads(predicted("--json"))}
    assert answers["short.wav"]["dimensions"] == pytest.approx(wanted, abs=1e-6)
    assert set(answers["long.wav"]["windows"][0]["dimensions"]) == set(BOTH)
    assert answers["silent.wav"]["dimensions"] is None
    rows = list(csv.DictReader(io.StringIO(predicted("--csv"))))
    (row,) = [row for row in rows if row["file"].endswith("short.wav")]
    assert {name: float(row[name]) for name in BOTH} == pytest.approx(wanted, abs=1e-6)
    windows = [row for row in rows if row["part"] == "window" and row["emotion"]]
    assert all(0 <= float(row["arousal"]) <= 1 for row in windows)


def test_a_model_without_dimensions_says_nothing_of_them(tmp_path, recordings):
    release(tmp_path / "model", "cnn")
    done = ser_here("predict", "--model", tmp_path / "model", "--json", recordings / "short.wav")
    (found,) = json.loads(done.stdout)
    assert found["dimensions"] == {}
    assert done.stderr == b""
    assert "arousal" not in answer(load(tmp_path / "model"), recordings / "short.wav", None)[0]


def test_the_page_shows_the_values_and_the_figures(models, recordings):
    recogniser = load(models["cnn"])
    html, _, prediction = answer(recogniser, recordings / "short.wav", None)
    value = f"{prediction.dimensions['valence']:.2f}"
    assert f"valence <b>{value}</b> (0 is unpleasant, 1 is pleasant)" in html
    measured = recogniser.description.model_copy(
        update={"metrics": Figures.from_values(METRICS | {"dimensions": FIGURES})}
    )
    assert "<td>0.81 (0.70 to 0.90)</td>" in render_html(measured, [])
    assert "| arousal | 0.81 (0.70 to 0.90) | 0.12 (0.10 to 0.15) | 0.25 | 20 |" in write_card(
        measured
    )


def test_a_model_of_the_former_format_is_read_and_one_of_a_later_is_refused(tmp_path):
    make(tmp_path / "plain", "cnn")
    described = json.loads((tmp_path / "plain/model.json").read_text())
    assert described["format"] == FORMAT - 1  # as before there were dimensions
    assert not {"dimensions", "dimension_weight"} & {*described, *described["model"]}
    assert read_description(tmp_path / "plain").dimensions == []
    make(tmp_path / "rated", "cnn", dimensions=["valence"])
    path = tmp_path / "rated/model.json"
    described = json.loads(path.read_text())
    assert described["format"] == FORMAT
    assert read_description(tmp_path / "rated").dimensions == ["valence"]
    path.write_text(json.dumps(described | {"format": FORMAT + 1}))
    with pytest.raises(UserError, match="use a newer version of the project"):
        read_description(tmp_path / "rated")


@pytest.mark.parametrize(
    "dimensions", [["valence", "arousal"], ["mood"], ["arousal", "arousal"], []]
)
def test_dimensions_that_do_not_fit_are_refused(tmp_path, dimensions):
    make(tmp_path / "model", "cnn", dimensions=BOTH)
    path = tmp_path / "model/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dimensions": dimensions}))
    with pytest.raises(UnusableModelError):
        model_folder.load(tmp_path / "model")
