"""Predict clips with a net."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.nets.outputs import split_outputs
from ser.training.batches import Batch, NormalisedClips, in_order


def predict(net: nn.Module, clips: NormalisedClips) -> NDArray[np.float32]:
    """Compute the probability of every emotion for every clip.

    Args:
        net: on the clips' device.
        clips: at least one.

    Returns:
        float32 [clips, emotions], in the order of the clips; rows sum to 1.
    """
    return predict_with_dimensions(net, clips)[0]


def predict_with_dimensions(
    net: nn.Module, clips: NormalisedClips
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the probability of every emotion, and arousal and valence, for every clip.

    Args:
        net: on the clips' device.
        clips: at least one.

    Returns:
        (float32 [clips, emotions], rows sum to 1; float32 [clips, dimensions] in 0..1, without a
        column if the net learned none), in the order of the clips.
    """
    if len(clips) == 0:
        raise ValueError("there are no clips to predict")
    net.eval()
    order, parts, valued = [], [], []
    with torch.inference_mode():
        for positions, batch in in_order(clips):
            order.append(positions)
            logits, values = outputs_of(net, batch)
            parts.append(logits.softmax(dim=1, dtype=torch.float32))
            valued.append(logits.new_zeros(len(logits), 0) if values is None else values)
        probabilities: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        dimensions: NDArray[np.float32] = torch.cat(valued).cpu().numpy()
    back = np.argsort(np.concatenate(order))
    return probabilities[back], dimensions[back]


def logits_of(net: nn.Module, batch: Batch) -> Tensor:
    """Compute a batch's logits: see `outputs_of`."""
    return outputs_of(net, batch)[0]


def outputs_of(net: nn.Module, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Compute a batch's logits, and its values of the dimensions if the batch has their ratings.

    The net is given the speakers' numbers if the batch has them.
    """
    if batch.voices is None:
        outputs: Tensor = net(batch.features, batch.lengths)
    else:
        outputs = net(batch.features, batch.lengths, batch.voices)
    return split_outputs(outputs, 0 if batch.ratings is None else batch.ratings.shape[1])


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
