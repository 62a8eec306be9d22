"""Training steps: the loss of a batch, its gradients, new weights; and the sums of an epoch."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ser.nets.layers import nothing_padded
from ser.training.batches import Batch
from ser.training.checkpoint import Progress
from ser.training.predict import logits_of
from ser.training.team import Team


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy with weighted emotions.

    Attributes:
        class_weights: float32 [emotions]; a mean of 1 over the train clips keeps the loss's scale.
            None: all weigh 1.
        label_smoothing: share of the target that goes to all emotions alike.
    """

    class_weights: Tensor | None
    label_smoothing: float

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average the weighted losses of a batch.

        Over the batch's size, not its weights as in PyTorch: there a weight has no effect on a
        batch of one clip.
        """
        losses = F.cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction="none"
        )
        if self.class_weights is not None:
            losses = losses * self.class_weights[labels]
        return losses.mean()


class Steps:
    """Takes the steps of a training, and sums up the losses and hits of an epoch.

    All of it stays on the device: a look at a loss would make a GPU wait for every step.
    """

    def __init__(self, state: Progress, criterion: Criterion, team: Team) -> None:
        self._state, self._criterion, self._team = state, criterion, team
        self._loss_sum = torch.zeros((), device=team.device)
        self._hits = torch.zeros((), device=team.device)

    def begin_epoch(self) -> None:
        """Forget the sums."""
        self._state.trained.train()
        self._loss_sum.zero_()
        self._hits.zero_()

    def take(self, batch: Batch) -> None:
        """Take one step.

        Where several processes train together, this one adds its own part to the sums.
        """
        own, share = self._team.take(batch)
        with nullcontext() if own.padded else nothing_padded():
            logits = logits_of(self._state.trained, own)
        guess = logits.detach().argmax(dim=1)
        loss = self._criterion.loss(logits, own.labels)
        hits = (guess == own.labels).sum()
        if own.weight < 1:
            other_loss = self._criterion.loss(logits, own.mixed_labels)
            loss = own.weight * loss + (1 - own.weight) * other_loss
            other_hits = (guess == own.mixed_labels).sum()
            hits = own.weight * hits + (1 - own.weight) * other_hits
        if share != 1:
            loss, hits = loss * share, hits * (share > 0)
        self._state.optimizer.zero_grad(set_to_none=True)
        self._team.backward(loss)
        self._state.optimizer.step()
        self._loss_sum.add_(loss.detach(), alpha=len(batch.labels) / self._team.size)
        self._hits += hits

    def means(self, clips: int) -> tuple[float, float]:
        """Return the mean loss and the accuracy over the clips of the epoch, of all processes."""
        sums = (self._team.sum(self._loss_sum), self._team.sum(self._hits))
        return float(sums[0]) / clips, float(sums[1]) / clips
