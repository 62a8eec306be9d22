"""A 2-D CNN with rectangular kernels, first along frequency, then along time."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.nets.layers import Dropout, mask_frames, mean_over_frames


class RezoNet(nn.Module):
    """Six convolutions with rectangular kernels, batch norm and pooling, mean over time, dense.

    Modelled on Anvarjon, Mustaqeem, Kwon: Deep-Net: A lightweight CNN-based speech emotion
    recognition system using deep frequency features, Sensors 20(18), 2020. Kernels 9, 5 and 3 bands
    high and one frame wide, with pooling along frequency only, extract frequency features. Kernels
    one band high and 9, 5 and 3 frames wide follow these over time. The student project that the
    name comes from does not publish the sizes of its layers; those here are this project's.

    Shapes:
        features [batch, frames, mel bands], lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions: 105,173 for 40 bands.
    """

    def __init__(self, dims: int, emotions: int, dropout: float) -> None:
        super().__init__()
        self.along_frequency = nn.ModuleList(
            [
                _convolution(1, 16, (9, 1)),
                _convolution(16, 32, (5, 1)),
                _convolution(32, 64, (3, 1)),
            ]
        )
        self.along_time = nn.ModuleList(
            [
                _convolution(64, 64, (1, 9)),
                _convolution(64, 64, (1, 5)),
                _convolution(64, 64, (1, 3)),
            ]
        )
        self.dense = nn.Linear(64 * (dims // 8), 80)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(80, emotions)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = features.transpose(1, 2).unsqueeze(1)  # [batch, 1, bands, frames]
        for convolution in self.along_frequency:
            x = F.max_pool2d(torch.relu(convolution(x)), (2, 1))
        x = mask_frames(x, lengths)
        for convolution in self.along_time:
            lengths = lengths // 2
            x = mask_frames(F.max_pool2d(torch.relu(convolution(x)), (1, 2)), lengths)
        x = torch.relu(self.dense(mean_over_frames(x.flatten(1, 2), lengths)))
        logits: Tensor = self.linear(self.dropout(x))
        return logits


def _convolution(before: int, after: int, kernel: tuple[int, int]) -> nn.Module:
    """Make a convolution that keeps the size, with a batch norm."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding="same", bias=False), nn.BatchNorm2d(after)
    )
