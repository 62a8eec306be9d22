"""Search learning rate, layers or width, dropout and augmentation on the validation clips.

    python -m scripts.tune [TRIALS]

Every trial is a DVC experiment `tune-<study>-<number>` of the current commit. It stops at the stage
train, so no test clip is used; unpromising trials are pruned early. A study belongs to a commit and
its params, because losses of other code, data or params are not comparable. It is stored in .tune/:
the same command continues where it was stopped, and a larger number adds trials.
"""

import argparse
import hashlib
import json
import shutil

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from scripts import cli, experiments
from scripts.workspace import ROOT, at_least_one
from ser.core import params
from ser.core.errors import UserError
from ser.core.needs import needs_of
from ser.core.net_problems import net_problems

FOLDER = ROOT / ".tune"
TRIALS = 20
_SIZES = {"layers": (3, 4), "width": (64, 128, 256, 512)}
_RUNGS = (1 / 9, 1 / 3, 1)  # shares of model.epochs after which a trial may be pruned
_FAILURES = 3  # in a row, after which the trials' params are not the likely cause


def suggest(trial: optuna.Trial, settings: params.Params) -> experiments.Changes:
    """Draw the params of a trial."""
    changes: experiments.Changes = {
        "model": {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            "dropout": trial.suggest_categorical("dropout", [0.0, 0.15, 0.3, 0.45, 0.6]),
        },
        "augment": {
            "copies": trial.suggest_categorical("copies", [0, 2, 4]),
            **{
                change: {"probability": trial.suggest_categorical(change, [0.0, 0.3, 0.6, 0.9])}
                for change in ("crop", "noise", "pitch", "stretch")
            },
        },
    }
    needs = needs_of(settings.model)
    if needs.standardises_pooled:  # and takes no mixed spectrograms
        shift = trial.suggest_categorical("frequency_shift", [0.0, 1.0, 2.0])
        changes["model"]["frequency_shift"] = shift
    else:
        changes["model"]["mixup"] = trial.suggest_categorical("mixup", [0.0, 0.2, 0.4])
    for size in needs.sizes:
        changes["model"][size] = trial.suggest_categorical(size, allowed_sizes(settings, size))
    return changes


def allowed_sizes(settings: params.Params, size: str) -> list[int]:
    """Return the values of a size setting that are compatible with all other params."""
    return [
        value
        for value in _SIZES[size]
        if not net_problems(settings.model.model_copy(update={size: value}), settings.features.dims)
    ]


def run_trial(trial: optuna.Trial, name: str, settings: params.Params) -> float:
    """Train in ever longer runs, each continuing the one before; return the validation loss.

    Raises:
        TrialPruned: a run's validation loss is worse than the median of the others' at that epoch.
        UserError: a stage failed.
    """
    changes = suggest(trial, settings)
    print(f"\n== {name}: {trial.params}", flush=True)
    last = settings.model.epochs
    loss = float("nan")
    for epochs in sorted({max(1, round(share * last)) for share in _RUNGS}):
        stop = {"model": {"stop_after": 0 if epochs == last else epochs}}
        run = experiments.merge(changes, stop)
        experiments.run_experiment(name, run, target="train", checkpoints=FOLDER / "checkpoints")
        loss = experiments.read_metrics(name, "train")["val_loss"]
        print(f"{name}: validation loss {loss:.3f} after {epochs} epochs", flush=True)
        trial.report(loss, epochs)
        if epochs < last and trial.should_prune():
            raise optuna.TrialPruned
    return loss


def open_study(settings: params.Params, commit: str) -> optuna.Study:
    """Open or create the study of a commit and its params; a stopped trial is queued again."""
    FOLDER.mkdir(exist_ok=True)
    key = commit + settings.model_dump_json()
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(FOLDER / "studies.log"))),
        study_name=hashlib.blake2b(key.encode(), digest_size=3).hexdigest(),
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that were completed or pruned."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def add_trial(study: optuna.Study, settings: params.Params) -> None:
    """Run one more trial.

    Raises:
        UserError: a stage failed.
    """
    # A new sampler for each trial, so that draws do not depend on where the study was stopped.
    seed = settings.model.seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    trial = study.ask()
    try:
        study.tell(trial, run_trial(trial, name_of(study, trial.number), settings))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except UserError:
        study.tell(trial, state=TrialState.FAIL)
        raise


def name_of(study: optuna.Study, number: int) -> str:
    """Return the name of a trial's experiment."""
    return f"tune-{study.study_name}-{number:04d}"


def main(trials: int) -> None:
    """Run trials until there are enough results, and print the best one.

    Raises:
        UserError: the split has no val clips, or several trials failed in a row.
    """
    settings = params.load(ROOT / "params.yaml")
    if settings.split.val == 0:
        raise UserError("tuning uses the val clips: set split.val above 0")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(settings, experiments.head())
    failures = 0
    while len(finished(study)) < trials:
        try:
            add_trial(study, settings)
            failures = 0
        except UserError as error:
            failures += 1
            if failures == _FAILURES:
                raise UserError(f"{failures} trials failed in a row: {error}") from None
            print(f"{error}; another trial replaces it", flush=True)
    # The remaining checkpoints belong to pruned trials.
    shutil.rmtree(FOLDER / "checkpoints", ignore_errors=True)
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    best = study.best_trial
    name = name_of(study, best.number)
    print(
        f"\n{len(finished(study))} trials, {len(pruned)} of them pruned. Best: {name}, validation "
        f"loss {best.value:.3f}, {json.dumps(best.params)}\n"
        "`dvc exp show --only-changed` lists them (columns of evaluate are the commit's, not "
        f"theirs); `dvc exp apply {name}` and `dvc repro` evaluate the best, once."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.tune", description=__doc__)
    parser.add_argument("trials", nargs="?", type=at_least_one, default=TRIALS, metavar="TRIALS")
    arguments = parser.parse_args()
    cli.run_script(lambda: main(arguments.trials), cli.RESUMES)
