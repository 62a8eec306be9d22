from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ser.core.errors import UserError
from ser.core.figures import UNKNOWN, Grouping
from ser.core.sections import Evaluate
from ser.evaluation.groups import figures_by_columns, name_groups
from ser.evaluation.scores import bootstrap_ci95, indices

EMOTIONS = ["happy", "sad"]


def settings(*columns, bootstrap=4000):
    return Evaluate(
        bootstrap=bootstrap,
        calibration_bins=5,
        mistakes=0,
        baseline="none",
        groups=list(columns),
        seed=0,
    )


def tables_of(groups, column="gender"):
    """Tables of clips and predictions; groups: name -> for each clip, whether it is recognised."""
    rows = [
        {"clip": f"c/{name}{n}", column: name, "emotion": EMOTIONS[n % 2], "right": bool(right)}
        for name, rights in groups.items()
        for n, right in enumerate(rights)
    ]
    clips = pd.DataFrame(rows)
    other = clips["emotion"].map({"happy": "sad", "sad": "happy"})
    predictions = clips.assign(predicted=clips["emotion"].where(clips["right"], other))
    return clips[["clip", column]][::-1], predictions[["clip", "emotion", "predicted"]]


def grouping(groups, **kwargs):
    clips, predictions = tables_of(groups)
    return figures_by_columns(predictions, clips, EMOTIONS, settings("gender", **kwargs))["gender"]


def halves(n, right):
    """Whether each of n clips is recognised: this share of either emotion."""
    return [place < right * n / 2 for place in range(n // 2) for _ in EMOTIONS]


def test_each_groups_figures_are_those_of_its_clips_alone():
    found = grouping({"male": halves(40, 0.9), "female": halves(20, 0.5), "": [True, False, False]})
    assert list(found.groups) == ["female", "male", UNKNOWN]
    shares = {name: (own.accuracy, own.uar, own.n) for name, own in found.groups.items()}
    assert shares["male"] == pytest.approx((0.9, 0.9, 40))
    assert shares["female"] == pytest.approx((0.5, 0.5, 20))
    # happy: right and wrong; sad: wrong
    assert shares[UNKNOWN] == pytest.approx((1 / 3, 1 / 4, 3))


def test_intervals_are_as_wide_as_closed_forms_say():
    shares = {"a": (0.9, 400), "b": (0.6, 300)}
    found = grouping({name: halves(n, share) for name, (share, n) in shares.items()})
    variance = {name: share * (1 - share) / n for name, (share, n) in shares.items()}
    for name, (share, _) in shares.items():
        half = 1.96 * variance[name] ** 0.5
        own = found.groups[name]
        for low, high in (own.accuracy_interval, own.uar_interval):
            assert (low, high) == pytest.approx((share - half, share + half), abs=0.008)
    half = 1.96 * sum(variance.values()) ** 0.5  # the groups are drawn independently
    for gap in (found.accuracy_gap, found.uar_gap):
        assert (gap.best, gap.worst) == ("a", "b")
        assert gap.difference == pytest.approx(0.3)
        assert (gap.low, gap.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.008)


def test_groups_with_the_same_clips_are_drawn_independently():
    alike = halves(100, 0.7)
    found = grouping({"a": alike, "b": alike})
    assert found.accuracy_gap.difference == 0
    half = 1.96 * (2 * 0.7 * 0.3 / 100) ** 0.5
    assert (found.accuracy_gap.low, found.accuracy_gap.high) == pytest.approx(
        (-half, half), abs=0.015
    )


def test_the_only_group_has_the_interval_of_all_clips():
    clips, predictions = tables_of({"el": halves(30, 0.8)}, "language")
    found = figures_by_columns(predictions, clips, EMOTIONS, settings("language"))["language"]
    own = found.groups["el"]
    actual, predicted = (indices(predictions[name], EMOTIONS) for name in ("emotion", "predicted"))
    assert (own.accuracy_interval, own.uar_interval) == bootstrap_ci95(actual, predicted, 4000, 0)
    assert (found.accuracy_gap, found.uar_gap) == (None, None)
    assert str(found) == "one group, so there is nothing to compare"


def test_the_gap_is_between_the_furthest_groups_with_enough_known_clips():
    found = grouping(
        {
            "few": [False] * 9,
            "": [False] * 50,
            "middle": halves(20, 0.7),
            "worst": halves(10, 0.4),
            "best": halves(40, 0.8),
        }
    )
    assert (found.accuracy_gap.best, found.accuracy_gap.worst) == ("best", "worst")
    assert found.accuracy_gap.difference == pytest.approx(0.4)
    assert str(found).startswith("largest gap of the accuracy 40.0 points (95% interval +")
    assert str(found).endswith('from "worst" to "best"')


def test_a_group_of_one_clip_has_no_interval():
    found = grouping({"a": [True], "b": halves(20, 0.5)})
    assert found.groups["a"].accuracy_interval is found.groups["a"].uar_interval is None
    assert found.groups["b"].accuracy_interval is not None
    assert str(found) == "fewer than two groups have 10 test clips, so no gap is stated"


def test_a_column_without_values_is_not_known():
    found = grouping({"": halves(20, 0.5)})
    assert list(found.groups) == [UNKNOWN]
    assert str(found) == "not known of any test clip"


def test_figures_come_back_from_json_as_they_were():
    found = grouping({"a": [True], "b": halves(20, 0.5), "c": halves(20, 0.6)}, bootstrap=100)
    assert Grouping.model_validate(found.model_dump(exclude_none=True)) == found


def test_a_column_that_the_clips_lack_is_named_with_those_that_they_have():
    clips, predictions = tables_of({"a": halves(4, 0.5)})
    with pytest.raises(UserError, match=r"names accent, but .* only the columns clip, gender: "):
        figures_by_columns(predictions, clips, EMOTIONS, settings("gender", "accent"))


def test_a_clip_that_several_folds_test_counts_each_time():
    clips, predictions = tables_of({"a": [True, True], "b": [False, False]})
    twice = pd.concat([predictions, predictions.iloc[:1]], ignore_index=True)
    found = figures_by_columns(twice, clips, EMOTIONS, settings("gender"))["gender"]
    assert {name: own.n for name, own in found.groups.items()} == {"a": 3, "b": 2}


def test_speakers_are_named_with_their_corpus():
    clips = pd.DataFrame({"corpus": ["a", "b", "b"], "speaker": ["1", "1", ""]})
    assert list(name_groups(clips, "speaker")) == ["a/1", "b/1", "b/unknown"]


@pytest.mark.parametrize("column", ["seconds", "level", "age", "loudness"])
def test_numbers_are_cut_into_thirds_of_about_as_many_clips(column):
    numbers = np.random.default_rng(0).normal(5, 3, 300).round(2)
    names = name_groups(pd.DataFrame({column: numbers.astype(str)}), column)
    assert len(names.categories) == 3
    assert all(95 <= n <= 105 for n in names.value_counts())
    by_name = [numbers[names == name] for name in names.categories]
    assert all(below.max() < above.min() for below, above in pairwise(by_name))
    # A number at an edge is where the names say.
    edge = float(names.categories[1].split()[0])
    at_edge = name_groups(pd.DataFrame({column: [*numbers, edge]}), column)
    assert at_edge[-1].startswith(f"{edge:g} to ")


def test_a_level_has_its_unit_and_a_missing_one_is_unknown():
    levels = [-30.0, *np.arange(-29, -10.0), np.nan]
    names = name_groups(pd.DataFrame({"level": levels}), "level")
    assert list(names.categories) == [
        "below -23.7 dB", "-23.7 to -17.3 dB", "-17.3 dB and more", UNKNOWN,
    ]  # fmt: skip
    assert names[0] == "below -23.7 dB"
    assert names[-1] == UNKNOWN


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("utterance", [f"{n:02}" for n in range(20)]),
        ("sample_rate", [16000, 44100] * 9),
        ("accent", ["1", "10", "9", "x"] * 9),
        ("accent", [*map(str, range(11)), "inf"]),
    ],
)
def test_names_and_few_numbers_are_groups_of_their_own(column, cells):
    names = name_groups(pd.DataFrame({column: cells}), column)
    assert list(names) == list(map(str, cells))


