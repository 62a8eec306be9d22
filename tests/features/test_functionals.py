from itertools import combinations

import librosa
import numpy as np
import pandas as pd
import pytest

from ser.core.filters import filter_banks
from ser.core.framing import frame_count
from ser.core.functional_names import (
    STATISTICS,
    broad_names,
    correlated_names,
    descriptor_names,
    functional_names,
    slope_names,
)
from ser.core.sections import Features
from ser.features.analysis import Analysis
from ser.features.descriptors import compute_descriptors
from ser.features.extract import extract
from ser.features.functionals import (
    compute_functionals,
    compute_slopes,
    correlations,
    means_of_thirds,
    rhythm,
    statistics,
    steps,
)

RATE = 16000
SIZES = [(1, 1), (4, 3), (16, 16), (20, 5), (40, 13), (40, 14), (64, 24)]
over_sizes = pytest.mark.parametrize(("n_mels", "n_mfcc"), SIZES)
PERCENTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def features(**changes):
    values = {"kinds": ["functionals"], "n_fft": 1024, "win_length": 512, "hop_length": 256}
    values |= {"n_mels": 40, "n_mfcc": 20, "fmin": 50.0, "fmax": 7600.0, "top_db": 80.0}
    return Features(**values | changes)


def banks_of(f):
    return filter_banks(RATE, f)


def random_descriptors(frames, n_mels=4, n_mfcc=3, seed=0):
    """Descriptors of unlike scales; level and voicing as described: 0 dB at most, about 0 to 1."""
    rng = np.random.default_rng(seed)
    names = descriptor_names(n_mels, n_mfcc)
    made = {name: rng.normal(rng.normal(0, 50), rng.uniform(1, 9), frames) for name in names}
    made["level"] = rng.uniform(-70, 0, frames)
    made["level"][rng.integers(frames)] = 0
    made["voicing"] = rng.uniform(0, 1, frames)
    return {name: values.astype(np.float32) for name, values in made.items()}


def summed_up(descriptors, n_mfcc=3, frame_seconds=0.016):
    """Return the value of each functional by its name."""
    return values_of(
        compute_functionals(
            descriptors, broad_names(n_mfcc), correlated_names(n_mfcc), frame_seconds
        )
    )


