"""Compare runs clip by clip: the paired difference of two accuracies, and whether it is chance.

The tests take for granted that the clips are independent of each other. Those of one speaker are
not, so a difference that is more than chance among these clips may be chance among speakers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from scipy.stats import binomtest

from ser.core.errors import UserError
from ser.evaluation.scores import mean_ci95

_RESAMPLES = 10_000
_COLUMNS = ("clip", "emotion", "predicted")
ASSUMED = (
    "The test takes for granted that the clips are independent of each other; those of one speaker "
    "are not, so it tells nothing about other speakers, nor about a training with another seed."
)
SIGNIFICANT = 0.05


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
        UserError: they are not of the same clips with the same emotions, a clip occurs twice, or a
            column is missing; the text is a sentence without a full stop.
    """
    for table in (old, new):
        if missing := [name for name in _COLUMNS if name not in table]:
            raise UserError(f"data/predictions.csv has no column {missing[0]}")
        if table["clip"].duplicated().any():
            raise UserError("a clip is tested in several folds, so its answers are not one pair")
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


@dataclass(frozen=True)
class Pair:
    """Two runs, compared.

    Attributes:
        first: name of a run.
        second: name of another one, which counts as the new run.
        paired: what they recognise of the same clips.
        p: the p-value of McNemar's test, corrected for all pairs that were compared.
    """

    first: str
    second: str
    paired: Paired
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference is more than chance among such clips."""
        return self.p < SIGNIFICANT


def same_clips(tables: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """Return the names of the runs with the same test clips together, in their order.

    Args:
        tables: name of a run -> its predictions, columns clip and emotion.
    """
    together: dict[frozenset[tuple[str, str]], list[str]] = {}
    for name, table in tables.items():
        clips = frozenset(zip(table["clip"], table["emotion"], strict=True))
        together.setdefault(clips, []).append(name)
    return list(together.values())


def compare_all(tables: Mapping[str, pd.DataFrame]) -> list[Pair]:
    """Compare every two runs that have the same test clips.

    Args:
        tables: name of a run -> its predictions, as for `compare_predictions`.

    Raises:
        UserError: a table cannot be compared with others.
    """
    names = [two for together in same_clips(tables) for two in combinations(together, 2)]
    found = [compare_predictions(tables[first], tables[second]) for first, second in names]
    corrected = holm([paired.p for paired in found])
    return [
        Pair(first, second, paired, p)
        for (first, second), paired, p in zip(names, found, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that few tests are significant by chance.

    Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6, 1979.

    >>> holm([0.0625, 0.015625, 0.5])
    [0.125, 0.046875, 0.5]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
