"""A perceptron with one hidden layer on a clip's functionals."""

from torch import Tensor, nn

from ser.nets.layers import clip_outliers, perceptron


class MLP(nn.Module):
    """Dropout, `width` hidden units with ReLU, dropout, linear layer, on functionals.

    Shapes:
        features [batch, frames, dims], lengths ignored -> logits [batch, emotions]. Only the first
        frame is used: functionals describe the whole clip in one frame, the others are padding.
        Parameters, 5 emotions, 2308 functionals, width 256: 592,389.
    """

    def __init__(self, dims: int, emotions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = perceptron(dims, width, emotions, dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        logits: Tensor = self.layers(clip_outliers(features[:, 0]))
        return logits
