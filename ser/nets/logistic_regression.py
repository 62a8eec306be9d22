"""Logistic regression on a clip's functionals."""

import torch
from torch import Tensor, nn

from ser.nets.layers import clip_outliers


class LogisticRegression(nn.Module):
    """A linear function, fitted by scikit-learn's LogisticRegression.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions], whose softmax
        is scikit-learn's predict_proba. Only the first frame is used, as in `ser.nets.mlp`.
        Parameters, 5 emotions, 2308 functionals: 11,545.
    """

    def __init__(self, dims: int, emotions: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(emotions, dims))
        self.bias = nn.Parameter(torch.zeros(emotions))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        return clip_outliers(features[:, 0]) @ self.weight.T + self.bias