def values_of(groups):
    """Return the value of each functional by its name."""
    pairs = [
        (group.template.format(described), value)
        for group in groups
        for described, value in zip(group.described, group.values.tolist(), strict=True)
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@over_sizes
def test_every_functional_has_a_name_of_its_own(n_mels, n_mfcc):
    for names in (functional_names, descriptor_names):
        assert len(set(names(n_mels, n_mfcc))) == len(names(n_mels, n_mfcc))
    for names in (broad_names, correlated_names):
        assert len(set(names(n_mfcc))) == len(names(n_mfcc))


@over_sizes
def test_there_are_as_many_functionals_as_the_blocks_add_up_to(n_mels, n_mfcc):
    descriptors, correlated = n_mels + n_mfcc + 14, min(n_mfcc, 13) + 14
    expected = 2 * (7 + 2) * descriptors  # statistics and steps of active and of voiced frames
    expected += correlated * (correlated - 1) // 2 + 3 * (n_mfcc + 14) + 7
    assert len(functional_names(n_mels, n_mfcc)) == expected
    assert len(summed_up(random_descriptors(30, n_mels, n_mfcc), n_mfcc)) == expected


@over_sizes
def test_the_names_are_those_of_what_is_computed_in_its_order(n_mels, n_mfcc):
    f = features(n_mels=n_mels, n_mfcc=n_mfcc)
    described = compute_descriptors(Analysis(speech(), RATE, f, banks_of(f)))
    assert list(described) == descriptor_names(n_mels, n_mfcc)
    assert list(summed_up(described, n_mfcc)) == functional_names(n_mels, n_mfcc)


def test_there_are_2308_functionals_of_64_bands_and_24_coefficients():
    assert len(functional_names(64, 24)) == 2308


@pytest.mark.parametrize("n_mfcc", [1, 12, 13, 14, 24])
def test_the_first_13_coefficients_at_most_are_correlated(n_mfcc):
    broad = broad_names(n_mfcc)
    others = [name for name in broad if not name.startswith("mfcc_")]
    assert len(others) == 14
    assert broad == [*(f"mfcc_{i}" for i in range(1, n_mfcc + 1)), *others]
    kept = [f"mfcc_{i}" for i in range(1, min(n_mfcc, 13) + 1)]
    assert correlated_names(n_mfcc) == [*kept, *others]
    assert descriptor_names(9, n_mfcc) == [*(f"logmel_{i}" for i in range(1, 10)), *broad]


def moves(column, counted):
    """Steps over two frames, where the three from one end to the other count."""
    return pd.Series(
        [
            column[i + 2] - column[i]
            for i in range(len(column) - 2)
            if counted[i] and counted[i + 1] and counted[i + 2]
        ]
    )


def expected_of(name, table, frames, frame_seconds):
    """The functional of that name, by pandas from a table of descriptors and sets of frames."""
    parts = name.split(".")
    active, voiced = frames["active"], frames["voiced"]
    if len(parts) == 3 and parts[2] in (*STATISTICS, "step", "jitter"):
        counted, (column, which) = frames[parts[0]], (table[parts[1]], parts[2])
        if which == "step":
            return moves(column, counted).abs().mean()
        if which == "jitter":
            return moves(column, counted).std(ddof=0)
        if which == "mean":
            return column[counted].mean()
        if which == "deviation":
            return column[counted].std(ddof=0)
        return column[counted].quantile(PERCENTILES[which])
    if len(parts) == 3:
        assert parts[0] == "voiced"
        return table.loc[voiced, parts[1]].corr(table.loc[voiced, parts[2]])
    if len(parts) == 2:
        first, last = active[active].index[[0, -1]]
        third = {"first": 0, "second": 1, "third": 2}[parts[0]]
        length, longer = divmod(last - first + 1, 3)
        starts = [first + i * length + min(i, longer) for i in range(4)]
        own = active & (active.index >= starts[third]) & (active.index < starts[third + 1])
        return table.loc[own, parts[1]].mean()
    seconds = len(table) * frame_seconds
    level = table["level"]
    higher = (level > level.shift(1)) & (level > level.shift(-1)) & (level > -20)
    return {
        "log_seconds": np.log(seconds),
        "active_share": active.sum() / len(table),
        "voiced_share": voiced.sum() / len(table),
        "voiced_per_active": voiced.sum() / active.sum(),
        "voicing_changes_per_second": voiced.astype(int).diff().abs().sum() / seconds,
        "pauses_per_second": (active.astype(int).diff() == 1).sum() / seconds,
        "peaks_per_second": higher.sum() / seconds,
    }[name]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("frames", "n_mels", "n_mfcc"), [(60, 4, 3), (121, 2, 15), (400, 1, 1)])
def test_each_value_is_what_its_name_says(frames, n_mels, n_mfcc, seed):
    descriptors = random_descriptors(frames, n_mels, n_mfcc, seed)
    # Some runs in which frames count one after the other.
    descriptors["level"][5:15], descriptors["voicing"][6:13] = -3, 0.9
    table = pd.DataFrame(descriptors).astype(float)
    active = table["level"] >= -40
    sets = {"active": active, "voiced": active & (table["voicing"] > 0.5)}
    assert sets["voiced"].sum() > 10
    for name, value in summed_up(descriptors, n_mfcc, 0.02).items():
        expected = expected_of(name, table, sets, 0.02)
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize("voiced_frames", [6, 15])
def test_slopes_are_librosas_where_five_frames_in_a_row_count(voiced_frames):
    descriptors = random_descriptors(60)
    descriptors["level"][5:25], descriptors["voicing"][:] = -3, 0.1
    descriptors["voicing"][7 : 7 + voiced_frames] = 0.9
    table = pd.DataFrame(descriptors).astype(float)
    active = table["level"] >= -40
    sets = {"active": active, "voiced": active & (table["voicing"] > 0.5)}
    found = values_of(compute_slopes(descriptors, broad_names(3)))
    assert list(found) == slope_names(3)
    for name, value in found.items():
        which, descriptor, statistic = name.split(".")
        inside = sets[which].rolling(5, center=True).sum() == 5
        slopes = librosa.feature.delta(table[descriptor].to_numpy(), width=5, order=1)[inside]
        assert len(slopes) >= 2
        plain = f"{which}.{descriptor}.{statistic.removeprefix('slope_')}"
        every = pd.Series(True, range(len(slopes)))
        expected = expected_of(
            plain, pd.DataFrame({descriptor: slopes}), {"active": every, "voiced": every}, 0.02
        )
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-5), name


