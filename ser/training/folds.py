"""Train the folds of a split, one after the other or in parallel processes."""

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ser.core.dimensions import DIMENSIONS
from ser.core.errors import UserError
from ser.core.needs import needs_of
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Model
from ser.core.store import Store
from ser.core.tables import read_csv, read_header
from ser.nets import model_folder
from ser.nets.normalisation import Statistics
from ser.nets.weights import Weights
from ser.parallel import ordered_map, scheduler_address
from ser.training.balance import balance
from ser.training.batches import Examples
from ser.training.devices import (
    choose_device,
    limit_threads,
    make_deterministic,
    use_tensor_cores,
)
from ser.training.examples import ExampleSource, find_copies
from ser.training.history import Epoch
from ser.training.learners import fit_learner
from ser.training.loop import FoldData, Run, fit
from ser.training.team import Team


@dataclass(frozen=True)
class Inputs:
    """The files that a training reads.

    Attributes:
        clips: the table clips.csv.
        splits: the table splits.csv.
        features: folder of the store of the clips' features.
        augmented: folder of the store of their copies' features, with copies.csv.
    """

    clips: Path
    splits: Path
    features: Path
    augmented: Path

    def files(self) -> list[Path]:
        """Return all files."""
        return [self.clips, self.splits, *self.features.iterdir(), *self.augmented.iterdir()]


@dataclass(frozen=True)
class Trained:
    """Result of the training of one fold.

    Attributes:
        weights: of the last epoch, or the best. They are arrays, because each tensor sent to
            another process takes shared memory and an open file.
        history: its epochs.
        statistics: to normalise new recordings by, if they are not those of each clip or voice.
        examples: number of examples trained on.
    """

    weights: dict[str, NDArray[Any]]
    history: list[Epoch]
    statistics: Statistics | None
    examples: int

    def tensors(self) -> Weights:
        """Return the weights as tensors."""
        return {name: torch.from_numpy(array) for name, array in self.weights.items()}


OnEpoch = Callable[[list[Epoch], float], None]  # history so far, seconds of its last epoch


def train_folds(
    folds: Sequence[int],
    inputs: Inputs,
    model: Model,
    checkpoints: Path,
    team: Team,
    on_epoch: OnEpoch,
    on_parallel_epoch: OnEpoch,
) -> Generator[Trained, None, None]:
    """Train each fold; yield the results in their order.

    Several folds on CPUs are trained in parallel, each on one thread. A fold runs alone, on all
    cores, if it is the only one, runs on a GPU, or is shared by several processes.

    Args:
        folds: their numbers.
        inputs: the files to read.
        model: the net and the settings of its training.
        checkpoints: folder of unfinished trainings.
        team: the processes that train a fold together.
        on_epoch: called after each epoch if folds are trained one after the other.
        on_parallel_epoch: called instead if they are trained in parallel, in other processes.
    """
    train = partial(train_fold, inputs=inputs, model=model, checkpoints=checkpoints)
    if is_sequential(folds, team):
        for fold in folds:
            yield train(fold, team=team, on_epoch=on_epoch)
    else:
        with closing(ordered_map(partial(train, on_epoch=on_parallel_epoch), folds)) as results:
            yield from results


def is_sequential(folds: Sequence[int], team: Team) -> bool:
    """Return whether folds are trained one after the other, in this process."""
    if team.size > 1:
        return True
    return not scheduler_address() and (team.device.type != "cpu" or len(folds) == 1)


def train_fold(
    fold: int,
    inputs: Inputs,
    model: Model,
    checkpoints: Path,
    on_epoch: OnEpoch,
    team: Team | None = None,
) -> Trained:
    """Train one fold, or resume its training.

    Args:
        fold: its number.
        inputs: the files to read.
        model: the net and the settings of its training.
        checkpoints: folder of unfinished trainings.
        on_epoch: called after each epoch, only by the first process of a team.
        team: the processes that train it together; None: only this one.

    Raises:
        UserError: as `ser.training.loop.fit` or `ser.training.learners.fit_learner`, too few clips
            are rated in a dimension, or there are snapshots of another training.
    """
    make_deterministic()
    limit_threads(model)
    use_tensor_cores()
    team = team or Team(choose_device())
    # Without the other columns: each takes as much memory as all that is known of a clip here.
    dimensions = learned_dimensions(inputs.clips, model)
    clips = read_csv(inputs.clips, ["clip", "corpus", "speaker", "emotion", *dimensions])
    splits = read_csv(inputs.splits)
    emotions = sorted(set(clips["emotion"]))
    store = Store(inputs.features)
    rows = splits[splits["fold"] == fold]
    clips_of = rows.groupby("subset")["clip"].agg(list).to_dict()
    tested = splits["clip"][splits["subset"] == "test"]
    every = ExampleSource(clips, store, model, find_copies(inputs.augmented), dimensions)
    source = every.of_fold(clips_of["train"], tested)
    train, val, train_statistics = examples_of_fold(
        source, clips_of, weights_other_than_one(rows), emotions, model, fold
    )
    _require_ratings(train, dimensions, fold)
    measured = source.measured_examples(clips_of["train"], emotions)
    features = Preprocessing.model_validate(store.meta).features
    if model.balance != "none" and team.leads:
        text = f"fold {fold}: {len(train)} examples after model.balance {model.balance}\n"
        print(text, end="", flush=True)
    checkpoint = checkpoints / f"fold-{fold}.safetensors"
    snapshots = model_folder.snapshots_folder(checkpoints, fold)
    if checkpoint.exists() and team.leads:
        print(f"fold {fold}: goes on from {checkpoint}\n", end="", flush=True)
    clock = time.monotonic()

    def on_timed_epoch(history: list[Epoch]) -> None:
        nonlocal clock
        before, clock = clock, time.monotonic()
        on_epoch(history, clock - before)

    voices = source.new_voices()
    data = FoldData(fold, train, val, measured, features, len(emotions), voices)
    if needs_of(model).learner:
        weights, history = fit_learner(data, model)
        if team.leads:
            on_timed_epoch(history)
    else:
        weights, history = fit(data, model, Run(team, checkpoint, snapshots), on_timed_epoch)
    if model.snapshots and team.leads and len(list(snapshots.glob("*"))) != len(history):
        raise UserError(
            f"{snapshots} lost or gained files while fold {fold} was trained: is another "
            "training of the same params running? Remove the folder and run again"
        )
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    return Trained(arrays, history, train_statistics, len(train))


