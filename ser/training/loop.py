"""Train a net on one fold, epoch by epoch, so that it can be stopped anywhere and resumed.

All random numbers of an epoch come from generators seeded with (seed, fold, epoch). An epoch can be
repeated without the ones before it, so a checkpoint does not contain the state of a generator.
"""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.core.needs import needs_of
from ser.core.sections import Features, Model
from ser.nets.build import build
from ser.nets.standardising import StandardisingNet
from ser.nets.weights import Weights, snapshot_name, write_weights
from ser.training.balance import loss_weights
from ser.training.batches import Batch, Examples, NormalisedClips, count_batches, epoch_batches
from ser.training.checkpoint import Progress, restore, save
from ser.training.concordance import mean_concordance
from ser.training.devices import records_steps
from ser.training.history import Epoch
from ser.training.pooled import measure_pooled, measure_voices
from ser.training.predict import loss_and_accuracy, predict_with_dimensions
from ser.training.recorded import CudaRecorder, RecordedSteps
from ser.training.schedule import batch_factor, learning_rate
from ser.training.steps import Steps
from ser.training.team import Team

# Factor of the learning rate for weights initialised with known transforms, which should change
# slowly. Howard, Ruder: Universal language model fine-tuning for text classification, ACL 2018.
_KNOWN_PACE = 0.1


@dataclass(frozen=True)
class FoldData:
    """The data of one fold.

    Attributes:
        number: of the fold; part of every seed.
        train: examples to train on.
        val: examples for early stopping; may be empty if model.patience is 0.
        measured: examples over which a net standardises what it pools; None for other nets.
        features: settings of the features.
        emotions: number of classes; the dimensions that are learned too are in the examples.
        new_voices: numbers of the measured voices by whose clips the trained net standardises new
            recordings; None: as it was measured before training.
    """

    number: int
    train: Examples
    val: Examples
    measured: Examples | None
    features: Features
    emotions: int
    new_voices: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Run:
    """The processes that train a fold, and the files of its unfinished training.

    Attributes:
        team: the processes that train together.
        checkpoint: file that is rewritten after each epoch. It is not removed here: the caller
            removes it once the whole training is stored elsewhere.
        snapshots: folder of every epoch's weights, written if model.snapshots is set.
    """

    team: Team
    checkpoint: Path
    snapshots: Path


def fit(
    fold: FoldData, model: Model, run: Run, on_epoch: Callable[[list[Epoch]], None]
) -> tuple[Weights, list[Epoch]]:
    """Train a fresh net, or resume the training of the checkpoint.

    Args:
        fold: its data.
        model: the net and the settings of its training.
        run: the processes, and the files of the unfinished training.
        on_epoch: called with the history so far after each epoch, only by the first process.

    Returns:
        (weights of the last epoch, or of the best by validation loss with model.patience > 0;
        history).

    Raises:
        UserError: early stopping without val clips, several processes that learn dimensions, a loss
            that is not finite, a damaged checkpoint, or processes that do not see the same
            checkpoint.
    """
    if model.patience > 0 and len(fold.val) == 0:
        raise UserError(
            f"model.patience {model.patience} stops by the validation loss, but fold {fold.number} "
            "has no val clips: set split.val above 0, or model.patience: 0"
        )
    team = run.team
    if team.size > 1 and fold.train.ratings is not None:
        raise UserError(
            f"model.dimension_weight {model.dimension_weight:g} compares all clips of a batch, "
            "which several processes share: set SER_DEVICES to 1, or model.dimension_weight to 0"
        )
    weighted = replace(fold.train, loss_weights=loss_weights(fold.train, model))
    train = NormalisedClips(weighted, model, team.device)
    val = NormalisedClips(fold.val, model, team.device)
    measured = None
    if fold.measured is not None:
        measured = NormalisedClips(fold.measured, model, team.device)
    state = _resume_or_start(fold, model, run)
    precision = getattr(torch, model.precision)
    steps = Steps(state, model.label_smoothing, team, precision, model.dimension_weight)
    take = steps.take
    if records_steps(team.device) and team.size == 1:
        take = RecordedSteps(take, CudaRecorder(state.optimizer, team.device)).take
    if not state.history:
        measure_pooled(state.net, measured)
    if measured is not None and measured.examples.voices is None:
        measured = None  # what it keeps in memory is not used again
    measure_voices(state.net, measured, fold.new_voices)
    while not _finished(state, model):
        epoch = len(state.history) + 1
        seed = seed_epoch(model, fold.number, epoch)
        steps.begin_epoch()
        _train_epoch(state, train, seed, take)
        train_loss, train_accuracy = steps.means(len(train))
        measure_voices(state.net, measured, fold.new_voices)
        # All processes use one process's figures, because theirs may differ in the last digit.
        val_loss, val_accuracy, val_ccc = team.agree(validate(state.net, val))
        newest = Epoch(
            fold.number,
            epoch,
            train_loss,
            val_loss,
            train_accuracy,
            val_accuracy,
            steps.mean_concordance(),
            val_ccc,
        )
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