def test_without_five_frames_in_a_row_slopes_are_0():
    descriptors = random_descriptors(60)
    descriptors["level"][:] = np.where(np.arange(60) % 4 == 0, -60, 0)
    found = values_of(compute_slopes(descriptors, broad_names(3)))
    assert set(found.values()) == {0.0}


def test_slopes_beside_functionals_are_those_alone():
    f = features(kinds=["functionals", "slopes"])
    both = extract(speech(), RATE, f, banks_of(f))
    alone = [
        extract(speech(), RATE, g, banks_of(g)) for g in (features(), features(kinds=["slopes"]))
    ]
    np.testing.assert_array_equal(both, np.hstack(alone))
    assert f.dims == {"functionals": alone[0].shape[1], "slopes": len(slope_names(20))}


def test_a_descriptor_that_is_changed_changes_its_own_functionals_and_no_others():
    before = random_descriptors(80)
    before["level"][20:40], before["voicing"][20:40] = -3, 0.9  # steps need frames in a row
    for changed in ("logmel_2", "mfcc_3", "zcr", "flux", "pitch", "h1_h3"):
        values = np.random.default_rng(9).normal(500, 30, 80).astype(np.float32)
        old, new = summed_up(before), summed_up(before | {changed: values})
        differing = {name for name in old if old[name] != new[name]}
        assert differing == {name for name in old if changed in name.split(".")}, changed


def test_the_names_alone_decide_where_a_descriptor_is_found():
    descriptors = random_descriptors(50)
    level = descriptors["level"]
    shuffled = dict(sorted(descriptors.items(), key=lambda item: item[0][::-1]))
    broad, correlated = ["pitch", "level"], ["zcr", "mfcc_1", "flux"]
    found = values_of(compute_functionals(shuffled, broad, correlated, 0.01))
    assert len(found) == 2 * 9 * len(shuffled) + 3 + 3 * 2 + 7
    active = level >= -40
    expected = means_of_thirds(np.stack([descriptors["pitch"], level], axis=1), active)
    for third, (pitch, loudness) in expected.items():
        assert found[f"{third}.pitch"] == pytest.approx(pitch, rel=1e-5)
        assert found[f"{third}.level"] == pytest.approx(loudness, rel=1e-5)


def with_levels(level, voicing):
    descriptors = random_descriptors(len(level))
    return descriptors | {
        "level": np.array(level, np.float32),
        "voicing": np.array(voicing, np.float32),
    }


def test_frames_40_db_below_the_loudest_are_silence():
    descriptors = with_levels([0, -39.9, -40, -40.1, -60, -1], [0.9] * 6)
    found = summed_up(descriptors)
    counted = [0, 1, 2, 5]
    for name in ("logmel_1", "mfcc_2", "pitch"):
        mean = descriptors[name][counted].mean()
        assert found[f"active.{name}.mean"] == pytest.approx(mean, rel=1e-5)
    assert found["active_share"] == pytest.approx(4 / 6)


def test_frames_are_voiced_above_one_half():
    voicing = [0.51, 0.5, 0.49, 0.6, 0.7, 0.8, 0.9, 0.0]
    found = summed_up(with_levels([0.0] * 8, voicing))
    assert found["voiced_share"] == pytest.approx(5 / 8)
    assert found["voiced.voicing.mean"] == pytest.approx(np.mean([0.51, 0.6, 0.7, 0.8, 0.9]))


