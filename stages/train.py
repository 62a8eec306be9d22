"""Train the net on every fold of the split."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from ser.core import params, sections
from ser.core.clips import summarise_corpus
from ser.core.preprocessing import Preprocessing
from ser.core.store import Store
from ser.core.tables import read_csv, write_csv, write_json
from ser.nets import model_folder
from ser.nets.description import Description, TrainingClips, versions
from ser.training import folds
from ser.training.history import Epoch, kept_epoch, mean_figures
from ser.training.team import join
from stages import cli

# Outside the stage's outputs, because DVC removes those before it runs the stage again. Experiments
# in temporary folders set SER_CHECKPOINTS to a folder that is kept.
CHECKPOINTS = Path(os.environ.get("SER_CHECKPOINTS") or ".checkpoints")


class EpochLog:
    """Prints a line per epoch and rewrites history.csv with all folds so far."""

    def __init__(self, path: Path, epochs: int, folds: int) -> None:
        self._path, self._epochs, self._folds = path, epochs, folds
        self._finished: list[Epoch] = []

    def print_epoch(self, history: list[Epoch], seconds: float) -> None:
        """Print the newest epoch of a fold."""
        e = history[-1]
        val = "" if e.val_loss is None else f", val {e.val_loss:.3f} {e.val_accuracy:.1%}"
        # Text and line end in one write, because other processes print as well.
        print(
            f"fold {e.fold}/{self._folds} epoch {e.epoch}/{self._epochs}: "
            f"loss {e.train_loss:.3f} {e.train_accuracy:.1%}{val} ({seconds:.1f} s)\n",
            end="",
            flush=True,
        )

    def epoch(self, history: list[Epoch], seconds: float) -> None:
        """Log the newest epoch of the current fold."""
        self._write(history)
        self.print_epoch(history, seconds)

    def end_fold(self, history: list[Epoch]) -> None:
        """Store a finished fold's history."""
        self._finished += history
        self._write([])

    def _write(self, history: list[Epoch]) -> None:
        rows = [asdict(epoch) for epoch in (*self._finished, *history)]
        write_csv(self._path, rows, [field.name for field in fields(Epoch)])


def describe_model(
    inputs: folds.Inputs, settings: sections.Model, trained: Mapping[int, folds.Trained]
) -> Description:
    """Return the description to store with the weights."""
    clips, splits = read_csv(inputs.clips), read_csv(inputs.splits)
    digests = clips.set_index("clip")["samples_digest"]
    training = splits[splits["subset"] == "train"]
    clips_of = {fold: own["clip"] for fold, own in training.groupby("fold")}
    return Description(
        model=settings,
        emotions=sorted(set(clips["emotion"])),
        preprocessing=Preprocessing.model_validate(Store(inputs.features).meta),
        folds=list(trained),
        statistics=[fold.statistics for fold in trained.values()],
        corpus=summarise_corpus(clips),
        versions=versions(),
        training_clips=TrainingClips.of_folds(digests[clips_of[fold]] for fold in trained),
    )


def main(
    clips: Path,
    features: Path,
    augmented: Path,
    splits: Path,
    model: Path,
    history: Path,
    metrics: Path,
) -> None:
    """Write the model, its learning curves and its final figures on train and val."""
    settings = params.load().model
    # Absolute, because another machine that shares this folder may train a fold.
    inputs = folds.Inputs(*(path.resolve() for path in (clips, splits, features, augmented)))
    team = join()
    numbers = sorted(read_csv(splits)["fold"].unique().tolist())
    checkpoints = CHECKPOINTS.resolve() / folds.training_id(numbers, inputs, settings, team)
    log = EpochLog(history, settings.epochs, len(numbers))
    results = folds.train_folds(
        numbers, inputs, settings, checkpoints, team, log.epoch, log.print_epoch
    )
    trained = {}
    for number, fold in zip(numbers, results, strict=True):
        trained[number] = fold
        if team.leads:
            log.end_fold(fold.history)
    if not team.leads:
        return

    description = describe_model(inputs, settings, trained)
    model_folder.save(model, description, [fold.tensors() for fold in trained.values()])
    for number in numbers if settings.snapshots else []:
        source, target = (model_folder.snapshots_folder(f, number) for f in (checkpoints, model))
        shutil.copytree(source, target, dirs_exist_ok=True)
    kept = [kept_epoch(fold.history, settings.patience) for fold in trained.values()]
    figures: dict[str, float] = {
        "parameters": model_folder.count_parameters(description),
        "examples": float(np.mean([fold.examples for fold in trained.values()])),
        **mean_figures(kept),
    }
    write_json(metrics, figures)
    if not 0 < settings.stop_after < settings.epochs:
        shutil.rmtree(checkpoints)


if __name__ == "__main__":
    cli.run_stage(main)
