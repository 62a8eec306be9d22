"""A plain CNN of 3 or 4 convolutions."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ser.nets.layers import Dropout, mask_frames


class CNN(nn.Module):
    """3x3 convolutions with ReLU and 2x2 max-pooling, then average or flatten, dropout, linear.

    The net of many student projects on small corpora of acted speech: 16, 32, 64 (and 128)
    channels. With averaging, clips may have any length. With flattening, every position has its
    own weights, so all clips must have the same length. Those projects flatten, with a batch norm
    after every convolution, on spectrograms of 128 bands resized to 256 frames.

    Shapes:
        features [batch, frames, dims], lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions: 23,621 with 3 layers, 97,797 with 4; flattened at 128 bands, 256
        frames with batch norm 187,365 and 179,557.
    """

    def __init__(
        self,
        emotions: int,
        layers: int,
        dropout: float,
        batch_norm: bool,
        flat_input: tuple[int, int] | None,
    ) -> None:
        """Make the net.

        Args:
            emotions: number of classes.
            layers: number of convolutions.
            dropout: probability of dropping a value before the last layer in training.
            batch_norm: whether a batch norm follows each convolution.
            flat_input: (frames, dims) of every clip for flattening; None for averaging.
        """
        super().__init__()
        channels = [1] + [16 * 2**i for i in range(layers)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in itertools.pairwise(channels)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(n) if batch_norm else nn.Identity() for n in channels[1:]
        )
        self.flat = flat_input is not None
        places = 1
        if flat_input is not None:
            places = (flat_input[0] // 2**layers) * (flat_input[1] // 2**layers)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(channels[-1] * places, emotions)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = features.transpose(1, 2).unsqueeze(1)  # [batch, 1, dims, frames]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # ReLU is monotonic, so it may follow the pooling, where it has a quarter of the work.
            x = torch.relu(F.max_pool2d(norm(convolution(x)), 2))
            lengths = lengths // 2
            x = mask_frames(x, lengths)
        pooled = x.flatten(1) if self.flat else x.sum(dim=(2, 3)) / (lengths * x.shape[2])[:, None]
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits
