"""Predict the test clips of each fold with a trained model."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from ser.core.clips import speaker_of
from ser.core.store import Store
from ser.nets import model_folder
from ser.nets.description import Description
from ser.training.batches import NormalisedClips
from ser.training.devices import choose_device, limit_threads, make_deterministic
from ser.training.examples import ExampleSource
from ser.training.pooled import measure_voices
from ser.training.predict import loss_and_accuracy, predict


def predict_test_clips(
    clips: pd.DataFrame,
    splits: pd.DataFrame,
    features: Store,
    trained: Path,
    description: Description,
    nets: list[nn.Module],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predict each fold's test clips with its net.

    Returns:
        (the table predictions.csv; loss and accuracy on the test clips after every epoch whose
        weights were kept, columns fold, epoch, test_loss, test_accuracy).
    """
    device = choose_device()
    make_deterministic()
    settings, emotions = description.model, description.emotions
    limit_threads(settings)
    source = ExampleSource(clips, features, settings)
    # All clips of every voice, whichever fold tests them.
    voices = source.measured_examples([], emotions)
    measured = None if voices is None else NormalisedClips(voices, settings, device)
    parts, tested = [], []
    for fold, net, statistics in zip(description.folds, nets, description.statistics, strict=True):
        rows = splits[(splits["fold"] == fold) & (splits["subset"] == "test")]
        test = clips[clips["clip"].isin(rows["clip"])]
        examples = source.examples(test["clip"].tolist(), emotions, statistics)
        tests = NormalisedClips(examples, settings, device)
        net = net.to(device)
        measure_voices(net, measured)
        probabilities = predict(net, tests)
        part = test[["clip", "emotion"]].assign(
            fold=fold,
            speaker=speaker_of(test),
            predicted=[emotions[i] for i in probabilities.argmax(axis=1)],
        )
        part[emotions] = probabilities.astype(np.float64)
        parts.append(part)
        for epoch, snapshot in model_folder.load_snapshots(trained, description, fold):
            snapshot = snapshot.to(device)
            measure_voices(snapshot, measured)
            probabilities = predict(snapshot, tests)
            loss, accuracy = loss_and_accuracy(probabilities, examples.labels)
            tested.append((fold, epoch, loss, accuracy))
    columns = ["clip", "fold", "speaker", "emotion", "predicted", *emotions]
    table = pd.concat(parts)[columns].sort_values(["clip", "fold"], ignore_index=True)
    return table, pd.DataFrame(tested, columns=["fold", "epoch", "test_loss", "test_accuracy"])
