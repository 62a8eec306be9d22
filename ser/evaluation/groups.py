"""Compute the figures of groups of test clips, such as each gender, and how far they lie apart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from ser.core.clips import speaker_of
from ser.core.errors import UserError
from ser.core.figures import FEWEST_FOR_A_GAP, UNKNOWN, Gap, Grouping, GroupWithIntervals
from ser.core.sections import Evaluate
from ser.evaluation import scores

_UNITS = {"seconds": " s", "level": " dB", "age": " years"}
_NAMES = ("speaker", "utterance", "take")  # numbers that nothing can be measured by
_MOST_GROUPS = 100  # of a column: more would fill the card and the report
_MOST_NUMBERS = 10  # different numbers of which each is a group of its own


def figures_by_columns(
    predictions: pd.DataFrame, clips: pd.DataFrame, emotions: Sequence[str], settings: Evaluate
) -> dict[str, Grouping]:
    """Compute the figures of the groups of each column of `settings.groups`.

    Args:
        predictions: columns clip, emotion and predicted.
        clips: the table clips.csv.
        emotions: all emotions that occur.
        settings: the columns, and the bootstrap.

    Raises:
        UserError: the table lacks one of the columns, or one has too many groups.
    """
    if missing := [column for column in settings.groups if column not in clips]:
        raise UserError(
            f"evaluate.groups names {', '.join(missing)}, but these clips have only the columns "
            f"{', '.join(clips)}: take it out, or run `dvc repro` with clean.columns"
        )
    tested = clips.set_index("clip", drop=False).loc[predictions["clip"]]
    return {
        column: _grouping(predictions, column, name_groups(tested, column), emotions, settings)
        for column in settings.groups
    }


def name_groups(clips: pd.DataFrame, column: str) -> pd.Categorical:
    """Return each clip's group: the cell of a column, or the third that its number is in.

    Numbers are cut into thirds of these clips if there are more than ten different ones. An empty
    cell is `unknown`.

    Args:
        clips: rows of the table clips.csv.
        column: one of its columns.

    Returns:
        [clips], with the groups in their order: numbers ascending, names alphabetical, unknown
        last.

    >>> list(name_groups(pd.DataFrame({"gender": ["male", "", "female"]}), "gender"))
    ['male', 'unknown', 'female']
    >>> seconds = pd.DataFrame({"seconds": np.arange(12) / 2})
    >>> list(name_groups(seconds, "seconds").categories)
    ['below 1.83 s', '1.83 to 3.67 s', '3.67 s and more']
    """
    given = speaker_of(clips) if column == "speaker" else clips[column]
    cells = given.astype(str).where(given.notna(), "")
    known = cells != ""
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    measured = column not in _NAMES and bool(np.isfinite(numbers[known]).all())
    if measured and len(np.unique(numbers[known])) > _MOST_NUMBERS:
        names, places = _thirds(numbers, known.to_numpy(), _UNITS.get(column, ""))
        cells = pd.Series(np.array([*names, UNKNOWN])[places])
    else:
        cells = cells.where(known, UNKNOWN)
        names = sorted(set(cells) - {UNKNOWN}, key=_by_number if measured else str)
    there = set(cells)
    return pd.Categorical(cells, [name for name in (*names, UNKNOWN) if name in there])


def _by_number(name: str) -> float:
    return float(name)


def _thirds(
    numbers: scores.Floats, known: np.ndarray[tuple[int], np.dtype[np.bool_]], unit: str
) -> tuple[list[str], scores.Indices]:
    """Cut numbers into thirds; return their names, and the place of each number's, or -1."""
    thirds = np.quantile(numbers[known], [1 / 3, 2 / 3])
    # As many digits as tell the two ends from each other and from the smallest number.
    apart = len({numbers[known].min(), *thirds})
    digits = next(
        n
        for n in range(3, 18)
        if n == 17 or len({f"{end:.{n}g}" for end in (numbers[known].min(), *thirds)}) == apart
    )
    texts = list(dict.fromkeys(f"{end:.{digits}g}" for end in thirds))
    between = [f"{low} to {high}{unit}" for low, high in pairwise(texts)]
    names = [f"below {texts[0]}{unit}", *between, f"{texts[-1]}{unit} and more"]
    return names, np.where(known, np.digitize(numbers, [float(text) for text in texts]), -1)


def _grouping(
    predictions: pd.DataFrame,
    column: str,
    groups: pd.Categorical,
    emotions: Sequence[str],
    settings: Evaluate,
) -> Grouping:
    if len(groups.categories) > _MOST_GROUPS:
        raise UserError(
            f"evaluate.groups: {column} has {len(groups.categories)} different values among the "
            f"test clips, at most {_MOST_GROUPS} are told apart: take it out"
        )
    figures, resampled = {}, {}
    for place, name in enumerate(groups.categories):
        part = predictions[groups == name]
        plain = scores.accuracy_and_uar(part, emotions)
        figures[name] = GroupWithIntervals(**plain, n=len(part))
        if len(part) == 1:
            continue
        # Each group has draws of its own, so that the difference of two is that of independent
        # figures.
        actual, predicted = scores.actual_and_predicted(part, emotions)
        hits = (actual == predicted).astype(np.float64)
        resampled[name] = scores.resampled_figures(
            actual, hits, settings.bootstrap, (settings.seed, place)
        )
        ends = {
            f"{measure}_{end}": value
            for measure, values in zip(plain, resampled[name], strict=True)
            for end, value in zip(("low", "high"), scores.percentile_interval(values), strict=True)
        }
        figures[name] = GroupWithIntervals(**plain, **ends, n=len(part))
    compared = {
        name: own for name, own in figures.items() if own.n >= FEWEST_FOR_A_GAP and name != UNKNOWN
    }
    accuracies, uars = ({name: own[place] for name, own in resampled.items()} for place in range(2))
    return Grouping(
        groups=figures,
        accuracy_gap=_gap({name: own.accuracy for name, own in compared.items()}, accuracies),
        uar_gap=_gap({name: own.uar for name, own in compared.items()}, uars),
    )


def _gap(figures: Mapping[str, float], resampled: Mapping[str, scores.Floats]) -> Gap | None:
    """Return the largest difference between two groups; None with fewer than two."""
    if len(figures) < 2:
        return None
    worst, *_, best = sorted(figures, key=lambda name: figures[name])
    low, high = scores.percentile_interval(resampled[best] - resampled[worst])
    difference = figures[best] - figures[worst]
    return Gap(best=best, worst=worst, difference=difference, low=low, high=high)
