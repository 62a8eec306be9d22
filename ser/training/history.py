"""Losses and accuracies of the epochs of a training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from ser.core.tables import read_rows


@dataclass(frozen=True)
class Epoch:
    """Losses and accuracies of one epoch; those of validation are None without val clips.

    Training figures are means over the augmented batches of the epoch. Losses are of the emotions
    alone. ccc is the concordance with the ratings, mean over the dimensions; None if the net does
    not learn these, or if fewer than two clips are rated.
    """

    fold: int
    epoch: int
    train_loss: float
    val_loss: float | None
    train_accuracy: float
    val_accuracy: float | None
    train_ccc: float | None = None
    val_ccc: float | None = None

    def figures(self) -> Iterator[tuple[str, float]]:
        """Yield name and value of each figure that there is.

        >>> dict(Epoch(1, 2, 0.5, None, 0.75, None, 0.25).figures())
        {'train_loss': 0.5, 'train_accuracy': 0.75, 'train_ccc': 0.25}
        """
        for name, value in asdict(self).items():
            if name not in ("fold", "epoch") and value is not None:
                yield name, value


def read_history(path: Path) -> list[Epoch]:
    """Read the table of epochs that a training writes, history.csv."""
    return [epoch_of(row) for row in read_rows(path)]


def epoch_of(row: Mapping[str, str]) -> Epoch:
    """Return the epoch of a row of history.csv, which has ccc only of nets that learn ratings."""

    def value(name: str) -> float | None:
        return float(row[name]) if row.get(name) else None

    return Epoch(
        int(row["fold"]),
        int(row["epoch"]),
        float(row["train_loss"]),
        value("val_loss"),
        float(row["train_accuracy"]),
        value("val_accuracy"),
        value("train_ccc"),
        value("val_ccc"),
    )


def kept_epoch(history: Sequence[Epoch], patience: int) -> Epoch:
    """Return the epoch whose weights are kept: the last, or the best if patience is above 0."""
    return best_epoch(history) if patience > 0 else history[-1]


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch with the lowest validation loss, the earliest of equal ones.

    >>> losses = [0.9, 0.7, 0.7]
    >>> epochs = [Epoch(1, n, 0.5, loss, 0.8, 0.6) for n, loss in enumerate(losses, start=1)]
    >>> best_epoch(epochs).epoch
    2
    """
    return min(history, key=lambda epoch: (epoch.val_loss, epoch.epoch))


def mean_figures(epochs: Sequence[Epoch]) -> dict[str, float]:
    """Return the kept epochs' means over the folds; validation only if all folds have it."""
    means = {}
    named = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    for name in (*named, "train_ccc", "val_ccc"):
        values = [getattr(epoch, name) for epoch in epochs]
        if None not in values:
            means[name] = fmean(values)
    return means
