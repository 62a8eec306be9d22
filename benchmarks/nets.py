"""Compare training and evaluation with the simple loops of a notebook."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import by_hand, notebook
from benchmarks.measure import Row, interleave
from scripts import experiments
from ser.audio.standard import resample, standardise
from ser.core import filters, params
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.core.typing import FloatArray
from ser.decoding.decoding import decode
from ser.features import extract
from ser.nets import build
from ser.nets.normalisation import normalise
from ser.parallel import worker_count
from ser.training import folds, loop
from ser.training.batches import Examples, NormalisedClips, epoch_batches
from ser.training.devices import limit_threads
from ser.training.examples import ExampleSource
from ser.training.history import Epoch
from ser.training.predict import predict
from ser.training.team import Team

WANTED_ACCURACY = 0.74
_PATIENCE = 50  # the notebook gets this many times our seconds to reach the accuracy
_EPOCHS = 3  # repetitions of an epoch
_DEFAULT_EPOCHS = 9  # the same for the default net, whose epochs are shorter

Data = dict[str, FloatArray]


def notebook_params() -> params.Params:
    """Return the settings of the notebook's net: experiments/s0-cnn3-bs1.yaml."""
    changes = experiments.read_file("s0-cnn3-bs1")
    return params.parse_params(experiments.resolve(changes), "s0-cnn3-bs1")


def spectrograms(raw: Path, paths: Sequence[str], settings: params.Params) -> list[FloatArray]:
    """Compute log-mel spectrograms [frames, dims] of recordings, without noise reduction."""
    rate = settings.clean.sample_rate
    form = settings.clean.form.model_copy(update={"highpass": 0.0, "noise_reduction": "none"})
    banks = filters.filter_banks(rate, settings.features)
    return [
        extract.extract(
            standardise(resample(decode(raw / path), rate), form),
            rate,
            settings.features,
            banks,
        )
        for path in paths
    ]


def sgemm_flops() -> float:
    """Measure the floating-point operations per second of a large matrix product."""
    a = torch.rand(2048, 2048)
    (seconds,) = interleave(lambda: a @ a)
    return float(2 * 2048**3 / seconds)


def epoch_one_by_one(
    arrays: Sequence[FloatArray],
    labels: Sequence[int],
    emotions: int,
    device: torch.device,
    precision: str,
    goal: float,
) -> Row:
    """Compare one epoch of the notebook's net, one clip at a time, in our loop and in its own.

    Args:
        arrays: log-mel of each clip [frames, dims].
        labels: of the clips.
        emotions: number of classes.
        device: for both.
        precision: of our loop, as model.precision; the notebook's is float32.
        goal: how many times as fast our loop is to be.
    """
    settings = notebook_params()
    model = settings.model.model_copy(
        update={"stop_after": 1, "snapshots": False, "precision": precision}
    )
    dims = {"logmel": arrays[0].shape[1]}
    no_clips = Examples([], np.zeros(0, np.int64), dims, [])
    examples = Examples([[a] for a in arrays], np.array(labels), dims, [None] * len(arrays))
    fold = loop.FoldData(1, examples, no_clips, None, settings.features, emotions)
    losses: dict[str, float] = {}

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = loop.Run(Team(device), Path(folder, "c.safetensors"), Path(folder, "snapshots"))
            _, history = loop.fit(fold, model, run, lambda _: None)
        losses["ours"] = history[0].train_loss

    # The notebook's loop gets the same initial weights, order of clips and dropout as ours.
    loop.seed_epoch(model, 1, 0)
    first = list(build.build(model, dims["logmel"], emotions).state_dict().values())
    places = Examples(examples.versions, np.arange(len(arrays)), dims, examples.statistics)
    key = loop.seed_epoch(model, 1, 1)
    seed = torch.initial_seed()
    host = torch.device("cpu")
    clips = NormalisedClips(places, model, host)
    order = [int(batch.labels) for batch in epoch_batches(clips, key)]
    images = notebook.as_images(arrays, labels)
    arguments = (first, model.learning_rate, images, order, seed, emotions, device)
    with notebook.in_its_own_process(notebook.first_epoch, *arguments) as plain:

        def theirs() -> None:
            losses["theirs"] = plain()

        our_seconds, their_seconds = interleave(ours, theirs, repeats=_EPOCHS)
    net = notebook.Net(emotions)
    with FlopCounterMode(display=False) as counter:
        for image, _ in (images[i] for i in range(len(images))):
            net(image[None]).sum().backward()
    return Row(
        f"an epoch of the notebook's net after the first, batch size 1, {device.type}, {precision}",
        "the notebook's PyTorch loop, float32",
        our_seconds,
        their_seconds,
        goal,
        "the net's operations at the speed of a large matrix product",
        counter.get_total_flops() / sgemm_flops(),
        f"mean losses of the epoch differ by {abs(losses['ours'] - losses['theirs']):.1e}",
    )


