"""Compare two experiments with the same split on its validation clips."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd

from scripts.experiment_predictions import fetch_inputs, predict_experiment
from ser.core.sections import Evaluate
from ser.evaluation.scores import indices, mean_ci95
from ser.training.predict import losses


class Comparison(NamedTuple):
    """Figures of a candidate and of what it is compared with, on the same clips.

    Losses are mean cross-entropies, accuracies are 0..1.
    """

    clips: int
    loss: float
    accuracy: float
    base_loss: float
    base_accuracy: float
    low: float  # ends of the 95 % interval of the loss that the candidate has less
    high: float

    @property
    def gain(self) -> float:
        """The loss that the candidate has less."""
        return self.base_loss - self.loss

    @property
    def is_better(self) -> bool:
        """Whether the candidate's loss is lower by more than the clips' choice explains."""
        return self.low > 0


def compare_on_val(candidate: str, base: str, settings: Evaluate) -> Comparison:
    """Predict the validation clips with the models of two experiments and compare the losses.

    Args:
        candidate: an experiment of the current commit.
        base: another one, whose clips, features and split are the same.
        settings: of the bootstrap.

    Raises:
        UserError: an experiment or its data were removed.
    """
    with TemporaryDirectory() as folder:
        data = Path(folder)
        fetch_inputs(base, data)
        return compare(_predict_val(candidate, data), _predict_val(base, data), settings)


def _predict_val(experiment: str, data: Path) -> pd.DataFrame:
    """Return columns clip, loss and hit, a row for each clip and fold."""
    table, emotions = predict_experiment(experiment, data, "val")
    return pd.DataFrame(
        {
            "clip": table["clip"],
            "loss": losses(table[emotions].to_numpy(), indices(table["emotion"], emotions)),
            "hit": table["emotion"] == table["predicted"],
        }
    )


def compare(candidate: pd.DataFrame, base: pd.DataFrame, settings: Evaluate) -> Comparison:
    """Compare two tables with the columns clip, loss and hit.

    The interval is of a bootstrap over the pairs of losses of each clip. A clip that validates
    several folds counts once, with its mean loss, because its losses depend on each other.
    """
    own, other = (table.groupby("clip").mean() for table in (candidate, base))
    gains = (other["loss"] - own["loss"]).to_numpy()
    low, high = mean_ci95(gains, settings.bootstrap, settings.seed)
    return Comparison(
        clips=len(gains),
        loss=float(own["loss"].mean()),
        accuracy=float(own["hit"].mean()),
        base_loss=float(other["loss"].mean()),
        base_accuracy=float(other["hit"].mean()),
        low=low,
        high=high,
    )