def learned_dimensions(clips: Path, model: Model) -> list[str]:
    """Return the dimensions that a net learns beside the emotions: those that any clip is rated in.

    Args:
        clips: the table clips.csv.
        model: with a dimension_weight of 0, there are none.

    Raises:
        UserError: they are to be learned, and no clip is rated.
    """
    if model.dimension_weight == 0:
        return []
    header = read_header(clips)
    if found := [name for name in DIMENSIONS if name in header]:
        return found
    raise UserError(
        f"model.dimension_weight {model.dimension_weight:g} is for clips that are rated, and none "
        f"is: add a column {' or '.join(DIMENSIONS)} to labels.csv, or set it to 0"
    )


def _require_ratings(train: Examples, dimensions: Sequence[str], fold: int) -> None:
    """Check that two different ratings of each dimension are among the train examples of a fold."""
    for place, name in enumerate(dimensions):
        ratings = np.asarray(train.ratings)[:, place]
        if len(np.unique(ratings[~np.isnan(ratings)])) < 2:
            raise UserError(
                f"fold {fold} trains on fewer than two different ratings of {name}, from which a "
                "net cannot learn it: rate more clips, or set model.dimension_weight: 0"
            )


def weights_other_than_one(rows: pd.DataFrame) -> dict[str, float] | None:
    """Return clip -> weight of some rows of the table splits.csv; None if all are 1.

    Most trainings have no weights, and then need no time and memory for them.
    """
    if (rows["weight"] == 1).all():
        return None
    return dict(zip(rows["clip"], rows["weight"], strict=True))


def examples_of_fold(
    source: ExampleSource,
    clips_of: Mapping[str, Sequence[str]],
    weight_of: Mapping[str, float] | None,
    emotions: list[str],
    model: Model,
    fold: int,
) -> tuple[Examples, Examples, Statistics | None]:
    """Make the examples of a fold.

    Args:
        source: all clips and their copies.
        clips_of: subset (train, and val if there are val clips) -> names of its clips.
        weight_of: clip -> weight of its loss; None: all are 1.
        emotions: in the order of the labels.
        model: its copies and balance are used.
        fold: its number.

    Returns:
        (train examples, val examples, statistics to normalise new recordings by if they are not
        those of each clip or voice).
    """
    statistics = source.measure(clips_of["train"])
    train = source.train_examples(
        clips_of["train"], emotions, statistics, model.copies == "all", weight_of
    )
    train = balance(train, emotions, model, np.random.default_rng((model.seed, fold)))
    return train, source.examples(clips_of.get("val", []), emotions, statistics), statistics


def training_id(folds: Sequence[int], inputs: Inputs, model: Model, team: Team) -> str:
    """Return an id of a training: a hash of data, settings, code and all that affects rounding."""
    code = Path(__file__).parents[1].rglob("*.py")
    # Stopping earlier or later does not change the epochs before.
    settings = model.model_copy(update={"stop_after": 0})
    limit_threads(model)
    threads = torch.get_num_threads() if is_sequential(folds, team) else 1
    environment = (torch.__version__, team.device.type, team.size, threads)
    # The number of threads may differ between the processes of a team: the first one's id counts.
    return team.agree(fingerprint([*code, *inputs.files()], settings, *environment))


def fingerprint(files: Iterable[Path], *values: object) -> str:
    """Return a hash of files and values; trainings that differ in it never share a checkpoint."""
    digest = hashlib.blake2b(repr(values).encode(), digest_size=16)
    for path in sorted(files):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
