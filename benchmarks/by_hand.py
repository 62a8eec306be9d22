"""Training loops as one writes them by hand, epoch by epoch, to be held against `ser.training`.

Both are made in a process of their own (`notebook.in_its_own_process`), where PyTorch is as it
comes. Each call of what they return trains for one more epoch.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset

from benchmarks import notebook
from ser.core import params
from ser.core.filters import mel_band_hertz
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.core.typing import FloatArray
from ser.nets.build import build
from ser.nets.standardising import StandardisingNet
from ser.training.examples import find_copies
from ser.training.folds import Inputs

_AT_ONCE = 64  # clips, in validation


class ByHand(NamedTuple):
    """What an epoch gave.

    Attributes:
        seconds: of training, and of validation where there are val clips.
        val_accuracy: None where there are none.
    """

    seconds: float
    val_accuracy: float | None


class Crops(Dataset[tuple[Tensor, int]]):
    """Features [frames, dims] with their labels, most of them cropped at random."""

    def __init__(
        self,
        features: Sequence[Tensor],
        labels: Sequence[int],
        probability: float,
        share: Sequence[float],
    ) -> None:
        self._features, self._labels = features, labels
        self._probability, self._share = probability, share

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        features = self._features[i]
        if torch.rand(()).item() < self._probability:
            frames = int(len(features) * torch.empty(()).uniform_(*self._share).item())
            start = int(torch.randint(len(features) - frames + 1, ()).item())
            features = features[start : start + frames]
        return features, self._labels[i]


def padded(clips: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Collate clips: features [batch, frames, dims], lengths [batch], labels [batch]."""
    features, labels = zip(*clips, strict=True)
    lengths = torch.tensor([len(one) for one in features])
    return pad_sequence(list(features), batch_first=True), lengths, torch.tensor(labels)


def read_subset(
    inputs: Inputs, subset: str, with_copies: bool = False
) -> tuple[list[FloatArray], list[int]]:
    """Read the features [frames, dims] and labels of the first fold's clips.

    Args:
        inputs: the files of a training.
        subset: train, val or test.
        with_copies: whether their copies follow them.
    """
    clips, splits, store = read_csv(inputs.clips), read_csv(inputs.splits), Store(inputs.features)
    emotions = sorted(set(clips["emotion"]))
    names = splits[(splits["fold"] == 1) & (splits["subset"] == subset)]["clip"]
    emotion_of = dict(zip(clips["clip"], clips["emotion"], strict=True))
    copies = find_copies(inputs.augmented) if with_copies else {}
    arrays, labels = [], []
    for name in names:
        own = [store[name], *(place.read() for place in copies.get(name, ()))]
        arrays += own
        labels += [emotions.index(emotion_of[name])] * len(own)
    return arrays, labels


def notebook_loop(
    inputs: Inputs, settings: params.Params, emotions: int, device: torch.device
) -> Callable[[], ByHand]:
    """Return the notebook's loop: its net, one clip at a time, constant learning rate."""
    model = settings.model
    clips = notebook.as_images(*read_subset(inputs, "train", model.copies == "all"))
    torch.manual_seed(model.seed)
    net = notebook.Net(emotions, model.layers).to(device)
    optimizer = torch.optim.Adam(net.parameters(), model.learning_rate)

    def epoch() -> ByHand:
        start = time.perf_counter()
        notebook.train_epoch(net, optimizer, clips, None, device)
        return ByHand(time.perf_counter() - start, None)

    return epoch


def default_loop(
    inputs: Inputs, settings: params.Params, emotions: int, device: torch.device
) -> Callable[[], ByHand]:
    """Return a loop for the default net and its settings, with validation after every epoch."""
    model = settings.model
    train, val = (
        ([torch.from_numpy(array.copy()) for array in arrays], labels)
        for arrays, labels in (read_subset(inputs, subset) for subset in ("train", "val"))
    )
    torch.manual_seed(model.seed)
    net = build(model, settings.features.n_mels, emotions)
    assert isinstance(net, StandardisingNet)
    net.tune(mel_band_hertz(settings.features))
    with torch.no_grad():
        pooled = torch.cat([net.pool(x[None], torch.tensor([len(x)])) for x in train[0]])
    net.standardise_by(pooled.mean(dim=0), pooled.std(dim=0, correction=0))
    net = net.to(device)
    loader = DataLoader(
        Crops(*train, model.crop.probability, model.crop.share),
        model.batch_size,
        shuffle=True,
        collate_fn=padded,
    )
    val_loader = DataLoader(Crops(*val, 0.0, (1.0, 1.0)), _AT_ONCE, collate_fn=padded)
    optimizer = torch.optim.AdamW(
        net.parameters(), model.learning_rate, weight_decay=model.weight_decay
    )
    scheduler = OneCycleLR(optimizer, model.learning_rate, model.epochs * len(loader))
    criterion = nn.CrossEntropyLoss(label_smoothing=model.label_smoothing)

    def epoch() -> ByHand:
        start = time.perf_counter()
        net.train()
        running_loss = 0.0
        for features, lengths, labels in loader:
            features, lengths, labels = (x.to(device) for x in (features, lengths, labels))
            optimizer.zero_grad()
            loss = criterion(net(features, lengths), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running_loss += loss.item()
        net.eval()
        hits = 0
        with torch.no_grad():
            for features, lengths, labels in val_loader:
                guess = net(features.to(device), lengths.to(device)).argmax(dim=1)
                hits += int((guess == labels.to(device)).sum().item())
        return ByHand(time.perf_counter() - start, hits / len(val[1]))

    return epoch
