"""Fit a net to one fold, epoch by epoch, so that it can be stopped anywhere and taken up again.

Everything random in an epoch comes from generators keyed on (seed, fold, epoch): an epoch can be
repeated without the ones before it, so a checkpoint needs no state of a generator.
"""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.core.sections import Features, Model
from ser.nets.build import build
from ser.nets.standardising import StandardisingNet
from ser.nets.weights import Weights, snapshot_name, write_weights
from ser.training.balance import class_weights
from ser.training.batches import Batch, Examples, NormalisedClips, count_batches, epoch_batches
from ser.training.checkpoint import Progress, restore, save
from ser.training.history import Epoch
from ser.training.pooled import measure, measure_voices
from ser.training.predict import loss_and_accuracy, predict
from ser.training.recorded import CudaRecorder, RecordedSteps
from ser.training.schedule import batch_factor, learning_rate
from ser.training.steps import Criterion, Steps
from ser.training.team import Team

# Howard, Ruder: Universal language model fine-tuning for text classification, ACL 2018: what
# begins with knowledge learns more slowly.
_KNOWN_PACE = 0.1  # of the learning rate


@dataclass(frozen=True)
class FoldData:
    """What one fold is trained on.

    Attributes:
        number: of the fold; part of every seed.
        train: what the net learns from.
        val: what early stopping looks at; may be empty if model.patience is 0.
        measured: the clips over which a net measures what it pools; None for nets that do not.
        features: what the clips are described by.
        emotions: number of classes.
    """

    number: int
    train: Examples
    val: Examples
    measured: Examples | None
    features: Features
    emotions: int


@dataclass(frozen=True)
class Run:
    """Where a fold is trained, and where it is kept meanwhile.

    Attributes:
        team: the processes that train together.
        checkpoint: file that is rewritten after each epoch. It stays: the caller removes it once
            the whole training is stored elsewhere.
        snapshots: folder of every epoch's weights, written if model.snapshots is set.
    """

    team: Team
    checkpoint: Path
    snapshots: Path


def fit(
    fold: FoldData, model: Model, run: Run, on_epoch: Callable[[list[Epoch]], None]
) -> tuple[Weights, list[Epoch]]:
    """Train a fresh net, or go on with the one in the checkpoint.

    Args:
        fold: what it is trained on.
        model: the net and how it is trained.
        run: where, and where it is kept.
        on_epoch: called with the history so far after each epoch, by the first process alone.

    Returns:
        (weights of the last epoch, or of the best by validation loss with model.patience > 0;
        history).

    Raises:
        UserError: early stopping without val clips, a loss that is not finite, a damaged
            checkpoint, or processes that do not see the same one.
    """
    if model.patience > 0 and len(fold.val) == 0:
        raise UserError(
            f"model.patience {model.patience} stops by the validation loss, but fold {fold.number} "
            "has no val clips: set split.val above 0, or model.patience: 0"
        )
    team = run.team
    train = NormalisedClips(fold.train, model, team.device)
    val = NormalisedClips(fold.val, model, team.device)
    measured = None
    if fold.measured is not None:
        measured = NormalisedClips(fold.measured, model, team.device)
    state = _take_up(fold, model, run)
    steps = Steps(state, _criterion(fold, model, team.device), team)
    take = steps.take
    if team.device.type == "cuda" and team.size == 1:
        take = RecordedSteps(take, CudaRecorder(state.optimizer, team.device)).take
    if not state.history:
        measure(state.net, measured)
    measure_voices(state.net, measured)
    while not _finished(state, model):
        epoch = len(state.history) + 1
        seed = seed_epoch(model, fold.number, epoch)
        steps.begin_epoch()
        _train_epoch(state, train, seed, take)
        train_loss, train_accuracy = steps.means(len(train))
        measure_voices(state.net, measured)
        # All go by one process's figures, should theirs differ in the last digit.
        val_loss, val_accuracy = team.agree(_validate(state.net, val))
        newest = Epoch(fold.number, epoch, train_loss, val_loss, train_accuracy, val_accuracy)
        _check_finite(newest, model)
        state.history.append(newest)
        if model.patience > 0 and _is_best(state.history):
            state.best, state.best_epoch = state.weights(), epoch
        if team.leads:
            if model.snapshots:
                write_weights(run.snapshots / snapshot_name(epoch), state.weights())
            save(state, run.checkpoint)
            on_epoch(state.history)
    return (state.best if model.patience > 0 else state.weights()), state.history


def _criterion(fold: FoldData, model: Model, device: torch.device) -> Criterion:
    weights = None
    if model.balance == "class_weights":
        weights = torch.from_numpy(class_weights(fold.train.labels, fold.emotions)).to(device)
    return Criterion(weights, model.label_smoothing)


