"""What a step of training learns from ratings, by autograd and closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ser.training.batches import Batch
from ser.training.checkpoint import Progress
from ser.training.steps import Steps
from ser.training.team import Team

CPU = torch.device("cpu")
EMOTIONS, CLIPS = 3, 4


class Answering(nn.Module):
    """Answers the same, whatever it hears."""

    def __init__(self):
        super().__init__()
        made = torch.randn(CLIPS, EMOTIONS + 2, generator=torch.manual_seed(0))
        self.outputs = nn.Parameter(made)

    def forward(self, features, lengths):
        return self.outputs


def lin(values, ratings, weights):
    """Compute the concordance by its definition, of clips in proportion to their weights."""
    shares = weights / weights.sum()
    means = [(shares * x).sum() for x in (values, ratings)]
    covariance = (shares * (values - means[0]) * (ratings - means[1])).sum()
    variances = [
        (shares * (x - m) ** 2).sum() for x, m in zip((values, ratings), means, strict=True)
    ]
    return 2 * covariance / (sum(variances) + (means[0] - means[1]) ** 2)


@pytest.mark.parametrize("weights", [None, [2.0, 0.5, 1.0, 0.5]])
@pytest.mark.parametrize("rates", [0.0, 2.0])
def test_a_step_descends_the_weighted_loss_of_what_is_rated(weights, rates):
    net = Answering()
    arousal = torch.tensor([0.1, 0.9, math.nan, 0.4])
    valence = torch.tensor([math.nan, math.nan, math.nan, 0.7])  # of one clip, it means nothing
    labels = torch.tensor([0, 2, 1, 1])
    batch = Batch(
        features=torch.zeros(CLIPS, 5, 2),
        lengths=torch.full((CLIPS,), 5),
        labels=labels,
        mixed_labels=labels,
        weight=1.0,
        voices=None,
        padded=False,
        loss_weights=None if weights is None else torch.tensor(weights),
        ratings=torch.stack([arousal, valence], dim=1),
    )
    before = net.outputs.detach().clone().requires_grad_()
    of_clips = torch.ones(CLIPS) if weights is None else torch.tensor(weights)
    entropy = F.cross_entropy(before[:, :EMOTIONS], labels, reduction="none")
    rated = [0, 1, 3]
    found = lin(before[rated, EMOTIONS].sigmoid(), arousal[rated], of_clips[rated])
    loss = (of_clips * entropy).mean() + rates * (1 - found) / 2  # valence adds nothing
    (gradient,) = torch.autograd.grad(loss, before)

    state = Progress(net, net, torch.optim.SGD(net.parameters(), lr=1.0))
    steps = Steps(state, 0.0, Team(CPU), dimension_weight=rates)
    steps.begin_epoch()
    steps.take(batch)
    torch.testing.assert_close(net.outputs.detach(), (before - gradient).detach())
    assert gradient[:, EMOTIONS].any() == (rates > 0)
    assert steps.mean_concordance() == pytest.approx(found.item(), abs=1e-6)
