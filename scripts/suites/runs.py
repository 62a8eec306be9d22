"""Run an entry of a suite as DVC experiments, one for each seed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts import experiments
from scripts.experiments import Changes, Training
from scripts.suites.lists import Suite
from scripts.workspace import ROOT, git
from ser.parallel import scheduler_address, worker_count

CODE = ("ser", "stages", "dvc.yaml", "dvc.lock")
SHARED = ("explore", "augment", "split", "extract")  # the last stages that do not use model.seed


def plan(
    suite: Suite, entry: str, epochs: int | None = None, emobox: Path | None = None
) -> dict[str, Changes]:
    """Plan the runs of an entry: DVC experiment -> changes of params.yaml.

    Args:
        suite: contains the entry.
        entry: the entry's name.
        epochs: maximum number of epochs; None: no maximum.
        emobox: folder of EmoBox's lists.

    Raises:
        UserError: the params are not valid, or EmoBox's lists are needed.
    """
    where = f"entry {entry} of the suite"
    changes = experiments.with_emobox(suite.changes(entry), emobox)
    settings = experiments.check_changes(changes, where)
    name = suite.prefix + entry
    if epochs is not None and epochs < settings.model.epochs:
        shorter = experiments.set_key({}, "model.epochs", epochs)
        changes = experiments.merge(changes, shorter)
        name = experiments.experiment_name(name, shorter)
    runs = {} if suite.seeds else {name: changes}
    for seed in suite.seeds:
        for key in suite.seeded:
            changes = experiments.set_key(changes, key, seed)
        experiments.check_changes(changes, where)
        runs[f"{name}-seed{seed}"] = changes
    return runs


def run_all(runs: Mapping[str, Changes], suite: Suite) -> dict[str, Training | None]:
    """Run the experiments that are not finished yet.

    Returns:
        DVC experiment -> how long its training took; None if nothing was trained, or if others ran
        at the same time and slowed it down.

    Raises:
        UserError: a stage failed; experiments that have not begun are cancelled.
    """
    waiting = {name: changes for name, changes in runs.items() if not is_done(name, changes)}
    for name in runs:
        if name not in waiting:
            print(f"{name}: done already", flush=True)
    times: dict[str, Training | None] = dict.fromkeys(runs)
    if suite.parallel and waiting:
        _run_in_parallel(waiting)
        return times
    experiments.CHECKPOINTS.mkdir(exist_ok=True)
    for name, changes in waiting.items():
        with TemporaryDirectory(dir=experiments.CHECKPOINTS) as fresh:
            checkpoints = experiments.CHECKPOINTS if suite.resumes else Path(fresh)
            times[name] = experiments.run_experiment(name, changes, checkpoints=checkpoints)
    return times


def is_done(name: str, changes: Changes) -> bool:
    """Return whether the current commit has this experiment, with the same params and code."""
    if git(ROOT, "status", "--porcelain", "--", *CODE) or not experiments.exists(name):
        return False
    return experiments.read_params(name) == experiments.resolve(changes)


def at_once(runs: int) -> int:
    """Return how many experiments run at the same time: all on a cluster, else one per process.

    Raises:
        UserError: SER_WORKERS is not a whole number of at least 1.
    """
    return runs if scheduler_address() else min(runs, worker_count())


def _run_in_parallel(runs: Mapping[str, Changes]) -> None:
    """Run several experiments at the same time; the figures do not depend on how many."""
    # The stages that all seeds share run first, once.
    name = next(iter(runs))
    experiments.run_in_clone(name, runs[name], worker_count(), *SHARED)
    pool = ThreadPoolExecutor(at_once(len(runs)))
    workers = max(1, worker_count() // at_once(len(runs)))
    try:
        started = [pool.submit(experiments.run_in_clone, *each, workers) for each in runs.items()]
        for ended in as_completed(started):
            ended.result()
    finally:
        pool.shutdown(cancel_futures=True)
