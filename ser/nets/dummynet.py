"""A wide 1-D CNN along the flattened features, without any normalisation."""

from torch import Tensor, nn

from ser.nets.layers import flat_size, flatten_columns


class DummyNet(nn.Module):
    """Three convolutions with ReLU and max-pooling, flattened, two dense layers.

    The smallest of three nets of a student project on CREMA-D: kernel 5, pooling 5 with stride 2,
    512, 512, 128 channels along the zero crossings, the energy, both concatenated, or the
    concatenated mel bands. Convolutions are not padded. All clips must have the same length.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions].
        Parameters, 5 emotions: 4,002,949 for one column of 626 frames, 6,558,853 for two,
        103,978,117 for 40.
    """

    def __init__(self, frames: int, dims: int, emotions: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv1d(1, 512, 5), nn.ReLU(), nn.MaxPool1d(5, 2)),
            *(nn.Conv1d(512, 512, 5), nn.ReLU(), nn.MaxPool1d(5, 2)),
            *(nn.Conv1d(512, 128, 5), nn.ReLU(), nn.MaxPool1d(5, 2)),
            nn.Flatten(),
        )
        self.dense = nn.Sequential(
            nn.Linear(flat_size(self.convolutions, 1, frames * dims), 256),
            nn.ReLU(),
            nn.Linear(256, emotions),
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        logits: Tensor = self.dense(self.convolutions(flatten_columns(features)))
        return logits