@pytest.mark.parametrize("voiced", [0, 1, 4])
def test_the_five_most_voiced_frames_are_used_if_fewer_are_voiced(voiced):
    voicing = np.random.default_rng(0).permutation(np.linspace(0.01, 0.4, 20))
    voicing[:voiced] += 0.55
    descriptors = with_levels([0.0] * 20, voicing)
    most = np.argsort(voicing)[-5:]
    found = summed_up(descriptors)
    assert found["voiced_share"] == pytest.approx(5 / 20)
    for name in ("logmel_1", "pitch", "voicing"):
        values = descriptors[name][most]
        assert found[f"voiced.{name}.mean"] == pytest.approx(values.mean(), rel=1e-5)
        assert found[f"voiced.{name}.deviation"] == pytest.approx(values.std(), rel=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_all_frames_count_as_voiced_if_there_are_fewer_than_five(frames):
    descriptors = with_levels([0.0] * frames, np.linspace(0.1, 0.9, frames))
    found = summed_up(descriptors)
    assert found["voiced_share"] == found["voiced_per_active"] == 1
    assert found["voiced.pitch.mean"] == pytest.approx(descriptors["pitch"].mean(), rel=1e-5)


@pytest.mark.parametrize("voicing", [0.1, 0.9])
def test_frames_taken_for_voiced_are_not_silent(voicing):
    # Three frames of a word, and hiss far below it that is by chance about as voiced.
    level = np.full(30, -60.0)
    level[14:17] = 0
    voicings = np.random.default_rng(0).uniform(0.1, 0.3, 30)
    voicings[14:17] = voicing
    descriptors = with_levels(level, voicings)
    found = summed_up(descriptors)
    assert found["voiced_per_active"] <= 1
    assert found["voiced.level.p5"] >= -40


def random_values(frames=50, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(0, 100, columns), rng.uniform(0.1, 30, columns), (frames, columns))


@pytest.mark.parametrize("frames", [1, 2, 3, 50, 999])
def test_statistics_equal_numpys_and_pandas(frames):
    values = random_values(frames)
    found = np.stack(list(statistics(values).values()))
    table = pd.DataFrame(values)
    np.testing.assert_allclose(found[0], table.mean(), rtol=1e-12)
    np.testing.assert_allclose(found[1], table.std(ddof=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[2:], table.quantile([0.05, 0.25, 0.5, 0.75, 0.95]))
    ordered = np.sort(values, axis=0)
    places = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    for row, share in zip(found[2:], PERCENTILES.values(), strict=True):
        by_numpy = [np.interp(share, places, column) for column in ordered.T]
        np.testing.assert_allclose(row, by_numpy)


def test_statistics_of_a_ramp_have_their_closed_forms():
    found = statistics(np.arange(101.0)[:, np.newaxis])
    assert list(found) == ["mean", "deviation", "p5", "p25", "p50", "p75", "p95"]
    expected = [50, np.sqrt((101**2 - 1) / 12), 5, 25, 50, 75, 95]
    assert list(found.values()) == pytest.approx(expected)


def moved(values, frames):
    """Mean sizes of the columns' steps, then their deviations: [2 * columns]."""
    found = steps(values, frames)
    assert list(found) == ["step", "jitter"]
    return np.concatenate(list(found.values()))


@pytest.mark.parametrize("slope", [-3.0, 0.0, 0.5])
def test_a_line_moves_by_two_slopes_over_two_frames(slope):
    found = moved(slope * np.arange(20.0)[:, np.newaxis], np.ones(20, bool))
    assert found == pytest.approx([abs(2 * slope), 0])


def test_a_zigzag_is_back_after_two_frames():
    zigzag = np.tile([0.0, 7.0], 10)[:, np.newaxis]
    assert moved(zigzag, np.ones(20, bool)).tolist() == [0, 0]


def test_up_and_down_have_a_mean_size_and_a_deviation():
    there_and_back = np.array([0, 1, 2, 3, 4, 3, 2, 1, 0.0])[:, np.newaxis]
    # Steps of 2, 2, 2, 0, -2, -2, -2.
    found = moved(there_and_back, np.ones(9, bool))
    assert found == pytest.approx([12 / 7, np.sqrt(24 / 7)])


def test_no_step_crosses_a_frame_that_does_not_count():
    values = np.array([0, 1, 2, 1000, 50, 50, 50, 51, 52, -999, 7, -1000, 3, 3.0])
    counted = np.array([1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1], dtype=bool)
    # 0 to 2; 50 to 50, 51, 52: 2, 0, 1, 2. The last three frames are runs too short for a step.
    found = moved(values[:, np.newaxis], counted)
    assert found == pytest.approx([5 / 4, np.std([2, 0, 1, 2])])


@pytest.mark.parametrize("seed", range(3))
def test_steps_equal_pandas_differences(seed):
    rng = np.random.default_rng(seed)
    values, counted = random_values(200, seed=seed), rng.uniform(size=200) < 0.8
    table = pd.DataFrame(values)
    whole = pd.Series(counted).astype(int).rolling(3).sum() == 3
    by_two = table.diff(2)[whole]
    expected = np.concatenate([by_two.abs().mean(), by_two.std(ddof=0)])
    np.testing.assert_allclose(moved(values, counted), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "counted", [[1], [1, 1], [1, 0, 1], [1, 1, 0, 1, 1, 0, 1, 1], [0, 0, 0, 0]]
)
def test_without_three_frames_in_a_row_nothing_moves(counted):
    values = random_values(len(counted))
    with np.errstate(all="raise"):
        assert moved(values, np.array(counted, bool)).tolist() == [0] * 12


@pytest.mark.parametrize("frames", [2, 3, 50, 700])
def test_correlations_equal_numpys(frames):
    values = random_values(frames)
    values[:, 3] = values[:, 0] + values[:, 1]
    expected = np.corrcoef(values, rowvar=False)
    np.testing.assert_allclose(correlations(values), expected, rtol=1e-7, atol=1e-9)


def test_each_pair_of_the_correlated_is_named_once_the_earlier_first():
    names = ["pitch", "zcr", "mfcc_2", "level"]
    descriptors = random_descriptors(80)
    found = values_of(compute_functionals(descriptors, ["level"], names, 0.01))
    pairs = [tuple(name.split(".")[1:]) for name in found if name.count(".") == 2]
    assert [pair for pair in pairs if set(pair) <= set(names)] == list(combinations(names, 2))


def test_correlations_are_1_minus_1_or_0():
    rising = np.linspace(-1, 1, 21)
    values = np.stack([rising, -3 * rising + 8, rising**2, 5 * rising], axis=1)
    expected = [[1, -1, 0, 1], [-1, 1, 0, -1], [0, 0, 1, 0], [1, -1, 0, 1]]
    assert correlations(values) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, -100.0, 8000.0, 1 / 3])
