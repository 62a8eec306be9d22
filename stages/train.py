"""Train the net on every fold of the split."""

import hashlib
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

import ser.batches
import ser.models
import ser.training
from ser import model_folder, params
from ser.batches import Examples
from ser.store import FloatArray, Store
from ser.tables import read_csv, write_csv, write_json
from ser.training import Epoch
from stages import cli

# Outside the stage's outputs, which DVC removes before it runs the stage again.
CHECKPOINTS = Path(".checkpoints")


def fingerprint(files: Iterable[Path], *values: object) -> str:
    """Name everything that a training's result depends on: two that differ share no checkpoint."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16)
    for path in sorted(files):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


class EpochLog:
    """Prints a line per epoch and rewrites history.csv with all folds so far."""

    def __init__(self, path: Path, model: params.Model, folds: int) -> None:
        self._path, self._model, self._folds = path, model, folds
        self._finished: list[Epoch] = []
        self._clock = time.monotonic()

    def epoch(self, history: list[Epoch]) -> None:
        """Log the newest epoch of the current fold."""
        rows = [asdict(epoch) for epoch in (*self._finished, *history)]
        write_csv(self._path, rows, [field.name for field in fields(Epoch)])
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
        """Keep a finished fold's history."""
        self._finished += history


def kept_epoch(history: list[Epoch], patience: int) -> Epoch:
    """Find the epoch whose weights are kept: the last, or the best by validation loss."""
    if patience == 0:
        return history[-1]
    return min(history, key=lambda epoch: (epoch.val_loss, epoch.epoch))


def gather(
    versions: list[list[FloatArray]], labels: list[int], dims: dict[str, int], copies: str
) -> Examples:
    """Make examples of clips: one each with all its versions, or one of every version."""
    if copies == "all":
        labels = [label for label, own in zip(labels, versions, strict=True) for _ in own]
        versions = [[version] for own in versions for version in own]
    return Examples(versions, np.array(labels, dtype=np.int64), dims)


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
    emotion = dict(read_csv(clips)[["clip", "emotion"]].itertuples(index=False, name=None))
    emotions = sorted(set(emotion.values()))
    originals, copies = Store(features), Store(augmented)
    keys: dict[str, list[str]] = {clip: [] for clip in emotion}
    for key, clip in read_csv(augmented / "copies.csv")[["key", "clip"]].itertuples(index=False):
        keys[clip].append(key)
    split_table = read_csv(splits)

    def examples(names: list[str], with_copies: bool) -> Examples:
        # A copy is only ever seen where its source clip is trained on.
        versions = [
            [originals[clip], *(copies[key] for key in keys[clip] if with_copies)] for clip in names
        ]
        labels = [emotions.index(emotion[clip]) for clip in names]
        return gather(versions, labels, originals.meta["dims"], settings.copies)

    code = [Path(m.__file__ or "") for m in (ser.training, ser.batches)]
    code += Path(ser.models.__file__ or "").parent.glob("*.py")
    data = [clips, splits, *features.iterdir(), *augmented.iterdir()]
    threads = torch.get_num_threads()
    name = fingerprint([*code, *data], settings, torch.__version__, device, threads)

    folds = sorted(split_table["fold"].unique().tolist())
    log = EpochLog(history, settings, len(folds))
    weights, kept = [], []
    for fold in folds:
        rows = split_table[split_table["fold"] == fold]
        train = examples(list(rows["clip"][rows["subset"] == "train"]), with_copies=True)
        val = examples(list(rows["clip"][rows["subset"] == "val"]), with_copies=False)
        checkpoint = CHECKPOINTS / name / f"fold-{fold}.safetensors"
        if checkpoint.exists():
            print(f"fold {fold}/{len(folds)}: goes on from {checkpoint}")
        fold_weights, epochs = ser.training.fit(
            train, val, len(emotions), settings, fold, device, checkpoint, log.epoch
        )
        log.end_fold(epochs)
        weights.append(fold_weights)
        kept.append(kept_epoch(epochs, settings.patience))

    description = model_folder.Description(
        settings.model_dump(), emotions, originals.meta, folds, model_folder.versions()
    )
    model_folder.save(model, description, weights)
    net = ser.models.build(settings, sum(originals.meta["dims"].values()), len(emotions))
    write_json(metrics, {"parameters": ser.models.count_parameters(net), **mean_figures(kept)})
    shutil.rmtree(CHECKPOINTS / name)


def mean_figures(epochs: list[Epoch]) -> dict[str, float | None]:
    """Average the kept epochs' figures over the folds; None where a fold has no val clips."""
    means: dict[str, float | None] = {}
    for name in ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        values = [getattr(epoch, name) for epoch in epochs]
        means[name] = None if None in values else fmean(values)
    return means


if __name__ == "__main__":
    cli.run(main, "clips", "features", "augmented", "splits", "model", "history", "metrics")
