"""Run the nets of a model in PyTorch, one clip at a time."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ser.core.typing import FloatArray
from ser.inference.nets import FEATURES, Nets
from ser.inference.voices import Standard, adaptable_nets
from ser.nets import model_folder
from ser.nets.description import Description
from ser.nets.outputs import split_outputs
from ser.nets.standardising import StandardisingNet


class Folds(nn.Module):
    """The nets of all folds, each with its own input and temperature.

    Shapes:
        [folds, frames, dims], without padding -> probabilities [folds, emotions]; where the nets
        learned dimensions, also values [folds, dimensions].
    """

    temperatures: Tensor

    def __init__(
        self, nets: Sequence[nn.Module], temperatures: Sequence[float], dimensions: int = 0
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.dimensions = dimensions
        self.register_buffer("temperatures", torch.tensor(temperatures)[:, None])

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Compute the probabilities, and the values if there are any."""
        lengths = torch.full((1,), features.shape[1])
        outputs = [net(clip[None], lengths) for net, clip in zip(self.nets, features, strict=True)]
        return _answers(torch.cat(outputs), self.temperatures, self.dimensions)


class StandardisingFolds(nn.Module):
    """The nets of all folds if they standardise what they pool, by what is given.

    Shapes:
        features [folds, frames, dims], without padding; centre and scale [folds, pooled] ->
        (probabilities [folds, emotions], pooled [folds, pooled]); where the nets learned
        dimensions, also values [folds, dimensions].
    """

    temperatures: Tensor

    def __init__(
        self,
        nets: Sequence[StandardisingNet],
        temperatures: Sequence[float],
        dimensions: int = 0,
    ) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.nets = nn.ModuleList(nets)
        self.each = tuple(nets)  # the same, by their type
        self.register_buffer("temperatures", torch.tensor(temperatures)[:, None])

    def forward(self, features: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        """Compute the probabilities and the pooled vectors, and the values if there are any."""
        lengths = torch.full((1,), features.shape[1])
        rows = [
            net.pool(clip[None], lengths) for net, clip in zip(self.each, features, strict=True)
        ]
        pooled = torch.cat(rows)
        standard = (pooled - centre) / scale
        outputs = [net.classify(row[None]) for net, row in zip(self.each, standard, strict=True)]
        probabilities, *values = _answers(torch.cat(outputs), self.temperatures, self.dimensions)
        return probabilities, pooled, *values


def _answers(outputs: Tensor, temperatures: Tensor, dimensions: int) -> tuple[Tensor, ...]:
    """Return the probabilities, and the values of the dimensions if there are any."""
    logits, values = split_outputs(outputs, dimensions)
    probabilities = (logits / temperatures).softmax(dim=1)
    return (probabilities,) if values is None else (probabilities, values)


def standardising(modules: Sequence[nn.Module]) -> list[StandardisingNet]:
    """Return the nets if they standardise what they pool, else none."""
    return [net for net in modules if isinstance(net, StandardisingNet)]


def standard_of(nets: Sequence[StandardisingNet]) -> Standard:
    """Return what the nets of all folds standardise by, as they were trained."""
    return Standard(
        torch.cat([net.centre for net in nets]).numpy(),
        torch.cat([net.scale for net in nets]).numpy(),
    )


def torch_nets(description: Description, modules: Sequence[nn.Module]) -> Nets:
    """Return what answers for a model whose nets are on the CPU and in evaluation mode."""
    nets = standardising(modules)
    if nets:
        return _standardising_nets(description, nets)
    folds = Folds(modules, description.temperatures, len(description.dimensions))

    def answer(features: FloatArray) -> FloatArray:
        with torch.inference_mode():
            answers: FloatArray = torch.cat(folds(torch.from_numpy(features)), dim=1).numpy()
        return answers

    return Nets(FEATURES, answer)


def _standardising_nets(description: Description, nets: Sequence[StandardisingNet]) -> Nets:
    folds = StandardisingFolds(nets, description.temperatures, len(description.dimensions))

    def run(features: FloatArray, standard: Standard) -> tuple[FloatArray, FloatArray]:
        given = (features, standard.centre, standard.scale)
        with torch.inference_mode():
            probabilities, pooled, *values = folds(*map(torch.from_numpy, given))
        return torch.cat([probabilities, *values], dim=1).numpy(), pooled.numpy()

    return adaptable_nets(run, standard_of(nets), description.model.normalisation == "speaker")


def open_folder(folder: Path) -> tuple[Description, Nets]:
    """Read a model folder.

    Raises:
        UserError: see `ser.nets.model_folder.load`.
    """
    description, modules = model_folder.load(folder)
    return description, torch_nets(description, modules)
