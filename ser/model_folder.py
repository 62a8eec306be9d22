"""A trained model as a folder: model.json describes it, fold-<k>.safetensors are its weights.

With model.snapshots there is also a folder of every epoch's weights per fold.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from ser import models
from ser.errors import UserError
from ser.normalisation import Statistics
from ser.params import Model
from ser.training import Weights, snapshot_epoch, write_weights

FORMAT = 2
LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "torch")


@dataclass(frozen=True)
class Description:
    """All that is needed to use the weights, and where they come from.

    Attributes:
        model: the section model of the parameters.
        emotions: the labels, in the order of the net's outputs.
        preprocessing: how the features were made: {"clean", "features", "dims"}.
        folds: numbers of the folds, one file of weights each.
        statistics: of each fold, what features are normalised by if it is the train clips'; else
            None.
        versions: of the libraries that trained it.
    """

    model: dict[str, Any]
    emotions: list[str]
    preprocessing: dict[str, Any]
    folds: list[int]
    statistics: list[Statistics | None]
    versions: dict[str, str]


def save(folder: Path, description: Description, weights: Sequence[Weights]) -> None:
    """Write a model in place of a former one: one dict of weights per fold of the description."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for fold, tensors in zip(description.folds, weights, strict=True):
        write_weights(_weights_file(folder, fold), tensors)
    text = json.dumps({"format": FORMAT, **asdict(description)}, indent=2, default=_as_list)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[Description, list[nn.Module]]:
    """Read a model: its description and one net per fold, on the CPU, ready to predict.

    Raises:
        UserError: a file is missing or damaged, or of another format than this code knows.
    """
    try:
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        found = described.pop("format", None)
        if found != FORMAT:
            raise UserError(f"{folder}/model.json has format {found}, this code reads {FORMAT}")
        described["statistics"] = [_as_statistics(of_fold) for of_fold in described["statistics"]]
        description = Description(**described)
        if len(description.statistics) != len(description.folds):
            raise ValueError("model.json: as many statistics as folds expected")
        nets = [_read_net(_weights_file(folder, fold), description) for fold in description.folds]
    except (
        OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{folder} holds no usable model ({reason}): run `dvc repro train`"
        ) from None
    return description, nets


def _as_list(array: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in array]


def _as_statistics(described: dict[str, Any] | None) -> Statistics | None:
    """Make arrays of the lists that stand for them in JSON."""
    if described is None:
        return None
    return {
        kind: tuple(np.array(v) if isinstance(v, list) else v for v in values)  # type: ignore[misc]
        for kind, values in described.items()
    }


def snapshots_folder(folder: Path, fold: int) -> Path:
    """Name the folder of a fold's weights after every epoch."""
    return folder / f"fold-{fold}-epochs"


def load_snapshots(
    folder: Path, description: Description, fold: int
) -> Iterator[tuple[int, nn.Module]]:
    """Yield each epoch that was kept of a fold, and its net; none were kept: nothing."""
    for path in sorted(snapshots_folder(folder, fold).glob("*.safetensors")):
        yield snapshot_epoch(path), _read_net(path, description)


def count_parameters(description: Description) -> int:
    """Count the trainable parameters of one fold's net."""
    return models.count_parameters(_build(description))


def _build(description: Description) -> nn.Module:
    dims = sum(description.preprocessing["dims"].values())
    model = Model.model_validate(description.model)
    return models.build(model, dims, len(description.emotions))


def _read_net(weights: Path, description: Description) -> nn.Module:
    net = _build(description)
    net.load_state_dict(safetensors.torch.load_file(weights))
    return net.eval()


def _weights_file(folder: Path, fold: int) -> Path:
    return folder / f"fold-{fold}.safetensors"


def versions() -> dict[str, str]:
    """Name the versions of the libraries that features and weights depend on."""
    return {name: metadata.version(name) for name in LIBRARIES}
