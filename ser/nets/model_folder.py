"""Store a trained model as a folder: model.json describes it, fold-<k>.safetensors are its weights.

The train stage writes such a folder; with model.snapshots, it also holds every epoch's weights of
each fold. The evaluate stage releases it, with its figures in model.json, a model card, README.md,
and the nets of all folds as model.onnx, which answers without torch.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from ser.core.sections import Model
from ser.nets import build
from ser.nets.description import Description
from ser.nets.folder_files import (
    CARD,
    read_description,
    unusable,
    weights_file,
    write_description,
)
from ser.nets.weights import Weights, snapshot_epoch, write_weights


def save(folder: Path, description: Description, weights: Sequence[Weights]) -> None:
    """Write a model, with one dict of weights per fold of the description; replaces the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for fold, tensors in zip(description.folds, weights, strict=True):
        write_weights(weights_file(folder, fold), tensors)
    write_description(folder, description)


def release(trained: Path, folder: Path, description: Description, card: str) -> None:
    """Write an evaluated model for use; replaces the folder.

    Args:
        trained: folder that `save` wrote.
        folder: folder to write.
        description: with the figures of its evaluation.
        card: text of README.md.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for fold in description.folds:
        shutil.copyfile(weights_file(trained, fold), weights_file(folder, fold))
    write_description(folder, description)
    (folder / CARD).write_text(card, encoding="utf-8")


def load(folder: Path) -> tuple[Description, list[nn.Module]]:
    """Read a model: its description and one net per fold, on the CPU, ready to predict.

    Raises:
        UnusableModelError: a file is missing or damaged.
        UserError: its format is unknown.
    """
    description = read_description(folder)
    files = [weights_file(folder, fold) for fold in description.folds]
    try:
        nets = list(_read_nets(files, description))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise unusable(folder, error) from None
    return description, nets


def snapshots_folder(folder: Path, fold: int) -> Path:
    """Return the folder of a fold's weights after every epoch."""
    return folder / f"fold-{fold}-epochs"


def load_snapshots(
    folder: Path, description: Description, fold: int
) -> Iterator[tuple[int, nn.Module]]:
    """Yield number and net of each epoch of a fold whose weights were kept."""
    files = sorted(snapshots_folder(folder, fold).glob("*.safetensors"))
    for path, net in zip(files, _read_nets(files, description), strict=True):
        yield snapshot_epoch(path), net


def count_parameters(description: Description, weights: Weights) -> int:
    """Count the parameters of the net of one fold, from its weights."""
    return build.count_parameters(build.restore(*_size(description), weights))


def _size(description: Description) -> tuple[Model, int, int]:
    """Return what decides the size of a net: its settings, columns of features, and outputs."""
    dims = sum(description.preprocessing.dims.values())
    return description.model, dims, len(description.emotions) + len(description.dimensions)


def _read_nets(files: Iterable[Path], description: Description) -> Iterator[nn.Module]:
    """Read nets of one description.

    The description may be a stranger's: no more memory is taken than the files have bytes.

    Raises:
        ValueError: a file's tensors are not those of the described net.
    """
    for path in files:
        tensors = safetensors.torch.load_file(path)
        try:
            net = build.restore(*_size(description), tensors)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
        yield net.eval()
