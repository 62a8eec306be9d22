"""Search learning rate or c, layers or width, dropout and augmentation on the validation clips.

    python -m scripts.tune [TRIALS]

Every trial is a DVC experiment `tune-<study>-<number>` of the current commit. It stops at the stage
train, so no test clip is used. The first trial has the present params, and in the end the best one
is compared with it. Other unpromising trials are pruned early. A study belongs to a commit and its
params, because losses of other code, data or params are not comparable. It is stored in .tune/: the
same command continues where it was stopped, and a larger number adds trials.
"""

import argparse
import hashlib
import json
import shutil
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from scripts import cli, experiments
from scripts.val_comparison import Comparison, compare_on_val
from scripts.workspace import ROOT, at_least_one
from ser.core import params
from ser.core.errors import UserError
from ser.core.kinds import needs_given
from ser.core.needs import needs_of
from ser.core.net_problems import net_problems
from ser.training.loop import epochs_of

FOLDER = ROOT / ".tune"
TRIALS = 20
# Lowest and highest value of the setting that decides how closely a net follows the train clips.
_PACES = {"learning_rate": (1e-4, 1e-2), "c": (1e-4, 1e2)}
_SIZES = {"layers": (3, 4), "width": (64, 128, 256, 512)}
_RUNGS = (1 / 9, 1 / 3, 1)  # shares of model.epochs after which a trial may be pruned
_FAILURES = 3  # in a row, after which the trials' params are not the likely cause
_PRESENT = "present"  # attribute of the trial with the present params


def choices(settings: params.Params) -> dict[str, tuple[str, list[Any]]]:
    """Return what is searched, besides the pace; the present values are among them.

    Returns:
        name -> (key of params.yaml, values to choose from).
    """
    found: dict[str, tuple[str, tuple[float, ...] | list[int]]] = {}
    needs = needs_of(settings.model)
    if not needs.learner:
        found["dropout"] = ("model.dropout", (0.0, 0.15, 0.3, 0.45, 0.6))
    # Learners have no other use for copies, and a table has no rows for them.
    copied = not needs.learner or settings.model.copies == "all"
    if copied and not needs_given(settings.features.kinds):
        found["copies"] = ("augment.copies", (0, 2, 4))
        for change in ("crop", "noise", "pitch", "stretch"):
            found[change] = (f"augment.{change}.probability", (0.0, 0.3, 0.6, 0.9))
    if needs.standardises_pooled:  # and takes no mixed spectrograms
        found["frequency_shift"] = ("model.frequency_shift", (0.0, 1.0, 2.0))
    elif not needs.learner:
        found["mixup"] = ("model.mixup", (0.0, 0.2, 0.4))
    for size in needs.sizes:
        found[size] = (f"model.{size}", allowed_sizes(settings, size))
    now = dict(experiments.flatten(settings.model_dump()))
    return {name: (key, sorted({*values, now[key]})) for name, (key, values) in found.items()}


def allowed_sizes(settings: params.Params, size: str) -> list[int]:
    """Return the values of a size setting that are compatible with all other params."""
    return [
        value
        for value in _SIZES[size]
        if not net_problems(settings.model.model_copy(update={size: value}), settings.features.dims)
    ]


def present(settings: params.Params) -> dict[str, Any]:
    """Return what a trial with the present params draws."""
    now = dict(experiments.flatten(settings.model_dump()))
    drawn = {name: now[key] for name, (key, _) in choices(settings).items()}
    pace = needs_of(settings.model).pace
    return {pace: now[f"model.{pace}"], **drawn}


def suggest(trial: optuna.Trial, settings: params.Params) -> experiments.Changes:
    """Draw the params of a trial."""
    pace = needs_of(settings.model).pace
    now = getattr(settings.model, pace)
    low, high = min(now, *_PACES[pace]), max(now, *_PACES[pace])
    changes: experiments.Changes = {"model": {pace: trial.suggest_float(pace, low, high, log=True)}}
    for name, (key, values) in choices(settings).items():
        changes = experiments.set_key(changes, key, trial.suggest_categorical(name, values))
    return changes


def run_trial(trial: optuna.Trial, name: str, settings: params.Params, bar: "tqdm[Any]") -> float:
    """Train in ever longer runs, each continuing the one before; return the validation loss.

    Raises:
        TrialPruned: a run's validation loss is worse than the median of the others' at that epoch.
        UserError: a stage failed.
    """
    changes = suggest(trial, settings)
    whose = " (present params)" if _PRESENT in trial.user_attrs else ""
    print_above(bar, f"\n== {name}{whose}: {json.dumps(trial.params)}")
    last = epochs_of(settings.model)
    loss = float("nan")
    for epochs in sorted({max(1, round(share * last)) for share in _RUNGS}):
        stop = {"model": {"stop_after": 0 if epochs == last else epochs}}
        run_quietly(name, experiments.merge(changes, stop), bar)
        loss = experiments.read_metrics(name, "train")["val_loss"]
        trial.report(loss, epochs)
        # Never the first trial, of the present params: there is nothing to compare it with.
        is_pruned = epochs < last and trial.should_prune()
        end = ": pruned, worse than the median of the other trials" if is_pruned else ""
        print_above(bar, f"{name}: validation loss {loss:.3f} after {epochs} of {last} epochs{end}")
        if is_pruned:
            raise optuna.TrialPruned
    return loss


def run_quietly(name: str, changes: experiments.Changes, bar: "tqdm[Any]") -> None:
    """Run an experiment up to the stage train; print its output only if it fails.

    Raises:
        UserError: a stage failed.
    """
    output: list[str] = []

    def show(line: str) -> None:
        output.append(line)
        if line.startswith(("Running stage", "fold ")):
            bar.set_postfix_str(line.strip())

    try:
        checkpoints = FOLDER / "checkpoints"
        experiments.run_experiment(name, changes, "train", checkpoints, show)
    except UserError:
        print_above(bar, "".join(output).rstrip())
        raise


