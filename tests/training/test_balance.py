from dataclasses import replace

import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from sklearn.utils.class_weight import compute_class_weight

from ser.core.errors import UserError
from ser.core.sections import Model
from ser.nets.lengths import fit_length
from ser.nets.normalisation import normalise
from ser.training.balance import NEIGHBOURS, balance, class_weights, loss_weights
from ser.training.batches import Examples, NormalisedClips, epoch_batches

EMOTIONS = ["angry", "fear", "happy", "sad"]
DIMS = {"logmel": 3, "rms": 1}
FRAMES = 16
COUNTS = [14, 0, 8, 6]  # no clip of fear was drawn for training
SYNTHETIC = pytest.mark.parametrize("kind", ["smote", "adasyn"])


def settings(kind, **changes):
    return Model.model_validate(
        PLAIN_MODEL | {"balance": kind, "length": "pad", "frames": FRAMES} | changes
    )


def make_examples(counts, seed=0, versions=1, apart=0.0):
    """Examples of random features, emotions in random order; emotions lie `apart`."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    features = [
        [
            (rng.normal(0, 1, (int(rng.integers(5, 30)), 4)) + 0.01 * i).astype(np.float32)
            for _ in range(versions)
        ]
        for i, _ in enumerate(labels)
    ]
    for own, label in zip(features, labels, strict=True):
        for array in own:
            array[:, label % 3] += apart
    statistics = [{"logmel": (float(i), 2.0), "rms": (0.5, 3.0)} for i in range(len(labels))]
    return Examples(
        features, labels, DIMS, [None if i % 2 else s for i, s in enumerate(statistics)]
    )


def balanced(examples, kind, seed=0, **changes):
    return balance(examples, EMOTIONS, settings(kind, **changes), np.random.default_rng(seed))


def flat(examples, length="pad"):
    """Each example's first version as smote compares them."""
    return np.stack(
        [
            fit_length(normalise(v[0], DIMS, s), settings("none", length=length)).ravel()
            for v, s in zip(examples.versions, examples.statistics, strict=True)
        ]
    ).astype(np.float64)


def assert_begins_with(result, examples):
    """The given examples come first, as they were."""
    assert len(result.labels) == len(result.statistics) == len(result.versions) == len(result)
    for mine, given in zip(result.versions, examples.versions, strict=False):
        assert mine is given
    assert result.labels[: len(examples)].tolist() == examples.labels.tolist()
    assert list(result.statistics[: len(examples)]) == list(examples.statistics)
    assert result.dims == examples.dims


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [[10, 20, 30, 40], [1, 99], [5, 5, 5], [7, 0, 3, 0, 1]])
def test_class_weights_equal_scikit_learns(counts, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    present = np.unique(labels)
    weights = class_weights(labels)
    assert weights.dtype == np.float32
    assert weights.shape == (len(counts),)
    expected = compute_class_weight("balanced", classes=present, y=labels)
    np.testing.assert_allclose(weights[present], expected, rtol=1e-6)
    assert weights[labels].mean() == pytest.approx(1, rel=1e-6)
    assert np.isfinite(weights).all()


def weighted(counts):
    """Examples some of which weigh 0.5, some 2."""
    examples = make_examples(counts)
    heavy = np.arange(len(examples)) % 3 == 0
    return replace(examples, loss_weights=np.where(heavy, 2, 0.5).astype(np.float32))


def test_the_weights_of_clips_have_a_mean_of_one():
    examples = weighted(COUNTS)
    given = examples.loss_weights.astype(float)
    weights = loss_weights(examples, settings("none"))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, given / given.mean(), rtol=1e-6)


def test_with_class_weights_each_emotion_has_the_same_sum_of_the_clips_weights():
    examples = weighted([20, 3, 0, 5])
    weights = loss_weights(examples, settings("class_weights"))
    sums = np.bincount(examples.labels, weights, minlength=4)
    np.testing.assert_allclose(sums, [28 / 3, 28 / 3, 0, 28 / 3], rtol=1e-6)
    # Within an emotion, the clips' own weights hold.
    own = examples.labels == 0
    ratio = weights[own] / examples.loss_weights[own]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_without_weights_there_are_none_or_those_of_the_emotions():
    examples = make_examples(COUNTS)
    assert loss_weights(examples, settings("none")) is None
    expected = class_weights(examples.labels)[examples.labels]
    np.testing.assert_array_equal(loss_weights(examples, settings("class_weights")), expected)


def test_a_repeated_clip_keeps_its_weight_and_counts_as_any_other():
    examples = weighted(COUNTS)
    result = balanced(examples, "upsample")
    plain = balanced(make_examples(COUNTS), "upsample")
    assert result.labels.tolist() == plain.labels.tolist()
    place = {id(versions): i for i, versions in enumerate(examples.versions)}
    places = [place[id(versions)] for versions in result.versions]
    np.testing.assert_array_equal(result.loss_weights, examples.loss_weights[places])