@pytest.mark.parametrize("frames", [5, 1000])
def test_a_constant_column_correlates_with_no_other(frames, constant):
    values = random_values(frames, 3)
    alone = correlations(values)
    values = np.insert(values, 1, constant, axis=1)
    with np.errstate(all="raise"):
        found = correlations(values)
    assert not found[1].any()
    assert not found[:, 1].any()
    np.testing.assert_allclose(np.delete(np.delete(found, 1, 0), 1, 1), alone, rtol=1e-12)


def test_the_columns_of_a_single_frame_go_with_no_others():
    with np.errstate(all="raise"):
        assert not correlations(random_values(1)).any()


def test_correlations_are_no_larger_than_1():
    values = np.outer(np.random.default_rng(0).normal(size=999), [1.0, -1e-3, 1e5])
    assert np.abs(correlations(values + np.array([0, 3, -7e6]))).max() <= 1 + 1e-9


def thirds(values, active):
    """Means of the first third, then of the second, then of the last: [3 * columns]."""
    found = means_of_thirds(values, active)
    assert list(found) == ["first", "second", "third"]
    return np.concatenate(list(found.values()))


def test_thirds_reach_from_the_first_active_frame_to_the_last():
    values = np.array([900, 1, 2, 3, 4, 5, 6, 900, 900.0])[:, np.newaxis]
    active = np.array([0, 1, 1, 1, 1, 1, 1, 0, 0], bool)
    assert thirds(values, active).tolist() == [1.5, 3.5, 5.5]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(3, [0, 1, 2]), (4, [0.5, 2, 3]), (5, [0.5, 2.5, 4]), (7, [1, 3.5, 5.5]), (9, [1, 4, 7])],
)
def test_frames_beyond_a_multiple_of_three_go_to_the_first_thirds(frames, expected):
    values = np.arange(float(frames))[:, np.newaxis]
    assert thirds(values, np.ones(frames, bool)).tolist() == expected


