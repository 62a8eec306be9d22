"""Measure the importance of the groups of features of a run's model."""

from pathlib import Path

import pandas as pd

from scripts.importance.permuting import columns_of_groups, measure_importance, rows_of_folds
from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.nets import model_folder
from ser.nets.description import Description
from ser.nets.folder_files import read_description

_REPEATS = 20  # permutations of a group
_RESAMPLES = 2000
_SEED = 0


def has_groups(data: Path) -> bool:
    """Return whether the features of a run's model have named groups.

    Args:
        data: the run's data folder.
    """
    return bool(columns_of_groups(read_description(data / "model").preprocessing))


def measure(data: Path) -> tuple[Description, int, pd.DataFrame]:
    """Measure the importance of each group of features of a run's model.

    Args:
        data: the run's data folder.

    Returns:
        (description of the model, number of test clips, table of `measure_importance`).

    Raises:
        UserError: the model is missing, or its features have no named groups.
    """
    description, nets = model_folder.load(data / "model")
    groups = columns_of_groups(description.preprocessing)
    if not groups:
        kinds = ", ".join(description.preprocessing.dims)
        raise UserError(
            f"the model's features, {kinds} (features.kinds), have no named groups: train a model "
            "on functionals, such as `make experiment NAME=functionals-svm`"
        )
    columns = ["clip", "corpus", "speaker", "emotion", *description.dimensions]
    clips = read_csv(data / "clips.csv", columns)
    splits, store = read_csv(data / "splits.csv"), Store(data / "features")
    folds = list(rows_of_folds(clips, splits, store, description, nets))
    table = measure_importance(folds, groups, _REPEATS, _RESAMPLES, _SEED)
    return description, sum(len(fold.actual) for fold in folds), table
