"""The nets: one file each, one registry.

Every net maps features float32 [batch, frames, dims] and lengths int64 [batch] (the frames of each
clip that are not padding) to logits float32 [batch, emotions]. In evaluation what a net answers
for a clip does not depend on how far the clip is padded.
"""

import torch
from torch import nn

from ser.errors import UserError
from ser.models.cnn import CNN
from ser.models.resnet import ResNet
from ser.params import Model

MIN_FRAMES = 16  # the longest chain of halvings in any net leaves one frame of these


def build(model: Model, dims: int, emotions: int) -> nn.Module:
    """Make the wanted net with fresh weights from torch's global generator.

    Args:
        model: the net's name and its settings.
        dims: columns of the features.
        emotions: number of classes.

    Raises:
        UserError: the net cannot take features of so few columns.
    """
    if model.name == "cnn":
        need = CNN.min_dims(model.layers)
        if dims < need:
            raise UserError(
                f"model.name cnn with {model.layers} layers halves the {dims} feature column(s) "
                f"{model.layers} times: at least {need} are needed (features.kinds, n_mels)"
            )
        net: nn.Module = CNN(emotions, model.layers, model.dropout)
    else:
        net = ResNet(emotions, model.width, model.dropout)
    # Same result; convolutions take about 40 % less time on a CPU.
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def count_parameters(net: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