def default_epoch(inputs: folds.Inputs, device: torch.device) -> Row:
    """Compare the default training's epochs, with validation, with those of a plain loop."""
    settings = params.load()
    model = settings.model.model_copy(update={"stop_after": 1 + _DEFAULT_EPOCHS})
    limit_threads(model)
    emotions = read_csv(inputs.clips, ["emotion"])["emotion"].nunique()
    our_seconds: list[float] = []
    their_seconds: list[float] = []
    arguments = (by_hand.default_loop, inputs, settings, emotions, device)
    with (
        notebook.in_its_own_process(*arguments) as plain_epoch,
        tempfile.TemporaryDirectory() as folder,
    ):
        since = time.perf_counter()

        def look(history: list[Epoch], _: float) -> None:
            nonlocal since
            our_seconds.append(time.perf_counter() - since)
            their_seconds.append(plain_epoch().seconds)
            since = time.perf_counter()

        folds.train_fold(1, inputs, model, Path(folder), look, Team(device))
    return Row(
        "an epoch of the default net after the first, with validation",
        "a plain PyTorch loop for the same net",
        median(our_seconds[1:]),
        median(their_seconds[1:]),
        2.5,
        "",
        float("nan"),
        f"median of {_DEFAULT_EPOCHS} epochs each, in turn",
    )


def time_to_accuracy(inputs: folds.Inputs, images: Data, device: torch.device) -> Row:
    """Compare the seconds until WANTED_ACCURACY on val: the default net and the notebook's."""
    model = params.load().model
    clips, splits = read_csv(inputs.clips), read_csv(inputs.splits)
    emotions = sorted(set(clips["emotion"]))
    reached: list[float] = []
    start = time.perf_counter()

    def look(history: list[Epoch], _: float) -> None:
        accuracy = history[-1].val_accuracy
        if not reached and accuracy is not None and accuracy >= WANTED_ACCURACY:
            reached.append(time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as folder:
        folds.train_fold(1, inputs, model, Path(folder), look, Team(device))
    ours = reached[0] if reached else float("inf")
    subset = clips["clip"].map(splits[splits["fold"] == 1].set_index("clip")["subset"])
    sets = {
        name: notebook.as_images(
            [images[clip] for clip in part["clip"]], [emotions.index(e) for e in part["emotion"]]
        )
        for name, part in clips.groupby(subset)
    }
    torch.manual_seed(0)
    torch.set_num_threads(worker_count())  # PyTorch's default
    net = notebook.Net(len(emotions)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), notebook_params().model.learning_rate)
    best, epochs, start = 0.0, 0, time.perf_counter()
    while best < WANTED_ACCURACY and time.perf_counter() - start < _PATIENCE * ours:
        notebook.train_epoch(net, optimizer, sets["train"], None, device)
        best = max(best, notebook.measure_accuracy(net, sets["val"], device))
        epochs += 1
    theirs = time.perf_counter() - start
    return Row(
        f"training until {WANTED_ACCURACY:.0%} of the val clips are recognised",
        "the notebook's net and loop",
        ours,
        theirs,
        10.0,
        "",
        float("nan"),
        f"without the features' time; the notebook's net is at {best:.0%} after {epochs} epochs"
        + ("" if best >= WANTED_ACCURACY else ", where it was stopped: the ratio is at least this"),
    )


def evaluation(inputs: folds.Inputs, device: torch.device) -> Row:
    """Compare the prediction of all clips by the default net in batches and one by one."""
    settings = params.load().model
    limit_threads(settings)
    clips, store = read_csv(inputs.clips), Store(inputs.features)
    emotions = sorted(set(clips["emotion"]))
    source = ExampleSource(clips, store, settings)
    names = clips["clip"].tolist()
    statistics = source.measure(names)
    examples = source.examples(names, emotions, statistics)
    net = build.build(settings, sum(source.dims.values()), len(emotions)).to(device).eval()

    def one_by_one() -> None:
        with torch.no_grad():
            for clip in names:
                x = torch.from_numpy(normalise(store[clip], source.dims, statistics))
                net(x[None].to(device), torch.tensor([len(x)]).to(device)).softmax(1).cpu()

    def at_once() -> None:
        predict(net, NormalisedClips(examples, settings, device))

    ours, theirs = interleave(at_once, one_by_one)
    with FlopCounterMode(display=False) as counter:
        at_once()
    return Row(
        "prediction of all clips",
        "the same net, clip by clip",
        ours,
        theirs,
        3.0,
        "the net's operations at the speed of a large matrix product",
        counter.get_total_flops() / sgemm_flops(),
    )


def net_rows(root: Path) -> list[Row]:
    """Measure all rows of this module on the data of a finished `dvc repro`."""
    data = root / "data"
    inputs = folds.Inputs(
        data / "clips.csv", data / "splits.csv", data / "features", data / "augmented"
    )
    clips = read_csv(inputs.clips)
    arrays = spectrograms(data / "raw", clips["path"].tolist(), notebook_params())
    emotions = sorted(set(clips["emotion"]))
    labels = [emotions.index(emotion) for emotion in clips["emotion"]]
    every = slice(None, None, 2)  # half of the clips suffice
    host = torch.device("cpu")
    half = arrays[every], labels[every], len(emotions), host
    measured = [
        epoch_one_by_one(*half, precision, goal)
        for precision, goal in (("float32", 1.5), ("bfloat16", 2.7))
    ]
    images = dict(zip(clips["clip"], arrays, strict=True))
    measured.append(default_epoch(inputs, host))
    return [*measured, time_to_accuracy(inputs, images, host), evaluation(inputs, host)]