def _take_up(fold: FoldData, model: Model, run: Run) -> Progress:
    """Go on where the checkpoint ends, or begin.

    Raises:
        UserError: the checkpoint is damaged; or, in all processes, they stand at different epochs.
    """
    state = _begin(fold, model, run.team)
    if run.checkpoint.exists():
        restore(state, run.checkpoint)
        if len(state.history) > _last_epoch(model):
            # It was stopped later than this training is to be: begin again.
            shutil.rmtree(run.snapshots, ignore_errors=True)
            state = _begin(fold, model, run.team)
    done = len(state.history)
    unlike = torch.tensor(float(done != run.team.agree(done)), device=run.team.device)
    if run.team.sum(unlike) > 0:
        raise UserError(
            f"the processes do not see the same {run.checkpoint}: all machines must share the "
            "project's folder, or the one that SER_CHECKPOINTS names"
        )
    return state


def _begin(fold: FoldData, model: Model, team: Team) -> Progress:
    seed_epoch(model, fold.number, 0)
    net = build(model, sum(fold.features.dims.values()), fold.emotions)
    if isinstance(net, StandardisingNet):
        net.tune(mel_band_hertz(fold.features))
    net = net.to(team.device)
    optimizer = _optimizer(net, model)
    if team.device.type == "cuda":
        # A recorded step reads the rate from where it was when it was recorded.
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], device=team.device)
    return Progress(net, team.share(net), optimizer)


def _optimizer(net: nn.Module, model: Model) -> torch.optim.Optimizer:
    groups, rate = _groups(net), learning_rate(model, 0)
    decay = model.weight_decay * batch_factor(model)
    # Fused: one call for all weights. On small nets the others take longer than the gradients.
    if model.optimizer == "sgd":
        return torch.optim.SGD(
            groups, rate, momentum=0.9, weight_decay=decay, nesterov=True, fused=True
        )
    kind = torch.optim.AdamW if model.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, rate, weight_decay=decay, fused=True)


def _groups(net: nn.Module) -> list[dict[str, Any]]:
    """Group the weights of a net by `pace`: the share of the learning rate that they learn at.

    What begins as a known transform is not drawn to 0 either: there it would say nothing.
    """
    known = net.known_transforms() if isinstance(net, StandardisingNet) else []
    unknown = [w for w in net.parameters() if not any(w is transform for transform in known)]
    groups: list[dict[str, Any]] = [{"params": unknown, "pace": 1.0}]
    if known:
        groups.append({"params": known, "pace": _KNOWN_PACE, "weight_decay": 0.0})
    return groups


def seed_epoch(model: Model, fold: int, epoch: int) -> tuple[int, ...]:
    """Seed torch's generator (weights, dropout) and return the data's key; epoch 0: weights."""
    key = (model.seed, fold, epoch)
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
    return key


def _finished(state: Progress, model: Model) -> bool:
    done = len(state.history)
    waited = done - state.best_epoch
    return done >= _last_epoch(model) or (0 < model.patience <= waited and state.best_epoch > 0)


def _last_epoch(model: Model) -> int:
    return min(model.epochs, model.stop_after or model.epochs)


def _train_epoch(
    state: Progress,
    clips: NormalisedClips,
    seed: tuple[int, ...],
    take_step: Callable[[Batch], None],
) -> None:
    """Take the steps of one epoch, at the learning rates of its schedule."""
    model, done = clips.model, len(state.history)
    steps = count_batches(len(clips), model.batch_size)
    rate_before = None
    for step, batch in enumerate(epoch_batches(clips, seed)):
        rate = learning_rate(model, (done + step / steps) / model.epochs)
        if rate != rate_before:
            _set_rate(state.optimizer, rate)
            rate_before = rate
        take_step(batch)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(group["pace"] * rate)
        else:
            group["lr"] = group["pace"] * rate


def _validate(net: nn.Module, val: NormalisedClips) -> tuple[float | None, float | None]:
    """Compute cross-entropy (without smoothing) and accuracy on the val clips, if there are any."""
    if len(val) == 0:
        return None, None
    return loss_and_accuracy(predict(net, val), val.examples.labels)


def _check_finite(epoch: Epoch, model: Model) -> None:
    for subset, mean in (("training", epoch.train_loss), ("validation", epoch.val_loss)):
        if mean is not None and not math.isfinite(mean):
            raise UserError(
                f"fold {epoch.fold}, epoch {epoch.epoch}: the {subset} loss is {mean}; lower "
                f"model.learning_rate ({model.learning_rate})"
            )


def _is_best(history: list[Epoch]) -> bool:
    """Whether the validation loss of the newest epoch is below that of all before."""
    losses = [epoch.val_loss for epoch in history if epoch.val_loss is not None]
    return losses[-1] < min(losses[:-1], default=math.inf)
