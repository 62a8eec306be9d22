"""Recorded steps have the same results as steps that are not recorded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL

from scripts.workspace import ROOT
from ser.core import params
from ser.core.filters import mel_band_hertz
from ser.core.sections import Model
from ser.nets.build import build
from ser.nets.standardising import StandardisingNet
from ser.training.batches import Examples, NormalisedClips, collate, epoch_batches
from ser.training.checkpoint import Progress
from ser.training.devices import make_deterministic
from ser.training.loop import FoldData, Run, fit
from ser.training.pooled import measure_pooled, measure_voices
from ser.training.predict import predict
from ser.training.recorded import CudaRecorder, RecordedSteps
from ser.training.steps import Steps
from ser.training.team import Team

pytestmark = pytest.mark.usefixtures("one_thread", "deterministic")


@pytest.fixture(autouse=True)
def _asked_for(monkeypatch):
    monkeypatch.setenv("SER_CUDA_GRAPHS", "1")


on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

FEATURES = params.load(ROOT / "params.yaml").features.model_copy(update={"n_mels": 16})
CPU = torch.device("cpu")
EPOCHS = 6
TRAININGS = {
    "cnn, clip by clip": {"name": "cnn", "batch_size": 1, "dropout": 0.25},
    "cnn, in batches": {"name": "cnn", "dropout": 0.25, "label_smoothing": 0.1},
    "cnn, batch norm, mixup": {"name": "cnn", "batch_norm": True, "mixup": 0.3},
    "cnn, weighted": {"name": "cnn", "balance": "class_weights", "schedule": "one_cycle"},
    "resnet, clip by clip": {"name": "resnet", "batch_size": 1, "dropout": 0.2},
    "resnet, in batches": {"name": "resnet", "dropout": 0.2, "schedule": "cosine"},
    "rezonet": {"name": "rezonet", "dropout": 0.2},
    "conv1d": {"name": "conv1d", "dropout": 0.2, "optimizer": "sgd"},
    "dummynet": {"name": "dummynet", "length": "pad", "optimizer": "adam"},
    "exponet": {"name": "exponet", "length": "resize"},
    "statpool": {"name": "statpool", "normalisation": "train", "schedule": "one_cycle"},
    "statpool, by voice": {"name": "statpool", "normalisation": "speaker", "dropout": 0.5},
    "statpool, clip by clip": {"name": "statpool", "normalisation": "clip", "batch_size": 1},
}


@pytest.fixture(scope="module")
def deterministic():
    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


def model_of(training):
    changes = {"frames": 32, "batch_size": 4, "epochs": EPOCHS, "learning_rate": 0.003}
    return Model.model_validate(PLAIN_MODEL | changes | TRAININGS[training])


def examples(model, count=14):
    """Clips of a few lengths, each of which comes again and again."""
    rng = np.random.default_rng(0)
    versions = []
    for i in range(count):
        clip = rng.normal(0, 2, ((24, 40, 33)[i % 3], 16)) + 4 * np.eye(3, 16)[i % 3]
        versions.append([clip.astype(np.float32)])
    voices = np.arange(count) % 2 if model.normalisation == "speaker" else None
    weights = np.linspace(0.5, 1.5, count).astype(np.float32)
    weights = weights if model.balance == "class_weights" else None
    labels = np.arange(count) % 3
    return Examples(versions, labels, FEATURES.dims, [None] * count, voices, weights)


def train(model, folder, device):
    data = examples(model)
    measured = data if model.name == "statpool" else None
    fold = FoldData(1, data, replace(data), measured, FEATURES, 3)
    run = Run(Team(device), folder / "checkpoint", folder / "snapshots")
    return fit(fold, model, run, lambda history: None)


def assert_same(first, second):
    (weights, history), (others, other_history) = first, second
    assert history == other_history
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, others[name]), name


def fresh_net(model, device):
    torch.manual_seed(0)
    net = build(model, 16, 3)
    if isinstance(net, StandardisingNet):
        net.tune(mel_band_hertz(FEATURES))
        clips = NormalisedClips(examples(model), model, CPU)
        measure_pooled(net, clips)
        measure_voices(net, clips)
    return net.to(device)


def begin(model, device):
    """Make a fresh net's steps, as `fit` does, its state, and the clips."""
    net = fresh_net(model, device)
    clips = NormalisedClips(examples(model), model, device)
    measure_voices(net, clips)
    kind = torch.optim.SGD if model.optimizer == "sgd" else torch.optim.AdamW
    state = Progress(net, net, kind(net.parameters(), 0.01, fused=True))
    return Steps(state, model.label_smoothing, Team(device)), state, clips


