"""A small residual CNN on mel spectrograms with attentive statistics pooling."""

import itertools

import torch
from torch import Tensor, nn

from ser.nets.layers import Dropout, frame_mask, mask_frames


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut (He et al., CVPR 2016, fig. 2).

    Shapes: [batch, before, dims, frames] -> [batch, after, ceil(dims / stride), ceil(frames /
    stride)], lengths likewise.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the block; padding stays zero."""
        lengths = (lengths + self.stride - 1) // self.stride
        y = mask_frames(torch.relu(self.norm1(self.conv1(x))), lengths)
        # Sliced instead of a convolution with a stride, which crashes in PyTorch (2.13) on a CPU
        # with fewer than 16 channels in channels_last memory.
        shortcut = self.shortcut(x[:, :, :: self.stride, :: self.stride])
        y = torch.relu(self.norm2(self.conv2(y)) + shortcut)
        return mask_frames(y, lengths), lengths


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time, with frames weighted by a small net.

    Okabe, Koshinaka, Shinoda: Attentive statistics pooling for deep speaker embedding,
    Interspeech 2018. Shapes: [batch, channels, frames] -> [batch, 2 * channels].
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, channels, 1)
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Pool each clip over its own frames."""
        padding = frame_mask(lengths, x.shape[-1])[:, None, :] == 0
        weights = self.score(x).masked_fill(padding, -torch.inf).softmax(dim=-1)
        mean = (weights * x).sum(dim=-1)
        variance = (weights * x.square()).sum(dim=-1) - mean.square()
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)


class ResNet(nn.Module):
    """A stem, 3 or 4 residual blocks of width, 2 width, 4 width ... channels, attentive pooling.

    Each residual block halves bands and frames. He et al.: Deep residual learning for image
    recognition, CVPR 2016.

    Shapes:
        features [batch, frames, dims], lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions, width 32: 325,733 with 3 stages, 1,262,565 with 4.
    """

    def __init__(self, emotions: int, layers: int, width: int, dropout: float) -> None:
        super().__init__()
        channels = [width, *(width * 2**i for i in range(layers))]
        self.stem = nn.Conv2d(1, width, 3, padding=1, stride=(2, 1), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.ModuleList(
            ResidualBlock(before, after, 2) for before, after in itertools.pairwise(channels)
        )
        self.pooling = AttentivePooling(channels[-1])
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(2 * channels[-1], emotions)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = features.transpose(1, 2).unsqueeze(1)  # [batch, 1, dims, frames]
        x = mask_frames(torch.relu(self.norm(self.stem(x))), lengths)
        for block in self.blocks:
            x, lengths = block(x, lengths)
        pooled = self.pooling(x.mean(dim=2), lengths)
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits
