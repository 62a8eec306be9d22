"""Take training steps (loss, gradients, new weights), and sum up losses and hits of an epoch."""

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from ser.nets.layers import nothing_padded
from ser.training.batches import Batch
from ser.training.checkpoint import Progress
from ser.training.concordance import rated_concordance
from ser.training.predict import outputs_of
from ser.training.team import Team


def mean_loss(
    logits: Tensor, labels: Tensor, weights: Tensor | None, label_smoothing: float
) -> Tensor:
    """Compute the mean of a batch's weighted cross-entropies.

    It is divided by the number of clips. PyTorch divides by the sum of weights, so that a weight
    has no effect on a batch of one clip.

    Args:
        logits: [batch, emotions].
        labels: int64 [batch].
        weights: float32 [batch]; a mean of 1 over the train clips preserves the scale of the loss.
            None: all are 1.
        label_smoothing: share of the target that is distributed equally over all emotions.
    """
    losses = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
    if weights is not None:
        losses = losses * weights
    return losses.mean()


class Steps:
    """Take the steps of a training, and sum up the losses, hits and concordances of an epoch.

    Where a net learns dimensions, the loss that it descends is the cross-entropy of the emotions
    plus a weight times the mean of (1 - concordance) over the dimensions of the batch.

    The sums stay on the device, because reading a loss would make every step wait for the GPU.
    """

    def __init__(
        self,
        state: Progress,
        label_smoothing: float,
        team: Team,
        precision: torch.dtype = torch.float32,
        dimension_weight: float = 0.0,
    ) -> None:
        """Set up the steps.

        Args:
            state: what is trained.
            label_smoothing: share of the target that is distributed equally over all emotions.
            team: the processes that train together.
            precision: what convolutions and linear layers compute in. Weights, gradients and the
                loss are float32 in any case.
            dimension_weight: of the loss of the dimensions that the net learns, if any.
        """
        self._state, self._label_smoothing, self._team = state, label_smoothing, team
        self._dimension_weight = dimension_weight
        # Without its cache, in which a recorded step would keep the weights of the first one.
        self._precision = (
            nullcontext()
            if precision == torch.float32
            else torch.autocast(team.device.type, precision, cache_enabled=False)
        )
        self._loss_sum = torch.zeros((), device=team.device)
        self._hits = torch.zeros((), device=team.device)
        self._concordance_sum = torch.zeros((), device=team.device)
        self._concordances = torch.zeros((), device=team.device)

    def begin_epoch(self) -> None:
        """Reset the sums."""
        self._state.trained.train()
        for total in (self._loss_sum, self._hits, self._concordance_sum, self._concordances):
            total.zero_()

    def take(self, batch: Batch) -> None:
        """Take one step.

        If several processes train together, each adds its own part to its sums.
        """
        own, share = self._team.take(batch)
        with nullcontext() if own.padded else nothing_padded(), self._precision:
            logits, values = outputs_of(self._state.trained, own)
        logits = logits.float()
        guess = logits.detach().argmax(dim=1)
        loss = mean_loss(logits, own.labels, own.loss_weights, self._label_smoothing)
        hits = (guess == own.labels).sum()
        if own.weight < 1:
            other_loss = mean_loss(
                logits, own.mixed_labels, own.mixed_loss_weights, self._label_smoothing
            )
            loss = own.weight * loss + (1 - own.weight) * other_loss
            other_hits = (guess == own.mixed_labels).sum()
            hits = own.weight * hits + (1 - own.weight) * other_hits
        if share != 1:
            loss, hits = loss * share, hits * (share > 0)
        self._state.optimizer.zero_grad(set_to_none=True)
        self._team.backward(loss if values is None else loss + self._dimension_loss(values, own))
        self._state.optimizer.step()
        self._loss_sum.add_(loss.detach(), alpha=len(batch.labels) / self._team.size)
        self._hits += hits

    def _dimension_loss(self, values: Tensor, batch: Batch) -> Tensor:
        """Compute the weighted loss of the dimensions, 0 for those without two rated clips."""
        weights = batch.loss_weights
        if batch.weight < 1 and weights is not None and batch.mixed_loss_weights is not None:
            weights = batch.weight * weights + (1 - batch.weight) * batch.mixed_loss_weights
        assert batch.ratings is not None  # else the net would have no such values
        found, known = rated_concordance(values, batch.ratings, weights)
        self._concordance_sum += (found.detach() * known).sum()
        self._concordances += known.sum()
        return self._dimension_weight * ((1 - found) * known).mean()

    def mean_concordance(self) -> float | None:
        """Return the mean concordance over batches and dimensions of the epoch; None if unknown."""
        count = float(self._concordances)
        return float(self._concordance_sum) / count if count else None

    def means(self, clips: int) -> tuple[float, float]:
        """Return mean loss and accuracy over the clips of the epoch, over all processes."""
        sums = (self._team.sum(self._loss_sum), self._team.sum(self._hits))
        return float(sums[0]) / clips, float(sums[1]) / clips
