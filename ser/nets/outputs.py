"""The outputs of a net: logits of the emotions, then its answers about arousal and valence, if any.

All answers are of one last layer, so that every net can learn the dimensions too.
"""

from torch import Tensor


def split_outputs(outputs: Tensor, dimensions: int) -> tuple[Tensor, Tensor | None]:
    """Return the logits of a net, and the values of the dimensions that it learned.

    Args:
        outputs: of the net, [batch, emotions + dimensions].
        dimensions: how many it learned: see `ser.core.dimensions`.

    Returns:
        (logits [batch, emotions], values [batch, dimensions] in 0..1; None if it learned none).
    """
    if dimensions == 0:
        return outputs, None
    # In float32 even if the products before it use fewer bits.
    return outputs[:, :-dimensions], outputs[:, -dimensions:].float().sigmoid()
