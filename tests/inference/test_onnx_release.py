"""The ONNX file beside the weights of a model folder, and what happens without one."""

import json
import re
import shutil

import numpy as np
import onnx
import pytest
import soundfile
import torch
from absent import run_without
from small_model import RATE, SER, features_of, make, release, ser_here, speech
from torch import nn

from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.inference.comparison import TOLERANCE
from ser.inference.onnx_release import add_onnx
from ser.nets.build import NETS
from ser.nets.folder_files import ONNX, onnx_digest, read_description, write_description
from ser.nets.layers import is_exporting
from ser.use.explanation import explain
from ser.use.loading import load, load_in_torch

pytestmark = pytest.mark.usefixtures("one_thread")

TORCH = ["torch", "safetensors", "onnx", "onnxscript"]
SLOWER = "so it is run by PyTorch, which takes longer to start"


def said(caplog):
    """What the program said, without what libraries did."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("ser.")]


def recordings(*numbers):
    return [Recording(speech(n)[:, np.newaxis], RATE, "") for n in numbers]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A model of two folds that leans towards voices."""
    folder = tmp_path_factory.mktemp("released")
    release(folder, "statpool", (1, 2), temperatures=[0.5, 3.0], trained_on=[["00"], []])
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, speech(3), RATE)
    return path


@pytest.fixture
def copy(released, tmp_path):
    return shutil.copytree(released, tmp_path / "model")


@pytest.mark.parametrize("normalisation", ["train", "speaker"])
@pytest.mark.parametrize("name", NETS)
def test_every_net_answers_as_in_pytorch(tmp_path, caplog, name, normalisation):
    release(tmp_path, name, (1, 2), temperatures=[0.5, 3.0], normalisation=normalisation)
    ours, theirs = load(tmp_path), load_in_torch(tmp_path)
    assert said(caplog) == []
    for adapted in (False, True):
        if adapted and ours.adapts:
            assert [each.adapt(recordings(0, 9, 18, 27, 36)) for each in (ours, theirs)] == [5, 5]
        if ours.needs_a_voice:
            continue
        for seconds in (0.5, 1.3, 4.0):
            samples = speech(60, seconds)
            expected = theirs.fold_answers(samples, RATE)
            assert ours.fold_answers(samples, RATE) == pytest.approx(expected, abs=3e-5)


def test_a_voice_changes_the_answers_and_another_one_takes_its_place(released):
    ours, theirs = load(released), load_in_torch(released)
    before = ours.fold_answers(speech(3), RATE)
    for numbers in ([10], [10, 60], [60]):
        for each in (ours, theirs):
            each.adapt(recordings(*numbers))
        adapted = ours.fold_answers(speech(3), RATE)
        assert adapted == pytest.approx(theirs.fold_answers(speech(3), RATE), abs=1e-5)
        assert np.abs(adapted - before).max() > 1e-4
        before = adapted


@pytest.mark.parametrize("fold", [None, 2])
def test_windows_and_explanations_are_those_of_pytorch(released, fold):
    ours, theirs = load(released, fold), load_in_torch(released)
    if fold is not None:
        theirs = type(theirs)(theirs.description, theirs._nets, fold)
    for rate in (RATE, 8000):
        answers = [each.predict(speech(3, 5.0), rate, window=1.0) for each in (ours, theirs)]
        assert len(answers[0].windows) > 5
        for one, other in zip(*(answer.windows for answer in answers), strict=True):
            # Thresholds of these nets with random weights amplify rounding in some windows.
            assert one.probabilities == pytest.approx(other.probabilities, abs=TOLERANCE)
        assert answers[0].note == answers[1].note
    waveform = ours.waveform(speech(3), RATE)
    pictures = [explain(each, waveform, "sad").influence for each in (ours, theirs)]
    # The influence is of log odds, which are steeper than probabilities.
    assert pictures[0] == pytest.approx(pictures[1], abs=1e-3)
    assert np.abs(pictures[0]).max() > 1e-2


@pytest.mark.parametrize("name", ["statpool", "cnn"])
def test_the_same_weights_make_the_same_bytes(tmp_path, name):
    for folder in (tmp_path / "one", tmp_path / "other"):
        release(folder, name, (1, 2))
    made = (tmp_path / "one" / ONNX).read_bytes()
    assert made == (tmp_path / "other" / ONNX).read_bytes()
    assert b".py" not in made  # it tells nothing of this computer


def test_the_file_is_a_model_of_its_own(released):
    ours, theirs = load(released / ONNX), load(released)
    assert ours.predict(speech(3), RATE) == theirs.predict(speech(3), RATE)
    assert ours.description == theirs.description.model_copy(update={"onnx": None})


