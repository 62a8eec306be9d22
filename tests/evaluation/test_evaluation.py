import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from settings import PLAIN_MODEL
from sklearn import metrics

from ser.core.figures import (
    AccuracyAndUar,
    Baseline,
    BestEpoch,
    ConfidentFigures,
    Figures,
    FoldFigures,
    GroupFigures,
    Oracle,
)
from ser.core.sections import Evaluate, Model
from ser.evaluation import baseline
from ser.evaluation.figures import compute_figures, tabulate_classes
from ser.evaluation.prediction import normalises_by_test_clips
from ser.evaluation.scores import (
    accuracy,
    accuracy_and_uar,
    accuracy_by,
    answers_from,
    bootstrap_ci95,
    classification_report,
    confident_mistakes,
    count_confusions,
    coverage_curve,
    expected_calibration_error,
    figures_by_group,
    indices,
    mean_ci95,
    oracle,
    reliability,
    uar,
)

EMOTIONS = ["angry", "fear", "happy", "neutral", "sad"]


def answers(clips=200, emotions=5, right=0.6, seed=0):
    rng = np.random.default_rng(seed)
    actual = rng.integers(emotions, size=clips)
    guess = rng.integers(emotions, size=clips)
    return actual, np.where(rng.random(clips) < right, actual, guess)


# Actual and predicted, where some of the emotions 0 to 4 were not spoken or not predicted.
CASES = {
    "all": answers(),
    "one clip": (np.array([3]), np.array([3])),
    "one clip missed": (np.array([3]), np.array([1])),
    "never spoken": (np.array([0, 0, 1, 1, 4]), np.array([0, 2, 1, 3, 4])),
    "never predicted": (np.array([0, 1, 2, 3, 4, 4]), np.array([0, 0, 0, 0, 4, 4])),
    "all wrong": (np.array([0, 1, 2, 3, 4]), np.array([1, 2, 3, 4, 0])),
    "all right": (np.array([0, 1, 1, 4]), np.array([0, 1, 1, 4])),
    "unbalanced": (np.repeat([0, 1], [90, 10]), np.repeat([0, 1, 0], [90, 3, 7])),
}
ANSWERS = pytest.mark.parametrize(("actual", "predicted"), CASES.values(), ids=CASES.keys())


@ANSWERS
def test_accuracy_equals_scikit_learns(actual, predicted):
    assert accuracy(actual, predicted) == pytest.approx(metrics.accuracy_score(actual, predicted))


