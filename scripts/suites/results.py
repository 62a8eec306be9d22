"""Write the results of a suite's finished entries."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from scripts import experiments
from scripts.suites import pictures, protocols
from scripts.suites.lists import Suite
from scripts.suites.tables import Table, damaged
from scripts.workspace import ROOT
from ser.core.figures import Figures
from ser.core.tables import write_json
from ser.evaluation.unheard import training_id
from ser.nets.description import parse_description

COMPARISON = Table(
    ROOT / "metrics/compare.csv",
    (
        *("experiment", "split", "folds", "train", "val", "test"),
        *("epochs", "epochs_allowed", "epochs_wanted", "parameters"),
        *("accuracy", "accuracy_low", "accuracy_high", "fold_std", "uar", "uar_low", "uar_high"),
        *("oracle", "uses_test_speakers_audio", "seconds_per_epoch"),
    ),
)
CURVES = Table(
    ROOT / "plots/compare_history.csv",
    (
        *("experiment", "fold", "epoch", "train_loss", "val_loss", "test_loss"),
        *("train_accuracy", "val_accuracy", "test_accuracy"),
    ),
)
ANSWERS = Table(
    ROOT / "metrics/compare_answers.csv", ("experiment", "clip", "emotion", "predicted")
)
TRIALS = Table(
    ROOT / "metrics/trials.csv",
    ("trial", "seed", "clips", "accuracy", "uar", "parameters", "seconds"),
)
PROTOCOLS = ROOT / "metrics/protocols.json"
UNHEARD = ROOT / "experiments/unheard_voices.json"  # read by the stage evaluate

Row = dict[str, Any]  # of a run, by the names of the columns that are made of it


def collect(run: str, training: experiments.Training | None) -> Row:
    """Read what a finished run measured.

    Args:
        run: the DVC experiment.
        training: how long it took, if it was trained now.
    """
    figures = Figures.from_json(experiments.read_result(run, "metrics/evaluate.json"))
    train, split = (experiments.read_metrics(run, name) for name in ("train", "split"))
    model = experiments.read_params(run)["model"]
    folds = figures.n_folds
    return {
        **figures.for_report(),
        **split["clips_per_fold"],
        "run": run,
        "split": figures.split_scheme,
        "folds": folds,
        "clips": figures.n_test,
        "seed": model["seed"],
        "epochs": int(_history(run)["epoch"].max()),
        "epochs_allowed": model["epochs"],
        "parameters": train["parameters"],
        "fold_std": figures.fold_accuracy.std if folds > 1 else None,
        "oracle": figures.oracle and figures.oracle.accuracy,
        "seconds_per_epoch": training.seconds_per_epoch if training else None,
        "seconds": round(training.seconds / folds, 6) if training else None,
    }


def add_to_comparison(suite: Suite, name: str, figures: Sequence[Row]) -> None:
    """Write figures, answers and learning curves, including those on the test clips if any."""
    wanted = experiments.resolve(suite.changes(name))["model"]["epochs"]
    rows = [{**run, "epochs_wanted": wanted} for run in figures]
    COMPARISON.put(name, rows, list(suite.entries))
    answers = [_data(run["run"], "predictions") for run in figures]
    ANSWERS.put(name, pd.concat(answers).to_dict("records"), list(suite.entries))
    curves = [
        _history(run["run"]).merge(_data(run["run"], "test_history"), how="left") for run in figures
    ]
    CURVES.put(name, pd.concat(curves).to_dict("records"), list(suite.entries))
    pictures.loss_curves(ROOT / "plots/compare.png", pd.read_csv(CURVES.path))


def add_to_trials(suite: Suite, name: str, figures: Sequence[Row]) -> None:
    """Write the figures of each seed."""
    TRIALS.put(name, figures, list(suite.entries))
    pictures.accuracy_time(ROOT / "plots/accuracy_time.png", pd.read_csv(TRIALS.path))


def add_to_protocols(suite: Suite, name: str, figures: Sequence[Row]) -> None:
    """Write the figures of all seeds together."""
    first = figures[0]  # all but the weights is the same for every seed
    seconds = _data(first["run"], "clips").set_index("clip")["seconds"]
    predictions = {run["seed"]: _data(run["run"], "predictions") for run in figures}
    measured = protocols.summarise(predictions, seconds)
    measured |= {key: first[key] for key in ("parameters", "baseline") if key in first}
    known = read_protocols() | {name: measured}
    write_json(PROTOCOLS, {entry: known[entry] for entry in suite.entries if entry in known})
    if first["split"] == "leave_one_speaker_out" and not first["uses_test_speakers_audio"]:
        _tell_of_unheard_voices([run["run"] for run in figures], measured)


def _tell_of_unheard_voices(runs: Sequence[str], measured: Mapping[str, Any]) -> None:
    """Write the figures for the cards of models that are trained with the same settings."""
    described = [experiments.read_data(run, "data/model/model.json") for run in runs]
    (training,) = {training_id(parse_description(text, "model.json")) for text in described}
    accuracy = measured["accuracy"]
    write_json(
        UNHEARD,
        {
            "training": training,
            "accuracy": accuracy["mean"],
            "accuracy_low": accuracy["low"],
            "accuracy_high": accuracy["high"],
            "clips": measured["clips"],
            "trainings": len(runs),
        },
    )


def read_protocols() -> dict[str, Any]:
    """Read the figures of the entries measured so far.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return dict(json.loads(PROTOCOLS.read_bytes())) if PROTOCOLS.exists() else {}
    except (OSError, ValueError, TypeError) as error:
        raise damaged(PROTOCOLS, error) from None


def _history(run: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(experiments.read_result(run, "plots/history.csv")))


def _data(run: str, table: str) -> pd.DataFrame:
    """Read a table of a finished run from DVC; names of clips, speakers and emotions stay text."""
    named = {"clip": str, "speaker": str, "emotion": str, "predicted": str}
    text = experiments.read_data(run, f"data/{table}.csv")
    return pd.read_csv(io.StringIO(text), dtype=named, keep_default_na=False)


ADD = {"compare": add_to_comparison, "protocols": add_to_protocols, "trials": add_to_trials}
READ = {
    "compare": (COMPARISON.read, CURVES.read, ANSWERS.read),
    "protocols": (read_protocols,),
    "trials": (TRIALS.read,),
}
