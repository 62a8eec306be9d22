"""Train the net on every fold of the split."""

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

from ser.core import params, sections
from ser.core.clips import summarise_corpus
from ser.core.preprocessing import Preprocessing
from ser.core.store import Store
from ser.core.tables import read_csv, write_csv, write_report
from ser.nets import model_folder
from ser.nets.description import Description, TrainingClips, versions
from ser.training import folds
from ser.training.devices import has_bfloat16
from ser.training.history import Epoch, best_epoch, kept_epoch, mean_figures
from ser.training.loop import last_epoch
from ser.training.progress import Progress
from ser.training.team import join
from ser.training.tracking import Tracking
from stages import run_stage

# Outside the stage's outputs, because DVC removes those before it runs the stage again. Experiments
# in temporary folders set SER_CHECKPOINTS to a folder that is kept.
CHECKPOINTS = Path(os.environ.get("SER_CHECKPOINTS") or ".checkpoints")


class EpochLog:
    """Shows the epochs and rewrites history.csv with all folds so far."""

    def __init__(self, path: Path, folds: int, model: sections.Model) -> None:
        self._path, self._folds, self._model = path, folds, model
        self._progress = Progress(folds, model)
        self._finished: list[Epoch] = []

    def epoch(self, history: list[Epoch], seconds: float) -> None:
        """Log the newest epoch of the current fold."""
        self._write(history)
        if sys.stdout.isatty():
            self._progress.redraw(history[-1], seconds)
        else:
            self._progress.print_some(history[-1], seconds)

    def parallel_epoch(self, history: list[Epoch], seconds: float) -> None:
        """Print the newest epoch of a fold while other processes train and print other folds."""
        self._progress.print_some(history[-1], seconds)

    def end_fold(self, history: list[Epoch]) -> None:
        """Store a finished fold's history; print which epoch is kept if it stopped early."""
        self.close()
        self._finished += history
        self._write([])
        if len(history) < last_epoch(self._model):
            print(
                f"fold {history[-1].fold}/{self._folds}: stopped after epoch {len(history)}, "
                f"{self._model.patience} epochs without a better val loss; the weights of epoch "
                f"{best_epoch(history).epoch} are kept\n",
                end="",
                flush=True,
            )

    def close(self) -> None:
        """End the line of a fold whose training was ended by an error."""
        self._progress.end_line()

    def _write(self, history: list[Epoch]) -> None:
        rows = [asdict(epoch) for epoch in (*self._finished, *history)]
        columns = [field.name for field in fields(Epoch)]
        if self._model.dimension_weight == 0:
            columns = [column for column in columns if not column.endswith("_ccc")]
        write_csv(self._path, rows, columns)


def describe_model(
    inputs: folds.Inputs, settings: sections.Model, trained: Mapping[int, folds.Trained]
) -> Description:
    """Return the description to store with the weights."""
    summarised = ["clip", "corpus", "speaker", "language", "emotion", "seconds", "samples_digest"]
    clips, splits = read_csv(inputs.clips, summarised), read_csv(inputs.splits)
    digests = clips.set_index("clip")["samples_digest"]
    training = splits[splits["subset"] == "train"]
    clips_of = {fold: own["clip"] for fold, own in training.groupby("fold")}
    return Description(
        model=settings,
        emotions=sorted(set(clips["emotion"])),
        dimensions=folds.learned_dimensions(inputs.clips, settings),
        preprocessing=Preprocessing.model_validate(Store(inputs.features).meta),
        folds=list(trained),
        statistics=[fold.statistics for fold in trained.values()],
        temperatures=[1.0] * len(trained),
        augment=Store(inputs.augmented).meta.get("augment"),
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
    report: Path,
) -> None:
    """Write the model, its learning curves and its final figures on train and val."""
    all_params = params.load()
    settings = all_params.model
    # Absolute, because another machine that shares this folder may train a fold.
    inputs = folds.Inputs(*(path.resolve() for path in (clips, splits, features, augmented)))
    team = join()
    numbers = sorted(read_csv(splits, ["fold"])["fold"].unique().tolist())
    if settings.precision == "bfloat16" and not has_bfloat16(team.device):
        if team.leads:
            print(f"this {team.device.type} has no bfloat16 of its own: it trains in float32")
        settings = settings.model_copy(update={"precision": "float32"})
    checkpoints = CHECKPOINTS.resolve() / folds.training_id(numbers, inputs, settings, team)
    trained = {}
    with (
        Tracking(all_params) as tracking,
        closing(EpochLog(history, len(numbers), settings)) as log,
    ):

        def on_epoch(history: list[Epoch], seconds: float) -> None:
            log.epoch(history, seconds)
            tracking.epochs(history)

        training = folds.train_folds(
            numbers, inputs, settings, checkpoints, team, on_epoch, log.parallel_epoch
        )
        with closing(training) as results:
            for number, fold in zip(numbers, results, strict=True):
                trained[number] = fold
                if team.leads:
                    log.end_fold(fold.history)
                    tracking.epochs(fold.history)
        if not team.leads:
            return
        description = describe_model(inputs, settings, trained)
        model_folder.save(model, description, [fold.tensors() for fold in trained.values()])
        tracking.trained(model)
    for number in numbers if settings.snapshots else []:
        source, target = (model_folder.snapshots_folder(f, number) for f in (checkpoints, model))
        shutil.copytree(source, target, dirs_exist_ok=True)
    kept = [kept_epoch(fold.history, settings.patience) for fold in trained.values()]
    figures: dict[str, float] = {
        "parameters": round(
            fmean(
                model_folder.count_parameters(description, fold.tensors())
                for fold in trained.values()
            )
        ),
        "examples": fmean(fold.examples for fold in trained.values()),
        **mean_figures(kept),
    }
    write_report(report, figures)
    if checkpoints.exists() and not 0 < settings.stop_after < settings.epochs:
        shutil.rmtree(checkpoints)


if __name__ == "__main__":
    run_stage(main)
