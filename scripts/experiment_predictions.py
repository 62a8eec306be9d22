"""Predict clips with the models of stored experiments."""

from pathlib import Path

import pandas as pd

from scripts import experiments
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.evaluation.prediction import predict_subset
from ser.nets import model_folder


def fetch_inputs(experiment: str, data: Path) -> None:
    """Copy the clips, the split and the features of an experiment into a folder.

    Raises:
        UserError: the experiment was removed, or its data from DVC's cache.
    """
    for name in ("clips.csv", "splits.csv", "features"):
        experiments.fetch_data(experiment, f"data/{name}", data / name)


def predict_experiment(experiment: str, data: Path, subset: str) -> tuple[pd.DataFrame, list[str]]:
    """Predict clips with an experiment's nets, each fold's with its own.

    Args:
        experiment: of the current commit.
        data: a folder that `fetch_inputs` filled; the nets are added to it.
        subset: val or test.

    Returns:
        (the table predictions.csv of the clips, at temperature 1; the emotions).

    Raises:
        UserError: the experiment was removed, or its nets from DVC's cache.
    """
    trained = data / experiment
    if not trained.exists():
        experiments.fetch_data(experiment, "data/trained", trained)
    description, nets = model_folder.load(trained)
    clips, splits = read_csv(data / "clips.csv"), read_csv(data / "splits.csv")
    table, _ = predict_subset(
        subset, clips, splits, Store(data / "features"), trained, description, nets
    )
    return table, description.emotions
