"""Search learning rate, layers, dropout and augmentation on the validation clips.

    python -m scripts.tune [TRIALS]

Every trial is a DVC experiment `tune-<number>` of the current commit. It stops at the stage train,
so no test clip is looked at; trials that look hopeless are pruned early. The study is kept in
.tune/: the same command goes on where it was stopped, and a larger number adds trials.
"""

import argparse
import hashlib
import json
import sys

import optuna
from optuna.trial import TrialState

from scripts import experiments
from scripts.workspace import ROOT
from ser import params
from ser.errors import UserError

FOLDER = ROOT / ".tune"
TRIALS = 20
_RUNGS = (1 / 9, 1 / 3, 1)  # shares of model.epochs after which a trial may be pruned


def suggest(trial: optuna.Trial, model: params.Model) -> experiments.Changes:
    """Draw the params of a trial."""
    changes: experiments.Changes = {
        "model": {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            "dropout": trial.suggest_categorical("dropout", [0.0, 0.15, 0.3, 0.45, 0.6]),
            "mixup": trial.suggest_categorical("mixup", [0.0, 0.2, 0.4]),
        },
        "augment": {
            "copies": trial.suggest_categorical("copies", [0, 2, 4]),
            **{
                change: {"probability": trial.suggest_categorical(change, [0.0, 0.3, 0.6, 0.9])}
                for change in ("noise", "pitch", "stretch")
            },
        },
    }
    if model.name in ("cnn", "resnet"):
        changes["model"]["layers"] = trial.suggest_categorical("layers", [3, 4])
    return changes


def run_trial(trial: optuna.Trial, model: params.Model) -> float:
    """Train in ever longer runs, each going on from the one before; return the validation loss.

    Raises:
        TrialPruned: a run's validation loss is worse than the median of the others' at that epoch.
        UserError: a stage failed.
    """
    name, changes = f"tune-{trial.number:04d}", suggest(trial, model)
    print(f"\n== {name}: {trial.params}", flush=True)
    loss = float("nan")
    for epochs in sorted({max(1, round(share * model.epochs)) for share in _RUNGS}):
        last = epochs == model.epochs
        run = experiments.merge(changes, {"model": {"stop_after": 0 if last else epochs}})
        experiments.run(name, run, target="train", checkpoints=FOLDER / "checkpoints")
        loss = experiments.read_metrics(name, "train")["val_loss"]
        print(f"{name}: validation loss {loss:.3f} after {epochs} epochs", flush=True)
        trial.report(loss, epochs)
        if not last and trial.should_prune():
            raise optuna.TrialPruned
    return loss


def open_study(settings: params.Params) -> optuna.Study:
    """Open the study of these params, or begin it; a trial that was stopped is tried again."""
    FOLDER.mkdir(exist_ok=True)
    # With other params to start from, losses cannot be compared.
    digest = hashlib.blake2b(settings.model_dump_json().encode(), digest_size=8).hexdigest()
    study = optuna.create_study(
        storage=f"sqlite:///{FOLDER / 'study.db'}",
        study_name=digest,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=settings.model.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.enqueue_trial(trial.params, skip_if_exists=True)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def main(trials: int) -> None:
    """Run trials until there are so many, and say which was best.

    Raises:
        UserError: there are no val clips, or a stage failed.
    """
    settings = params.load(ROOT / "params.yaml")
    if settings.split.val == 0:
        raise UserError("tuning looks at the val clips alone: set split.val above 0")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(settings)
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    if len(done) < trials:
        study.optimize(lambda trial: run_trial(trial, settings.model), trials - len(done))
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    best = study.best_trial
    name = f"tune-{best.number:04d}"
    print(
        f"\n{trials} trials, {pruned} of them pruned. Best: {name}, validation loss "
        f"{best.value:.3f}, {json.dumps(best.params)}\n"
        "`dvc exp show --only-changed` lists them (columns of evaluate are the commit's, not "
        f"theirs); `dvc exp apply {name}` and `dvc repro` evaluate the best, once."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.tune", description=__doc__)
    parser.add_argument("trials", nargs="?", type=int, default=TRIALS, metavar="TRIALS")
    try:
        main(parser.parse_args().trials)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on from here")
