"""Fit a net to one fold, epoch by epoch, so that it can be stopped anywhere and taken up again.

Everything random in an epoch comes from generators keyed on (seed, fold, epoch): an epoch can be
repeated without the ones before it, so a checkpoint needs no state of a generator.
"""

import json
import math
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.core.sections import Features, Model
from ser.nets.build import build
from ser.nets.statpool import StatPool
from ser.nets.weights import Weights, snapshot_name, write_weights
from ser.training.balance import class_weights
from ser.training.batches import Batch, Clips, Examples, count_batches, epoch_batches, in_order
from ser.training.devices import Team

_WARM_UP = 0.3  # share of the steps of one_cycle in which the learning rate rises
_COLD = 1 / 25  # of the peak, where one_cycle starts
# Howard, Ruder: Universal language model fine-tuning for text classification, ACL 2018: what
# begins with knowledge learns more slowly.
_KNOWN_PACE = 0.1  # of the learning rate


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave; validation is None where the fold has no val clips.

    Training figures are means over the epoch's own batches, augmented as they were.
    """

    fold: int
    epoch: int
    train_loss: float
    val_loss: float | None
    train_accuracy: float
    val_accuracy: float | None


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy with weighted emotions.

    Attributes:
        class_weights: float32 [emotions]; a mean of 1 over the train clips keeps the loss's scale.
        label_smoothing: share of the target that goes to all emotions alike.
    """

    class_weights: Tensor
    label_smoothing: float

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average the weighted losses of a batch.

        Over the batch's size, not its weights as in PyTorch: there a weight has no effect on a
        batch of one clip.
        """
        losses = F.cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction="none"
        )
        return (losses * self.class_weights[labels]).mean()


@dataclass
class Progress:
    """An unfinished training: all that the next epoch depends on, and what is kept of the past.

    Attributes:
        net: with the weights so far.
        trained: the same as it is called in training, by several processes perhaps.
    """

    net: nn.Module
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[Epoch] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    best_epoch: int = 0


def learning_rate_at(progress: float, peak: float, schedule: str, decay_at: float) -> float:
    """Give the learning rate at a moment of the training.

    Args:
        progress: share of the steps that are done, 0..1.
        peak: the highest learning rate.
        schedule: constant; step: down to a tenth at `decay_at`; cosine: half a cosine down to 0;
            one_cycle: up from peak / 25 during the first 30 %, then half a cosine down to 0
            (Smith, Topin: Super-convergence, 2019).
        decay_at: of step, as a share of the steps.
    """
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak if progress < decay_at else peak / 10
    if schedule == "cosine":
        return peak * _half_cosine(progress)
    if progress < _WARM_UP:
        return peak * (1 + (_COLD - 1) * _half_cosine(progress / _WARM_UP))
    return peak * _half_cosine((progress - _WARM_UP) / (1 - _WARM_UP))


def _half_cosine(x: float) -> float:
    """Fall from 1 at x = 0 to 0 at x = 1."""
    return 0.5 * (1 + math.cos(math.pi * x))


def fit(
    train: Examples,
    val: Examples,
    measured: Examples | None,
    emotions: int,
    features: Features,
    model: Model,
    fold: int,
    team: Team,
    checkpoint: Path,
    snapshots: Path,
    on_epoch: Callable[[list[Epoch]], None],
) -> tuple[Weights, list[Epoch]]:
    """Train a fresh net, or go on with the one in `checkpoint`.

    Args:
        train: what the net learns from.
        val: what early stopping looks at; may be empty if model.patience is 0.
        measured: the clips that a net which standardises what it pools takes the means and
            deviations from; None for other nets.
        emotions: number of classes.
        features: what the clips are described by.
        model: the net and how it is trained.
        fold: number of the fold; part of every seed.
        team: the processes that train together, and where.
        checkpoint: file that is rewritten after each epoch. It stays: the caller removes it once
            the whole training is stored elsewhere.
        snapshots: folder of every epoch's weights, written if model.snapshots is set.
        on_epoch: called with the history so far after each epoch, by the first process alone.

    Returns:
        (weights of the last epoch, or of the best by validation loss with model.patience > 0;
        history).

    Raises:
        UserError: early stopping without val clips, a loss that is not finite, or processes that do
            not see one checkpoint.
    """
    if model.patience > 0 and len(val) == 0:
        raise UserError(
            f"model.patience {model.patience} stops by the validation loss, but fold {fold} has "
            "no val clips: set split.val above 0, or model.patience: 0"
        )
    state = _begin(emotions, features, model, fold, team)
    weights = torch.ones(emotions)
    if model.balance == "class_weights":
        weights = torch.from_numpy(class_weights(train.labels, emotions))
    criterion = Criterion(weights.to(team.device), model.label_smoothing)
    clips, val_clips = Clips(train, team.device), Clips(val, team.device)
    whole = None if measured is None else Clips(measured, team.device)
    if checkpoint.exists():
        _restore(state, checkpoint)
        if len(state.history) > _last_epoch(model):
            # It was stopped later than this training is to be: begin again.
            shutil.rmtree(snapshots, ignore_errors=True)
            state = _begin(emotions, features, model, fold, team)
    if not state.history:
        measure(state.net, whole, model)
    measure_voices(state.net, whole, model)
    _check_alike(state, team, checkpoint)
    while not _finished(state, model):
        epoch = len(state.history) + 1
        _run_epoch(state, clips, val_clips, whole, criterion, model, fold, epoch, team)
        if not team.leads:
            continue
        if model.snapshots:
            write_weights(snapshots / snapshot_name(epoch), _weights(state.net))
        _save(state, checkpoint)
        on_epoch(state.history)
    return (state.best if model.patience > 0 else _weights(state.net)), state.history


def predict(net: nn.Module, clips: Clips, model: Model) -> NDArray[np.float32]:
    """Compute the probability of every emotion for every clip.

    Args:
        net: on the clips' device.
        clips: at least one.
        model: how clips are brought to a length.

    Returns:
        float32 [clips, emotions], in the order of the clips; rows sum to 1.
    """
    if len(clips) == 0:
        raise ValueError("there are no clips to predict")
    net.eval()
    order, parts = [], []
    with torch.inference_mode():
        for positions, batch in in_order(clips, model):
            order.append(positions)
            parts.append(logits_of(net, batch).softmax(dim=1))
        probabilities: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return probabilities[np.argsort(np.concatenate(order))]


def logits_of(net: nn.Module, batch: Batch) -> Tensor:
    """Let a net answer for a batch, whose voices it is told where they are known."""
    if batch.voices is None:
        logits: Tensor = net(batch.features, batch.lengths)
    else:
        logits = net(batch.features, batch.lengths, batch.voices)
    return logits


def measure(net: nn.Module, clips: Clips | None, model: Model) -> None:
    """Let a fresh net that standardises what it pools measure that over the clips."""
    if isinstance(net, StatPool) and clips is not None:
        net.measure(_pooled(net, clips, model)[0])


def measure_voices(net: nn.Module, clips: Clips | None, model: Model) -> None:
    """Let such a net, as its weights are now, measure each voice by its own clips."""
    if isinstance(net, StatPool) and clips is not None and clips.examples.voices is not None:
        net.measure_voices(*_pooled(net, clips, model))


def _pooled(net: StatPool, clips: Clips, model: Model) -> tuple[Tensor, Tensor]:
    """Pool all clips: [clips, pooled], and the voices that they are of, [clips]."""
    rows, voices = [], []
    with torch.no_grad():
        for _, batch in in_order(clips, model):
            rows.append(net.pool(batch.features, batch.lengths))
            voices.append(torch.zeros_like(batch.labels) if batch.voices is None else batch.voices)
    return torch.cat(rows), torch.cat(voices)


def seed_epoch(model: Model, fold: int, epoch: int) -> tuple[int, ...]:
    """Seed torch's generator (weights, dropout) and return the data's key; epoch 0: weights."""
    key = (model.seed, fold, epoch)
    torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
    return key


def _peak_rate(model: Model) -> float:
    """Give the learning rate for the batches that the model is trained in."""
    return model.learning_rate * _scale(model)


def _scale(model: Model) -> float:
    """Give what the size of a batch multiplies learning rate and weight decay by.

    The rate goes with the root of the batch size (Malladi et al.: On the SDEs and scaling rules for
    adaptive gradient algorithms, NeurIPS 2022; of their rule the rate alone). With the same factor
    on the decay, the product of both goes with the batch size: an epoch decays as much in many
    small steps as in few large ones.
    """
    if model.learning_rate_batch == 0:
        return 1.0
    return math.sqrt(model.batch_size / model.learning_rate_batch)


def _begin(emotions: int, features: Features, model: Model, fold: int, team: Team) -> Progress:
    seed_epoch(model, fold, 0)
    net = build(model, sum(features.dims.values()), emotions)
    if isinstance(net, StatPool):
        net.tune(mel_band_hertz(features))
    net = net.to(team.device)
    groups, rate, decay = _groups(net), _peak_rate(model), model.weight_decay * _scale(model)
    optimizer: torch.optim.Optimizer
    # Fused: one call for all weights. On small nets the others take longer than the gradients.
    if model.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            groups, rate, momentum=0.9, weight_decay=decay, nesterov=True, fused=True
        )
    else:
        kind = torch.optim.AdamW if model.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(groups, rate, weight_decay=decay, fused=True)
    return Progress(net, team.share(net), optimizer)


def _groups(net: nn.Module) -> list[dict[str, Any]]:
    """Group the weights of a net by `pace`: the share of the learning rate that they learn at.

    What begins as a known transform is not drawn to 0 either: there it would say nothing.
    """
    known = net.known_transforms() if isinstance(net, StatPool) else []
    unknown = [w for w in net.parameters() if not any(w is transform for transform in known)]
    groups: list[dict[str, Any]] = [{"params": unknown, "pace": 1.0}]
    if known:
        groups.append({"params": known, "pace": _KNOWN_PACE, "weight_decay": 0.0})
    return groups


def _check_alike(state: Progress, team: Team, checkpoint: Path) -> None:
    """Refuse to go on where the processes stand at different epochs.

    Raises:
        UserError: in all of them.
    """
    done = len(state.history)
    if team.sum(torch.tensor(float(done != team.agree(done)), device=team.device)) > 0:
        raise UserError(
            f"the processes do not see the same {checkpoint}: all machines must share the "
            "project's folder, or the one that SER_CHECKPOINTS names"
        )


def _finished(state: Progress, model: Model) -> bool:
    done = len(state.history)
    waited = done - state.best_epoch
    return done >= _last_epoch(model) or (0 < model.patience <= waited and state.best_epoch > 0)


def _last_epoch(model: Model) -> int:
    return min(model.epochs, model.stop_after or model.epochs)


def _run_epoch(
    state: Progress,
    train: Clips,
    val: Clips,
    measured: Clips | None,
    criterion: Criterion,
    model: Model,
    fold: int,
    epoch: int,
    team: Team,
) -> None:
    """Train for one epoch, validate, add to the history, keep the weights if they are the best."""
    key = seed_epoch(model, fold, epoch)
    steps = count_batches(len(train), model.batch_size)
    # Summed on the device: a look at each loss would make a GPU wait for every step.
    loss_sum = torch.zeros((), device=team.device)
    hits = torch.zeros((), device=team.device)
    state.trained.train()
    for step, batch in enumerate(epoch_batches(train, model, key)):
        progress = (epoch - 1 + step / steps) / model.epochs
        rate = learning_rate_at(
            progress, _peak_rate(model), model.schedule, model.decay_epoch / model.epochs
        )
        for group in state.optimizer.param_groups:
            group["lr"] = group["pace"] * rate
        losses, correct = _step(state, batch, criterion, team)
        loss_sum += losses
        hits += correct
    train_loss = float(team.sum(loss_sum)) / len(train)
    train_accuracy = float(team.sum(hits)) / len(train)
    measure_voices(state.net, measured, model)
    # All go by one process's figures, should theirs differ in the last digit.
    val_loss, val_accuracy = team.agree(_validate(state.net, val, model))
    for subset, mean in (("training", train_loss), ("validation", val_loss)):
        if mean is not None and not math.isfinite(mean):
            raise UserError(
                f"fold {fold}, epoch {epoch}: the {subset} loss is {mean}; lower "
                f"model.learning_rate ({model.learning_rate})"
            )
    state.history.append(Epoch(fold, epoch, train_loss, val_loss, train_accuracy, val_accuracy))
    val_losses = [e.val_loss for e in state.history if e.val_loss is not None]
    newest = val_losses[-1] if val_losses else None
    if model.patience > 0 and newest == min(val_losses) and val_losses.count(newest) == 1:
        state.best, state.best_epoch = _weights(state.net), epoch


def _step(state: Progress, batch: Batch, criterion: Criterion, team: Team) -> tuple[Tensor, Tensor]:
    """Take one step; return the sum of the clips' losses and the (weighted) number of hits.

    Where several processes train together: what this one adds to them.
    """
    own, share = team.take(batch)
    logits = logits_of(state.trained, own)
    guess = logits.detach().argmax(dim=1)
    loss = criterion.loss(logits, own.labels)
    hits = (guess == own.labels).sum().float()
    if own.weight < 1:
        other_loss = criterion.loss(logits, own.mixed_labels)
        loss = own.weight * loss + (1 - own.weight) * other_loss
        other_hits = (guess == own.mixed_labels).sum()
        hits = own.weight * hits + (1 - own.weight) * other_hits
    loss = loss * share
    state.optimizer.zero_grad(set_to_none=True)
    team.backward(loss)
    state.optimizer.step()
    return loss.detach() * (len(batch.labels) / team.size), hits * (share > 0)


def _validate(net: nn.Module, val: Clips, model: Model) -> tuple[float | None, float | None]:
    """Compute cross-entropy (without smoothing) and accuracy on the val clips, if there are any."""
    if len(val) == 0:
        return None, None
    return loss_and_accuracy(predict(net, val, model), val.examples.labels)


def loss_and_accuracy(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Compute mean cross-entropy (natural logarithm, without smoothing) and share of hits.

    Args:
        probabilities: float32 [clips, emotions].
        labels: int64 [clips].
    """
    right = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def _weights(net: nn.Module) -> Weights:
    return {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, t in net.state_dict().items()
    }


