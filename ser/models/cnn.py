"""A plain CNN of 3 or 4 convolutions."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.models.masking import mask_frames


class CNN(nn.Module):
    """3x3 convolutions with ReLU and 2x2 max-pooling, average pooling, dropout, linear.

    The net of many student projects on small corpora of acted speech: 16, 32, 64 (and 128)
    channels; average pooling over what is left lets it take clips of any length.

    Shapes:
        features [batch, frames, dims], lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions: 23,621 with 3 layers, 97,797 with 4.
    """

    def __init__(self, emotions: int, layers: int, dropout: float) -> None:
        super().__init__()
        channels = [1] + [16 * 2**i for i in range(layers)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in itertools.pairwise(channels)
        )
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels[-1], emotions)

    @staticmethod
    def min_dims(layers: int) -> int:
        """Fewest feature columns that so many halvings leave something of."""
        return int(2**layers)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = features.transpose(1, 2).unsqueeze(1)  # [batch, 1, dims, frames]
        for convolution in self.convolutions:
            x = F.max_pool2d(torch.relu(convolution(x)), 2)
            lengths = lengths // 2
            x = mask_frames(x, lengths)
        mean = x.sum(dim=(2, 3)) / (lengths * x.shape[2])[:, None]
        logits: Tensor = self.linear(self.dropout(mean))
        return logits
