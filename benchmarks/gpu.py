"""Train on an NVIDIA card: how fast, against plain loops, and whether all is as it should be.

    python -m benchmarks.gpu

Needs the data of a finished `dvc repro`. Takes about eight minutes and writes benchmarks/gpu.json
after each part. Without a card, everything runs in small on the CPU, nothing is timed or written:
that tells whether it would run.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import by_hand, notebook
from benchmarks.measure import interleave
from scripts import experiments
from scripts.workspace import ROOT
from ser.core import params
from ser.core.net_inputs import standardises_pooled
from ser.core.sections import Model
from ser.core.store import Store
from ser.core.tables import read_csv, write_json
from ser.nets.build import build
from ser.training.batches import Clips, Examples
from ser.training.devices import Team
from ser.training.examples import Recordings
from ser.training.folds import Inputs, Trained, train_fold
from ser.training.loop import Epoch, loss_and_accuracy, predict

RESULTS = ROOT / "benchmarks/gpu.json"
NOTEBOOK, ARTIFICIAL = "s0-cnn3-bs1", "s0-cnn4-bs1-artificial"
_STAGES = ("clean", "extract", "augment", "split")
_SEEDS = 3
_PLAIN_EPOCHS = 5  # of the notebook's loop, spread over our training
_SMALL_EPOCHS = 3
_SMALL_CLIPS = 40
_SYNCHRONISES = "called a synchronizing CUDA operation"

Part = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """Where all is measured, and on what.

    Attributes:
        device: the card, or the CPU, where everything is done in small.
        raw: folder of the recordings.
        default: what the default training reads.
        scratch: folder for the data of other settings.
    """

    device: torch.device
    raw: Path
    default: Inputs
    scratch: Path

    @property
    def on_card(self) -> bool:
        """Whether there is a card."""
        return self.device.type == "cuda"

    def shortened(self, settings: params.Params, epochs: int = _SMALL_EPOCHS) -> params.Params:
        """Return the same settings, with few epochs where there is no card."""
        if self.on_card:
            return settings
        model = settings.model.model_copy(update={"epochs": epochs})
        return settings.model_copy(update={"model": model})

    def seconds(self, value: float) -> float | None:
        """Return a time that was measured on a card, None for one that says nothing."""
        return round(value, 6) if self.on_card else None


@dataclass
class Clock:
    """Times each epoch of a training; what is done between two epochs does not count.

    Attributes:
        between: called after each epoch with its number.
        seconds: of each epoch.
        history: of the training.
    """

    between: Callable[[int], object] = lambda epoch: None
    seconds: list[float] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def __call__(self, history: list[Epoch], _: float) -> None:
        """Note the newest epoch."""
        self.seconds.append(time.perf_counter() - self._since)
        self.history = list(history)
        self.between(len(history))
        self._since = time.perf_counter()


def train(bench: Bench, inputs: Inputs, model: Model, clock: Clock | None = None) -> Trained:
    """Train the first fold, from the beginning."""
    with tempfile.TemporaryDirectory() as folder:
        return train_fold(1, inputs, model, Path(folder), clock or Clock(), Team(bench.device))


def against_plain(
    bench: Bench,
    inputs: Inputs,
    settings: params.Params,
    loop: Callable[..., Callable[[], by_hand.ByHand]],
    plain_epochs: int,
) -> Part:
    """Train in full, with epochs of a plain loop in between."""
    model = settings.model
    plain: list[by_hand.ByHand] = []
    every = max(1, model.epochs // plain_epochs)
    arguments = (inputs, settings, len(emotions_of(inputs)), bench.device)
    with notebook.in_its_own_process(loop, *arguments) as plain_epoch:
        plain_epoch()  # which loads what there is to load

        def look(epoch: int) -> None:
            if epoch % every == 0:
                plain.append(plain_epoch())

        if bench.on_card:
            torch.cuda.reset_peak_memory_stats()
        clock = Clock(look)
        trained = train(bench, inputs, model, clock)
    ours, theirs = median(clock.seconds), median(epoch.seconds for epoch in plain)
    last = clock.history[-1]
    tests = examples(inputs, trained, model, "test")
    _, test_accuracy = loss_and_accuracy(
        predict(net_of(trained, model, tests, bench), Clips(tests, bench.device), model),
        tests.labels,
    )
    return {
        "epochs": len(clock.seconds),
        "examples": trained.examples,
        "seconds": bench.seconds(sum(clock.seconds)),
        "first_epoch_seconds": bench.seconds(clock.seconds[0]),
        "epoch_seconds": bench.seconds(ours),
        "plain_epoch_seconds": bench.seconds(theirs),
        "plain_epochs": len(plain),
        "times_as_fast": bench.seconds(theirs / ours),
        "train_loss": last.train_loss,
        "val_accuracy": last.val_accuracy,
        "plain_val_accuracy": plain[-1].val_accuracy,
        "test_accuracy": test_accuracy,
        "peak_bytes": torch.cuda.max_memory_allocated() if bench.on_card else None,
    }


def default(bench: Bench) -> Part:
    """The default training, against a plain loop of the same net on the same clips."""
    settings = bench.shortened(params.load(ROOT / "params.yaml"))
    epochs = settings.model.epochs
    return against_plain(bench, bench.default, settings, by_hand.default_loop, epochs)


def student_notebook(bench: Bench) -> Part:
    """The student notebook's net, one clip at a time, against the notebook's loop."""
    settings = prepare(bench, NOTEBOOK)
    return against_plain(bench, notebook_inputs(bench), settings, by_hand.notebook_loop, 10)


def artificial(bench: Bench) -> Part:
    """The notebook's larger net on artificial data, against the notebook's loop."""
    settings = prepare(bench, ARTIFICIAL)
    inputs = notebook_inputs(bench)
    return against_plain(bench, inputs, settings, by_hand.notebook_loop, _PLAIN_EPOCHS)


def mixed_precision(bench: Bench) -> Part:
    """The default training in float32 and with bfloat16 where autocast has it, seed by seed."""
    settings = bench.shortened(params.load(ROOT / "params.yaml"))
    part: Part = {}
    for seed in range(_SEEDS if bench.on_card else 1):
        model = settings.model.model_copy(update={"seed": seed})
        for name in ("float32", "bfloat16"):
            # Without its cache, which would keep the weights of the first step.
            autocast = torch.autocast(bench.device.type, torch.bfloat16, cache_enabled=False)
            clock = Clock()
            with autocast if name == "bfloat16" else nullcontext():
                train(bench, bench.default, model, clock)
            of_seed = part.setdefault(name, {"seconds": [], "val_accuracy": []})
            of_seed["seconds"].append(bench.seconds(sum(clock.seconds)))
            of_seed["val_accuracy"].append(clock.history[-1].val_accuracy)
    for of_seed in part.values():
        of_seed["mean_val_accuracy"] = fmean(of_seed["val_accuracy"])
    return part


def same_bytes(bench: Bench) -> Part:
    """Whether two trainings give the same weights, to the last bit."""
    part = {}
    for name, inputs, settings in both_kinds(bench):
        model = settings.model.model_copy(update={"stop_after": 10})
        first, second = (train(bench, inputs, model).weights for _ in range(2))
        part[name] = all(np.array_equal(first[key], second[key]) for key in first)
    return part


def traffic(bench: Bench) -> Part:
    """What a training step waits for, and what is copied to the card in an epoch.

    The second epoch's waits of the host are counted, the third is profiled.
    """
    part = {}
    for name, inputs, settings in both_kinds(bench):
        model = settings.model.model_copy(update={"stop_after": 4, "batch_size": 1})
        waits: Counter[str] = Counter()
        seen: dict[str, float] = {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            profiler = profile(activities=[ProfilerActivity.CPU, *cuda_activity(bench)])

            def look(epoch: int, caught=caught, waits=waits, seen=seen, profiler=profiler) -> None:
                if epoch == 1:
                    set_sync_debug_mode(bench, "warn")
                if epoch == 2:
                    set_sync_debug_mode(bench, "default")
                    waits.update(places_of_waits(caught))
                    profiler.start()
                if epoch == 3:
                    profiler.stop()
                    seen.update(summary(profiler))

            trained = train(bench, inputs, model, Clock(look))
        steps = trained.examples
        part[name] = {
            "steps": steps,
            "waits": sum(waits.values()),
            "waits_in_every_step": sorted(place for place, n in waits.items() if n >= steps),
            "waits_by_place": dict(waits.most_common(5)),
            **(seen if bench.on_card else {}),
        }
    return part


def prediction(bench: Bench) -> Part:
    """Prediction of all test clips by the default net, in batches against clip by clip."""
    settings = bench.shortened(params.load(ROOT / "params.yaml"))
    model = settings.model.model_copy(update={"stop_after": 2})
    trained = train(bench, bench.default, model)
    tests = examples(bench.default, trained, model, "test")
    net = net_of(trained, model, tests, bench).eval()
    clips = Clips(tests, bench.device)
    found: dict[str, NDArray[np.float32]] = {}

    def at_once() -> None:
        found["at once"] = predict(net, clips, model)

    def one_by_one() -> None:
        rows = []
        with torch.no_grad():
            for versions in tests.versions:
                x = torch.from_numpy(np.array(versions[0])).to(bench.device)
                lengths = torch.tensor([len(x)]).to(bench.device)
                rows.append(net(x[None], lengths).softmax(1).cpu())
        found["one by one"] = torch.cat(rows).numpy()

    ours, theirs = interleave(at_once, one_by_one)
    cpu = Bench(torch.device("cpu"), bench.raw, bench.default, bench.scratch)
    on_cpu = predict(net_of(trained, model, tests, cpu), Clips(tests, cpu.device), model)
    return {
        "clips": len(tests),
        "seconds": bench.seconds(ours),
        "plain_seconds": bench.seconds(theirs),
        "times_as_fast": bench.seconds(theirs / ours),
        "furthest_from_cpu": float(np.abs(found["at once"] - on_cpu).max()),
        "furthest_from_one_by_one": float(np.abs(found["at once"] - found["one by one"]).max()),
    }


PARTS: Mapping[str, Callable[[Bench], Part]] = {
    "default": default,
    "prediction": prediction,
    NOTEBOOK: student_notebook,
    "same_bytes": same_bytes,
    "traffic": traffic,
    "mixed_precision": mixed_precision,
    ARTIFICIAL: artificial,
}
