"""A perceptron with one hidden layer on a clip's functionals."""

from torch import Tensor, nn

from ser.nets.layers import perceptron, within_reach


class MLP(nn.Module):
    """Functionals -> dropout -> width hidden units -> dropout -> emotions.

    Shapes:
        features [batch, frames, dims], of which the first frame counts: functionals describe the
        whole clip, the others are padding; lengths ignored -> logits [batch, emotions].
        Parameters, 5 emotions, 2308 functionals, width 256: 592,389.
    """

    def __init__(self, dims: int, emotions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = perceptron(dims, width, emotions, dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        logits: Tensor = self.layers(within_reach(features[:, 0]))
        return logits
