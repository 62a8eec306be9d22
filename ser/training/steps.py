"""Take training steps (loss, gradients, new weights), and sum up losses and hits of an epoch."""

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
        class_weights: float32 [emotions]; a mean of 1 over the train clips preserves the scale of
            the loss. None: all weights are 1.
        label_smoothing: share of the target that is distributed equally over all emotions.
    """

    class_weights: Tensor | None
    label_smoothing: float

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the mean of a batch's weighted losses.

        It is divided by the number of clips. PyTorch divides by the sum of weights, so that a
        weight has no effect on a batch of one clip.
        """
        losses = F.cross_entropy(
            logits, labels, label_smoothing=self.label_smoothing, reduction="none"
        )
        if self.class_weights is not None:
            losses = losses * self.class_weights[labels]
        return losses.mean()


class Steps:
    """Take the steps of a training, and sum up the losses and hits of an epoch.

    The sums stay on the device, because reading a loss would make every step wait for the GPU.
    """

    def __init__(self, state: Progress, criterion: Criterion, team: Team) -> None:
        self._state, self._criterion, self._team = state, criterion, team
        self._loss_sum = torch.zeros((), device=team.device)
        self._hits = torch.zeros((), device=team.device)

    def begin_epoch(self) -> None:
        """Reset the sums."""
        self._state.trained.train()
        self._loss_sum.zero_()
        self._hits.zero_()

    def take(self, batch: Batch) -> None:
        """Take one step.

        If several processes train together, each adds its own part to its sums.
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
        """Return mean loss and accuracy over the clips of the epoch, over all processes."""
        sums = (self._team.sum(self._loss_sum), self._team.sum(self._hits))
        return float(sums[0]) / clips, float(sums[1]) / clips
