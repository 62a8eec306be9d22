import numpy as np
import pandas as pd
import pytest

from ser.core.sections import Evaluate
from ser.evaluation.dimensions import figures_of_dimensions

RATED = np.array([0.1, 0.4, 0.35, 0.8, 0.95, 0.6, 0.2])


def figures(rated, predicted):
    """Compute the figures of valence; the mean of the train clips is 0.4."""
    settings = Evaluate(
        bootstrap=200, calibration_bins=5, mistakes=3, baseline="none", groups=[], seed=0
    )
    table = pd.DataFrame({"fold": 1, "valence": rated, "predicted_valence": predicted})
    clips = pd.DataFrame({"clip": ["a", "b"], "valence": [0.2, 0.6]})
    splits = pd.DataFrame({"clip": ["a", "b"], "fold": 1, "subset": "train"})
    return figures_of_dimensions(table, clips, splits, ["valence"], settings)["valence"]


def test_the_figures_of_a_scaled_and_shifted_rating_are_those_of_closed_forms():
    own = figures(RATED, 0.5 * RATED + 0.2)
    variance, apart = RATED.var(), (0.2 - 0.5 * RATED).mean()
    assert own.ccc == pytest.approx(variance / (1.25 * variance + apart**2))
    assert own.ccc_low < own.ccc < own.ccc_high
    assert own.mae == pytest.approx(np.abs(0.2 - 0.5 * RATED).mean())
    assert own.mean_mae == pytest.approx(np.abs(RATED - 0.4).mean())
    assert own.n == len(RATED)


@pytest.mark.parametrize("rated", [np.full(7, 0.1), np.full(7, 1 / 3), RATED])
def test_always_the_same_prediction_has_a_concordance_of_0(rated):
    own = figures(rated, np.full(7, 0.1))
    assert [own.ccc, own.ccc_low, own.ccc_high] == pytest.approx([0, 0, 0], abs=1e-9)