def test_silent_frames_within_a_third_do_not_count():
    values = np.array([1, 900, 3, 4, 900, 900, 7, 900, 9.0])[:, np.newaxis]
    active = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1], bool)
    assert thirds(values, active).tolist() == [2, 4, 8]


def test_a_third_without_active_frames_is_like_all_active_frames():
    values = np.array([1, 2, 3, 900, 900, 900, 7, 8, 9.0])[:, np.newaxis]
    active = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1], bool)
    assert thirds(values, active).tolist() == [2, 5, 8]


@pytest.mark.parametrize(("frames", "expected"), [(1, [5, 5, 5]), (2, [5, 9, 7])])
def test_a_third_of_no_frames_is_like_the_whole(frames, expected):
    values = np.array([900, 5, 9, 900.0])[:, np.newaxis]
    active = np.array([0, 1, frames == 2, 0], bool)
    assert thirds(values, active).tolist() == expected


def test_columns_of_thirds_stay_beside_each_other():
    values = random_values(30, 4)
    found = thirds(values, np.ones(30, bool)).reshape(3, 4)
    np.testing.assert_allclose(found, values.reshape(3, 10, 4).mean(axis=1))


def rhythm_of(level, voiced, frame_seconds=0.1):
    level = np.array(level, np.float32)
    return rhythm(level, level >= -40, np.array(voiced, bool), frame_seconds)


def test_the_rhythm_of_two_words():
    level = [-60, -10, 0, -10, -60, -60, -30, -5, -30, -60]
    voiced = [0, 0, 1, 1, 0, 0, 0, 1, 0, 0]
    found = rhythm_of(level, voiced)
    assert found == pytest.approx(
        {
            "log_seconds": 0,
            "active_share": 0.6,
            "voiced_share": 0.3,
            "voiced_per_active": 0.5,
            "voicing_changes_per_second": 4,
            "pauses_per_second": 2,  # the beginnings after silence
            "peaks_per_second": 2,
        },
        abs=1e-12,
    )
    faster = rhythm_of(level, voiced, 0.05)
    assert faster["log_seconds"] == pytest.approx(np.log(0.5))
    for name, value in found.items():
        if name != "log_seconds":
            factor = 2 if name.endswith("per_second") else 1
            assert faster[name] == pytest.approx(factor * value)


@pytest.mark.parametrize(
    ("level", "peaks"),
    [
        ([0, -1, -2, -1, 0], 0),  # the ends are none
        ([-9, 0, -9, -19.9, -30], 1),
        ([-9, 0, -30, -19.9, -30], 2),
        ([-9, 0, -30, -20, -30], 1),  # 20 dB below the loudest
        ([-9, 0, 0, -9, -9], 0),  # no frame above both its neighbours
        ([-9, 0, -5, 0, -9], 2),
        ([0], 0),
        ([0, -9], 0),
    ],
)
def test_peaks_are_frames_above_their_neighbours_and_not_far_below_the_loudest(level, peaks):
    found = rhythm_of(level, [True] * len(level))
    assert found["peaks_per_second"] == pytest.approx(peaks / (len(level) * 0.1))


@pytest.mark.parametrize(
    ("level", "pauses"),
    [
        ([0, 0, 0, 0], 0),
        ([-50, 0, 0, 0], 1),
        ([0, 0, 0, -50], 0),
        ([0, -50, 0, -50], 1),
        ([-50, 0, -50, 0], 2),
        ([0], 0),
    ],
)
def test_pauses_are_counted_where_they_end(level, pauses):
    found = rhythm_of(level, [True] * len(level))
    assert found["pauses_per_second"] == pytest.approx(pauses / (len(level) * 0.1))