def print_above(bar: "tqdm[Any]", text: str) -> None:
    """Print a text above the bar."""
    with bar.external_write_mode():
        print(text, flush=True)


def open_study(settings: params.Params, commit: str) -> optuna.Study:
    """Open or create the study of a commit and its params.

    A stopped trial is queued again, and the present params if they were not measured yet.
    """
    FOLDER.mkdir(exist_ok=True)
    key = commit + settings.model_dump_json()
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(FOLDER / "studies.log"))),
        study_name=hashlib.blake2b(key.encode(), digest_size=3).hexdigest(),
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if _PRESENT not in trial.user_attrs:
            study.enqueue_trial(trial.params)
    if not present_trials(study, TrialState.WAITING, TrialState.COMPLETE):
        study.enqueue_trial(present(settings), user_attrs={_PRESENT: True})
    return study


def present_trials(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """Return the trials with the present params that are in one of some states."""
    trials = study.get_trials(deepcopy=False, states=states)
    return [trial for trial in trials if _PRESENT in trial.user_attrs]


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were completed or pruned."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def add_trial(study: optuna.Study, settings: params.Params, bar: "tqdm[Any]") -> None:
    """Run one more trial.

    Raises:
        UserError: a stage failed.
    """
    # A new sampler for each trial, so that draws do not depend on where the study was stopped.
    seed = settings.model.seed + len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    trial = study.ask()
    try:
        study.tell(trial, run_trial(trial, name_of(study, trial.number), settings, bar))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except UserError:
        study.tell(trial, state=TrialState.FAIL)
        raise


def name_of(study: optuna.Study, number: int) -> str:
    """Return the name of a trial's experiment."""
    return f"tune-{study.study_name}-{number:04d}"


def run_trials(study: optuna.Study, settings: params.Params, trials: int) -> None:
    """Run trials until there are enough results.

    Raises:
        UserError: the trial with the present params failed, or several trials in a row.
    """
    failures = 0
    done = len(finished(study))
    with tqdm(total=trials, desc="tune", initial=done, unit="trial", disable=None) as bar:
        while len(finished(study)) < trials:
            try:
                add_trial(study, settings, bar)
                failures = 0
                bar.update()
            except UserError as error:
                failures += 1
                if not present_trials(study, TrialState.COMPLETE):
                    raise UserError(f"the present params cannot be measured: {error}") from None
                if failures == _FAILURES:
                    raise UserError(f"{failures} trials failed in a row: {error}") from None
                print_above(bar, f"{error}; another trial replaces it")


def recommend(study: optuna.Study, settings: params.Params) -> str:
    """Compare the best trial with the present params, and recommend one of them.

    Raises:
        UserError: an experiment of these trials was removed.
    """
    trials = len(finished(study))
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    (base,) = present_trials(study, TrialState.COMPLETE)
    base_name, best = name_of(study, base.number), study.best_trial
    if best.number == base.number:
        text = (
            f"None has a lower validation loss than the present params ({base_name}: "
            f"{base.value:.3f}). Keep them."
        )
    else:
        name = name_of(study, best.number)
        try:
            compared = compare_on_val(name, base_name, settings.evaluate)
        except UserError as error:
            raise UserError(f"{error}: to search anew, remove {FOLDER}") from None
        text = describe(compared, name, base_name, best.params, trials)
    return (
        f"{trials} trials, {len(pruned)} of them pruned. {text}\n"
        "`dvc exp show --only-changed` lists them (columns of evaluate are the commit's, not "
        "theirs)."
    )


def describe(
    compared: Comparison, name: str, base_name: str, drawn: dict[str, Any], trials: int
) -> str:
    """Describe how a trial compares with the present params, and recommend one of them."""
    interval = f"{compared.low:.3f} to {compared.high:.3f}"
    verdict = (
        "That is more than chance, but optimistic: the best of "
        f"{trials} trials was picked on these clips. `dvc exp apply {name}` and `dvc repro` "
        "measure it on the test clips, once."
        if compared.is_better
        else f"That is no more than chance, although the best of {trials} trials was picked on "
        "these clips. Keep the present params."
    )
    return (
        f"On the same {compared.clips} validation clips:\n"
        f"  Present params: {base_name}, loss {compared.base_loss:.3f}, accuracy "
        f"{compared.base_accuracy:.1%}\n"
        f"  Best: {name}, loss {compared.loss:.3f}, accuracy {compared.accuracy:.1%}, "
        f"{json.dumps(drawn)}\n"
        f"Its loss is lower by {compared.gain:.3f} (95% interval {interval}, paired bootstrap over "
        f"the clips). {verdict}"
    )


def main(trials: int) -> None:
    """Run trials until there are enough results, and print a recommendation.

    Raises:
        UserError: the split has no val clips, or trials failed.
    """
    settings = params.load(ROOT / "params.yaml")
    if settings.split.val == 0:
        raise UserError("tuning uses the val clips: set split.val above 0")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(settings, experiments.head())
    run_trials(study, settings, trials)
    # The remaining checkpoints belong to pruned trials.
    shutil.rmtree(FOLDER / "checkpoints", ignore_errors=True)
    print(f"\n{recommend(study, settings)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.tune", description=__doc__)
    parser.add_argument("trials", nargs="?", type=at_least_one, default=TRIALS, metavar="TRIALS")
    arguments = parser.parse_args()
    cli.run_script(lambda: main(arguments.trials), cli.RESUMES)
