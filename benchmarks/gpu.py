"""Train on an NVIDIA card: how fast, against plain loops, and whether all is as it should be.

    python -m benchmarks.gpu

Needs the data of a finished `dvc repro`. Takes about seven minutes and rewrites benchmarks/gpu.json
after each part. Without a card all of it runs in small on the CPU, where nothing is timed and
nothing written: that shows whether it would run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
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
from scripts.workspace import ROOT, stage_command
from ser.core import params
from ser.core.sections import Model
from ser.core.store import Store
from ser.core.tables import read_csv, write_json
from ser.nets.build import build
from ser.parallel import worker_count
from ser.training.batches import Examples, NormalisedClips
from ser.training.examples import ExampleSource
from ser.training.folds import Inputs, Trained, train_fold
from ser.training.history import Epoch
from ser.training.predict import loss_and_accuracy, predict
from ser.training.team import Team

RESULTS = ROOT / "benchmarks/gpu.json"
NOTEBOOK, ARTIFICIAL = "s0-cnn3-bs1", "s0-cnn4-bs1-artificial"
_PLAIN_EPOCHS = {NOTEBOOK: 10, ARTIFICIAL: 5}  # spread over the epochs of ours
_LONGEST = 200.0  # seconds of one training, which ends then: no more are spent on a lent card
_SEEDS = 3
_SMALL_CLIPS, _SMALL_EPOCHS = 40, 2  # without a card
_STEADY = 6  # epochs until all that recurs is recorded
_WAIT = "called a synchronizing CUDA operation"

Part = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """Where all is measured, and on what.

    Attributes:
        device: the card; or the CPU, where all is done in small.
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

    def timed(self, value: float) -> float | None:
        """Return what was timed on a card; None for what says nothing."""
        return float(f"{value:.4g}") if self.on_card else None

    def in_small(self, settings: params.Params) -> params.Params:
        """Return settings of few epochs where there is no card."""
        if self.on_card:
            return settings
        model = settings.model.model_copy(update={"epochs": _SMALL_EPOCHS})
        return settings.model_copy(update={"model": model})


class EnoughError(Exception):
    """A training has taken as long as it may."""


@dataclass
class Clock:
    """Times the epochs of a training; what is done between two of them does not count.

    Attributes:
        between: called after each epoch with its number.
        seconds: of each epoch so far.
        history: of the training so far.
    """

    between: Callable[[int], object] = lambda epoch: None
    seconds: list[float] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    since: float = 0.0

    def __call__(self, history: list[Epoch], _: float) -> None:
        """Note the newest epoch.

        Raises:
            EnoughError: the epochs together took too long.
        """
        self.seconds.append(time.perf_counter() - self.since)
        self.history = list(history)
        self.between(len(history))
        if sum(self.seconds) > _LONGEST:
            raise EnoughError
        self.since = time.perf_counter()


def default_settings(bench: Bench) -> params.Params:
    """Read params.yaml."""
    return bench.in_small(params.load(ROOT / "params.yaml"))


def experiment_settings(bench: Bench, name: str) -> params.Params:
    """Read the params of an experiment."""
    changes = experiments.read_experiment(name)
    return bench.in_small(params.parse_params(experiments.resolve(changes), name))


def inputs_in(data: Path) -> Inputs:
    """Return the files of a training below a folder data."""
    return Inputs(data / "clips.csv", data / "splits.csv", data / "features", data / "augmented")


def run_stages(folder: Path, raw: Path, settings: Mapping[str, Any], *stages: str) -> Inputs:
    """Run stages in a folder of their own, on recordings that lie elsewhere."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    if not (folder / "data/raw").exists():
        (folder / "data/raw").symlink_to(raw.resolve())
    (folder / "params.yaml").write_text(yaml.safe_dump(dict(settings)), "utf-8")
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.getenv('PYTHONPATH', '')}"}
    for stage in stages:
        subprocess.run(stage_command(stage), cwd=folder, env=environment, check=True)
    return inputs_in(folder / "data")


def notebook_inputs(bench: Bench, name: str) -> Inputs:
    """Make the data of one of the notebook's experiments, once."""
    folder = bench.scratch / name
    if (folder / "data/splits.csv").exists():
        return inputs_in(folder / "data")
    settings = experiments.resolve(experiments.read_experiment(name))
    if not bench.on_card:
        settings["augment"] |= {"copies": min(1, settings["augment"]["copies"])}
    return run_stages(folder, bench.raw, settings, "clean", "extract", "augment", "split")


