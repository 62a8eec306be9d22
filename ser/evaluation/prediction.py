"""Predict the clips of each fold that its net was not trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from ser.core.clips import speaker_of
from ser.core.sections import Model
from ser.core.store import Store
from ser.nets import model_folder
from ser.nets.description import Description
from ser.training.batches import NormalisedClips
from ser.training.devices import choose_device, limit_threads, make_deterministic
from ser.training.examples import ExampleSource
from ser.training.pooled import measure_voices
from ser.training.predict import loss_and_accuracy, predict


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
    device = choose_device()
    make_deterministic()
    settings, emotions = description.model, description.emotions
    limit_threads(settings)
    every = ExampleSource(clips, features, settings)
    all_tested = splits["clip"][splits["subset"] == "test"]

    def measured_by(source: ExampleSource) -> NormalisedClips | None:
        # All clips of every voice, whichever fold has them in the subset.
        voices = source.measured_examples([], emotions)
        return None if voices is None else NormalisedClips(voices, settings, device)

    measured = measured_by(every)
    parts, tested = [], []
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
        probabilities = predict(net, normalised)
        part = own[["clip", "emotion"]].assign(
            fold=fold,
            speaker=speaker_of(own),
            predicted=[emotions[i] for i in probabilities.argmax(axis=1)],
        )
        part[emotions] = probabilities.astype(np.float64)
        parts.append(part)
        if subset != "test":
            continue
        for epoch, snapshot in model_folder.load_snapshots(trained, description, fold):
            snapshot = snapshot.to(device)
            measure_voices(snapshot, measured)
            probabilities = predict(snapshot, normalised)
            loss, accuracy = loss_and_accuracy(probabilities, examples.labels)
            tested.append((fold, epoch, loss, accuracy))
    columns = ["clip", "fold", "speaker", "emotion", "predicted", *emotions]
    joined = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    table = joined[columns].sort_values(["clip", "fold"], ignore_index=True)
    return table, pd.DataFrame(tested, columns=["fold", "epoch", "test_loss", "test_accuracy"])


def normalises_by_test_clips(clips: pd.DataFrame, splits: pd.DataFrame, model: Model) -> bool:
    """Return whether test clips are normalised by test clips, without their emotions.

    So they are by speaker, and by corpus in a fold that trains on no clip of a tested corpus.
    """
    if model.normalisation != "corpus":
        return model.normalisation == "speaker"
    corpora = splits["clip"].map(clips.set_index("clip")["corpus"])
    held = splits.assign(corpus=corpora).groupby(["fold", "subset"])["corpus"].agg(set)
    return any(not held[fold, "test"] <= held[fold, "train"] for fold in splits["fold"].unique())