def _resume_or_start(fold: FoldData, model: Model, run: Run) -> Progress:
    """Return the state of the checkpoint, or a fresh one without a checkpoint.

    Raises:
        UserError: the checkpoint is damaged, or the processes are at different epochs (in all of
            them).
    """
    state = _start(fold, model, run.team)
    if run.checkpoint.exists():
        restore(state, run.checkpoint)
        if len(state.history) > last_epoch(model):
            # It was trained for more epochs than this training: start again.
            shutil.rmtree(run.snapshots, ignore_errors=True)
            state = _start(fold, model, run.team)
    done = len(state.history)
    differs = torch.tensor(float(done != run.team.agree(done)), device=run.team.device)
    if run.team.sum(differs) > 0:
        raise UserError(
            f"the processes do not see the same {run.checkpoint}: all machines must share the "
            "project's folder, or the one that SER_CHECKPOINTS names"
        )
    return state


def _start(fold: FoldData, model: Model, team: Team) -> Progress:
    seed_epoch(model, fold.number, 0)
    ratings = fold.train.ratings
    outputs = fold.emotions + (0 if ratings is None else ratings.shape[1])
    net = build(model, sum(fold.train.dims.values()), outputs)
    if isinstance(net, StandardisingNet):
        net.tune(mel_band_hertz(fold.features))
    net = net.to(team.device)
    optimizer = _optimizer(net, model)
    if records_steps(team.device):
        # A recorded step reads the rate from the same memory again.
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], device=team.device)
    return Progress(net, team.share(net), optimizer)


def _optimizer(net: nn.Module, model: Model) -> torch.optim.Optimizer:
    groups, rate = _groups(net), learning_rate(model, 0)
    decay = model.weight_decay * batch_factor(model)
    # Fused: one call for all weights. On small nets, other implementations take longer than the
    # gradients.
    if model.optimizer == "sgd":
        return torch.optim.SGD(
            groups, rate, momentum=0.9, weight_decay=decay, nesterov=True, fused=True
        )
    kind = torch.optim.AdamW if model.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, rate, weight_decay=decay, fused=True)


def _groups(net: nn.Module) -> list[dict[str, Any]]:
    """Group the weights of a net by `pace`, their factor of the learning rate.

    Weights initialised with known transforms do not decay, because 0 is not a useful transform.
    """
    known = net.known_transforms() if isinstance(net, StandardisingNet) else []
    unknown = [w for w in net.parameters() if not any(w is transform for transform in known)]
    groups: list[dict[str, Any]] = [{"params": unknown, "pace": 1.0}]
    if known:
        groups.append({"params": known, "pace": _KNOWN_PACE, "weight_decay": 0.0})
    return groups


def seed_epoch(model: Model, fold: int, epoch: int) -> tuple[int, ...]:
    """Seed torch's generator and return the key of the data's; epoch 0 is for initial weights."""
    key = (model.seed, fold, epoch)
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
    return key


def _finished(state: Progress, model: Model) -> bool:
    done = len(state.history)
    waited = done - state.best_epoch
    return done >= last_epoch(model) or (0 < model.patience <= waited and state.best_epoch > 0)


def epochs_of(model: Model) -> int:
    """Return the number of epochs of a whole training."""
    return 1 if needs_of(model).learner else model.epochs


def last_epoch(model: Model) -> int:
    """Return the number of the last epoch; early stopping may end a training before."""
    return min(epochs_of(model), model.stop_after or epochs_of(model))


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


def validate(
    net: nn.Module, val: NormalisedClips
) -> tuple[float | None, float | None, float | None]:
    """Compute cross-entropy (without smoothing), accuracy and concordance on the val clips.

    They are None without val clips; the concordance also if no dimension is learned or rated.
    """
    if len(val) == 0:
        return None, None, None
    probabilities, values = predict_with_dimensions(net, val)
    ratings = val.examples.ratings
    agreement = None if ratings is None else mean_concordance(values, ratings)
    return *loss_and_accuracy(probabilities, val.examples.labels), agreement


def _check_finite(epoch: Epoch, model: Model) -> None:
    for subset, mean in (("training", epoch.train_loss), ("validation", epoch.val_loss)):
        if mean is not None and not math.isfinite(mean):
            raise UserError(
                f"fold {epoch.fold}, epoch {epoch.epoch}: the {subset} loss is {mean}; lower "
                f"model.learning_rate ({model.learning_rate})"
            )


def _is_best(history: list[Epoch]) -> bool:
    """Return whether the newest epoch has a lower validation loss than all before."""
    losses = [epoch.val_loss for epoch in history if epoch.val_loss is not None]
    return losses[-1] < min(losses[:-1], default=math.inf)
