"""A 1-D CNN over time on stacked features."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.nets.layers import Dropout, mask_frames, mean_over_frames

_CHANNELS = (256, 256, 128, 64)


class Conv1D(nn.Module):
    """Four convolutions over time with ReLU and max-pooling, dropout, mean over time, dense layers.

    Modelled on the 1-D CNNs that student projects train on stacked zero crossings, MFCC, chroma,
    RMS and mel bands of several corpora: 256, 256, 128, 64 channels, kernel 5, pooling 5 with a
    stride of 2, a dense layer of 32 units. Every column of features is a channel. The mean over
    time replaces their flattening, so clips may have any length.

    Shapes:
        features [batch, frames, dims], lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions: 1,280 per column plus 535,429.
    """

    def __init__(self, dims: int, emotions: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, 5, padding=2)
            for before, after in itertools.pairwise((dims, *_CHANNELS))
        )
        self.dropout = Dropout(dropout)
        self.dense = nn.Linear(_CHANNELS[-1], 32)
        self.linear = nn.Linear(32, emotions)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = features.transpose(1, 2)  # [batch, dims, frames]
        for convolution in self.convolutions:
            # ReLU values are not negative, so the zeros of the padding never win the pooling.
            x = mask_frames(torch.relu(convolution(x)), lengths)
            # Pooled in two dimensions: torch.export (2.13) fixes the length of max_pool1d's input.
            x = F.max_pool2d(x[:, :, None], (1, 5), (1, 2), padding=(0, 2))[:, :, 0]
            lengths = (lengths + 1) // 2
            x = mask_frames(self.dropout(x), lengths)
        x = torch.relu(self.dense(mean_over_frames(x, lengths)))
        logits: Tensor = self.linear(self.dropout(x))
        return logits
