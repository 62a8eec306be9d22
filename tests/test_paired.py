"""Runs compared clip by clip, and which differences are more than chance."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from scripts import tables
from scripts.paired import Paired, compare_all, compare_predictions, holm, same_clips
from ser.core.errors import UserError


def test_paired_difference_of_known_tables():
    def table(*answers):
        named = {"clip": [f"c{n}" for n in range(len(answers))], "emotion": "sad"}
        return pd.DataFrame({**named, "predicted": answers})

    better = compare_predictions(table(*["happy"] * 5), table(*["sad"] * 5))
    assert better == Paired(0, 5, 0, 0, 1.0, 1.0, 1.0, p=2 / 2**5)
    same = compare_predictions(table("sad", "happy"), table("sad", "happy").iloc[::-1])
    assert same == Paired(1, 0, 0, 1, 0.0, 0.0, 0.0, p=1.0)
    # 30 better and 10 worse of 400: the difference has a standard error of nearly 1.57 points.
    old = table(*["happy"] * 30, *["sad"] * 370)
    new = table(*["sad"] * 30, *["happy"] * 10, *["sad"] * 360)
    found = compare_predictions(old, new)
    error = np.sqrt((40 / 400 - 0.05**2) / 400)
    assert found.difference == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx(
        (0.05 - 1.96 * error, 0.05 + 1.96 * error), abs=0.003
    )


def test_paired_tables_must_have_the_same_clips_and_emotions():
    old = pd.DataFrame({"clip": ["a"], "emotion": ["sad"], "predicted": ["sad"]})
    with pytest.raises(UserError, match="1 there, 1 here, 0 of them the same"):
        compare_predictions(old, old.assign(emotion="happy"))
    with pytest.raises(UserError, match="no column predicted"):
        compare_predictions(old.drop(columns="predicted"), old)


def test_a_clip_that_several_folds_test_is_refused():
    once = pd.DataFrame({"clip": ["a"], "emotion": ["sad"], "predicted": ["sad"]})
    with pytest.raises(UserError, match="a clip is tested in several folds"):
        compare_predictions(once, pd.concat([once, once]))


def answers(*right, clips="abcdefghijklmnop"):
    """The predictions of a run; right: the clips that it recognises, such as "abc"."""
    (known,) = right
    predicted = ["sad" if clip in known else "happy" for clip in clips]
    return pd.DataFrame({"clip": list(clips), "emotion": "sad", "predicted": predicted})


def test_the_exact_test_has_the_p_of_the_binomial_distribution():
    for better, worse in ((0, 0), (1, 0), (5, 1), (9, 3), (8, 8)):
        rows = [("sad", "happy")] * better + [("happy", "sad")] * worse + [("sad", "sad")] * 4
        new, old = (
            pd.DataFrame({"clip": range(len(rows)), "emotion": "sad", "predicted": column})
            for column in zip(*rows, strict=True)
        )
        expected = min(1, 2 * binom.cdf(min(better, worse), better + worse, 0.5))
        assert compare_predictions(old, new).p == pytest.approx(expected)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        # Holm (1979), by hand: 4 * 0.005; 3 * 0.01; 2 * 0.03, which 0.04 may not fall below.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.0, 1.0], [0.0, 1.0]),
    ],
)
def test_p_values_are_corrected_as_holm_does(p_values, expected):
    assert holm(p_values) == pytest.approx(expected)


def test_holm_finds_a_chance_difference_in_no_more_than_the_level():
    """Of 20 true null hypotheses, one is found at 0.05 in at most 5 % of the draws."""
    p_values = np.random.default_rng(0).random((2000, 20))
    found = np.mean([min(holm(row)) < 0.05 for row in p_values.tolist()])
    closed_form = 1 - (1 - 0.05 / 20) ** 20
    assert found == pytest.approx(closed_form, abs=0.01)


def test_every_two_runs_with_the_same_clips_are_compared_and_corrected():
    runs = {
        "all": answers("abcdefghijklmnop"),
        "other clips": answers("a", clips="ab"),
        "none": answers(""),
        "most": answers("abcdefghijklmn"),
        "other emotions": answers("a").assign(emotion="happy"),
    }
    assert same_clips(runs) == [["all", "none", "most"], ["other clips"], ["other emotions"]]
    found = {(pair.first, pair.second): pair for pair in compare_all(runs)}
    p_values = {("all", "none"): 2 / 2**16, ("all", "most"): 0.5, ("none", "most"): 2 / 2**14}
    assert {two: pair.paired.p for two, pair in found.items()} == pytest.approx(p_values)
    assert found["all", "none"].p == pytest.approx(3 * 2 / 2**16)
    assert found["none", "most"].p == pytest.approx(2 * 2 / 2**14)
    assert found["all", "most"].p == pytest.approx(0.5)
    assert [pair.is_significant for pair in found.values()] == [True, False, True]
    assert found["none", "most"].paired.difference == 14 / 16


def test_the_table_names_the_pairs_and_those_that_cannot_be_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    assert tables.differences() == tables.NOT_RUN
    (tmp_path / "metrics").mkdir()
    runs = {"a": answers("abcdefgh"), "b": answers("h"), "c": answers("a", clips="ab")}
    rows = pd.concat([table.assign(experiment=name) for name, table in runs.items()])
    rows.to_csv(tmp_path / "metrics/compare_answers.csv", index=False)
    *_, row, _, others = tables.differences().splitlines()
    # Only a recognises seven clips: p is 2 / 2**7.
    assert row.startswith("| `a`, `b` | 16 | 7, 0 | -43.8 points (-")
    assert row.endswith(" | 0.016 | 0.016 | yes |")
    assert others.endswith("not compared with each other: `a`, `b`; `c`.")
