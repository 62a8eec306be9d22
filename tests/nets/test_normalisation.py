import numpy as np
import pytest

from ser.nets.normalisation import measure_groups, measure_statistics, normalise

DIMS = {"mfcc": 3, "logmel": 8, "rms": 1}
BLOCKS = {"mfcc": slice(0, 3), "logmel": slice(3, 11), "rms": slice(11, 12)}


def clips(count, seed=0, shortest=1, longest=60):
    """Make clips whose kinds differ in level and spread, like real features."""
    rng = np.random.default_rng(seed)
    scales = [(500.0, 30.0, 3), (-60.0, 12.0, 8), (1e-3, 1e-4, 1)]
    return [
        np.concatenate(
            [rng.normal(rng.normal(m, s), s, (n, k)) for m, s, k in scales], axis=1
        ).astype(np.float32)
        for n in rng.integers(shortest, longest, count)
    ]


def of_one_array(arrays):
    """Mean and deviation of each kind, by numpy on all frames in one array."""
    whole = np.concatenate(arrays).astype(np.float64)
    return {kind: (whole[:, own].mean(), whole[:, own].std()) for kind, own in BLOCKS.items()}


def assert_close(measured, expected):
    assert list(measured) == list(DIMS)
    for kind, (mean, deviation) in measured.items():
        assert mean == pytest.approx(expected[kind][0], rel=1e-12)
        assert deviation == pytest.approx(expected[kind][1], rel=1e-10)
        assert {type(mean), type(deviation)} == {float}  # which JSON can write


@pytest.mark.parametrize("count", [1, 2, 50])
def test_statistics_of_many_clips_are_those_of_one_big_array(count):
    arrays = clips(count)
    assert_close(measure_statistics(arrays, DIMS), of_one_array(arrays))
    assert_close(measure_statistics(iter(arrays), DIMS), of_one_array(arrays))


def test_a_high_level_costs_no_precision():
    rng = np.random.default_rng(0)
    arrays = [(rng.normal(0, 1, (20, 12)) + 30000).astype(np.float32) for _ in range(40)]
    assert_close(measure_statistics(arrays, DIMS), of_one_array(arrays))


def test_groups_are_measured_each_by_its_own_clips():
    arrays = dict(zip("abcdef", clips(6), strict=True))
    groups = {"a": "x", "b": "y", "c": "x", "d": "z", "e": "y", "f": "x"}
    measured = measure_groups(arrays.__getitem__, groups, DIMS)
    assert set(measured) == {"x", "y", "z"}
    for group, statistics in measured.items():
        own = [arrays[clip] for clip, name in groups.items() if name == group]
        assert_close(statistics, of_one_array(own))


def test_by_its_own_statistics_each_kind_gets_mean_0_and_deviation_1():
    (features,) = clips(1, shortest=90, longest=91)
    result = normalise(features, DIMS, None)
    assert result.shape == (90, 12)
    assert result.dtype == np.float32
    for own in BLOCKS.values():
        block = result[:, own].astype(np.float64)
        assert abs(block.mean()) < 1e-4
        assert block.std() == pytest.approx(1, abs=1e-4)


def test_by_common_statistics_all_clips_together_get_mean_0_and_deviation_1():
    arrays = clips(30)
    statistics = measure_statistics(arrays, DIMS)
    results = [normalise(features, DIMS, statistics) for features in arrays]
    for kind, (mean, deviation) in of_one_array(results).items():
        assert abs(mean) < 1e-4, kind
        assert deviation == pytest.approx(1, abs=1e-4), kind
    # What tells one clip's level from another's stays.
    assert np.std([result[:, BLOCKS["logmel"]].mean() for result in results]) > 0.3


def test_given_statistics_are_subtracted_and_divided_by():
    (features,) = clips(1)
    statistics = {"mfcc": (480.0, 31.0), "logmel": (-50.0, 7.0), "rms": (0.002, 0.0003)}
    expected = features.astype(np.float64)
    for kind, own in BLOCKS.items():
        expected[:, own] = (expected[:, own] - statistics[kind][0]) / statistics[kind][1]
    result = normalise(features, DIMS, statistics)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_mean_0_and_deviation_1_do_not_change_the_features():
    (features,) = clips(1)
    identity_statistics = dict.fromkeys(DIMS, (0.0, 1.0))
    np.testing.assert_array_equal(normalise(features, DIMS, identity_statistics), features)


def test_the_differences_between_the_columns_of_a_kind_are_kept():
    features = np.array([[0, 10], [2, 12]], dtype=np.float32)
    expected = (features - 6) / np.sqrt(26)
    np.testing.assert_allclose(normalise(features, {"logmel": 2}, None), expected, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -80.0, 12345.678])
@pytest.mark.parametrize("others", [0, 1, 7])
def test_constant_features_become_zero(value, others):
    features = np.full((50, 12), value, dtype=np.float32)
    statistics = (
        measure_statistics([features[: 7 * i + 1] for i in range(others)], DIMS) if others else None
    )
    with np.errstate(all="raise"):
        assert not normalise(features, DIMS, statistics).any()


FUNCTIONALS = {"functionals": 12}


