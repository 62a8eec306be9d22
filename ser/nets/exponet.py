"""A deep 1-D CNN along the flattened features, with batch norm."""

import itertools

from torch import Tensor, nn

from ser.nets.layers import flat_size, flatten_columns

_CHANNELS = (1, 512, 512, 256, 256, 128)


class ExpoNet(nn.Module):
    """Five blocks of convolution, ReLU, batch norm and max-pooling, flattened, two dense layers.

    The best of three nets of a student project on CREMA-D, along the concatenated zero crossings,
    energy and mel bands: kernel 5, pooling 5 with stride 2, a dense layer of 512 units with batch
    norm. The project does not state the blocks' channels; 512, 512, 256, 256, 128 are those of the
    popular notebooks that it resembles. All clips must have the same length, and a batch must have
    at least two clips.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions].
        Parameters, 5 emotions: 45,591,941 for 42 columns of 501 frames.
    """

    def __init__(self, frames: int, dims: int, emotions: int) -> None:
        super().__init__()
        blocks = [_block(*channels) for channels in itertools.pairwise(_CHANNELS)]
        self.convolutions = nn.Sequential(*blocks, nn.Flatten())
        self.dense = nn.Sequential(
            nn.Linear(flat_size(self.convolutions, 1, frames * dims), 512),
            nn.ReLU(),
            nn.BatchNorm1d(512),
            nn.Linear(512, emotions),
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        logits: Tensor = self.dense(self.convolutions(flatten_columns(features)))
        return logits


def _block(before: int, after: int) -> nn.Module:
    """Make a block that halves the length: [batch, before, n] -> [batch, after, ceil(n / 2)]."""
    return nn.Sequential(
        nn.Conv1d(before, after, 5, padding=2),
        nn.ReLU(),
        nn.BatchNorm1d(after),
        nn.MaxPool1d(5, 2, padding=2),
    )
