"""A perceptron with one hidden layer on a clip's functionals."""

from torch import Tensor, nn

from ser.models.layers import Dropout

_INPUT_DROPOUT = 0.2  # as Srivastava et al. advise: Dropout, JMLR 15, 2014
_FURTHEST = 5.0  # deviations: a column far outside of what was trained on must not decide alone


class MLP(nn.Module):
    """Functionals -> dropout -> width hidden units -> dropout -> emotions.

    Shapes:
        features [batch, frames, dims], of which the first frame counts: functionals describe the
        whole clip, the others are padding; lengths ignored -> logits [batch, emotions].
        Parameters, 5 emotions, 2308 functionals, width 256: 592,389.
    """

    def __init__(self, dims: int, emotions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Dropout(_INPUT_DROPOUT),
            nn.Linear(dims, width),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(width, emotions),
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        logits: Tensor = self.layers(features[:, 0].clamp(-_FURTHEST, _FURTHEST))
        return logits