def test_a_folder_predicts_without_torch(released, clip):
    arguments = ["predict", "--model", released, "--json", clip]
    done = run_without(TORCH, SER, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    here = ser_here(*arguments)
    assert json.loads(done.stdout) == json.loads(here.stdout)
    assert here.stderr == b""


def flip(path):
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_file(folder):
    (folder / ONNX).unlink()


def of_an_older_format(folder):
    (folder / ONNX).unlink()
    described = json.loads((folder / "model.json").read_text()) | {"format": 7}
    del described["onnx"]
    (folder / "model.json").write_text(json.dumps(described))


def damaged(folder):
    flip(folder / ONNX)


def cut_off(folder):
    (folder / ONNX).write_bytes((folder / ONNX).read_bytes()[:1000])


def of_other_weights(folder):
    one, other = folder / "fold-1.safetensors", folder / "fold-2.safetensors"
    shutil.copy(one, other)


def of_another_description(folder):
    described = json.loads((folder / "model.json").read_text())
    described["emotions"] = ["annoyed", *described["emotions"][1:]]
    (folder / "model.json").write_text(json.dumps(described))


def of_other_temperatures(folder):
    described = json.loads((folder / "model.json").read_text()) | {"temperatures": [1.0, 1.0]}
    (folder / "model.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without_file, "has no model.onnx"),
        (of_an_older_format, "has no model.onnx"),
        (damaged, "has a model.onnx that is damaged or of other weights"),
        (cut_off, "has a model.onnx that is damaged or of other weights"),
        (of_other_weights, "has a model.onnx that is damaged or of other weights"),
        (of_other_temperatures, "has a model.onnx that is damaged or of other weights"),
        (of_another_description, "has a model.onnx that is not the model of its model.json"),
    ],
)
def test_without_a_file_of_these_weights_pytorch_answers_and_it_is_said(
    released, copy, clip, capsys, change, why
):
    change(copy)
    expected = load_in_torch(copy).fold_answers(speech(3), RATE)
    done = ser_here("predict", "--model", copy, "--json", clip)
    assert done.returncode == 0
    recogniser = load(copy)
    np.testing.assert_array_equal(recogniser.fold_answers(speech(3), RATE), expected)
    done = run_without(["onnx"], SER, "predict", "--model", copy, clip)
    assert (done.returncode, done.stderr) == (0, f"{copy} {why}, {SLOWER}\n")
    done = run_without(TORCH, SER, "predict", "--model", copy, clip)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {copy} {why}, so it needs torch, which is not installed: pip install -c "
        "requirements/constraints.txt '.[torch]'; or use a file that `ser export --onnx` made\n"
    )


def test_damaged_weights_are_as_before_an_error(copy):
    """Even if the ONNX file is whole: a folder in which files are damaged is not to be trusted."""
    (copy / "fold-2.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="holds no usable model"):
        load(copy)
    (copy / "fold-2.safetensors").unlink()
    with pytest.raises(UserError, match="holds no usable model"):
        load(copy)


def test_a_file_that_onnxruntime_does_not_know_is_left_to_pytorch(copy, caplog):
    """Such as a file that a newer version wrote: its digest is right."""
    proto = onnx.load(copy / ONNX)
    proto.opset_import[0].version = 999
    onnx.save(proto, copy / ONNX)
    description = read_description(copy)
    digest = onnx_digest(copy, description)
    write_description(copy, description.model_copy(update={"onnx": digest}))
    expected = load_in_torch(copy).predict(speech(3), RATE)
    assert load(copy).predict(speech(3), RATE) == expected
    (sentence,) = said(caplog)
    assert re.search(r"model\.onnx that cannot be run here \(.*\), so it is run by", sentence)


class Odd(nn.Module):
    """A net that an exported file cannot be the same as."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, features, lengths):
        means = features.mean(dim=1)[:, :3]
        if self.way == "other answers":
            return means * (2 if is_exporting() else 1)
        return torch.linalg.svdvals(torch.diag_embed(means))  # ONNX has no such operation


@pytest.mark.parametrize(
    ("way", "why"),
    [("other answers", "ONNX and PyTorch differ by 0."), ("operation", "is not supported")],
)
def test_a_file_that_would_answer_otherwise_is_not_left(tmp_path, way, why):
    description, _ = make(tmp_path, "cnn")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=why):
        add_onnx(tmp_path, description, [Odd(way)], features_of(description, 0, 30))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
