"""Run the nets of a model folder in PyTorch, one clip at a time."""

import copy
from collections.abc import Callable, Sequence
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
    standardising = [net for net in modules if isinstance(net, StandardisingNet)]
    if not standardising:
        return description, Nets(FEATURES, _answering(modules, description))

    def pool(features: FloatArray) -> FloatArray:
        clip, length = torch.from_numpy(features)[None], torch.full((1,), len(features))
        with torch.inference_mode():
            of_folds = [net.pool(clip, length) for net in standardising]
        pooled: FloatArray = torch.cat(of_folds).numpy()
        return pooled

    def adapt(pooled: FloatArray) -> Nets:
        adapted = list[nn.Module]()
        for net, values in zip(standardising, torch.from_numpy(pooled).unbind(1), strict=True):
            own = _with_own_standard(net)
            if description.model.normalisation == "speaker":
                own.measure(values)
            else:
                own.lean_towards(values)
            adapted.append(own)
        return Nets(FEATURES, _answering(adapted, description), pool, adapt)

    return description, Nets(FEATURES, _answering(modules, description), pool, adapt)


def _answering(
    modules: list[nn.Module], description: Description
) -> Callable[[FloatArray], FloatArray]:
    """Return a function that computes the probabilities of the folds; see `Nets.answer`."""
    folds = Folds(modules, description.temperatures)

    def answer(features: FloatArray) -> FloatArray:
        with torch.inference_mode():
            answers: FloatArray = folds(torch.from_numpy(features)).numpy()
        return answers

    return answer


def _with_own_standard(net: StandardisingNet) -> StandardisingNet:
    """Return a net with a mean and a deviation of its own, and all other weights in common."""
    common = {
        id(weight): weight
        for name, weight in net.state_dict(keep_vars=True).items()
        if name not in ("centre", "scale")
    }
    return copy.deepcopy(net, common)
