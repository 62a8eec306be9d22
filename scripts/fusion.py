"""Fuse finished experiments: python -m scripts.fusion NAME NAME ...

The probabilities of their models are combined on the same test clips, with weights that each fold
chooses on its validation clips. The figures are added to metrics/fusion.json.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from scripts import cli, experiments
from scripts.experiment_predictions import fetch_inputs, predict_experiment
from scripts.paired import compare_predictions
from scripts.workspace import ROOT, read_file
from ser.core.errors import UserError
from ser.core.figures import Figures
from ser.core.store import Store
from ser.core.tables import read_csv, write_json
from ser.evaluation import baseline, fusion, scores
from ser.evaluation.figures import compute_figures

FUSION = "metrics/fusion.json"


def fuse_experiments(names: Sequence[str]) -> dict[str, Any]:
    """Measure the models of experiments of the current commit together.

    Returns:
        The figures of metrics/evaluate.json; weights: fold -> experiment -> weight; of_each:
        experiment -> its accuracy and UAR on the same clips, and gain, low, high and p: how much
        more the models recognise together, with its interval, and the p-value of McNemar's test.

    Raises:
        UserError: an experiment is missing, or they do not have the same split of the same clips.
    """
    _check_names(names)
    settings = experiments.check_changes({}, "params.yaml").evaluate
    tested, validated, emotions_of = [], [], {}
    with TemporaryDirectory() as folder:
        for name in names:
            data = Path(folder, name)
            data.mkdir()
            fetch_inputs(name, data)
            val, emotions_of[name] = predict_experiment(name, data, "val")
            test, _ = predict_experiment(name, data, "test")
            validated.append(val)
            tested.append(test)
        emotions = emotions_of[names[0]]
        if other := [name for name in names if emotions_of[name] != emotions]:
            raise UserError(
                f"{names[0]} recognises {', '.join(emotions)}, {other[0]} recognises "
                f"{', '.join(emotions_of[other[0]])}: fusion needs the same emotions"
            )
        clips, splits = read_csv(data / "clips.csv"), read_csv(data / "splits.csv")
        majority = baseline.predict_with_baseline(
            "majority", clips, splits, Store(data / "features").read, settings.seed
        )
    fused, weights = fusion.fuse_predictions(tested, validated, emotions)
    bins = scores.reliability(
        fused[emotions].to_numpy(),
        scores.indices(fused["emotion"], emotions),
        settings.calibration_bins,
    )
    alone = {name: _figures_of(name) for name in names}
    figures = compute_figures(
        fused,
        clips,
        emotions,
        bins,
        bins,
        majority,
        None,
        pd.DataFrame(),
        settings,
        split_scheme=alone[names[0]].split_scheme,
        uses_test_speakers_audio=any(own.uses_test_speakers_audio for own in alone.values()),
    )
    encoders = sorted({own.pretrained_encoder or "" for own in alone.values()} - {""})
    # The weights scale the probabilities too, so there are no unscaled ones.
    changed = {"ece_unscaled": None, "pretrained_encoder": ", ".join(encoders) or None}
    together = figures.model_copy(update=changed).for_report()
    return {
        **together,
        "weights": {str(fold): dict(zip(names, own, strict=True)) for fold, own in weights.items()},
        "of_each": {
            name: _beside(table, fused, emotions) for name, table in zip(names, tested, strict=True)
        },
    }


def _check_names(names: Sequence[str]) -> None:
    stored = experiments.stored_names()
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(
            f"fusion needs at least two different experiments, got {' '.join(names) or 'none'}: "
            "make fuse NAMES='a b'"
        )
    if unknown := [name for name in names if name not in stored]:
        raise UserError(
            f"this commit has no experiment {', '.join(unknown)}; it has "
            f"{', '.join(stored) or 'none'}: make experiment NAME={unknown[0]} runs one"
        )


def _figures_of(name: str) -> Figures:
    return Figures.from_json(experiments.read_result(name, "metrics/evaluate.json"))


def _beside(alone: pd.DataFrame, fused: pd.DataFrame, emotions: Sequence[str]) -> dict[str, float]:
    paired = compare_predictions(alone, fused)
    return {
        **scores.accuracy_and_uar(alone, emotions),
        "gain": paired.difference,
        "low": paired.low,
        "high": paired.high,
        "p": paired.p,
    }


def read_fusions() -> dict[str, Any]:
    """Read the figures of all fusions so far.

    Raises:
        UserError: the file is damaged.
    """
    if not (ROOT / FUSION).exists():
        return {}
    values: dict[str, Any] = read_file(ROOT, FUSION, json.loads)
    return values


def main(*names: str) -> None:
    """Fuse experiments, add the figures to metrics/fusion.json, and print them."""
    known = read_fusions()
    figures = fuse_experiments(names)
    write_json(ROOT / FUSION, known | {"+".join(sorted(names)): figures})
    for fold, weights in figures["weights"].items():
        print(f"weights of fold {fold}:", *(f"{name} {w:.2f}" for name, w in weights.items()))
    for name, alone in figures["of_each"].items():
        print(f"  {name}: accuracy {alone['accuracy']:.1%}, UAR {alone['uar']:.1%}")
    print(
        f"together: accuracy {figures['accuracy']:.1%} ({figures['accuracy_low']:.1%} to "
        f"{figures['accuracy_high']:.1%}), UAR {figures['uar']:.1%}, {figures['n_test']} clips"
    )


if __name__ == "__main__":
    cli.run_script(lambda: main(*sys.argv[1:]))