def speech(hiss=0.0):
    """A second and a half of five gliding syllables, silence between and at both ends."""
    times = np.arange(24000) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 1.3 * times)) / RATE
    breath = np.random.default_rng(0).normal(0, 0.02, 24000)
    waveform = sum(np.sin(k * phase) / k for k in range(1, 25)) / 5 + breath
    envelope = np.clip(np.sin(2 * np.pi * 3 * times + 0.5), 0, None)
    envelope[:2000] = envelope[-2000:] = 0
    waveform = 0.8 * envelope * waveform
    return (waveform + np.random.default_rng(1).normal(0, 1, 24000) * hiss).astype(np.float32)


def noise(samples, deviation=0.2, seed=0):
    made = np.random.default_rng(seed).normal(0, deviation, samples)
    return np.clip(made, -1, 1).astype(np.float32)


def named(waveform, f, rate=RATE):
    (values,) = extract(waveform, rate, f, filter_banks(rate, f))
    return dict(zip(functional_names(f.n_mels, f.n_mfcc), values.tolist(), strict=True))


@pytest.mark.parametrize(
    "samples", [1, 2, 100, 255, 256, 511, 512, 700, 1024, 5000, 16000, 100_000]
)
@over_sizes
def test_clips_of_any_length_have_the_same_number_of_features(samples, n_mels, n_mfcc):
    f = features(n_mels=n_mels, n_mfcc=n_mfcc)
    assert f.dims == {"functionals": len(functional_names(n_mels, n_mfcc))}
    result = extract(noise(samples), RATE, f, banks_of(f))
    assert result.dtype == np.float32
    assert result.shape == (1, sum(f.dims.values()))
    assert np.isfinite(result).all()


def test_features_are_the_functionals_of_what_is_described():
    f = features(hop_length=200)
    waveform = speech()
    described = compute_descriptors(Analysis(waveform, RATE, f, banks_of(f)))
    row = np.array(list(summed_up(described, 20, 200 / RATE).values()), np.float32)
    np.testing.assert_array_equal(extract(waveform, RATE, f, banks_of(f)), [row])
    seconds = frame_count(len(waveform), 200) * 200 / RATE
    assert named(waveform, f)["log_seconds"] == pytest.approx(np.log(seconds), rel=1e-6)


def test_a_clips_functionals_say_what_was_put_into_it():
    found = named(speech(), features())
    # Semitones above 100 Hz: it glides between 100 and 180 Hz.
    assert 0 <= found["voiced.pitch.p5"] < 12 * np.log2(1.2)
    assert 12 * np.log2(1.3) < found["voiced.pitch.p50"] < 12 * np.log2(1.5)
    assert 12 * np.log2(1.5) < found["voiced.pitch.p75"] <= 12 * np.log2(1.8)
    assert found["voiced.voicing.p50"] > 0.8
    assert found["active.level.p95"] <= 0
    assert found["active.level.p5"] >= -40
    seconds = np.exp(found["log_seconds"])
    assert seconds == pytest.approx(24000 / RATE, rel=0.01)
    assert found["pauses_per_second"] == pytest.approx(5 / seconds)
    assert found["peaks_per_second"] >= 4 / seconds


def test_extracting_functionals_leaves_the_waveform_as_it_is():
    waveform = speech()
    waveform.setflags(write=False)
    first = extract(waveform, RATE, features(), banks_of(features()))
    wide = features(n_mels=64)
    extract(noise(5000), RATE, wide, banks_of(wide))
    np.testing.assert_array_equal(extract(waveform, RATE, features(), banks_of(features())), first)
    np.testing.assert_array_equal(waveform, speech())


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_described_is_summed_up_in_finite_numbers(seed):
    rng = np.random.default_rng(seed)
    frames = int(rng.choice([1, 2, 3, 4, 5, 6, 30]))
    descriptors = random_descriptors(frames, seed=seed)
    descriptors["voicing"] *= rng.choice([0, 0.4, 1])
    for name in rng.choice(list(descriptors), 5):
        if name != "level":
            descriptors[name][:] = rng.choice([0, -100, 8000])
    if seed % 3 == 0:
        descriptors["level"][:] = 0
    with np.errstate(all="raise", under="ignore"):
        found = summed_up(descriptors)
    assert np.isfinite(list(found.values())).all()