def kept_epoch(history: list[Epoch], patience: int) -> Epoch:
    """Find the epoch whose weights are kept: the last, or the best by validation loss."""
    if patience == 0:
        return history[-1]
    return min(history, key=lambda epoch: (epoch.val_loss, epoch.epoch))


def mean_figures(epochs: list[Epoch]) -> dict[str, float]:
    """Average the kept epochs' figures over the folds; validation's if every fold has val clips."""
    means = {}
    for name in ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = [getattr(epoch, name) for epoch in epochs]
        if None not in values:
            means[name] = fmean(values)
    return means


def _save(state: Progress, checkpoint: Path) -> None:
    """Write the checkpoint beside its name, then rename: it is whole or it is the former one."""
    tensors = {f"net.{name}": t for name, t in _weights(state.net).items()}
    tensors |= {f"best.{name}": t for name, t in state.best.items()}
    for i, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{i}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    text = json.dumps(
        {"history": [vars(epoch) for epoch in state.history], "best_epoch": state.best_epoch}
    )
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a cluster that lost sight of a worker lets another train the same.
    partial = checkpoint.with_suffix(f".{socket.gethostname()}-{os.getpid()}.part")
    safetensors.torch.save_file(tensors, partial, metadata={"progress": text})
    partial.replace(checkpoint)


def _restore(state: Progress, checkpoint: Path) -> None:
    """Take up the training where the checkpoint left it.

    Raises:
        UserError: the file is damaged, or is no checkpoint of this net and optimizer.
    """
    try:
        with safe_open(checkpoint, "pt") as file:
            described = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state.net.load_state_dict(_below("net.", tensors))
        state.best = _below("best.", tensors)
        state.best_epoch = described["best_epoch"]
        state.history = [Epoch(**epoch) for epoch in described["history"]]
        parameters = [w for group in state.optimizer.param_groups for w in group["params"]]
        moments: dict[int, dict[str, Any]] = {}
        for key, tensor in _below("optimizer.", tensors).items():
            i, name = key.split(".")
            if name != "step":
                # Fused optimizers go through both in the order of memory, and do not compare them.
                tensor = torch.empty_like(parameters[int(i)]).copy_(tensor)
            moments.setdefault(int(i), {})[name] = tensor
        groups = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (
        SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{checkpoint} is damaged ({reason}): remove it and run again") from None


def _below(prefix: str, tensors: Weights) -> Weights:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