def test_few_numbers_are_in_their_order():
    names = name_groups(pd.DataFrame({"session": ["10", "9", "1", ""]}), "session")
    assert list(names.categories) == ["1", "9", "10", UNKNOWN]


def test_mostly_equal_numbers_make_fewer_groups():
    names = name_groups(pd.DataFrame({"seconds": [3.0] * 90 + list(range(4, 15))}), "seconds")
    assert list(names.categories) == ["3 s and more"]


@pytest.mark.parametrize(
    ("first", "names"),
    [
        (1990, ["below 1996", "1996 to 2003", "2003 and more"]),
        (100_000, ["below 100006", "100006 to 100013", "100013 and more"]),
        (20_230_101, ["below 20230107", "20230107 to 20230114", "20230114 and more"]),
    ],
)
def test_large_numbers_are_cut_into_thirds_too(first, names):
    groups = name_groups(pd.DataFrame({"year": np.arange(first, first + 20)}), "year")
    assert list(groups.categories) == names
    assert groups.value_counts().between(6, 8).all()


def test_a_column_of_as_many_values_as_clips_is_refused():
    clips = [f"c/{n:03}" for n in range(101)]
    predictions = pd.DataFrame({"clip": clips, "emotion": "sad", "predicted": "sad"})
    table = pd.DataFrame({"clip": clips, "note": [f"note {n}" for n in range(101)]})
    with pytest.raises(UserError, match=r"note has 101 different values .* at most 100"):
        figures_by_columns(predictions, table, ["sad"], settings("note"))