SOUNDS = {
    "silence": np.zeros(5000, np.float32),
    "a constant": np.full(5000, 0.5, np.float32),
    "white noise": noise(9000),
    "as quiet as can be": noise(9000, 1e-38),
    "quieter than the floor": noise(9000, 1e-7),
    "a click": np.eye(1, 5000, 2500, dtype=np.float32)[0],
    "full scale": np.where(np.arange(5000) % 50 < 25, 1, -1).astype(np.float32),
    "one sample": np.ones(1, np.float32),
    "one silent sample": np.zeros(1, np.float32),
    "one frame": noise(255),
    "two frames": noise(256),
    "one loud frame": np.concatenate([noise(9000, 1e-5), noise(300), noise(9000, 1e-5)]),
}


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize(
    "changes",
    [{}, {"n_fft": 512, "win_length": 401, "hop_length": 147}, {"n_mels": 3, "n_mfcc": 2}],
    ids=str,
)
def test_any_sound_has_finite_functionals(sound, changes):
    f = features(**changes)
    result = extract(SOUNDS[sound], RATE, f, banks_of(f))
    assert result.shape == (1, f.dims["functionals"])
    assert np.isfinite(result).all()


# Functionals that say where a descriptor lies, not how it varies.
PLACES = ("mean", *PERCENTILES)


def says_where_mfcc_1_lies(name):
    parts = name.split(".")
    if len(parts) == 2:
        return parts[1] == "mfcc_1"
    return len(parts) == 3 and parts[1] == "mfcc_1" and parts[2] in PLACES


gains = pytest.mark.parametrize("gain", [0.25, 0.5, 4.0, 0.3, 1.7])


def assert_louder_but_alike(waveform, gain, but=()):
    """Where the first coefficient lies says how loud a clip is, nothing else does."""
    f = features()
    before, after = named(waveform, f), named(np.float32(gain) * waveform, f)
    # The first coefficient of an orthonormal cosine transform is the sum over sqrt(n).
    moved = 20 * np.log10(gain) * np.sqrt(f.n_mels)
    shifted = [name for name in before if says_where_mfcc_1_lies(name)]
    assert len(shifted) == 2 * 6 + 3
    for name, value in before.items():
        if not any(word in name for word in but):
            expected = value + (moved if name in shifted else 0)
            assert after[name] == pytest.approx(expected, rel=1e-3, abs=1e-3), name


@gains
@pytest.mark.parametrize("sound", ["speech in hiss", "white noise"])
def test_a_louder_clip_differs_in_where_its_first_coefficient_lies_and_in_nothing_else(sound, gain):
    waveform = noise(20000) if sound == "white noise" else speech(hiss=1e-3)
    assert_louder_but_alike(0.2 * waveform, gain)


@gains
def test_beside_digital_silence_flatness_voicing_and_harmonics_are_held_against_a_floor(gain):
    # Frames there, or single bins of them, have next to no power.
    assert_louder_but_alike(0.2 * speech(), gain, but=["flatness", "voic", "h1_"])


def test_silence_before_and_behind_changes_nothing_but_length_and_shares():
    f = features()
    silence = np.zeros(12 * 256, np.float32)
    clip = speech()
    before, after = named(clip, f), named(np.concatenate([silence, clip, silence]), f)
    frames = frame_count(len(clip), 256)
    longer = (frames + 24) / frames
    for name, value in before.items():
        if name == "log_seconds":
            expected = value + np.log(longer)
        elif name.endswith(("share", "per_second")):
            expected = value / longer
        else:
            expected = value
        assert after[name] == pytest.approx(expected, rel=1e-5, abs=1e-5), name
