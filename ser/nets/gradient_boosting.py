"""Boosted decision trees on a clip's functionals."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ser.nets.layers import clip_outliers


class GradientBoosting(nn.Module):
    """Rounds of one tree per emotion, fitted by scikit-learn's GradientBoostingClassifier.

    Every tree has the full depth: where scikit-learn's ends before, both sides of the nodes below
    have the same value. The inner nodes of a tree are in the order of reading, level by level.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions], whose softmax
        is scikit-learn's predict_proba. Only the first frame is used, as in `ser.nets.mlp`.
        Parameters, 5 emotions, 100 rounds, depth 3: 7,505.

    Attributes:
        columns: int64 [rounds, emotions, nodes], the feature that an inner node looks at.
        thresholds: [rounds, emotions, nodes], a feature above it leads to the right.
        leaves: [rounds, emotions, nodes + 1], what a tree adds to the logit of its emotion.
        bias: [emotions], the logits before the first round.
    """

    columns: Tensor

    def __init__(self, dims: int, emotions: int, rounds: int, depth: int) -> None:
        super().__init__()
        self._depth = depth
        nodes = 2**depth - 1
        self.register_buffer("columns", torch.zeros(rounds, emotions, nodes, dtype=torch.int64))
        self.thresholds = nn.Parameter(torch.zeros(rounds, emotions, nodes))
        self.leaves = nn.Parameter(torch.zeros(rounds, emotions, nodes + 1))
        self.bias = nn.Parameter(torch.zeros(emotions))
        check = partial(_check_columns, dims)
        self.register_load_state_dict_post_hook(check)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        right = clip_outliers(features[:, 0])[:, self.columns] > self.thresholds
        values = self.leaves[None]
        # From the leaves to the root: of two neighbours, the one that the clip gets to is kept.
        for level in reversed(range(self._depth)):
            nodes = right[..., 2**level - 1 : 2 ** (level + 1) - 1]
            values = torch.where(nodes, values[..., 1::2], values[..., 0::2])
        return values.squeeze(-1).sum(dim=1) + self.bias


def _check_columns(dims: int, net: nn.Module, _: Any) -> None:  # noqa: ANN401 - torch's own
    """Check that every node looks at one of the features: the weights may be a stranger's.

    Raises:
        ValueError: one does not.
    """
    columns = net.get_buffer("columns")
    if bool(((columns < 0) | (columns >= dims)).any()):
        raise ValueError(f"columns: a tree looks at a feature that is not one of the {dims}")