def train(bench: Bench, inputs: Inputs, model: Model, clock: Clock) -> Trained:
    """Train the first fold from the beginning, as far as time allows."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints, team = Path(folder), Team(bench.device)
        clock.since = time.perf_counter()
        try:
            return train_fold(1, inputs, model, checkpoints, clock, team)
        except EnoughError:
            stopped = model.model_copy(update={"stop_after": len(clock.history)})
            return train_fold(1, inputs, stopped, checkpoints, clock, team)


def emotions_of(inputs: Inputs) -> list[str]:
    """List the emotions, in the order of the labels."""
    return sorted(set(read_csv(inputs.clips)["emotion"]))


def test_examples(inputs: Inputs, model: Model, trained: Trained) -> Examples:
    """Make the examples of the first fold's test clips."""
    splits = read_csv(inputs.splits)
    names = splits[(splits["fold"] == 1) & (splits["subset"] == "test")]["clip"].tolist()
    source = ExampleSource(read_csv(inputs.clips), Store(inputs.features), model)
    return source.examples(names, emotions_of(inputs), trained.statistics)


def trained_net(
    trained: Trained, model: Model, tests: Examples, emotions: int, device: torch.device
) -> nn.Module:
    """Return a trained net on a device."""
    net = build(model, sum(tests.dims.values()), emotions)
    net.load_state_dict(trained.tensors())
    return net.to(device).eval()


