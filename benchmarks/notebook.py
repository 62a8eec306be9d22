"""The net and the training loop of many student notebooks, as they are written there."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ser.nets.normalisation import normalise

FloatArray = NDArray[np.float32]
Result = TypeVar("Result")


class Spectrograms(Dataset[tuple[Tensor, int]]):
    """Spectrograms float32 [1, bands, frames] of different lengths, with their labels."""

    def __init__(self, spectrograms: Sequence[FloatArray], labels: Sequence[int]) -> None:
        self._spectrograms, self._labels = spectrograms, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return torch.from_numpy(self._spectrograms[i]), self._labels[i]


def as_images(arrays: Sequence[FloatArray], labels: Sequence[int]) -> Spectrograms:
    """Return the notebook's training data: standardised spectrograms [1, bands, frames]."""
    images = [
        np.ascontiguousarray(normalise(a, {"logmel": a.shape[1]}, None).T[None]) for a in arrays
    ]
    return Spectrograms(images, [int(label) for label in labels])


class Net(nn.Module):
    """Three or four convolutions with ReLU and max-pooling, average, dropout, linear.

    Shapes: [batch, 1, bands, frames] -> [batch, emotions].
    """

    def __init__(self, emotions: int, layers: int = 3) -> None:
        super().__init__()
        channels = [1] + [16 * 2**i for i in range(layers)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in itertools.pairwise(channels)
        )
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.25)
        self.linear = nn.Linear(channels[-1], emotions)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        for convolution in self.convolutions:
            x = self.pool(torch.relu(convolution(x)))
        logits: Tensor = self.linear(self.dropout(self.average(x).flatten(1)))
        return logits


def train_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    clips: Spectrograms,
    order: Sequence[int] | None,
    device: torch.device,
) -> float:
    """Train for one epoch, one clip at a time; return the mean loss.

    Args:
        net: on the device.
        optimizer: of the net's weights.
        clips: [1, bands, frames] each.
        order: of the clips; None: random.
        device: to compute on.
    """
    criterion = nn.CrossEntropyLoss()
    # A separate generator, because the loader's draws would change the dropout's.
    loader = DataLoader(
        clips,
        batch_size=1,
        shuffle=order is None,
        sampler=order,
        generator=torch.Generator().manual_seed(0),
    )
    net.train()
    running_loss = 0.0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    return running_loss / len(clips)


def measure_accuracy(net: nn.Module, clips: Spectrograms, device: torch.device) -> float:
    """Predict one clip at a time; return the accuracy."""
    net.eval()
    hits = 0
    with torch.no_grad():
        for inputs, labels in DataLoader(clips, batch_size=1):
            hits += int(net(inputs.to(device)).argmax(dim=1).item() == labels.item())
    return hits / len(clips)


@contextmanager
def in_its_own_process(
    make: Callable[..., Callable[[], Result]],
    *arguments: Any,  # noqa: ANN401
) -> Iterator[Callable[[], Result]]:
    """Yield a callable that runs `make(*arguments)`'s function in another process.

    PyTorch has its defaults there, not this project's settings.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, _begin, (make, arguments)) as pool:
        yield lambda: pool.submit(_call).result()


_job: list[Callable[[], Any]] = []


def _begin(make: Callable[..., Callable[[], Any]], arguments: Sequence[Any]) -> None:
    os.environ.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    _job[:] = [make(*arguments)]


def _call() -> Any:  # noqa: ANN401
    return _job[0]()


def first_epoch(
    weights: Sequence[Tensor],
    learning_rate: float,
    clips: Spectrograms,
    order: Sequence[int],
    seed: int,
    emotions: int,
    device: torch.device,
) -> Callable[[], float]:
    """Return a function that trains a net with given first weights for an epoch: the mean loss."""

    def train() -> float:
        net = Net(emotions)
        net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)))
        optimizer = torch.optim.Adam(net.to(device).parameters(), learning_rate)
        torch.manual_seed(seed)
        return train_epoch(net, optimizer, clips, order, device)

    return train
