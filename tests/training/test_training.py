import json
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import safetensors.torch
import torch
from settings import PLAIN_MODEL
from sklearn import metrics
from small_model import FEATURES as LOGMEL
from torch import nn

from ser.core.errors import UserError
from ser.core.sections import Features, Model
from ser.nets.build import build
from ser.nets.normalisation import normalise
from ser.nets.weights import snapshot_name
from ser.training.batches import Examples, NormalisedClips, epoch_batches, in_order
from ser.training.history import Epoch, kept_epoch, mean_figures
from ser.training.loop import FoldData, Run, fit
from ser.training.predict import loss_and_accuracy, predict
from ser.training.schedule import learning_rate
from ser.training.steps import mean_loss
from ser.training.team import Team

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = PLAIN_MODEL | {
    "width": 2,
    "batch_size": 6,
    "epochs": 4,
    "learning_rate": 0.005,
    "weight_decay": 0.01,
}
# All that draws random numbers, and early stopping.
EVERYTHING = {
    "name": "resnet",
    "dropout": 0.3,
    "schedule": "one_cycle",
    "label_smoothing": 0.1,
    "mixup": 0.3,
    "crop": {"probability": 0.5, "share": [0.6, 0.9]},
    "frequency_shift": 1.0,
    "frequency_mask": 3,
    "time_mask": 5,
    "length": "crop",
    "patience": 3,
    "epochs": 5,
}
FEATURES = Features.model_validate(LOGMEL | {"n_mels": 8})
DIMS = FEATURES.dims
CPU = torch.device("cpu")
NOTHING = Examples([], np.array([], dtype=np.int64), DIMS, [])


class Killed(BaseException):
    """Raised to end a training from outside."""


def settings(**changes):
    return Model.model_validate(SETTINGS | changes)


def examples(count, seed=0, noise=0.3):
    """Clips of three classes: the class is the band in which a clip is loud."""
    rng = np.random.default_rng(seed)
    versions, labels = [], np.arange(count) % 3
    for label in labels:
        clip = rng.normal(0, noise, (int(rng.integers(16, 48)), 8))
        clip[:, 2 * label : 2 * label + 3] += 3
        versions.append([clip.astype(np.float32)])
    return Examples(versions, labels, DIMS, [None] * count)


def train(
    model, checkpoint, val=None, on_epoch=lambda history: None, data=None, fold=1, measured=None
):
    val = examples(6, seed=1) if val is None else val
    data = data or examples(15)
    run = Run(Team(CPU), checkpoint, snapshots_of(checkpoint))
    return fit(FoldData(fold, data, val, measured, FEATURES, 3), model, run, on_epoch)


def predicted(net, data, model):
    return predict(net, NormalisedClips(data, model, CPU))


def snapshots_of(checkpoint):
    return checkpoint.with_name(f"{checkpoint.name}-epochs")


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def net_of(model, weights):
    net = build(model, 8, 3)
    net.load_state_dict(weights)
    return net


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.0, 1.0),
        ("constant", 0.3, 1.0),
        ("constant", 1.0, 1.0),
        ("step", 0.0, 1.0),
        ("step", 0.399, 1.0),
        ("step", 0.4, 0.1),
        ("step", 1.0, 0.1),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.3, math.cos(0.15 * math.pi) ** 2),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("one_cycle", 0.0, 1 / 25),
        ("one_cycle", 0.15, (1 + 1 / 25) / 2),
        ("one_cycle", 0.3, 1.0),
        ("one_cycle", 0.65, 0.5),
        ("one_cycle", 1.0, 0.0),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule, progress, expected):
    model = settings(schedule=schedule, learning_rate=0.2, epochs=5, decay_epoch=2)
    assert learning_rate(model, progress) == pytest.approx(0.2 * expected, abs=1e-15)


def test_one_cycle_equals_torchs():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], 1.0)
    # Torch's cycle ends on its last step, at peak / (25 * final_div_factor), as good as 0.
    steps = 1001
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.01, steps, cycle_momentum=False, final_div_factor=1e9
    )
    model = settings(schedule="one_cycle", learning_rate=0.01)
    for step in range(steps):
        mine = learning_rate(model, step / (steps - 1))
        assert mine == pytest.approx(schedule.get_last_lr()[0], rel=2e-2, abs=2e-5)
        optimizer.step()
        if step < steps - 1:
            schedule.step()


def test_one_cycle_rises_to_its_peak_then_falls():
    model = settings(schedule="one_cycle", learning_rate=1.0)
    rates = [learning_rate(model, x) for x in np.linspace(0, 1, 101)]
    assert all(a < b for a, b in pairwise(rates[:31]))
    assert all(a > b for a, b in pairwise(rates[30:]))


