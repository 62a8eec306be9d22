"""The net and the training loop of many student notebooks, as they are written there."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

FloatArray = NDArray[np.float32]


class Spectrograms(Dataset[tuple[Tensor, int]]):
    """Spectrograms float32 [1, bands, frames] of different lengths, with their labels."""

    def __init__(self, spectrograms: Sequence[FloatArray], labels: Sequence[int]) -> None:
        self._spectrograms, self._labels = spectrograms, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return torch.from_numpy(self._spectrograms[i]), self._labels[i]


class Net(nn.Module):
    """Three convolutions with ReLU and max-pooling, average, dropout, linear.

    Shapes: [batch, 1, bands, frames] -> [batch, emotions].
    """

    def __init__(self, emotions: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.25)
        self.linear = nn.Linear(64, emotions)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of a batch."""
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x)))
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
    function: Callable[..., float],
    *arguments: Any,  # noqa: ANN401
) -> Iterator[Callable[[], float]]:
    """Yield a callable that runs a function in another process, as a notebook would.

    PyTorch has its defaults there, not this project's settings.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, _begin, (function, arguments)) as pool:
        yield lambda: pool.submit(_call).result()


_job: list[Any] = []


def _begin(*job: Any) -> None:  # noqa: ANN401
    os.environ.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    _job[:] = job


def _call() -> float:
    function, arguments = _job
    return float(function(*arguments))


def first_epoch(
    weights: Sequence[Tensor],
    learning_rate: float,
    clips: Spectrograms,
    order: Sequence[int],
    seed: int,
    emotions: int,
    device: torch.device,
) -> float:
    """Train a net with given initial weights for one epoch; return the mean loss."""
    net = Net(emotions)
    net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)))
    optimizer = torch.optim.Adam(net.to(device).parameters(), learning_rate)
    torch.manual_seed(seed)
    return train_epoch(net, optimizer, clips, order, device)
