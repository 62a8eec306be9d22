"""Run the nets of a model folder in PyTorch, one clip at a time."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ser.core.typing import FloatArray
from ser.nets import model_folder
from ser.nets.description import Description
from ser.nets.standardising import StandardisingNet
from ser.use.recogniser import FEATURES, Nets


class Folds(nn.Module):
    """The nets of all folds, each with its own input and temperature.

    Shapes: [folds, frames, dims], without padding -> probabilities [folds, emotions].
    """

    temperatures: Tensor

    def __init__(self, nets: list[nn.Module], temperatures: Sequence[float]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.register_buffer("temperatures", torch.tensor(temperatures)[:, None])

    def forward(self, features: Tensor) -> Tensor:
        """Compute the probabilities."""
        lengths = torch.full((1,), features.shape[1])
        logits = [net(clip[None], lengths) for net, clip in zip(self.nets, features, strict=True)]
        return (torch.cat(logits) / self.temperatures).softmax(dim=1)


def open_folder(folder: Path) -> tuple[Description, Nets]:
    """Read a model folder.

    Raises:
        UserError: see `ser.nets.model_folder.load`.
    """
    description, modules = model_folder.load(folder)
    folds = Folds(modules, description.temperatures)

    def nets(features: FloatArray) -> FloatArray:
        with torch.inference_mode():
            answers: FloatArray = folds(torch.from_numpy(features)).numpy()
        return answers

    def adapt(recordings: Sequence[FloatArray]) -> None:
        clips = [torch.from_numpy(features)[None] for features in recordings]
        for net, centre in zip(nets_that_adapt, as_trained, strict=True):
            with torch.inference_mode():
                pooled = [net.pool(clip, torch.tensor([clip.shape[1]])) for clip in clips]
            if description.model.normalisation == "speaker":
                net.measure(torch.cat(pooled))
            else:
                net.centre.copy_(centre)
                net.lean_towards(torch.cat(pooled))

    nets_that_adapt = [net for net in modules if isinstance(net, StandardisingNet)]
    as_trained = [net.centre.clone() for net in nets_that_adapt]
    return description, Nets(FEATURES, nets, adapt if nets_that_adapt else None)
