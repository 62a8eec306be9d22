"""Predict the clips of each fold that its net was not trained on, and describe them by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser.core.clips import speaker_of
from ser.core.dimensions import PREDICTED
from ser.core.sections import Model
from ser.core.store import Store
from ser.nets import model_folder
from ser.nets.description import Description
from ser.training.batches import Examples, NormalisedClips, in_order
from ser.training.devices import choose_device, limit_threads, make_deterministic
from ser.training.examples import ExampleSource
from ser.training.pooled import measure_voices
from ser.training.predict import (
    logits_of,
    loss_and_accuracy,
    predict,
    predict_with_dimensions,
)


@dataclass(frozen=True)
class FoldClips:
    """The clips of one fold in a subset, ready for its net.

    Attributes:
        fold: its number.
        net: of the fold, with the statistics of the voices if it needs them.
        rows: of the table clips.csv.
        examples: the clips, with their labels.
        normalised: the same as the net takes them.
        measured: all clips of every voice, for other nets of the fold; None if not needed.
    """

    fold: int
    net: nn.Module
    rows: pd.DataFrame
    examples: Examples
    normalised: NormalisedClips
    measured: NormalisedClips | None


def predict_subset(
    subset: str,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    trained: Path,
    description: Description,
    nets: list[nn.Module],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict each fold's clips of a subset with its net.

    Args:
        subset: test or val.
        clips: the table clips.csv.
        splits: the table splits.csv.
        features: the clips' features.
        trained: the model folder.
        description: of the model.
        nets: of its folds.

    Returns:
        (the table predictions.csv of these clips, with the probabilities at temperature 1; of the
        test clips, the loss and accuracy after every epoch whose weights were kept, columns fold,
        epoch, test_loss, test_accuracy). A fold without such clips has no rows.
    """
    emotions, dimensions = description.emotions, description.dimensions
    predicted = [PREDICTED + name for name in dimensions]
    parts, tested = [], []
    for own in clips_of_folds(subset, clips, splits, features, description, nets):
        probabilities, values = predict_with_dimensions(own.net, own.normalised)
        part = own.rows[["clip", "emotion", *dimensions]].assign(
            fold=own.fold,
            speaker=speaker_of(own.rows),
            predicted=[emotions[i] for i in probabilities.argmax(axis=1)],
        )
        part[emotions] = probabilities.astype(np.float64)
        part[predicted] = values.astype(np.float64)
        parts.append(part)
        if subset != "test":
            continue
        for epoch, snapshot in model_folder.load_snapshots(trained, description, own.fold):
            snapshot = snapshot.to(choose_device())
            measure_voices(snapshot, own.measured)
            probabilities = predict(snapshot, own.normalised)
            loss, accuracy = loss_and_accuracy(probabilities, own.examples.labels)
            tested.append((own.fold, epoch, loss, accuracy))
    columns = ["clip", "fold", "speaker", "emotion", "predicted", *emotions]
    columns += [*dimensions, *predicted]
    joined = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    table = joined[columns].sort_values(["clip", "fold"], ignore_index=True)
    return table, pd.DataFrame(tested, columns=["fold", "epoch", "test_loss", "test_accuracy"])


def embed_tested(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    description: Description,
    nets: list[nn.Module],
) -> tuple[int, dict[str, NDArray[np.float32]]]:
    """Compute what the net of the first fold computes of its test clips before its last layer.

    The nets of several folds compute numbers that cannot be compared, so there is only one fold.

    Args:
        clips: the table clips.csv.
        splits: the table splits.csv.
        features: the clips' features.
        description: of the model.
        nets: of its folds.

    Returns:
        (number of the fold, clip -> float32 [values]).
    """
    own = next(clips_of_folds("test", clips, splits, features, description, nets))
    return own.fold, dict(zip(own.rows["clip"], embed(own.net, own.normalised), strict=True))


def embed(net: nn.Module, clips: NormalisedClips) -> NDArray[np.float32]:
    """Compute what enters a net's last layer: the last module that has weights and is run.

    Args:
        net: on the clips' device.
        clips: at least one.

    Returns:
        float32 [clips, values], in the order of the clips.
    """
    entered: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        entered[:] = inputs[:1]

    hooks = [
        module.register_forward_pre_hook(keep)
        for module in net.modules()
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    ]
    net.eval()
    order, parts = [], []
    try:
        with torch.inference_mode():
            for positions, batch in in_order(clips):
                order.append(positions)
                logits_of(net, batch)
                parts.append(entered[0].flatten(1).float())
    finally:
        for hook in hooks:
            hook.remove()
    embedded: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return embedded[np.argsort(np.concatenate(order))]


def clips_of_folds(
    subset: str,
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    description: Description,
    nets: list[nn.Module],
) -> Iterator[FoldClips]:
    """Yield each fold's clips of a subset with its net; folds without such clips are left out."""
    device = choose_device()
    make_deterministic()
    settings, emotions = description.model, description.emotions
    limit_threads(settings)
    every = ExampleSource(clips, features, settings, dimensions=description.dimensions)
    all_tested = splits["clip"][splits["subset"] == "test"]

    def measured_by(source: ExampleSource) -> NormalisedClips | None:
        # All clips of every voice, whichever fold has them in the subset.
        voices = source.measured_examples([], emotions)
        return None if voices is None else NormalisedClips(voices, settings, device)

    measured = measured_by(every)
    for fold, net, statistics in zip(description.folds, nets, description.statistics, strict=True):
        rows = splits[splits["fold"] == fold]
        own = clips[clips["clip"].isin(rows["clip"][rows["subset"] == subset])]
        if own.empty:
            continue
        source = every.of_fold(rows["clip"][rows["subset"] == "train"], all_tested)
        if source is not every:
            measured = measured_by(source)
        examples = source.examples(own["clip"].tolist(), emotions, statistics)
        normalised = NormalisedClips(examples, settings, device)
        net = net.to(device)
        measure_voices(net, measured)
        yield FoldClips(fold, net, own, examples, normalised, measured)


def normalises_by_test_clips(clips: pd.DataFrame, splits: pd.DataFrame, model: Model) -> bool:
    """Return whether test clips are normalised by test clips, without their emotions.

    So they are by speaker, and by corpus in a fold that trains on no clip of a tested corpus.
    """
    if model.normalisation != "corpus":
        return model.normalisation == "speaker"
    corpora = splits["clip"].map(clips.set_index("clip")["corpus"])
    held = splits.assign(corpus=corpora).groupby(["fold", "subset"])["corpus"].agg(set)
    return any(not held[fold, "test"] <= held[fold, "train"] for fold in splits["fold"].unique())
