"""Train the net on every fold of the split."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

import ser.balance
import ser.models
import ser.training
from ser import model_folder, params
from ser.batches import Examples
from ser.errors import UserError
from ser.normalisation import Statistics
from ser.recordings import Recordings, read_copies
from ser.store import Store
from ser.tables import read_csv, write_csv, write_json
from ser.training import Epoch
from stages import cli

# Outside the stage's outputs, which DVC removes before it runs the stage again. Experiments that
# run in a folder of their own name one that outlives it.
CHECKPOINTS = Path(os.environ.get("SER_CHECKPOINTS") or ".checkpoints")


def fingerprint(files: Iterable[Path], *values: object) -> str:
    """Name everything that a training's result depends on: two that differ share no checkpoint."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16)
    for path in sorted(files):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def name_training(data: Iterable[Path], model: params.Model, device: torch.device) -> str:
    """Name a training by its data, settings and code, and by what its rounding depends on."""
    library = Path(ser.training.__file__).parent
    code = [*library.glob("*.py"), *library.glob("models/*.py")]
    # Where a training was stopped makes no difference to the epochs before.
    settings = model.model_copy(update={"stop_after": 0})
    return fingerprint([*code, *data], settings, torch.__version__, device, torch.get_num_threads())


class EpochLog:
    """Prints a line per epoch and rewrites history.csv with all folds so far."""

    def __init__(self, path: Path, model: params.Model, folds: int) -> None:
        self._path, self._model, self._folds = path, model, folds
        self._finished: list[Epoch] = []
        self._clock = time.monotonic()

    def epoch(self, history: list[Epoch]) -> None:
        """Log the newest epoch of the current fold."""
        self._write(history)
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        e = history[-1]
        val = "" if e.val_loss is None else f", val {e.val_loss:.3f} {e.val_accuracy:.1%}"
        print(
            f"fold {e.fold}/{self._folds} epoch {e.epoch}/{self._model.epochs}: "
            f"loss {e.train_loss:.3f} {e.train_accuracy:.1%}{val} ({seconds:.1f} s)",
            flush=True,
        )

    def end_fold(self, history: list[Epoch]) -> None:
        """Keep a finished fold's history, also if no epoch of it was trained now."""
        self._finished += history
        self._write([])

    def _write(self, history: list[Epoch]) -> None:
        rows = [asdict(epoch) for epoch in (*self._finished, *history)]
        write_csv(self._path, rows, [field.name for field in fields(Epoch)])


def examples_of_fold(
    recordings: Recordings,
    clips_of: Mapping[str, Sequence[str]],
    emotions: list[str],
    model: params.Model,
    fold: int,
) -> tuple[Examples, Examples, Statistics | None]:
    """Make the examples of a fold.

    Args:
        recordings: all clips and their copies.
        clips_of: train, and val if there are any -> names of clips.
        emotions: in the order of the labels.
        model: how copies are used, and how emotions are balanced.
        fold: its number.

    Returns:
        (examples to train on, val examples, statistics of the train clips if they normalise).
    """
    of_train = recordings.measure(clips_of["train"])
    train = recordings.train_examples(
        clips_of["train"], emotions, of_train, each_copy=model.copies == "all"
    )
    before = len(train)
    train = ser.balance.balance(train, emotions, model, np.random.default_rng((model.seed, fold)))
    if model.balance != "none":
        print(
            f"fold {fold}: {before} examples to train on, {len(train)} after model.balance "
            f"{model.balance}"
        )
    return train, recordings.examples(clips_of.get("val", []), emotions, of_train), of_train


def main(
    clips: Path,
    features: Path,
    augmented: Path,
    splits: Path,
    model: Path,
    history: Path,
    metrics: Path,
) -> None:
    """Write the model, its learning curves and its last figures on train and val."""
    settings = params.load().model
    device = ser.training.choose_device()
    ser.training.make_deterministic()
    clip_table, split_table, store = read_csv(clips), read_csv(splits), Store(features)
    emotions = sorted(set(clip_table["emotion"]))
    recordings = Recordings(clip_table, store, settings.normalisation, read_copies(augmented))
    data = [clips, splits, *features.iterdir(), *augmented.iterdir()]
    checkpoints = CHECKPOINTS / name_training(data, settings, device)

    folds = sorted(split_table["fold"].unique().tolist())
    log = EpochLog(history, settings, len(folds))
    weights, kept, statistics, sizes = [], [], [], []
    for fold in folds:
        clips_of = split_table[split_table["fold"] == fold].groupby("subset")["clip"].agg(list)
        train, val, of_train = examples_of_fold(
            recordings, clips_of.to_dict(), emotions, settings, fold
        )
        checkpoint = checkpoints / f"fold-{fold}.safetensors"
        snapshots = model_folder.snapshots_folder(checkpoints, fold)
        if checkpoint.exists():
            print(f"fold {fold}/{len(folds)}: goes on from {checkpoint}")
        fold_weights, epochs = ser.training.fit(
            train, val, len(emotions), settings, fold, device, checkpoint, snapshots, log.epoch
        )
        log.end_fold(epochs)
        if settings.snapshots and len(list(snapshots.glob("*"))) != len(epochs):
            raise UserError(
                f"{snapshots} lost or gained files while fold {fold} was trained: is another "
                "training of the same params running? Remove the folder and run again"
            )
        weights.append(fold_weights)
        kept.append(ser.training.kept_epoch(epochs, settings.patience))
        statistics.append(of_train)
        sizes.append(len(train))

    description = model_folder.Description(
        settings.model_dump(), emotions, store.meta, folds, statistics, model_folder.versions()
    )
    model_folder.save(model, description, weights)
    for fold in folds if settings.snapshots else []:
        source, target = (model_folder.snapshots_folder(f, fold) for f in (checkpoints, model))
        shutil.copytree(source, target, dirs_exist_ok=True)
    write_json(
        metrics,
        {
            "parameters": ser.models.count_parameters(
                ser.models.build(settings, sum(recordings.dims.values()), len(emotions))
            ),
            "examples": float(np.mean(sizes)),
            **ser.training.mean_figures(kept),
        },
    )
    if not 0 < settings.stop_after < settings.epochs:
        shutil.rmtree(checkpoints)


if __name__ == "__main__":
    cli.run(main, "clips", "features", "augmented", "splits", "model", "history", "metrics")