@pytest.mark.parametrize("training", TRAININGS)
def test_steps_done_again_with_other_clips_are_those_clips_steps(training):
    model = model_of(training)
    given = []

    def again(work):
        given.append(work)
        return work

    results = []
    for record in (None, again):
        steps, state, clips = begin(model, CPU)
        take = RecordedSteps(steps.take, record).take if record else steps.take
        for epoch in range(EPOCHS):
            torch.manual_seed(epoch)
            steps.begin_epoch()
            for batch in epoch_batches(clips, (0, epoch)):
                take(batch)
            measure_voices(state.net, clips)
        results.append((state.weights(), steps.means(len(clips))))
    assert_same(*results)
    shapes = {(batch.features.shape, batch.padded) for batch in epoch_batches(clips, (0, 0))}
    assert (0 if model.mixup else len(shapes)) <= len(given) <= 9


def test_rare_large_or_mixed_batches_are_not_recorded():
    taken, recorded = [], []

    def record(work):
        recorded.append(work)
        return lambda: None

    steps = RecordedSteps(taken.append, record)

    def batch(frames, weight=1.0):
        made = collate([torch.zeros(frames, 2)], torch.tensor([0]), 16)
        return replace(made, weight=weight)

    for frames in (20, 21, 20, 22, 20):
        steps.take(batch(frames))
    for _ in range(9):
        steps.take(batch(30, weight=0.7))
        steps.take(batch(1 << 21))
    assert len(taken) == 5 + 18
    assert not recorded
    steps.take(batch(20))
    steps.take(batch(20))
    assert len(taken) == 5 + 18
    assert len(recorded) == 1


@on_a_gpu
@pytest.mark.parametrize("training", TRAININGS)
def test_recorded_trainings_give_the_bytes_of_those_that_are_not(training, tmp_path, monkeypatch):
    model, gpu = model_of(training), torch.device("cuda")
    recorded = train(model, tmp_path / "a", gpu)
    assert_same(recorded, train(model, tmp_path / "b", gpu))
    monkeypatch.setattr("ser.training.recorded._RARE", 10**9)
    assert_same(recorded, train(model, tmp_path / "c", gpu))


@on_a_gpu
@pytest.mark.parametrize("training", TRAININGS)
def test_a_gpu_answers_as_a_cpu_does(training):
    model = model_of(training)
    net = fresh_net(model, CPU)
    answers = [
        predict(net.to(device), NormalisedClips(examples(model), model, device))
        for device in (CPU, torch.device("cuda"))
    ]
    np.testing.assert_allclose(*answers, atol=0.02)


@on_a_gpu
@pytest.mark.parametrize("training", ["cnn, clip by clip", "statpool, by voice", "conv1d"])
def test_a_stopped_training_is_resumed_with_the_same_bytes_on_a_gpu(training, tmp_path):
    model, gpu = model_of(training), torch.device("cuda")
    whole = train(model, tmp_path / "a", gpu)
    train(model.model_copy(update={"stop_after": 3}), tmp_path / "b", gpu)
    assert_same(whole, train(model, tmp_path / "b", gpu))


@on_a_gpu
@pytest.mark.parametrize("training", TRAININGS)
def test_no_step_waits_for_the_gpu(training):
    gpu = torch.device("cuda")
    steps, state, clips = begin(model_of(training), gpu)
    take = RecordedSteps(steps.take, CudaRecorder(state.optimizer, gpu)).take
    for batch in epoch_batches(clips, (0, 0)):  # which brings the clips to the GPU
        take(batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for epoch in range(1, EPOCHS):
            for batch in epoch_batches(clips, (0, epoch)):
                take(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
