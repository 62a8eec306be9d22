"""Predict clips with a net."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.training.batches import Batch, NormalisedClips, in_order


def predict(net: nn.Module, clips: NormalisedClips) -> NDArray[np.float32]:
    """Compute the probability of every emotion for every clip.

    Args:
        net: on the clips' device.
        clips: at least one.

    Returns:
        float32 [clips, emotions], in the order of the clips; rows sum to 1.
    """
    if len(clips) == 0:
        raise ValueError("there are no clips to predict")
    net.eval()
    order, parts = [], []
    with torch.inference_mode():
        for positions, batch in in_order(clips):
            order.append(positions)
            parts.append(logits_of(net, batch).softmax(dim=1, dtype=torch.float32))
        probabilities: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return probabilities[np.argsort(np.concatenate(order))]


def logits_of(net: nn.Module, batch: Batch) -> Tensor:
    """Compute a batch's logits; the net is given the speakers' numbers if the batch has them."""
    if batch.voices is None:
        logits: Tensor = net(batch.features, batch.lengths)
    else:
        logits = net(batch.features, batch.lengths, batch.voices)
    return logits


def loss_and_accuracy(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Compute mean cross-entropy (natural logarithm, without smoothing) and accuracy.

    Args:
        probabilities: float32 [clips, emotions].
        labels: int64 [clips].

    >>> loss, accuracy = loss_and_accuracy(np.array([[0.5, 0.5], [0.75, 0.25]]), np.array([0, 1]))
    >>> round(loss, 3), accuracy
    (1.04, 0.5)
    """
    loss = losses(probabilities, labels).mean()
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def losses(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the cross-entropy (natural logarithm, without smoothing) of every clip.

    Args:
        probabilities: floats [clips, emotions].
        labels: int64 [clips].

    Returns:
        float64 [clips].
    """
    right = probabilities.astype(np.float64)[np.arange(len(labels)), labels]
    of_clips: NDArray[np.float64] = -np.log(np.maximum(right, np.finfo(np.float32).tiny))
    return of_clips
