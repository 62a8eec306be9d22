"""A support vector machine with a Gaussian kernel on a clip's functionals."""

import torch
from torch import Tensor, nn

from ser.nets.layers import clip_outliers


class SVM(nn.Module):
    """One machine for each pair of emotions, fitted by scikit-learn's SVC.

    The logits are the decision values of SVC with decision_function_shape ovr: the number of pairs
    that an emotion wins, plus up to a third for the clearness of its decisions. The largest is thus
    what SVC predicts with break_ties. With two emotions, the decision value is the difference of
    their logits.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions]. Only the first
        frame is used, as in `ser.nets.mlp`. The parameters are the support vectors, whose number
        depends on the train clips, and their coefficients.

    Attributes:
        vectors: [vectors, dims].
        coefficients: [vectors, pairs].
        intercepts: [pairs]; a decision above 0 is for the second emotion of its pair.
        bias: [emotions], 0, or far below for an emotion that no train clip has.
        pairs: [pairs, emotions], -1 for the first emotion of a pair, 1 for the second; 0 for a pair
            with an emotion that no train clip has.
        gamma: of the kernel exp(-gamma * squared distance).
    """

    pairs: Tensor
    gamma: Tensor

    def __init__(self, dims: int, emotions: int) -> None:
        super().__init__()
        pairs = emotions * (emotions - 1) // 2
        self.vectors = nn.Parameter(torch.zeros(0, dims))
        self.coefficients = nn.Parameter(torch.zeros(0, pairs))
        self.intercepts = nn.Parameter(torch.zeros(pairs))
        self.bias = nn.Parameter(torch.zeros(emotions))
        self.register_buffer("pairs", torch.zeros(pairs, emotions))
        self.register_buffer("gamma", torch.zeros(()))

    def make_room(self, vectors: int) -> None:
        """Change the number of support vectors; all become 0."""
        for name in ("vectors", "coefficients"):
            now = getattr(self, name)
            setattr(self, name, nn.Parameter(now.new_zeros(vectors, now.shape[1])))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        rows = clip_outliers(features[:, 0])
        squares = rows.square().sum(dim=1, keepdim=True) + self.vectors.square().sum(dim=1)
        kernel = torch.exp(-self.gamma * (squares - 2 * rows @ self.vectors.T))
        decisions = kernel @ self.coefficients + self.intercepts
        sums = decisions @ self.pairs
        if len(self.pairs) == 1:
            return sums / 2 + self.bias
        first, second = (self.pairs < 0).float(), (self.pairs > 0).float()
        won = (decisions > 0).float()
        votes = won @ second + (1 - won) @ first
        return votes + sums / (3 * (sums.abs() + 1)) + self.bias