def against_plain(
    bench: Bench,
    inputs: Inputs,
    settings: params.Params,
    loop: Callable[..., Callable[[], by_hand.ByHand]],
    plain_epochs: int,
) -> Part:
    """Train, with epochs of a plain loop in between, each in a process of its own."""
    model, emotions = settings.model, len(emotions_of(inputs))
    every = max(1, model.epochs // plain_epochs)
    plain: list[by_hand.ByHand] = []
    with notebook.in_its_own_process(loop, inputs, settings, emotions, bench.device) as one_epoch:

        def look(epoch: int) -> None:
            if (epoch - 1) % every == 0:
                plain.append(one_epoch())

        if bench.on_card:
            torch.cuda.reset_peak_memory_stats()
        clock = Clock(look)
        trained = train(bench, inputs, model, clock)
        peak = torch.cuda.max_memory_allocated() if bench.on_card else 0
    tests = test_examples(inputs, model, trained)
    net = trained_net(trained, model, tests, emotions, bench.device)
    probabilities = predict(net, NormalisedClips(tests, model, bench.device))
    ours, theirs = median(clock.seconds), median(epoch.seconds for epoch in plain)
    return {
        "epochs": len(clock.seconds),
        "epochs_wanted": model.epochs,
        "steps_per_epoch": -(-trained.examples // model.batch_size),
        "seconds": bench.timed(sum(clock.seconds)),
        "first_epoch_seconds": bench.timed(clock.seconds[0]),
        "epoch_seconds": bench.timed(ours),
        "plain_epoch_seconds": bench.timed(theirs),
        "times_as_fast": bench.timed(theirs / ours),
        "train_loss": clock.history[-1].train_loss,
        "val_accuracy": clock.history[-1].val_accuracy,
        "plain_val_accuracy": plain[-1].val_accuracy,
        "test_accuracy": loss_and_accuracy(probabilities, tests.labels)[1],
        "peak_megabytes": round(peak / 1e6, 1),
    }


def default(bench: Bench) -> Part:
    """The default training, against a plain loop for the same net and clips."""
    settings = default_settings(bench)
    epochs = settings.model.epochs
    return against_plain(bench, bench.default, settings, by_hand.default_loop, epochs)


def notebook_training(bench: Bench, name: str) -> Part:
    """One of the notebook's experiments, against the notebook's loop."""
    settings, inputs = experiment_settings(bench, name), notebook_inputs(bench, name)
    return against_plain(bench, inputs, settings, by_hand.notebook_loop, _PLAIN_EPOCHS[name])


def prediction(bench: Bench) -> Part:
    """Prediction of all test clips by the default net, in batches against clip by clip."""
    model = default_settings(bench).model.model_copy(update={"stop_after": 2})
    trained = train(bench, bench.default, model, Clock())
    tests = test_examples(bench.default, model, trained)
    emotions = len(emotions_of(bench.default))
    net = trained_net(trained, model, tests, emotions, bench.device)
    clips = NormalisedClips(tests, model, bench.device)
    found: dict[str, NDArray[np.float32]] = {}

    def at_once() -> None:
        found["at once"] = predict(net, clips)

    def one_by_one() -> None:
        rows = []
        with torch.no_grad():
            for (features,) in tests.versions:
                x = torch.from_numpy(np.array(features)).to(bench.device)
                rows.append(net(x[None], torch.tensor([len(x)]).to(bench.device)).softmax(1).cpu())
        found["one by one"] = torch.cat(rows).numpy()

    ours, theirs = interleave(at_once, one_by_one)
    host = torch.device("cpu")
    on_host = predict(
        trained_net(trained, model, tests, emotions, host), NormalisedClips(tests, model, host)
    )
    return {
        "clips": len(tests),
        "seconds": bench.timed(ours),
        "plain_seconds": bench.timed(theirs),
        "times_as_fast": bench.timed(theirs / ours),
        "furthest_from_cpu": float(np.abs(found["at once"] - on_host).max()),
        "furthest_from_one_by_one": float(np.abs(found["at once"] - found["one by one"]).max()),
    }


def same_bytes(bench: Bench) -> Part:
    """Whether two trainings give the same weights and history, to the last bit."""
    part = {}
    for name, inputs, model in short_trainings(bench):
        first, second = (train(bench, inputs, model, Clock()) for _ in range(2))
        part[name] = first.history == second.history and all(
            np.array_equal(weights, second.weights[key]) for key, weights in first.weights.items()
        )
    return part


def mixed_precision(bench: Bench) -> Part:
    """The default training in float32, and with bfloat16 where autocast has it, seed by seed."""
    settings = default_settings(bench)
    part: Part = {name: {"seconds": [], "val_accuracy": []} for name in ("float32", "bfloat16")}
    for seed in range(_SEEDS if bench.on_card else 1):
        for name, figures in part.items():
            clock = Clock()
            model = settings.model.model_copy(update={"seed": seed, "precision": name})
            train(bench, bench.default, model, clock)
            figures["seconds"].append(bench.timed(sum(clock.seconds)))
            figures["val_accuracy"].append(clock.history[-1].val_accuracy)
    for figures in part.values():
        figures["mean_val_accuracy"] = fmean(figures["val_accuracy"])
    return part


def traffic(bench: Bench) -> Part:
    """What the host waits for in an epoch, and what is copied to the card and computed there."""
    return {
        name: traffic_of(bench, inputs, model) for name, inputs, model in short_trainings(bench)
    }


def traffic_of(bench: Bench, inputs: Inputs, model: Model) -> Part:
    """Count the waits of one epoch once all that recurs is recorded, and profile the next one."""
    found: Part = {}
    with ExitStack() as stack, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        def look(epoch: int) -> None:
            if not bench.on_card:
                return
            if epoch == _STEADY:
                caught.clear()
                torch.cuda.set_sync_debug_mode("warn")
                stack.callback(torch.cuda.set_sync_debug_mode, "default")
            elif epoch == _STEADY + 1:
                torch.cuda.set_sync_debug_mode("default")
                places = Counter(
                    f"{Path(one.filename).name}:{one.lineno}"
                    for one in caught
                    if _WAIT in str(one.message)
                )
                found["waits"] = sum(places.values())
                found["waits_by_place"] = dict(places.most_common())
                profiler = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
                found["profiler"] = stack.enter_context(profiler)
            elif epoch == _STEADY + 2:
                stack.close()

        trained = train(bench, inputs, model, Clock(look))
    steps = -(-trained.examples // model.batch_size)
    if "profiler" in found:
        found |= card_work(found.pop("profiler"), steps)
        found["waits_in_a_step"] = any(n >= steps for n in found["waits_by_place"].values())
    return {"steps": steps, **found}


def card_work(profiler: profile, steps: int) -> Part:
    """Sum up what a card did in an epoch of so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    seconds: Counter[str] = Counter()
    for event in kernels:
        seconds[event["name"]] += event["dur"]
    for name, microseconds in seconds.most_common(12):
        print(f"  {microseconds / steps:8.2f} us in a step: {name[:120]}", flush=True)
    copies = [event for event in events if event.get("cat") == "gpu_memcpy"]
    return {
        "kernels_in_a_step": round(len(kernels) / steps, 1),
        "microseconds_of_kernels_in_a_step": round(sum(seconds.values()) / steps, 1),
        "bytes_to_the_card": sum(
            event["args"].get("bytes", 0) for event in copies if "HtoD" in event["name"]
        ),
    }


def short_trainings(bench: Bench) -> Iterator[tuple[str, Inputs, Model]]:
    """Yield name, data and settings of a short training of each kind."""
    epochs = {"stop_after": _STEADY + 2 if bench.on_card else 2}
    model = default_settings(bench).model
    # In small batches, so that an epoch has many more steps than its end has waits.
    yield "default", bench.default, model.model_copy(update=epochs | {"batch_size": 4})
    model = experiment_settings(bench, NOTEBOOK).model
    yield NOTEBOOK, notebook_inputs(bench, NOTEBOOK), model.model_copy(update=epochs)


PARTS: Mapping[str, Callable[[Bench], Part]] = {
    "default": default,
    "prediction": prediction,
    NOTEBOOK: lambda bench: notebook_training(bench, NOTEBOOK),
    "same_bytes": same_bytes,
    "mixed_precision": mixed_precision,
    ARTIFICIAL: lambda bench: notebook_training(bench, ARTIFICIAL),
    "traffic": traffic,
}


def machine() -> Part:
    """Describe the card and what drives it."""
    if not torch.cuda.is_available():
        return {"card": None, "cores": worker_count(), "torch": torch.__version__}
    card = torch.cuda.get_device_properties(0)
    return {
        "card": card.name,
        "gigabytes": round(card.total_memory / 1e9),
        "cores": worker_count(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


def some_recordings(raw: Path, clips: Path, folder: Path) -> Path:
    """Copy a few of the recordings."""
    paths = read_csv(clips)["path"].tolist()
    for path in paths[:: max(1, len(paths) // _SMALL_CLIPS)]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(raw / path, folder / path)
    return folder


def prepare(data: Path, scratch: Path) -> Bench:
    """Look for a card; without one, make the small data of a rehearsal.

    Args:
        data: the folder data of a finished `dvc repro`.
        scratch: folder for other data.
    """
    if torch.cuda.is_available():
        return Bench(torch.device("cuda"), data / "raw", inputs_in(data), scratch)
    raw = some_recordings(data / "raw", data / "clips.csv", scratch / "raw")
    settings = experiments.resolve({})
    stages = ("clean", "extract", "augment", "split")
    inputs = run_stages(scratch / "default", raw, settings, *stages)
    return Bench(torch.device("cpu"), raw, inputs, scratch)


def measure_all(data: Path, on_part: Callable[[Part], None]) -> bool:
    """Measure all parts; one that fails is noted, and the others go on.

    Args:
        data: the folder data of a finished `dvc repro`.
        on_part: called with all that is known so far after each part.

    Returns:
        Whether none failed.
    """
    results: Part = {"machine": machine()}
    with tempfile.TemporaryDirectory() as scratch:
        bench = prepare(data, Path(scratch))
        for name, part in PARTS.items():
            start = time.perf_counter()
            try:
                results[name] = part(bench)
            except Exception as error:
                traceback.print_exc()
                results[name] = {"failed": f"{type(error).__name__}: {error}"}
            print(f"{name} ({time.perf_counter() - start:.0f} s): {results[name]}", flush=True)
            on_part(results)
    return not any("failed" in results[name] for name in PARTS)


def main() -> None:
    """Write benchmarks/gpu.json; without a card, only show that all parts run."""
    on_card = torch.cuda.is_available()
    os.environ["SER_CUDA_GRAPHS"] = "1"
    if not on_card:
        print("no NVIDIA card here: all runs in small on the CPU, nothing is timed or written")
    well = measure_all(ROOT / "data", lambda part: write_json(RESULTS, part) if on_card else None)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    if not (ROOT / "data/features").exists():
        sys.exit("error: data/ is not there yet: run `dvc repro` first")
    main()