@pytest.mark.parametrize("kind", ["none", "class_weights"])
def test_without_more_examples_they_are_those_given(kind):
    examples = make_examples(COUNTS)
    assert balanced(examples, kind) is examples


@pytest.mark.parametrize(
    "counts", [COUNTS, [1, 14, 3, 0], [5, 5, 5, 5], [0, 0, 4, 0], [2, 1, 1, 1]]
)
def test_upsample_repeats_given_examples_evenly_up_to_equal_counts(counts):
    examples = make_examples(counts, versions=2)
    result = balanced(examples, "upsample")
    assert_begins_with(result, examples)
    wanted = [max(counts) * (n > 0) for n in counts]
    assert np.bincount(result.labels, minlength=4).tolist() == wanted
    place = {id(versions): i for i, versions in enumerate(examples.versions)}
    places = [place[id(versions)] for versions in result.versions]  # no others
    assert result.labels.tolist() == [examples.labels[i] for i in places]
    assert list(result.statistics) == [examples.statistics[i] for i in places]
    times = np.bincount(places)
    for label in np.flatnonzero(counts):
        own = times[examples.labels == label]
        assert own.max() - own.min() <= 1
        assert own.min() == max(counts) // counts[label]


def test_upsampled_clips_keep_their_voices():
    examples = replace(make_examples(COUNTS), voices=np.arange(sum(COUNTS)))
    result = balanced(examples, "upsample")
    place = {id(versions): i for i, versions in enumerate(examples.versions)}
    assert result.voices.tolist() == [place[id(versions)] for versions in result.versions]


def test_the_order_of_upsample_depends_on_the_seed_alone():
    examples = make_examples([9, 4, 5, 2])
    first, again, other = (balanced(examples, "upsample", seed) for seed in (0, 0, 1))
    assert [id(v) for v in first.versions] == [id(v) for v in again.versions]
    assert [id(v) for v in first.versions] != [id(v) for v in other.versions]


@SYNTHETIC
def test_interpolation_depends_on_the_seed_alone(kind):
    examples = make_examples(COUNTS)
    np.random.seed(1)  # noqa: NPY002
    first = balanced(examples, kind)
    np.random.seed(2)  # noqa: NPY002
    again, other = balanced(examples, kind), balanced(examples, kind, seed=1)
    assert first.labels.tolist() == again.labels.tolist()
    np.testing.assert_array_equal(flat(first), flat(again))
    size = min(len(first), len(other))
    assert not np.array_equal(flat(first)[:size], flat(other)[:size])


def test_smote_reaches_equal_counts():
    examples = make_examples(COUNTS, versions=2)
    result = balanced(examples, "smote")
    assert_begins_with(result, examples)
    assert np.bincount(result.labels, minlength=4).tolist() == [14, 0, 14, 14]


@SYNTHETIC
def test_clips_made_between_others_are_not_rated(kind):
    examples = make_examples(COUNTS)
    ratings = np.random.default_rng(0).random((len(examples), 2), dtype=np.float32)
    result = balanced(replace(examples, ratings=ratings), kind)
    assert len(result.ratings) == len(result) > len(examples)
    np.testing.assert_array_equal(result.ratings[: len(examples)], ratings)
    assert np.isnan(result.ratings[len(examples) :]).all()


def test_adasyn_reaches_about_equal_counts():
    examples = make_examples([60, 0, 20, 25])
    result = balanced(examples, "adasyn")
    assert_begins_with(result, examples)
    counts = np.bincount(result.labels, minlength=4)
    assert counts[:2].tolist() == [60, 0]
    assert abs(counts[2:] - 60).max() <= 10  # rounding: at most half an example per clip


def on_a_segment(point, start, end):
    """Whether a point lies between two others, up to float32."""
    way = end - start
    share = (point - start) @ way / (way @ way)
    off = np.linalg.norm(point - (start + share * way))
    return -1e-5 < share < 1 + 1e-5 and off < 1e-5 * np.linalg.norm(way)


@SYNTHETIC
@pytest.mark.parametrize("length", ["pad", "resize"])
def test_new_examples_lie_between_a_clip_and_one_of_its_nearest_of_the_emotion(kind, length):
    examples = make_examples([24, 0, 13, 9])
    result = balanced(examples, kind, length=length)
    given, new = flat(examples, length), flat(result, length)[len(examples) :]
    labels = result.labels[len(examples) :]
    assert len(new) >= 15
    for point, label in zip(new, labels, strict=True):
        own = given[examples.labels == label]
        distances = np.linalg.norm(own[:, None] - own[None], axis=2)
        pairs = [
            (i, j) for i, row in enumerate(distances) for j in np.argsort(row)[1:][:NEIGHBOURS]
        ]
        assert any(on_a_segment(point, own[i], own[j]) for i, j in pairs)
    # They are not clips again.
    assert np.linalg.norm(new[:, None] - given[None], axis=2).min() > 0


