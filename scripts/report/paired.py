"""Compare two runs clip by clip: the paired difference of their accuracies."""

from dataclasses import dataclass

import pandas as pd
from scipy.stats import binomtest

from ser.core.errors import UserError
from ser.evaluation.scores import mean_ci95

_RESAMPLES = 10_000
_COLUMNS = ("clip", "emotion", "predicted")


@dataclass(frozen=True)
class Paired:
    """What two runs recognise of the same clips.

    Attributes:
        both: number of clips that both recognise.
        only_new: number that only the new run recognises.
        only_old: number that only the old run recognises.
        neither: number that neither recognises.
        difference: new accuracy minus old accuracy, -1..1.
        low: lower end of its 95 % bootstrap interval over the clips.
        high: upper end.
        p: of the exact test of McNemar (1947), two-sided.
    """

    both: int
    only_new: int
    only_old: int
    neither: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def clips(self) -> int:
        """The number of clips."""
        return self.both + self.only_new + self.only_old + self.neither


def compare_predictions(old: pd.DataFrame, new: pd.DataFrame) -> Paired:
    """Compare two tables with the columns clip, emotion and predicted.

    Raises:
        UserError: they are not of the same clips with the same emotions, or a column is missing;
            the text is a sentence without a full stop.
    """
    for table in (old, new):
        if missing := [name for name in _COLUMNS if name not in table]:
            raise UserError(f"data/predictions.csv has no column {missing[0]}")
    joined = old.merge(new, "outer", on=["clip", "emotion"], suffixes=("_old", "_new"))
    counts = joined.count()
    if counts["predicted_old"] < len(joined) or counts["predicted_new"] < len(joined):
        shared = counts["predicted_old"] + counts["predicted_new"] - len(joined)
        raise UserError(
            f"the test clips differ: {len(old)} there, {len(new)} here, {shared} of them the same"
        )
    was, now = (joined[name] == joined["emotion"] for name in ("predicted_old", "predicted_new"))
    only_new, only_old = int((now & ~was).sum()), int((was & ~now).sum())
    change = now.astype(float) - was.astype(float)
    low, high = mean_ci95(change.to_numpy(), _RESAMPLES, seed=0)
    unlike = only_new + only_old
    return Paired(
        both=int((was & now).sum()),
        only_new=only_new,
        only_old=only_old,
        neither=int((~was & ~now).sum()),
        difference=float(change.mean()),
        low=low,
        high=high,
        p=float(binomtest(only_new, unlike).pvalue) if unlike else 1.0,
    )