@pytest.mark.parametrize("decay_epoch", [1, 3, 7, 10, 50])
@pytest.mark.parametrize("steps", [1, 3, 7])
def test_the_step_schedule_equals_torchs_whose_milestone_is_the_decay_epoch(decay_epoch, steps):
    epochs = 10
    model = settings(schedule="step", learning_rate=0.2, epochs=epochs, decay_epoch=decay_epoch)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.2)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [decay_epoch], gamma=0.1)
    for epoch in range(epochs):
        (expected,) = schedule.get_last_lr()
        for step in range(steps):
            progress = (epoch + step / steps) / epochs
            assert learning_rate(model, progress) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        schedule.step()


def logits_of(net, data):
    clips = [torch.from_numpy(normalise(clip, DIMS, None)) for (clip,) in data.versions]
    return torch.cat([net(clip[None], torch.tensor([len(clip)])) for clip in clips])


def test_a_training_takes_the_steps_of_its_schedule(tmp_path):
    data = examples(6)  # one batch: its clips' order makes no difference
    model = settings(optimizer="sgd", epochs=4, schedule="step", decay_epoch=2, learning_rate=0.1)
    start = model.model_copy(update={"learning_rate": 1e-30, "epochs": 1})
    first, _ = train(start, tmp_path / "a", data=data)
    result, history = train(model, tmp_path / "b", data=data)
    net = net_of(model, first)
    optimizer = torch.optim.SGD(
        net.parameters(), 0.1, momentum=0.9, weight_decay=model.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], gamma=0.1)
    for epoch in history:
        loss = torch.nn.functional.cross_entropy(
            logits_of(net, data), torch.from_numpy(data.labels)
        )
        assert epoch.train_loss == pytest.approx(loss.item(), rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(result[name], tensor, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_weighted_loss_by_hand(smoothing, size):
    rng = np.random.default_rng(size)
    logits, labels = rng.normal(0, 2, (size, 3)), rng.integers(3, size=size)
    weights = np.array([0.25, 3.0, 1.5], dtype=np.float32)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    expected = (weights[labels] * -(targets * logs).sum(axis=1)).sum() / size
    of_clips = torch.from_numpy(weights[labels])
    loss = mean_loss(torch.from_numpy(logits), torch.from_numpy(labels), of_clips, smoothing)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_equal_weights_give_torchs_cross_entropy():
    logits, labels = torch.randn(9, 4), torch.arange(9) % 4
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(mean_loss(logits, labels, None, 0.1), expected)
    torch.testing.assert_close(mean_loss(logits, labels, torch.ones(9), 0.1), expected)


def unequal_examples():
    """The classes of 9, 4 and 2 clips."""
    data = examples(27)
    kept = [i for i, label in enumerate(data.labels) if i // 3 < (9, 4, 2)[label]]
    return Examples([data.versions[i] for i in kept], data.labels[kept], DIMS, [None] * 15)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
@pytest.mark.parametrize("batch_size", [1, 6, 100])
def test_class_weights_affect_the_steps_at_any_batch_size(tmp_path, batch_size, mixup):
    model, data = settings(epochs=1, batch_size=batch_size, mixup=mixup), unequal_examples()
    weighted = model.model_copy(update={"balance": "class_weights"})
    first, plain = train(model, tmp_path / "a", data=data)
    second, history = train(weighted, tmp_path / "b", data=data)
    assert not torch.equal(first["linear.bias"], second["linear.bias"])
    assert history != plain


def test_the_gradient_of_a_training_with_class_weights_is_that_of_the_weighted_loss(tmp_path):
    data = unequal_examples()
    model = settings(
        optimizer="sgd", epochs=1, weight_decay=0.0, batch_size=100, balance="class_weights"
    )
    start, _ = train(model.model_copy(update={"learning_rate": 1e-30}), tmp_path / "a", data=data)
    stepped = model.model_copy(update={"learning_rate": 0.1})
    result, history = train(stepped, tmp_path / "b", data=data)
    net = net_of(model, start)
    logs = logits_of(net, data).log_softmax(dim=1)
    weights = torch.tensor([15 / (3 * n) for n in (9, 4, 2)])
    loss = sum(-weights[k] * logs[i, k] for i, k in enumerate(data.labels.tolist())) / 15
    assert history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    for name, parameter in net.named_parameters():
        expected = parameter.detach() - 0.1 * 1.9 * parameter.grad
        torch.testing.assert_close(result[name], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("balance", ["none", "class_weights"])
def test_twice_a_clip_of_half_the_weight_is_once_the_clip(tmp_path, balance):
    data = unequal_examples()
    double = [0, 4, 9, 14]
    chosen = [*range(len(data)), *double]
    halves = np.where(np.isin(chosen, double), 0.5, 1).astype(np.float32)
    versions = [data.versions[i] for i in chosen]
    twice = Examples(versions, data.labels[chosen], DIMS, [None] * 19, loss_weights=halves)
    model = settings(optimizer="sgd", epochs=4, weight_decay=0.0, batch_size=100, balance=balance)
    once, plain = train(model, tmp_path / "a", data=data)
    result, history = train(model, tmp_path / "b", data=twice)
    for epoch, expected in zip(history, plain, strict=True):
        assert epoch.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
    for name, tensor in once.items():
        torch.testing.assert_close(result[name], tensor, atol=1e-5, rtol=1e-4)


def test_equal_weights_of_any_size_change_nothing(tmp_path):
    first, plain = train(settings(mixup=0.4), tmp_path / "a")
    data = replace(examples(15), loss_weights=np.full(15, 0.5, np.float32))
    second, history = train(settings(mixup=0.4), tmp_path / "b", data=data)
    assert history == plain
    assert_equal_weights(first, second)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_each_clip_of_a_mix_has_its_own_weight(tmp_path, mixup):
    given, data = np.array([0.5, 3.0, 1.0], np.float32), unequal_examples()
    data = replace(data, loss_weights=given[data.labels])
    model = settings(optimizer="sgd", epochs=1, learning_rate=1e-30, mixup=mixup)
    start, history = train(model, tmp_path / "a", data=data)
    net, total = net_of(model, start), 0.0
    weights = given / given[data.labels].mean()
    with torch.no_grad():
        for batch in epoch_batches(NormalisedClips(data, model, CPU), (model.seed, 1, 1)):
            logs = net(batch.features, batch.lengths).log_softmax(dim=1)
            for i, (label, other) in enumerate(zip(batch.labels, batch.mixed_labels, strict=True)):
                total -= batch.weight * weights[label] * logs[i, label]
                total -= (1 - batch.weight) * weights[other] * logs[i, other]
    assert history[0].train_loss == pytest.approx(total.item() / len(data), rel=1e-5)


def test_class_weights_of_equal_classes_change_nothing(tmp_path):
    first, plain = train(settings(), tmp_path / "a")
    second, history = train(settings(balance="class_weights"), tmp_path / "b")
    assert history == plain
    assert_equal_weights(first, second)


def test_the_validation_loss_is_not_weighted(tmp_path):
    model = settings(balance="class_weights", epochs=2)
    val = examples(7, seed=4, noise=3)
    weights, history = train(model, tmp_path / "c", val=val, data=unequal_examples())
    right = predicted(net_of(model, weights), val, model)[np.arange(7), val.labels]
    assert history[-1].val_loss == pytest.approx(-np.log(right).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@pytest.mark.parametrize("count", [7, 13])
def test_a_lone_clip_left_over_is_learnt_with_the_batch_before_it(tmp_path, name, count):
    rng = np.random.default_rng(0)
    clips = [[rng.normal(size=(16, 8)).astype(np.float32)] for _ in range(count)]
    data = Examples(clips, np.arange(count) % 3, DIMS, [None] * count)
    model = settings(name=name, batch_norm=True, epochs=2)
    weights, history = train(model, tmp_path / "c", data=data)
    assert len(history) == 2
    for key, tensor in weights.items():
        assert tensor.isfinite().all()
        if key.endswith("num_batches_tracked"):
            assert tensor == 2 * (count // 6)


class ObviousCNN(nn.Module):
    """Three layers of convolution, ReLU and pooling, for one clip at a time."""

    def __init__(self, emotions, dropout):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise((1, 16, 32, 64))
        )
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(64, emotions)

    def forward(self, clip):
        x = clip.T[None, None]
        for convolution in self.convolutions:
            x = nn.functional.max_pool2d(nn.functional.relu(convolution(x)), 2)
        return self.linear(self.dropout(x.mean(dim=(2, 3))))


def seed_torch(model, epoch):
    key = (model.seed, 1, epoch)
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
    return key


OBVIOUS_OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, 0.001, weight_decay=0.01, fused=False),
    "adamw": lambda p: torch.optim.AdamW(p, 0.001, weight_decay=0.01, fused=False),
    "sgd": lambda p: torch.optim.SGD(
        p, 0.001, momentum=0.9, weight_decay=0.01, nesterov=True, fused=False
    ),
}


@pytest.mark.parametrize("optimizer", OBVIOUS_OPTIMIZERS)
def test_training_clip_by_clip_equals_an_obvious_loop(tmp_path, optimizer):
    changes = {"batch_size": 1, "epochs": 2, "learning_rate": 0.001, "dropout": 0.3}
    model, data = settings(optimizer=optimizer, **changes), examples(24, noise=2)
    weights, history = train(model, tmp_path / "c", data=data)

    seed_torch(model, epoch=0)
    net = ObviousCNN(3, 0.3)
    optimizer = OBVIOUS_OPTIMIZERS[optimizer](net.parameters())
    marked = NormalisedClips(replace(data, labels=np.arange(24)), model, CPU)
    for epoch in (1, 2):
        key = seed_torch(model, epoch)
        losses = []
        for i in [batch.labels.item() for batch in epoch_batches(marked, key)]:
            clip = torch.from_numpy(normalise(data.versions[i][0], DIMS, None))
            loss = nn.functional.cross_entropy(net(clip), torch.tensor(data.labels[i : i + 1]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert history[epoch - 1].train_loss == pytest.approx(np.mean(losses), abs=1e-6)
    assert weights.keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=1e-5)


def test_loss_and_accuracy_equal_scikit_learns():
    rng = np.random.default_rng(0)
    # Multiples of 1/64 add up to 1 in float32 as well, which scikit-learn insists on.
    counts = rng.multinomial(60, np.ones(4) / 4, 50) + 1
    probabilities = (counts / 64).astype(np.float32)
    labels = rng.integers(4, size=50)
    loss, accuracy = loss_and_accuracy(probabilities, labels)
    expected = metrics.log_loss(labels, probabilities, labels=range(4))
    assert loss == pytest.approx(expected, rel=1e-6)
    assert accuracy == metrics.accuracy_score(labels, probabilities.argmax(axis=1))


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_an_easy_task_is_learnt_wholly(tmp_path, name):
    model = settings(name=name, epochs=25, learning_rate=0.01, schedule="one_cycle")
    weights, history = train(model, tmp_path / "c.safetensors", data=examples(24))
    assert [epoch.epoch for epoch in history] == list(range(1, 26))
    assert {epoch.fold for epoch in history} == {1}
    assert history[-1].train_loss < 0.2 * history[0].train_loss
    assert history[-1].val_loss < 0.2 * history[0].val_loss
    assert history[-1].train_accuracy == 1
    assert history[-1].val_accuracy == 1
    unseen = examples(9, seed=7)
    probabilities = predicted(net_of(model, weights), unseen, model)
    assert probabilities.argmax(axis=1).tolist() == unseen.labels.tolist()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_step_of_sgd_follows_the_gradient_of_the_smoothed_cross_entropy(tmp_path, smoothing):
    data = examples(6)
    model = settings(optimizer="sgd", epochs=1, weight_decay=0.02, label_smoothing=smoothing)
    start, _ = train(model.model_copy(update={"learning_rate": 1e-30}), tmp_path / "a", data=data)
    result, history = train(
        model.model_copy(update={"learning_rate": 0.1}), tmp_path / "b", data=data
    )
    net = net_of(model, start)
    clips = [torch.from_numpy(normalise(clip, DIMS, None)) for (clip,) in data.versions]
    logits = torch.cat([net(clip[None], torch.tensor([len(clip)])) for clip in clips])
    logs = logits.log_softmax(dim=1)
    right = logs[torch.arange(6), torch.from_numpy(data.labels)]
    loss = -((1 - smoothing) * right + smoothing * logs.mean(dim=1)).mean()
    loss.backward()
    assert history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    hits = (logits.argmax(dim=1).numpy() == data.labels).mean()
    assert history[0].train_accuracy == pytest.approx(hits)
    for name, parameter in net.named_parameters():
        # Nesterov's first step goes 1 + momentum times along the gradient.
        gradient = parameter.grad + 0.02 * parameter.detach()
        expected = parameter.detach() - 0.1 * 1.9 * gradient
        torch.testing.assert_close(result[name], expected, atol=1e-6, rtol=1e-5)


def test_validation_is_the_cross_entropy_and_accuracy_of_the_predictions(tmp_path):
    model, val = settings(label_smoothing=0.3, epochs=2), examples(7, seed=4, noise=3)
    weights, history = train(model, tmp_path / "c", val=val)
    probabilities = predicted(net_of(model, weights), val, model)
    right = probabilities[np.arange(7), val.labels]
    assert history[-1].val_loss == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert history[-1].val_accuracy == (probabilities.argmax(axis=1) == val.labels).mean()


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_two_trainings_give_identical_weights_and_histories(tmp_path, name):
    model = settings(**EVERYTHING | {"name": name})
    first, history = train(model, tmp_path / "a")
    torch.manual_seed(99)  # what others drew before has no effect
    second, again = train(model, tmp_path / "b")
    assert_equal_weights(first, second)
    assert history == again


@pytest.mark.parametrize("change", ["seed", "fold"])
def test_another_seed_or_fold_leads_to_other_weights(tmp_path, change):
    model = settings()
    first, _ = train(model, tmp_path / "a")
    if change == "seed":
        second, _ = train(model.model_copy(update={"seed": 1}), tmp_path / "b")
    else:
        second, _ = train(model, tmp_path / "b", fold=2)
    assert not torch.equal(first["linear.weight"], second["linear.weight"])


def test_without_val_clips_there_are_no_validation_figures(tmp_path):
    weights, history = train(settings(), tmp_path / "c", val=NOTHING)
    assert [epoch.val_loss for epoch in history] == [None] * 4
    assert [epoch.val_accuracy for epoch in history] == [None] * 4
    with_val, _ = train(settings(), tmp_path / "d")
    assert_equal_weights(weights, with_val)


def unlearnable(count):
    """Val clips with the labels of other classes: the better the net, the worse their loss."""
    val = examples(count, seed=1)
    return replace(val, labels=(val.labels + 1) % 3)


def test_early_stopping_keeps_the_best_epochs_weights_and_waits_for_patience(tmp_path):
    model = settings(patience=3, epochs=30, learning_rate=0.003)
    val = unlearnable(6)
    weights, history = train(model, tmp_path / "c", val=val)
    losses = [epoch.val_loss for epoch in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 1 + 3
    assert len(history) < 30
    probabilities = predicted(net_of(model, weights), val, model).astype(np.float64)
    loss = -np.log(probabilities[np.arange(6), val.labels]).mean()
    assert loss == pytest.approx(losses[best], rel=1e-6)
    # They are the weights that a training of just so many epochs ends with.
    short, _ = train(settings(epochs=best + 1, learning_rate=0.003), tmp_path / "d", val=val)
    assert_equal_weights(weights, short)


def test_early_stopping_keeps_a_best_epoch_that_is_not_the_last_when_the_epochs_run_out(tmp_path):
    val = unlearnable(6)
    _, long = train(settings(epochs=8), tmp_path / "c", val=val)
    best = int(np.argmin([epoch.val_loss for epoch in long]))
    assert best < 7
    weights, history = train(settings(epochs=8, patience=100), tmp_path / "d", val=val)
    assert history == long
    short, _ = train(settings(epochs=best + 1), tmp_path / "e", val=val)
    assert_equal_weights(weights, short)


@pytest.mark.parametrize("patience", [1, 4])
def test_an_equal_validation_loss_is_no_better_one(tmp_path, patience):
    model = settings(patience=patience, epochs=20, learning_rate=1e-30, weight_decay=0.0)
    _, history = train(model, tmp_path / "c")
    assert len({epoch.val_loss for epoch in history}) == 1
    assert len(history) == 1 + patience


def test_early_stopping_without_val_clips_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.patience 2 .* fold 5 has no val clips"):
        train(settings(patience=2), tmp_path / "c", val=NOTHING, fold=5)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("val", [None, NOTHING], ids=["val", "no val"])
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path, val):
    model = settings(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(UserError, match=r"fold 1, epoch 1: .*model\.learning_rate \(1e\+30\)"):
        train(model, tmp_path / "c", val=val)


@pytest.mark.parametrize("patience", [0, 2])
def test_a_validation_loss_that_is_not_finite_ends_the_training(tmp_path, patience):
    # One step an epoch: the training loss is that before the step, the validation loss after it.
    model = settings(
        optimizer="sgd", learning_rate=1e30, epochs=1, batch_size=100, patience=patience
    )
    with pytest.raises(UserError, match=r"fold 1, epoch 1: .*model\.learning_rate"):
        train(model, tmp_path / "c")


def test_features_that_are_not_finite_end_the_training(tmp_path):
    data = examples(15)
    data.versions[4][0][3, 2] = np.nan
    with pytest.raises(UserError, match="the training loss is nan"):
        train(settings(), tmp_path / "c", data=data)


def kill_after(epoch, history):
    if len(history) == epoch:
        raise Killed


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_a_training_stopped_after_any_epoch_is_resumed_identically(tmp_path, optimizer):
    model = settings(**EVERYTHING | {"optimizer": optimizer})
    val = examples(6, seed=1, noise=2)
    weights, history = train(model, tmp_path / "whole", val=val)
    for epoch in range(1, len(history) + 1):
        checkpoint = tmp_path / f"stopped-{epoch}"
        with pytest.raises(Killed):
            train(model, checkpoint, val=val, on_epoch=partial(kill_after, epoch))
        seen = []
        resumed, again = train(
            model, checkpoint, val=val, on_epoch=lambda h, s=seen: s.append(list(h))
        )
        assert seen == [history[:n] for n in range(epoch + 1, len(history) + 1)]
        assert again == history
        assert_equal_weights(resumed, weights)


def test_a_training_stopped_after_every_epoch_is_resumed_with_the_identical_result(tmp_path):
    model = settings(**EVERYTHING)
    weights, history = train(model, tmp_path / "whole")
    for epoch in range(1, len(history)):
        with pytest.raises(Killed):
            train(model, tmp_path / "c", on_epoch=partial(kill_after, epoch))
    resumed, again = train(model, tmp_path / "c")
    assert again == history
    assert_equal_weights(resumed, weights)


class Breaking(list):
    """Statistics of clips that kill the training after a number of reads."""

    left = 0

    def __getitem__(self, place):
        if Breaking.left == 0:
            raise Killed
        Breaking.left -= 1
        return super().__getitem__(place)


def breaking(data, reads):
    Breaking.left = reads
    return replace(data, statistics=Breaking(data.statistics))


@pytest.mark.parametrize("reads", [0, 1, 8, 14, 15, 22, 44])
def test_a_training_stopped_within_an_epoch_is_resumed_with_the_identical_result(
    tmp_path, monkeypatch, reads
):
    model, data = settings(**EVERYTHING), examples(15)
    weights, history = train(model, tmp_path / "whole", data=data)
    # Without room for them, the clips are normalised by their statistics in every epoch.
    monkeypatch.setattr("ser.training.batches._ROOM", 0)
    with pytest.raises(Killed):
        train(model, tmp_path / "c", data=breaking(data, reads))
    assert (tmp_path / "c").exists() == (reads >= 15)
    resumed, again = train(model, tmp_path / "c", data=data)
    assert again == history
    assert_equal_weights(resumed, weights)


def test_a_finished_training_is_taken_from_its_checkpoint(tmp_path):
    model, data = settings(**EVERYTHING), examples(15)
    weights, history = train(model, tmp_path / "c", data=data)
    again, same = train(model, tmp_path / "c", data=breaking(data, 0))
    assert same == history
    assert_equal_weights(again, weights)


def test_a_checkpoint_is_one_file_that_is_written_whole(tmp_path):
    train(settings(), tmp_path / "deep" / "er" / "fold-1.safetensors")
    assert [p.name for p in (tmp_path / "deep" / "er").iterdir()] == ["fold-1.safetensors"]


def test_the_remains_of_an_interrupted_write_do_no_harm(tmp_path):
    (tmp_path / "fold-1.part").write_bytes(b"half of a checkpoint")
    weights, _ = train(settings(), tmp_path / "fold-1.safetensors")
    other, _ = train(settings(), tmp_path / "other.safetensors")
    assert_equal_weights(weights, other)


def assert_equal_files(folder, other):
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("patience", [0, 1])
def test_snapshots_are_every_epochs_weights(tmp_path, patience):
    model = settings(snapshots=True, epochs=6, patience=patience, learning_rate=0.05)
    weights, history = train(model, tmp_path / "c", val=unlearnable(6))
    folder = snapshots_of(tmp_path / "c")
    names = [snapshot_name(n) for n in range(1, len(history) + 1)]
    assert sorted(path.name for path in folder.iterdir()) == names
    snapshots = [safetensors.torch.load_file(folder / name) for name in names]
    assert_equal_weights(snapshots[kept_epoch(history, patience).epoch - 1], weights)
    for epoch, snapshot in zip(history, snapshots, strict=True):
        short = settings(epochs=epoch.epoch, learning_rate=0.05)
        expected, _ = train(short, tmp_path / f"short-{epoch.epoch}")
        assert_equal_weights(snapshot, expected)


def test_without_the_setting_there_are_no_snapshots(tmp_path):
    train(settings(), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_snapshots_change_nothing_in_the_training(tmp_path):
    model = settings(**EVERYTHING)
    weights, history = train(model, tmp_path / "a")
    kept, same = train(model.model_copy(update={"snapshots": True}), tmp_path / "b")
    assert same == history
    assert_equal_weights(kept, weights)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_names_of_snapshots_sort_as_epochs_do():
    epochs = [1, 2, 9, 10, 11, 99, 100, 1000, 9999, 10000, 99999]
    assert sorted(map(snapshot_name, reversed(epochs))) == [snapshot_name(n) for n in epochs]


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_snapshots_of_a_killed_and_resumed_training_are_the_identical_files(tmp_path, epoch):
    model = settings(**EVERYTHING | {"snapshots": True})
    train(model, tmp_path / "whole")
    with pytest.raises(Killed):
        train(model, tmp_path / "c", on_epoch=partial(kill_after, epoch))
    # An epoch was written in part and its checkpoint was not.
    (snapshots_of(tmp_path / "c") / snapshot_name(epoch + 1)).write_bytes(b"half")
    if epoch == 5:
        (snapshots_of(tmp_path / "c") / snapshot_name(6)).unlink()
    train(model, tmp_path / "c")
    assert_equal_files(snapshots_of(tmp_path / "whole"), snapshots_of(tmp_path / "c"))
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "c").read_bytes()


@pytest.mark.parametrize("stops", [[1], [4], [2, 3], [1, 2, 3, 4, 5], [5], [9]])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_that_stops_itself_is_resumed_identically(tmp_path, stops, optimizer):
    model = settings(**EVERYTHING | {"optimizer": optimizer, "snapshots": True})
    weights, history = train(model, tmp_path / "whole")
    for stop in stops:
        part = model.model_copy(update={"stop_after": stop})
        _, so_far = train(part, tmp_path / "c")
        assert so_far == history[:stop]
    resumed, again = train(model, tmp_path / "c")
    assert again == history
    assert_equal_weights(resumed, weights)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "c").read_bytes()
    assert_equal_files(snapshots_of(tmp_path / "whole"), snapshots_of(tmp_path / "c"))


def test_a_training_that_stops_itself_is_that_of_its_first_epochs(tmp_path):
    # Its learning rate is that of the whole training, not of one of so many epochs.
    model = settings(schedule="cosine", epochs=6, snapshots=True)
    train(model, tmp_path / "whole")
    weights, history = train(model.model_copy(update={"stop_after": 3}), tmp_path / "c")
    assert len(history) == 3
    third = snapshots_of(tmp_path / "whole") / snapshot_name(3)
    assert_equal_weights(weights, safetensors.torch.load_file(third))


def test_a_training_that_stops_itself_with_patience_keeps_the_best_so_far(tmp_path):
    model = settings(patience=4, epochs=8, stop_after=4, snapshots=True, learning_rate=0.05)
    weights, history = train(model, tmp_path / "c", val=unlearnable(6))
    best = int(np.argmin([epoch.val_loss for epoch in history]))
    assert best < len(history) - 1
    snapshot = snapshots_of(tmp_path / "c") / snapshot_name(best + 1)
    assert_equal_weights(weights, safetensors.torch.load_file(snapshot))


def test_the_kept_epoch_is_the_last_or_the_first_of_the_best():
    losses = [0.9, 0.5, 0.7, 0.5]
    history = [Epoch(1, i + 1, 1.0, loss, 0.5, 0.5) for i, loss in enumerate(losses)]
    assert kept_epoch(history, 0).epoch == 4
    assert kept_epoch(history, 3).epoch == 2


def test_figures_are_averaged_over_the_folds():
    epochs = [Epoch(1, 10, 1.0, 0.5, 0.8, 0.6), Epoch(2, 20, 2.0, None, 0.4, None)]
    assert mean_figures(epochs) == {
        "epoch": 15,
        "train_loss": 1.5,
        "train_accuracy": pytest.approx(0.6),
    }


def checkpoint_of(tmp_path):
    path = tmp_path / "fold-1.safetensors"
    train(settings(epochs=2), path)
    return path


def stored(path):
    with safetensors.safe_open(path, "pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def no_safetensors(path):
    path.write_text("no checkpoint")


def without_metadata(path):
    safetensors.torch.save_file(stored(path)[0], path)


def without_history(path):
    tensors, _ = stored(path)
    safetensors.torch.save_file(tensors, path, metadata={"progress": '{"best_epoch": 0}'})


def of_another_history(path):
    tensors, metadata = stored(path)
    progress = json.loads(metadata["progress"])
    progress["history"][0]["loss"] = progress["history"][0].pop("train_loss")
    safetensors.torch.save_file(tensors, path, metadata={"progress": json.dumps(progress)})


def without_a_weight(path):
    tensors, metadata = stored(path)
    del tensors["net.linear.bias"]
    safetensors.torch.save_file(tensors, path, metadata=metadata)


def of_another_shape(path):
    tensors, metadata = stored(path)
    tensors["net.linear.bias"] = torch.zeros(7)
    safetensors.torch.save_file(tensors, path, metadata=metadata)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        empty,
        no_safetensors,
        without_metadata,
        without_history,
        of_another_history,
        without_a_weight,
        of_another_shape,
    ],
)
def test_a_damaged_checkpoint_is_named_and_to_be_removed(tmp_path, damage):
    path = checkpoint_of(tmp_path)
    damage(path)
    with pytest.raises(UserError, match=r"fold-1\.safetensors is damaged .*remove it"):
        train(settings(), path)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_predictions_sum_to_1_and_do_not_depend_on_the_batch_size(name):
    torch.manual_seed(0)
    # More clips than are predicted at once.
    net, data = build(settings(name=name), 8, 3), examples(70, noise=2)
    clips = NormalisedClips(data, settings(), CPU)
    expected = predict(net, clips)
    assert expected.shape == (70, 3)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-6)
    assert len(np.unique(expected.round(6), axis=0)) == 70
    for batch_size in (1, 2, 7, 70):
        with torch.no_grad():
            for positions, batch in in_order(clips, batch_size):
                rows = net(batch.features, batch.lengths).softmax(dim=1)
                np.testing.assert_allclose(rows, expected[positions], atol=1e-6)
        again = predict(net, NormalisedClips(data, settings(batch_size=batch_size), CPU))
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_predictions_do_not_depend_on_padding(name):
    torch.manual_seed(0)
    net, data = build(settings(name=name), 8, 3), examples(9, noise=2)
    expected = predicted(net, data, settings())
    (longest,) = np.full((1, 300, 8), 7, dtype=np.float32)
    padded = Examples([*data.versions, [longest]], np.arange(10), DIMS, [None] * 10)
    np.testing.assert_allclose(predicted(net, padded, settings())[:9], expected, atol=1e-6)


def test_predictions_follow_the_order_of_the_examples(tmp_path):
    torch.manual_seed(0)
    net, data = build(settings(), 8, 3), examples(9, noise=2)
    expected = predicted(net, data, settings())
    order = np.random.default_rng(0).permutation(9)
    shuffled = Examples([data.versions[i] for i in order], data.labels[order], DIMS, [None] * 9)
    np.testing.assert_allclose(predicted(net, shuffled, settings()), expected[order], atol=1e-5)


@pytest.mark.parametrize("length", ["own", "pad", "resize", "crop"])
def test_prediction_draws_nothing(length):
    net, data = build(settings(dropout=0.5), 8, 3), examples(9)
    model = settings(dropout=0.5, length=length, frames=20, mixup=0.4, time_mask=9)
    first, second = (predicted(net, data, model) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_clips_shorter_than_the_nets_need_are_predicted():
    rng = np.random.default_rng(0)
    clips = [[rng.normal(size=(n, 8)).astype(np.float32)] for n in (1, 2, 15, 40)]
    data = Examples(clips, np.zeros(4, dtype=np.int64), DIMS, [None] * 4)
    net = build(settings(), 8, 3)
    together = predicted(net, data, settings())
    assert np.isfinite(together).all()
    for i in range(4):
        alone = Examples(clips[i : i + 1], data.labels[:1], DIMS, [None])
        np.testing.assert_allclose(predicted(net, alone, settings())[0], together[i], atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet", "conv1d"])
def test_in_bfloat16_a_training_is_about_that_of_float32_and_the_same_twice(tmp_path, name):
    model = settings(name=name, optimizer="sgd", epochs=1, learning_rate=1e-4, batch_size=15)
    exact, (plain,) = train(model, tmp_path / "a")
    halved = model.model_copy(update={"precision": "bfloat16"})
    first, (epoch,) = train(halved, tmp_path / "b")
    second, history = train(halved, tmp_path / "c")
    assert history == [epoch]
    assert_equal_weights(first, second)
    assert {tensor.dtype for tensor in first.values()} == {t.dtype for t in exact.values()}
    assert epoch.train_loss == pytest.approx(plain.train_loss, rel=0.02)
    assert epoch.train_loss != plain.train_loss


def test_several_processes_that_learn_dimensions_are_refused(tmp_path):
    rated = replace(examples(6), ratings=np.linspace(0, 1, 6, dtype=np.float32)[:, None])
    run = Run(Team(CPU), tmp_path / "c", tmp_path / "s")
    run.team.size = 2
    with pytest.raises(UserError, match=r"dimension_weight 1 compares .* set SER_DEVICES to 1"):
        fit(
            FoldData(1, rated, rated, None, FEATURES, 3),
            settings(dimension_weight=1.0),
            run,
            lambda history: None,
        )
