"""Store a trained model as a folder: model.json describes it, fold-<k>.safetensors are its weights.

The train stage writes such a folder; with model.snapshots, it also holds every epoch's weights of
each fold. The evaluate stage releases it, with its figures in model.json and a model card,
README.md.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from ser.core.sections import Model
from ser.nets import build
from ser.nets.description import Description, UnusableModelError, parse_description
from ser.nets.weights import Weights, snapshot_epoch, write_weights

_MOST_BYTES = 64_000_000  # of model.json: 1 MB for about 50,000 training clips, plus the banks


def save(folder: Path, description: Description, weights: Sequence[Weights]) -> None:
    """Write a model, with one dict of weights per fold of the description; replaces the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for fold, tensors in zip(description.folds, weights, strict=True):
        write_weights(_weights_file(folder, fold), tensors)
    _write_description(folder, description)


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
        shutil.copyfile(_weights_file(trained, fold), _weights_file(folder, fold))
    _write_description(folder, description)
    (folder / "README.md").write_text(card, encoding="utf-8")


def load(folder: Path) -> tuple[Description, list[nn.Module]]:
    """Read a model: its description and one net per fold, on the CPU, ready to predict.

    Raises:
        UnusableModelError: a file is missing or damaged.
        UserError: its format is unknown.
    """
    described = folder / "model.json"
    try:
        description = parse_description(_read_text(described), described)
        files = [_weights_file(folder, fold) for fold in description.folds]
        nets = list(_read_nets(files, description))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, OSError) and error.filename:
            reason = f"{error.filename}: {error.strerror}"
        raise UnusableModelError(folder, reason) from None
    return description, nets


def _read_text(path: Path) -> str:
    """Read a text that may be a stranger's.

    Raises:
        ValueError: it is not a file, is too long, or is not in UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_BYTES:,} bytes")
    return data.decode()


def _write_description(folder: Path, description: Description) -> None:
    (folder / "model.json").write_text(description.to_json(), encoding="utf-8")


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


def count_parameters(description: Description) -> int:
    """Count the trainable parameters of one fold's net."""
    return build.count_parameters(build.build(*_size(description)))


def _size(description: Description) -> tuple[Model, int, int]:
    """Return what decides the size of a net: its settings, columns of features, and classes."""
    dims = sum(description.preprocessing.dims.values())
    return description.model, dims, len(description.emotions)


def _read_nets(files: Iterable[Path], description: Description) -> Iterator[nn.Module]:
    """Read nets of one description.

    The description may be a stranger's: no more memory is taken than the files have bytes.

    Raises:
        ValueError: a file's tensors are not those of the described net.
    """
    expected = build.shapes(*_size(description))
    for path in files:
        tensors = safetensors.torch.load_file(path)
        found = build.describe_tensors(tensors)
        for name in sorted({*expected, *found}):
            if found.get(name) != expected.get(name):
                raise ValueError(
                    f"{path.name}: {name} is {found.get(name, 'missing')}, expected is "
                    f"{expected.get(name, 'no such tensor')}"
                )
        net = build.build(*_size(description))
        net.load_state_dict(tensors)
        yield net.eval()


def _weights_file(folder: Path, fold: int) -> Path:
    return folder / f"fold-{fold}.safetensors"