@ANSWERS
def test_uar_equals_scikit_learns_balanced_accuracy(actual, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of emotions that were predicted and never spoken
        expected = metrics.balanced_accuracy_score(actual, predicted)
    assert uar(actual, predicted) == pytest.approx(expected)


def named(actual, predicted):
    """The columns emotion and predicted of a table of predictions."""
    names = np.array(EMOTIONS)
    return pd.DataFrame({"emotion": names[actual], "predicted": names[predicted]})


@ANSWERS
def test_both_figures_of_a_table_equal_those_of_its_emotions(actual, predicted):
    table = named(actual, predicted)
    expected = {"accuracy": accuracy(actual, predicted), "uar": uar(actual, predicted)}
    assert accuracy_and_uar(table, EMOTIONS) == expected
    np.testing.assert_array_equal(indices(table["emotion"], EMOTIONS), actual)


def test_indices_of_nothing_are_whole_numbers_too():
    assert indices([], EMOTIONS).dtype == np.int64


def test_an_unknown_emotion_has_no_index():
    with pytest.raises(ValueError, match="bored"):
        indices(["sad", "bored"], EMOTIONS)


def accuracies_of(*folds):
    """The table of test accuracies: folds' numbers and their epochs' accuracies."""
    rows = [(fold, n, a) for fold, values in folds for n, a in enumerate(values, start=1)]
    return pd.DataFrame(rows, columns=["fold", "epoch", "test_accuracy"])


def test_the_oracle_takes_each_folds_best_epoch_over_all_clips():
    # 3 of 4 and 9 of 10 clips: the larger fold counts for more.
    table = accuracies_of((2, [0.25, 0.75, 0.5]), (5, [0.1, 0.2, 0.9]))
    found = oracle(table, {2: 4, 5: 10})
    assert found.accuracy == pytest.approx(12 / 14)
    assert found.per_fold == {
        "2": BestEpoch(accuracy=0.75, epoch=2),
        "5": BestEpoch(accuracy=0.9, epoch=3),
    }


def test_the_oracle_takes_the_first_of_equally_good_epochs():
    table = accuracies_of((1, [0.5, 0.75, 0.75]), (2, [0.0, 0.0]))
    found = oracle(table, {1: 4, 2: 4})
    assert found.accuracy == pytest.approx(3 / 8)
    assert [fold.epoch for fold in found.per_fold.values()] == [2, 1]


def test_the_oracle_is_no_worse_than_any_epoch():
    rng = np.random.default_rng(0)
    accuracies = rng.integers(0, 21, (4, 30)) / 20
    found = oracle(accuracies_of(*enumerate(accuracies, start=1)), dict.fromkeys(range(1, 5), 20))
    assert found.accuracy == pytest.approx(accuracies.max(axis=1).mean())
    epochs = [fold.epoch for fold in found.per_fold.values()]
    assert epochs == (accuracies.argmax(axis=1) + 1).tolist()
    assert (accuracies.mean(axis=0) <= found.accuracy).all()


def test_uar_weighs_every_emotion_alike():
    actual, predicted = CASES["unbalanced"]
    assert accuracy(actual, predicted) == 0.93
    assert uar(actual, predicted) == pytest.approx((1.0 + 0.3) / 2)


@ANSWERS
def test_the_report_equals_scikit_learns(actual, predicted):
    report = classification_report(actual, predicted, EMOTIONS)
    expected = metrics.classification_report(
        actual,
        predicted,
        labels=range(5),
        target_names=EMOTIONS,
        output_dict=True,
        zero_division=0,
    )
    assert list(report.columns) == ["emotion", "precision", "recall", "f1", "support"]
    assert list(report["emotion"]) == EMOTIONS
    for row in report.to_dict("records"):
        theirs = expected[row["emotion"]]
        for mine, name in [("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")]:
            assert row[mine] == pytest.approx(theirs[name])
        assert row["support"] == theirs["support"]


def test_the_reports_figures_by_hand():
    # angry: 2 of 3 found, 1 false alarm; fear: 1 of 1, 1 false alarm; happy: 0 of 1.
    actual, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    report = classification_report(actual, predicted, ["angry", "fear", "happy"])
    np.testing.assert_allclose(report["precision"], [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(report["recall"], [2 / 3, 1, 0])
    np.testing.assert_allclose(report["f1"], [2 / 3, 2 / 3, 0])
    assert report["support"].tolist() == [3, 1, 1]


@ANSWERS
def test_confusions_are_counted_by_actual_then_predicted(actual, predicted):
    expected = np.zeros((5, 5), dtype=int)
    for row, column in zip(actual, predicted, strict=True):
        expected[row, column] += 1
    counts = count_confusions(named(actual, predicted), EMOTIONS)
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype.kind == "i"


@ANSWERS
def test_confusions_come_in_the_order_of_the_emotions(actual, predicted):
    table, order = named(actual, predicted).assign(clip="x"), [3, 0, 4, 1, 2]
    counts = count_confusions(table, [EMOTIONS[e] for e in order])
    np.testing.assert_array_equal(counts, count_confusions(table, EMOTIONS)[np.ix_(order, order)])
    shuffled = table.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(counts, count_confusions(shuffled, [EMOTIONS[e] for e in order]))


@pytest.mark.parametrize(("clips", "right"), [(60, 0.3), (150, 0.7), (400, 0.95)])
def test_the_interval_of_the_accuracy_is_that_of_the_binomial_distribution(clips, right):
    hits = round(clips * right)
    actual, predicted = np.zeros(clips, dtype=int), np.repeat([0, 1], [hits, clips - hits])
    interval, _ = bootstrap_ci95(actual, predicted, 5000, 0)
    # A resampled accuracy is binomial; its quantiles move by a clip or so from seed to seed.
    expected = stats.binom.ppf([0.025, 0.975], clips, hits / clips) / clips
    np.testing.assert_allclose(interval, expected, atol=1.5 / clips)


def test_the_interval_of_a_mean_of_hits_is_that_of_the_accuracy():
    actual, predicted = answers(50)
    hits = (actual == predicted).astype(float)
    assert mean_ci95(hits, 300, 1) == bootstrap_ci95(actual, predicted, 300, 1)[0]
    assert mean_ci95(hits / 2, 300, 1) == tuple(end / 2 for end in mean_ci95(hits, 300, 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_intervals_equal_scipys(seed):
    actual, predicted = answers(120, seed=seed)
    intervals = bootstrap_ci95(actual, predicted, 2000, 0)
    for mine, figure in zip(intervals, (accuracy, uar), strict=True):
        theirs = stats.bootstrap(
            (actual, predicted),
            figure,
            n_resamples=1000,
            paired=True,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        np.testing.assert_allclose(mine, (theirs.low, theirs.high), atol=0.02)


@ANSWERS
def test_intervals_are_in_order_and_hold_the_figure(actual, predicted):
    for interval, figure in zip(
        bootstrap_ci95(actual, predicted, 200, 0), (accuracy, uar), strict=True
    ):
        low, high = interval
        assert 0 <= low <= figure(actual, predicted) <= high <= 1


@pytest.mark.parametrize("case", ["all right", "one clip", "all wrong"])
def test_all_hits_or_no_hits_have_an_interval_of_width_0(case):
    actual, predicted = CASES[case]
    value = accuracy(actual, predicted)
    assert bootstrap_ci95(actual, predicted, 100, 0) == ((value, value), (value, value))


def test_the_intervals_depend_on_the_seed_alone():
    actual, predicted = answers(50)
    first = bootstrap_ci95(actual, predicted, 200, 3)
    np.random.seed(0)  # noqa: NPY002
    assert bootstrap_ci95(actual, predicted, 200, 3) == first
    assert bootstrap_ci95(actual, predicted, 200, 4) != first


def test_the_calibration_error_by_hand():
    probabilities = np.array(
        [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.45, 0.55], [0.7, 0.3], [0.0, 1.0]]
    )
    actual = np.array([0, 1, 0, 0, 0, 1])
    table = reliability(probabilities, actual, 4)
    assert list(table.columns) == ["low", "high", "confidence", "accuracy", "count"]
    assert table["low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["high"].tolist() == [0.25, 0.5, 0.75, 1]
    assert table["count"].tolist() == [0, 0, 3, 3]
    # Above a half: 0.6 right, 0.55 wrong, 0.7 right; above 3/4: 0.9 right, 0.8 wrong, 1 right.
    nan = np.nan
    np.testing.assert_allclose(table["confidence"], [nan, nan, 1.85 / 3, 2.7 / 3])
    np.testing.assert_allclose(table["accuracy"], [nan, nan, 2 / 3, 2 / 3])
    expected = (abs(1.85 - 2) + abs(2.7 - 2)) / 6
    assert expected_calibration_error(table) == pytest.approx(expected)


def test_a_perfectly_calibrated_recogniser_has_no_calibration_error():
    probabilities = np.repeat([[0.75, 0.25], [0.4, 0.6]], [4, 5], axis=0)
    actual = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0])
    table = reliability(probabilities, actual, 10)
    assert expected_calibration_error(table) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("right", [0, 1])
def test_a_recogniser_that_is_always_sure_errs_by_its_error_rate(right):
    probabilities = np.eye(2)[[0, 1, 0, 1]]
    actual = np.array([0, 1, 0, 1]) if right else np.array([1, 0, 1, 0])
    table = reliability(probabilities, actual, 15)
    assert table["count"].tolist() == [0] * 14 + [4]
    assert expected_calibration_error(table) == 1 - right


def test_the_coverage_curve_by_hand():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8], [0.8, 0.2], [0.45, 0.55]])
    actual = np.array([0, 1, 0, 0, 0])
    table = coverage_curve(probabilities, actual)
    # 0.9 right; both of 0.8, one of them right; 0.6 right; 0.55 wrong.
    assert table["confidence"].tolist() == [0.9, 0.8, 0.6, 0.55]
    assert table["clips"].tolist() == [1, 3, 4, 5]
    assert table["coverage"].tolist() == pytest.approx([0.2, 0.6, 0.8, 1])
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    figures = {least: answers_from(table, least) for least in (0, 0.55, 0.7, 0.8, 0.9, 0.95)}
    every = ConfidentFigures(coverage=1, n=5, accuracy=0.6)
    assert (figures[0], figures[0.55]) == (every, every)
    assert figures[0.7] == figures[0.8] == ConfidentFigures(coverage=0.6, n=3, accuracy=2 / 3)
    assert figures[0.9] == ConfidentFigures(coverage=0.2, n=1, accuracy=1)
    assert figures[0.95] == ConfidentFigures(coverage=0, n=0, accuracy=None)


def test_the_coverage_curve_of_calibrated_answers_is_that_of_their_confidence():
    """Of confidences spread evenly from a to 1, the top share c has a mean of 1 - c (1 - a) / 2."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 200_000)
    actual = (rng.random(200_000) > sure).astype(np.int64)
    table = coverage_curve(np.stack([sure, 1 - sure], axis=1), actual)
    of_many = table[table["coverage"] > 0.1]
    expected = 1 - of_many["coverage"] / 4
    assert (of_many["accuracy"] - expected).abs().max() < 0.01
    assert table["coverage"].iloc[-1] == 1


@pytest.mark.parametrize("bins", [2, 7, 10, 100])
def test_the_bins_hold_every_clip_by_its_confidence(bins):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(5, 0.3), 300)
    actual = rng.integers(5, size=300)
    table = reliability(probabilities, actual, bins)
    assert len(table) == bins
    assert table["count"].sum() == 300
    used = table[table["count"] > 0]
    assert (used["confidence"] > used["low"] - 1e-12).all()
    assert (used["confidence"] <= used["high"] + 1e-12).all()
    share = (probabilities.argmax(axis=1) == actual).mean()
    assert (used["accuracy"] * used["count"]).sum() / 300 == pytest.approx(share)
    mean = probabilities.max(axis=1).mean()
    assert (used["confidence"] * used["count"]).sum() / 300 == pytest.approx(mean)


@ANSWERS
def test_the_figures_over_all_clips_are_those_of_the_scores(actual, predicted):
    table = with_probabilities(named(actual, predicted).assign(clip="c/1", fold=1, speaker="c/1"))
    figures = figures_of(table)
    assert figures.accuracy == accuracy(actual, predicted)
    assert figures.uar == uar(actual, predicted)
    for name in ("precision", "recall", "f1"):
        function = getattr(metrics, f"{name}_score")
        expected = function(actual, predicted, labels=range(5), average="macro", zero_division=0)
        assert getattr(figures, f"{name}_macro") == pytest.approx(expected)
    intervals = bootstrap_ci95(actual, predicted, 100, 0)
    assert (figures.accuracy_interval, figures.uar_interval) == intervals
    report = classification_report(actual, predicted, EMOTIONS)
    pd.testing.assert_frame_equal(tabulate_classes(figures), report)
    assert figures.confusion == count_confusions(table, EMOTIONS).tolist()


def test_accuracy_by_returns_each_groups_share_and_size_by_name():
    speakers = pd.Series(["b/2", "a/1", "b/2", "b/10", "a/1", "b/2"])
    hits = pd.Series([True, False, False, True, False, True])
    result = accuracy_by(speakers, hits)
    assert list(result) == ["a/1", "b/10", "b/2"]
    assert result["a/1"] == {"accuracy": 0.0, "n": 2}
    assert result["b/10"] == {"accuracy": 1.0, "n": 1}
    assert result["b/2"] == {"accuracy": pytest.approx(2 / 3), "n": 3}


def test_figures_by_returns_each_groups_figures_and_size_by_name():
    table = pd.DataFrame(
        [
            ("savee", "sad", "sad"),
            ("aesdd", "sad", "angry"),
            ("savee", "sad", "happy"),
            ("savee", "angry", "angry"),
            ("aesdd", "sad", "sad"),
            ("savee", "sad", "sad"),
            ("own", "fear", "neutral"),
        ],
        columns=["corpus", "emotion", "predicted"],
    )
    result = figures_by_group(table["corpus"], table, EMOTIONS)
    assert list(result) == ["aesdd", "own", "savee"]
    assert result == {
        "aesdd": GroupFigures(accuracy=0.5, uar=0.5, n=2),
        "own": GroupFigures(accuracy=0.0, uar=0.0, n=1),
        # Two of three sad clips, and the angry one.
        "savee": GroupFigures(accuracy=0.75, uar=(2 / 3 + 1) / 2, n=4),
    }


@pytest.mark.parametrize("groups", [1, 3, 40])
def test_figures_by_equals_scikit_learns_group_by_group(groups):
    actual, predicted = answers(300)
    table = named(actual, predicted)
    # The index need not count up from 0, and no group holds every emotion where there are many.
    table.index = pd.Index(np.random.default_rng(1).permutation(300))
    of_clip = pd.Series([f"g{n % groups}" for n in range(300)], index=table.index)
    result = figures_by_group(of_clip, table, EMOTIONS)
    assert list(result) == sorted(f"g{n}" for n in range(groups))
    for name, row in result.items():
        own = table[(of_clip == name).to_numpy()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            balanced = metrics.balanced_accuracy_score(own["emotion"], own["predicted"])
        hits = metrics.accuracy_score(own["emotion"], own["predicted"])
        assert (row.accuracy, row.uar) == (pytest.approx(hits), pytest.approx(balanced))
        assert row.n == len(own)
    total = sum(row.accuracy * row.n for row in result.values())
    assert total / 300 == pytest.approx(accuracy(actual, predicted))


def test_the_evaluation_has_figures_of_each_corpus_and_speaker():
    actual, predicted = answers(90)
    corpora = np.array(["tess", "aesdd", "own"])[np.arange(90) % 3]
    table = with_probabilities(named(actual, predicted)).assign(
        # The clips of a user's own corpus also begin with its folder.
        clip=[f"{corpus}/day{n % 2}/{n}" for n, corpus in enumerate(corpora)],
        fold=np.arange(90) % 2 + 1,
        speaker=[
            f"{corpus}/{'unknown' if corpus == 'own' else n % 2}"
            for n, corpus in enumerate(corpora)
        ],
    )
    figures = figures_of(table)
    assert figures.split_scheme == "cross_corpus"
    assert list(figures.per_corpus) == ["aesdd", "own", "tess"]
    for corpus, row in figures.per_corpus.items():
        own = corpora == corpus
        assert row.accuracy == pytest.approx(accuracy(actual[own], predicted[own]))
        assert row.uar == pytest.approx(uar(actual[own], predicted[own]))
        assert row.n == 30
    speakers = ["aesdd/0", "aesdd/1", "own/unknown", "tess/0", "tess/1"]
    assert list(figures.per_speaker) == speakers
    assert [row.n for row in figures.per_speaker.values()] == [15, 15, 30, 15, 15]


def with_probabilities(table):
    """Add a probability column per emotion, highest for the predicted one."""
    sure = {emotion: np.where(table["predicted"] == emotion, 0.6, 0.1) for emotion in EMOTIONS}
    return table.assign(**sure)


NOT_TESTED = pd.DataFrame(columns=["fold", "epoch", "test_accuracy"])


def figures_of(table, majority=None, plain=None, tested=NOT_TESTED, uses_audio=False):
    """Compute the figures of predictions; the majority is always right if it is not given."""
    kind = "none" if plain is None else "svm"
    settings = Evaluate(
        bootstrap=100, calibration_bins=5, mistakes=3, baseline=kind, groups=["gender"], seed=0
    )
    actual = indices(table["emotion"], EMOTIONS)
    # Always sure: the error is the share of wrong answers.
    unscaled = np.eye(len(EMOTIONS))[indices(table["predicted"], EMOTIONS)]
    return compute_figures(
        table,
        table[["clip"]].drop_duplicates().assign(gender=""),
        EMOTIONS,
        reliability(table[EMOTIONS].to_numpy(), actual, settings.calibration_bins),
        reliability(unscaled, actual, settings.calibration_bins),
        table.assign(predicted=table["emotion"]) if majority is None else majority,
        plain,
        tested,
        settings,
        split_scheme="cross_corpus",
        uses_test_speakers_audio=uses_audio,
    )


def test_the_calibration_error_before_and_after_scaling_and_the_confident_answers_are_there():
    predicted = np.array([4, 4, 4, 1, 1])
    table = with_probabilities(named(np.full(5, 4), predicted).assign(clip="c/1", fold=1))
    figures = figures_of(table.assign(speaker="c/1"))
    assert figures.ece == pytest.approx(0)  # 3 of 5 right, with a confidence of 0.6
    assert figures.ece_unscaled == pytest.approx(0.4)
    some = ConfidentFigures(coverage=1, n=5, accuracy=0.6)
    none = ConfidentFigures(coverage=0, n=0, accuracy=None)
    assert figures.by_confidence == {
        "0.5": some, "0.6": some, "0.7": none, "0.8": none, "0.9": none,
    }  # fmt: skip
    assert Figures.from_values(figures.for_model()) == figures
    assert not {"ece_unscaled", "by_confidence"} & figures.for_dvc().keys()


def test_what_was_not_measured_is_none():
    table = with_probabilities(named(*answers(9)).assign(clip="c/1", fold=1, speaker="c/1"))
    figures = figures_of(table)
    assert (figures.baseline, figures.oracle) == (None, None)
    assert figures.per_fold["1"].baseline is None
    assert not figures.uses_test_speakers_audio


def test_the_oracle_is_reported_with_the_other_figures():
    table = with_probabilities(named(*answers(9)).assign(clip="c/1", fold=1, speaker="c/1"))
    figures = figures_of(table, tested=accuracies_of((1, [0.25, 0.75])), uses_audio=True)
    best = BestEpoch(accuracy=0.75, epoch=2)
    assert figures.oracle == Oracle(accuracy=0.75, per_fold={"1": best})
    assert figures.uses_test_speakers_audio


@pytest.mark.parametrize(
    ("normalisation", "subsets", "expected"),
    [
        ("speaker", "train train test", True),
        ("train", "train test test", False),
        ("corpus", "train test train", False),
        ("corpus", "train train test", True),
    ],
)
def test_test_clips_normalise_by_speaker_or_a_corpus_without_train_clips(
    normalisation, subsets, expected
):
    clips = pd.DataFrame({"clip": ["a/1", "a/2", "b/1"], "corpus": ["a", "a", "b"]})
    splits = clips[["clip"]].assign(fold=1, subset=subsets.split())
    model = Model.model_validate(PLAIN_MODEL | {"normalisation": normalisation})
    assert normalises_by_test_clips(clips, splits, model) == expected


@pytest.mark.parametrize("kind", ["logistic_regression", "svm", "majority"])
def test_a_baseline_has_the_weights_of_the_net(kind):
    emotions = ["angry", "sad", "sad"] * 8
    clips = pd.DataFrame({"clip": [f"c/{n}" for n in range(24)], "emotion": emotions})
    features = dict(zip(clips["clip"], toy_clips(emotions, 0), strict=True))
    splits = clips[["clip"]].assign(fold=1, subset=["train"] * 18 + ["test"] * 6, weight=1.0)
    light = splits.assign(weight=np.where(clips["emotion"] == "sad", 1e-6, 1))
    for table, says_sad in ((splits, True), (light, False)):
        predicted = baseline.predict_with_baseline(kind, clips, table, features.__getitem__, 0)[
            "predicted"
        ]
        assert ("sad" in set(predicted)) == says_sad


# Actual and predicted emotions of each fold: one emotion, some or all of them.
FOLDS = {
    2: (["sad"] * 3, ["sad", "fear", "sad"]),
    10: (["angry", "angry", "happy"], ["angry", "neutral", "sad"]),
    1: (EMOTIONS, EMOTIONS),
}


def folds_of(folds):
    rows = [
        (f"toy/{fold}-{n}", fold, f"toy/{fold}", *words)
        for fold, pairs in folds.items()
        for n, words in enumerate(zip(*pairs, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["clip", "fold", "speaker", "emotion", "predicted"])
    return with_probabilities(table).sample(frac=1, random_state=0)


@pytest.mark.filterwarnings("error")
def test_folds_that_lack_emotions_have_figures_over_those_that_they_hold():
    plainly = {fold: (spoken, ["sad"] * len(spoken)) for fold, (spoken, _) in FOLDS.items()}
    table, plain = folds_of(FOLDS), folds_of(plainly)
    figures = figures_of(table, plain, plain)
    assert list(figures.per_fold) == ["1", "2", "10"]
    assert figures.per_fold["2"] == FoldFigures(
        accuracy=2 / 3,
        uar=2 / 3,
        n=3,
        majority_accuracy=1.0,
        baseline=AccuracyAndUar(accuracy=1.0, uar=1.0),
    )
    # One of two angry clips, the only happy one missed.
    assert figures.per_fold["10"] == FoldFigures(
        accuracy=1 / 3,
        uar=1 / 4,
        n=3,
        majority_accuracy=0.0,
        baseline=AccuracyAndUar(accuracy=0.0, uar=0.0),
    )
    assert figures.per_fold["1"].uar == 1
    assert figures.per_fold["1"].baseline == AccuracyAndUar(accuracy=1 / 5, uar=1 / 5)
    assert (figures.n_folds, figures.n_test) == (3, 11)
    # Of all folds over all their clips, not the mean of the folds.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pooled = metrics.balanced_accuracy_score(table["emotion"], table["predicted"])
    assert figures.uar == pytest.approx(pooled)
    assert figures.majority_accuracy == 4 / 11
    assert figures.baseline == Baseline(kind="svm", accuracy=4 / 11, uar=1 / 5)
    assert figures.fold_accuracy.mean == pytest.approx((2 / 3 + 1 / 3 + 1) / 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["majority", "logistic_regression", "svm"])
def test_the_baseline_takes_folds_that_lack_emotions(kind):
    emotions = ["angry", "sad", "neutral"] * 6
    clips = pd.DataFrame({"clip": [f"c/{n}" for n in range(18)], "emotion": emotions})
    features = dict(zip(clips["clip"], toy_clips(emotions, 0), strict=True))
    # Fold 1 learns all and is tested on sad alone; 2 never hears sad; 3 learns nothing but angry.
    learned = {1: emotions, 2: ["angry", "neutral"], 3: ["angry"]}
    tested = {1: ["sad"], 2: emotions, 3: emotions}
    splits = pd.DataFrame(
        [
            (clip, fold, "test" if n >= 12 else "train")
            for fold in learned
            for n, (clip, emotion) in enumerate(zip(clips["clip"], emotions, strict=True))
            if emotion in (tested if n >= 12 else learned)[fold]
        ],
        columns=["clip", "fold", "subset"],
    ).assign(weight=1.0)
    table = baseline.predict_with_baseline(kind, clips, splits, features.__getitem__, 0)
    assert list(table.columns) == ["fold", "emotion", "predicted"]
    assert table["fold"].tolist() == [1] * 2 + [2] * 6 + [3] * 6
    for fold, own in table.groupby("fold"):
        assert set(own["predicted"]) <= set(learned[fold])
    assert set(table.loc[table["fold"] == 3, "predicted"]) == {"angry"}
    if kind != "majority":
        assert set(table.loc[table["fold"] == 1, "predicted"]) == {"sad"}


def test_the_only_corpus_has_the_figures_of_all_clips():
    actual, predicted = answers(50)
    table = named(actual, predicted)
    result = figures_by_group(pd.Series(["aesdd"] * 50), table, EMOTIONS)
    assert result == {"aesdd": GroupFigures(**accuracy_and_uar(table, EMOTIONS), n=50)}


PREDICTIONS = pd.DataFrame(
    [
        ("c/5", 1, "c/1", "sad", "happy", 0.70, 0.30),
        ("c/4", 1, "c/2", "happy", "happy", 0.99, 0.01),
        ("c/3", 1, "c/1", "happy", "sad", 0.05, 0.95),
        ("c/2", 1, "c/2", "sad", "happy", 0.70, 0.30),
        ("c/1", 1, "c/1", "sad", "happy", 0.60, 0.40),
    ],
    columns=["clip", "fold", "speaker", "emotion", "predicted", "happy", "sad"],
)


def test_the_most_confident_mistakes_come_first_and_equals_by_name():
    table = confident_mistakes(PREDICTIONS, ["happy", "sad"], 20)
    columns = ["clip", "speaker", "emotion", "predicted", "confidence", "probability_of_emotion"]
    assert list(table.columns) == columns
    assert table.to_numpy().tolist() == [
        ["c/3", "c/1", "happy", "sad", 0.95, 0.05],
        ["c/2", "c/2", "sad", "happy", 0.70, 0.30],
        ["c/5", "c/1", "sad", "happy", 0.70, 0.30],
        ["c/1", "c/1", "sad", "happy", 0.60, 0.40],
    ]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_at_most_n_mistakes_are_listed(n):
    clips = confident_mistakes(PREDICTIONS, ["happy", "sad"], n)["clip"].tolist()
    assert clips == ["c/3", "c/2", "c/5"][:n]


def test_without_mistakes_the_list_is_empty_and_has_its_columns():
    table = confident_mistakes(PREDICTIONS.iloc[[1]], ["happy", "sad"], 5)
    assert len(table) == 0
    assert list(table.columns)[-2:] == ["confidence", "probability_of_emotion"]


def toy_clips(emotions, seed):
    """Make clips whose level depends on the emotion."""
    rng = np.random.default_rng(seed)
    levels = {"angry": 10, "neutral": 0, "sad": -10}
    return [
        rng.normal(levels[e], 1, (int(rng.integers(5, 40)), 4)).astype(np.float32) for e in emotions
    ]


@pytest.mark.parametrize("kind", ["logistic_regression", "svm"])
def test_the_baseline_separates_separable_emotions(kind):
    emotions = ["angry", "sad", "neutral"] * 8
    train, test = toy_clips(emotions, 0), toy_clips(emotions, 1)
    predicted = baseline.fit_and_predict(kind, train, emotions, test, 0)
    assert predicted == emotions
    assert {type(e) for e in predicted} == {str}
    assert baseline.fit_and_predict(kind, train, emotions, test, 0) == predicted


def test_clip_statistics_are_means_deviations_and_percentiles_over_the_frames():
    features = np.random.default_rng(0).normal(size=(31, 3)).astype(np.float32)
    frame = pd.DataFrame(features.astype(np.float64))
    expected = pd.concat(
        [frame.mean(), frame.std(ddof=0), *(frame.quantile(q) for q in (0.1, 0.5, 0.9))]
    )
    result = baseline.clip_statistics(features)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected)


def test_clip_statistics_of_one_frame_are_that_frame_without_deviation():
    frame = np.array([[1.0, -2.0]], dtype=np.float32)
    assert baseline.clip_statistics(frame).tolist() == [1, -2, 0, 0, 1, -2, 1, -2, 1, -2]
