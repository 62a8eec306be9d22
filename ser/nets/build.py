"""The nets: one file each, one registry.

Every net maps features float32 [batch, frames, dims] and lengths int64 [batch] (the frames of each
clip that are not padding) to logits float32 [batch, emotions]; a net that learns dimensions has
further columns, see `ser.nets.outputs`. In evaluation mode, the logits of a clip do not depend on
the other clips of its batch. For nets that accept clips of any length, they do not depend on the
padding either. The requirements of each net are listed in ser/core/needs.py.
"""

from collections.abc import Callable

import torch
from torch import nn

from ser.core.sections import Model
from ser.nets.cnn import CNN
from ser.nets.conv1d import Conv1D
from ser.nets.dummynet import DummyNet
from ser.nets.exponet import ExpoNet
from ser.nets.gradient_boosting import GradientBoosting
from ser.nets.logistic_regression import LogisticRegression
from ser.nets.mlp import MLP
from ser.nets.resnet import ResNet
from ser.nets.rezonet import RezoNet
from ser.nets.statpool import StatPool
from ser.nets.svm import SVM
from ser.nets.weights import Weights


def _cnn(model: Model, dims: int, emotions: int) -> nn.Module:
    flat_input = (model.frames, dims) if model.pooling == "flatten" else None
    return CNN(emotions, model.layers, model.dropout, model.batch_norm, flat_input)


def _statpool(model: Model, dims: int, emotions: int) -> nn.Module:
    relative = model.normalisation == "clip"
    # It finds its size by pooling, for which the meta device imports sympy, which takes seconds.
    with torch.device("cpu"):
        return StatPool(dims, emotions, model.width, model.dropout, relative)


# model.name -> function of (model, columns of the features, number of emotions) that makes the net.
NETS: dict[str, Callable[[Model, int, int], nn.Module]] = {
    "statpool": _statpool,
    "mlp": lambda m, dims, emotions: MLP(dims, emotions, m.width, m.dropout),
    "logistic_regression": lambda m, dims, emotions: LogisticRegression(dims, emotions),
    "svm": lambda m, dims, emotions: SVM(dims, emotions),
    "gradient_boosting": lambda m, dims, emotions: GradientBoosting(
        dims, emotions, m.epochs, m.layers
    ),
    "resnet": lambda m, dims, emotions: ResNet(emotions, m.layers, m.width, m.dropout),
    "cnn": _cnn,
    "conv1d": lambda m, dims, emotions: Conv1D(dims, emotions, m.dropout),
    "dummynet": lambda m, dims, emotions: DummyNet(m.frames, dims, emotions),
    "rezonet": lambda m, dims, emotions: RezoNet(dims, emotions, m.dropout),
    "exponet": lambda m, dims, emotions: ExpoNet(m.frames, dims, emotions),
}


def build(model: Model, dims: int, outputs: int) -> nn.Module:
    """Make a net with fresh weights from torch's global generator.

    Args:
        model: the net's name and its settings.
        dims: columns of the features.
        outputs: number of emotions, and of dimensions if it learns any.
    """
    net = NETS[model.name](model, dims, outputs)
    # Same result, but 2-D convolutions take about 40 % less time on a CPU.
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def restore(model: Model, dims: int, outputs: int, weights: Weights) -> nn.Module:
    """Make a net with given weights.

    The settings may be a stranger's: no more memory is taken than the weights have bytes.

    Raises:
        ValueError: the weights are not those of such a net.
    """
    with torch.device("meta"):
        expected = describe_tensors(_with_room(model, dims, outputs, weights).state_dict())
    found = describe_tensors(weights)
    for name in sorted({*expected, *found}):
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"{name} is {found.get(name, 'missing')}, expected is "
                f"{expected.get(name, 'no such tensor')}"
            )
    net = _with_room(model, dims, outputs, weights)
    net.load_state_dict(weights)
    return net


def _with_room(model: Model, dims: int, outputs: int, weights: Weights) -> nn.Module:
    """Make a net that has room for weights: what the settings leave open of its size is theirs."""
    net = build(model, dims, outputs)
    if isinstance(net, SVM):
        net.make_room(sum(weights["vectors"].shape[:1]) if "vectors" in weights else 0)
    return net


def describe_tensors(tensors: Weights) -> dict[str, str]:
    """Return type and shape of each tensor as text, by name."""
    return {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
        for name, tensor in tensors.items()
    }


def count_parameters(net: nn.Module) -> int:
    """Count the parameters that are trained or fitted."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