@SYNTHETIC
def test_new_examples_reach_the_batches_as_they_were_made(kind):
    examples = make_examples(COUNTS)
    result = balanced(examples, kind)
    made = [versions[0] for versions in result.versions[len(examples) :]]
    assert {array.shape for array in made} == {(FRAMES, 4)}
    assert {array.dtype for array in made} == {np.dtype(np.float32)}
    clips = NormalisedClips(result, settings(kind), torch.device("cpu"))
    batches = list(epoch_batches(clips, (0,)))
    rows = {
        (row.numpy().tobytes(), label)
        for batch in batches
        for row, label in zip(batch.features, batch.labels.tolist(), strict=True)
    }
    labels = result.labels[len(examples) :].tolist()
    assert {(a.tobytes(), n) for a, n in zip(made, labels, strict=True)} <= rows
    assert sum(len(batch.labels) for batch in batches) == len(result)


def test_of_several_versions_the_first_is_interpolated():
    examples = make_examples(COUNTS, versions=3)
    firsts = Examples([v[:1] for v in examples.versions], *vars_of(examples))
    new, expected = (balanced(e, "smote").versions[len(examples) :] for e in (examples, firsts))
    np.testing.assert_array_equal(np.array(new), np.array(expected))


def vars_of(examples):
    return examples.labels, examples.dims, examples.statistics


@SYNTHETIC
def test_equal_counts_gain_nothing(kind):
    examples = make_examples([7, 7, 0, 7])
    assert len(balanced(examples, kind)) == 21


def test_adasyn_of_nearly_equal_counts_adds_nothing_and_does_not_fail():
    # One missing example is shared out among 29 clips: every share rounds to none.
    examples = make_examples([30, 29, 29, 30])
    result = balanced(examples, "adasyn")
    assert_begins_with(result, examples)
    assert len(result) == len(examples)


def test_adasyn_of_emotions_far_apart_suggests_alternatives():
    examples = make_examples([12, 6, 6, 0], apart=1000.0)
    plain = Examples(
        examples.versions, examples.labels, DIMS, [dict.fromkeys(DIMS, (0.0, 1.0))] * 24
    )
    with pytest.raises(UserError, match=r"model\.balance adasyn found no new clips .*upsample"):
        balanced(plain, "adasyn")
    for kind in ("smote", "upsample"):
        result = balanced(plain, kind)
        assert np.bincount(result.labels, minlength=4).tolist() == [12, 12, 12, 0]


@SYNTHETIC
@pytest.mark.parametrize("few", range(1, NEIGHBOURS + 1))
def test_too_few_clips_are_refused_with_emotion_number_and_alternatives(kind, few):
    examples = make_examples([12, few, 8, 0])
    with pytest.raises(UserError) as caught:
        balanced(examples, kind)
    message = str(caught.value)
    assert message.startswith(f"model.balance {kind} ")
    assert f"fear has {few}" in message
    assert f"needs {NEIGHBOURS + 1} clips" in message
    assert not any(f"{emotion} has" in message for emotion in ("angry", "happy", "sad"))
    for other in ("upsample", "class_weights"):
        assert other in message
        assert len(balanced(examples, other)) == (36 if other == "upsample" else 20 + few)


def test_all_emotions_with_too_few_clips_are_named():
    with pytest.raises(UserError, match=r"angry has 1, happy has 3: model\.balance upsample"):
        balanced(make_examples([1, 12, 3, 9]), "smote")


@SYNTHETIC
def test_just_enough_clips_are_enough(kind):
    result = balanced(make_examples([12, NEIGHBOURS + 1, 0, 12]), kind)
    assert np.bincount(result.labels)[1] > NEIGHBOURS + 1


@pytest.mark.parametrize("kind", ["upsample", "smote", "adasyn"])
def test_balancing_leaves_its_input_and_the_global_generators_alone(kind):
    examples = make_examples(COUNTS)
    arrays, labels = [v[0].copy() for v in examples.versions], examples.labels.copy()
    state, old = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    balanced(examples, kind)
    for (now,), before in zip(examples.versions, arrays, strict=True):
        np.testing.assert_array_equal(now, before)
    np.testing.assert_array_equal(examples.labels, labels)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], old)  # noqa: NPY002
