"""The figures of a model under each condition."""

from typing import Any

import numpy as np
import pandas as pd

from scripts.robustness.conditions import CLEAN, CONDITIONS
from ser.evaluation.scores import mean_ci95

RESAMPLES = 2000
SEED = 0


def compute_figures(answers: pd.DataFrame) -> dict[str, Any]:
    """Compute accuracy and changed answers under each condition.

    A rejected recording counts as not recognised, and as a changed answer.

    Args:
        answers: a row per clip and condition: clip, emotion, condition, and predicted, empty if the
            recording was rejected. The condition `clean` has all clips.

    Returns:
        clips: their number; clean: accuracy as recorded, 0..1; mean and worst: of the other
        conditions; conditions: for each, in order, its name as `condition`, its title, accuracy
        with accuracy_low and accuracy_high (95 % bootstrap interval over the clips), lost (accuracy
        as recorded minus this one) with lost_low and lost_high (of the paired difference), changed
        (share of the clips whose answer differs from that as recorded) and rejected (share).
    """
    by_clip = answers.pivot(index="clip", columns="condition", values="predicted")
    emotion = answers.drop_duplicates("clip").set_index("clip")["emotion"].loc[by_clip.index]
    clean = by_clip[CLEAN]
    rows = []
    for condition in answers["condition"].unique():
        own = by_clip[condition]
        hits = (own == emotion).to_numpy(np.float64)
        lost = (clean == emotion).to_numpy(np.float64) - hits
        row: dict[str, Any] = {"condition": condition, "title": CONDITIONS[condition].title}
        for name, values in (("accuracy", hits), ("lost", lost)):
            low, high = mean_ci95(values, RESAMPLES, SEED)
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"changed": (own != clean).mean(), "rejected": (own == "").mean()})
    others = [row["accuracy"] for row in rows if row["condition"] != CLEAN]
    return {
        "clips": len(by_clip),
        "clean": next(row["accuracy"] for row in rows if row["condition"] == CLEAN),
        "mean": float(np.mean(others)),
        "worst": min(others),
        # A list, because DVC compares the numbers of mappings: the three above are enough there.
        "conditions": rows,
    }
