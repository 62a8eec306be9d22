"""What the epochs of a training gave."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


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


def kept_epoch(history: Sequence[Epoch], patience: int) -> Epoch:
    """Find the epoch whose weights are kept: the last, or the best by validation loss."""
    return best_epoch(history) if patience > 0 else history[-1]


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Find the epoch of the least validation loss, the first of equal ones."""
    return min(history, key=lambda epoch: (epoch.val_loss, epoch.epoch))


def mean_figures(epochs: Sequence[Epoch]) -> dict[str, float]:
    """Average the kept epochs' figures over the folds; validation's if every fold has val clips."""
    means = {}
    for name in ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = [getattr(epoch, name) for epoch in epochs]
        if None not in values:
            means[name] = fmean(values)
    return means
