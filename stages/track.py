"""Log the results to the MLflow server that SER_MLFLOW_URI names; without it, do nothing."""

import json
from pathlib import Path

from ser.core import params
from ser.evaluation import pictures
from ser.training.history import read_history
from ser.training.tracking import Tracking
from stages import run_stage


def main(trained: Path, history: Path, headline: Path, plots: Path, model: Path) -> None:
    """Log figures, pictures and the released model to the run of the training."""
    with Tracking(params.load()) as tracking:
        tracking.results(
            trained,
            read_history(history),
            json.loads(headline.read_text("utf-8")),
            [plots / name for name in pictures.ALL],
            model,
        )


if __name__ == "__main__":
    run_stage(main)