def rows(count, seed=0, frames=1):
    """Make clips with columns of different units, like functionals."""
    rng = np.random.default_rng(seed)
    means, deviations = 10.0 ** rng.uniform(-3, 4, (2, 12))
    return [rng.normal(means, deviations, (frames, 12)).astype(np.float32) for _ in range(count)]


def assert_columns_close(measured, arrays):
    whole = np.concatenate(arrays).astype(np.float64)
    assert list(measured) == ["functionals"]
    mean, deviation = measured["functionals"]
    for found, expected in ((mean, whole.mean(axis=0)), (deviation, whole.std(axis=0))):
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.float64
        assert found.shape == (12,)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("frames", [1, 7])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_each_column_of_functionals_has_its_own_statistics(count, frames):
    arrays = rows(count, frames=frames)
    assert_columns_close(measure_statistics(arrays, FUNCTIONALS), arrays)
    assert_columns_close(measure_statistics(iter(arrays), FUNCTIONALS), arrays)


def test_a_single_column_of_functionals_has_arrays_of_one():
    arrays = [np.array([[value]], np.float32) for value in (1, 2, 6)]
    mean, deviation = measure_statistics(arrays, {"functionals": 1})["functionals"]
    assert mean.tolist() == [3]
    assert deviation == pytest.approx(np.array([np.sqrt(14 / 3)]))


def test_a_high_level_costs_functionals_no_precision():
    rng = np.random.default_rng(0)
    arrays = [(rng.normal(0, 1, (1, 12)) + 30000).astype(np.float32) for _ in range(400)]
    assert_columns_close(measure_statistics(arrays, FUNCTIONALS), arrays)


def test_groups_of_functionals_are_measured_each_by_its_own_clips():
    arrays = dict(zip("abcdef", rows(6), strict=True))
    groups = {"a": "x", "b": "y", "c": "x", "d": "z", "e": "y", "f": "x"}
    measured = measure_groups(arrays.__getitem__, groups, FUNCTIONALS)
    assert set(measured) == {"x", "y", "z"}
    for group, statistics in measured.items():
        own = [arrays[clip] for clip, name in groups.items() if name == group]
        assert_columns_close(statistics, own)


def test_each_column_of_all_clips_functionals_gets_mean_0_and_deviation_1():
    arrays = rows(40)
    statistics = measure_statistics(arrays, FUNCTIONALS)
    results = [normalise(features, FUNCTIONALS, statistics) for features in arrays]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    assert {result.shape for result in results} == {(1, 12)}
    whole = np.concatenate(results).astype(np.float64)
    # As good as single precision is where the mean is far above the deviation.
    mean, deviation = statistics["functionals"]
    coarseness = 1e-6 * (1 + np.abs(mean) / deviation)
    assert (np.abs(whole.mean(axis=0)) < coarseness).all()
    assert (np.abs(whole.std(axis=0) - 1) < coarseness).all()


def test_given_statistics_of_functionals_are_subtracted_and_divided_by_column_by_column():
    (features,) = rows(1)
    mean, deviation = np.arange(12.0), np.arange(1, 13) / 3
    result = normalise(features, FUNCTIONALS, {"functionals": (mean, deviation)})
    np.testing.assert_allclose(result, (features - mean) / deviation, rtol=1e-5, atol=1e-5)
    identity_statistics = {
        "functionals": (0.0, 1.0)
    }  # what balancing gives the clips that it makes
    np.testing.assert_array_equal(normalise(features, FUNCTIONALS, identity_statistics), features)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_constant_columns_of_functionals_become_zero(count):
    arrays = rows(count)
    for features in arrays:
        features[:, [0, 5, 11]] = 0, 0.1, 12345.678
    statistics = measure_statistics(arrays, FUNCTIONALS)
    with np.errstate(all="raise"):
        results = [normalise(features, FUNCTIONALS, statistics) for features in arrays]
    whole = np.concatenate(results)
    assert not whole[:, [0, 5, 11]].any()
    assert np.isfinite(whole).all()
    assert whole.any() == (count > 1)


def test_a_column_that_never_varied_stays_finite_where_it_does():
    arrays = rows(5)
    for features in arrays:
        features[:, 3] = 2.5
    (other,) = rows(1, seed=1)
    other[:, 3] = 1e4
    result = normalise(other, FUNCTIONALS, measure_statistics(arrays, FUNCTIONALS))
    assert np.isfinite(result).all()
    assert result[0, 3] > 1e6


def test_kinds_of_frames_keep_one_mean_and_deviation_beside_functionals():
    arrays = rows(9, frames=4)
    measured = measure_statistics(arrays, {"functionals": 5, "logmel": 7})
    mean, deviation = measured["logmel"]
    whole = np.concatenate(arrays).astype(np.float64)
    assert mean == pytest.approx(whole[:, 5:].mean(), rel=1e-12)
    assert deviation == pytest.approx(whole[:, 5:].std(), rel=1e-10)
    np.testing.assert_allclose(measured["functionals"][0], whole[:, :5].mean(axis=0), rtol=1e-10)


@pytest.mark.parametrize("common", [False, True])
def test_the_input_is_left_alone(common):
    (features,) = clips(1)
    features.flags.writeable = False
    before = features.copy()
    normalise(features, DIMS, measure_statistics([features], DIMS) if common else None)
    np.testing.assert_array_equal(features, before)
