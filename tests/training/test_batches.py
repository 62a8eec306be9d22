from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from settings import PLAIN_MODEL

from ser.core.needs import MIN_FRAMES
from ser.core.sections import Model
from ser.nets.normalisation import normalise
from ser.training.batches import (
    Examples,
    NormalisedClips,
    collate,
    count_batches,
    epoch_batches,
    in_order,
    mix,
    window,
)

SETTINGS = PLAIN_MODEL | {"batch_size": 4}
EVERYTHING = {
    "mixup": 0.3,
    "crop": {"probability": 0.5, "share": [0.6, 0.9]},
    "frequency_shift": 2.0,
    "frequency_mask": 3,
    "time_mask": 6,
}
DIMS = {"mfcc": 3, "logmel": 8, "rms": 1}
CPU = torch.device("cpu")


def settings(**changes):
    return Model.model_validate(SETTINGS | changes)


def random_examples(count, seed=0, shortest=5, longest=60):
    rng = np.random.default_rng(seed)
    versions = [
        [rng.normal(3, 2, (int(n), 12)).astype(np.float32)]
        for n in rng.integers(shortest, longest, count)
    ]
    # Every clip has a label of its own, by which a test finds it in a batch.
    return Examples(versions, np.arange(count), DIMS, [None] * count)


def random_clips(count, model=None):
    return NormalisedClips(random_examples(count), model or settings(), CPU)


def line(n, dims=2):
    """Features that rise by 1 from frame to frame, each column from a place of its own."""
    return (torch.arange(n)[:, None] + 10 * torch.arange(dims)).float()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 29, 31, 32, 33, 57, 65, 100])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 7])
def test_an_epoch_holds_every_clip_once(count, batch_size):
    model = settings(**EVERYTHING, batch_size=batch_size)
    batches = list(epoch_batches(random_clips(count, model), (1,)))
    labels = [label for batch in batches for label in batch.labels.tolist()]
    assert sorted(labels) == list(range(count))
    assert len(batches) == count_batches(count, batch_size)
    sizes = [batch_size] * (count // batch_size)
    rest = count % batch_size
    if rest == 1 and sizes:
        sizes[0] += 1  # a lone clip joins another batch
    elif rest:
        sizes.append(rest)
    assert sorted(len(batch.labels) for batch in batches) == sorted(sizes)


@pytest.mark.parametrize(
    ("clips", "batch_size", "expected"),
    [
        *[(0, 4, 0), (1, 4, 1), (2, 4, 1), (4, 4, 1), (5, 4, 1), (6, 4, 2), (8, 4, 2), (9, 4, 2)],
        *[(1, 1, 1), (2, 1, 2), (7, 1, 7), (1, 2, 1), (3, 2, 1), (4, 2, 2), (5, 2, 2)],
    ],
)
def test_a_single_remaining_clip_joins_another_batch(clips, batch_size, expected):
    assert count_batches(clips, batch_size) == expected


def test_each_clip_is_normalised_by_its_statistics():
    clip = np.arange(48, dtype=np.float32).reshape(16, 3)
    dims = {"mfcc": 2, "rms": 1}
    statistics = [None, {"mfcc": (0.0, 1.0), "rms": (0.0, 1.0)}, {"mfcc": (10, 2), "rms": (0, 4)}]
    examples = Examples([[clip]] * 3, np.arange(3), dims, statistics)
    clips = NormalisedClips(examples, settings(), CPU)
    own = [(part - part.mean()) / part.std() for part in np.split(clip.astype(float), [2], axis=1)]
    expected = [np.hstack(own), clip, np.hstack([(clip[:, :2] - 10) / 2, clip[:, 2:] / 4])]
    (_, predicted), (trained,) = (
        next(in_order(clips)),
        epoch_batches(clips, (0,)),
    )
    for batch in (predicted, trained):
        for row, label in zip(batch.features, batch.labels.tolist(), strict=True):
            np.testing.assert_allclose(row, expected[label], rtol=1e-5, atol=1e-6)


def test_without_changes_and_mixup_an_epoch_holds_the_unchanged_clips():
    examples = random_examples(30)
    for batch in epoch_batches(NormalisedClips(examples, settings(), CPU), (2,)):
        rows = zip(batch.features, batch.lengths.tolist(), batch.labels.tolist(), strict=True)
        for row, length, label in rows:
            clip = normalise(examples.versions[label][0], DIMS, None)
            assert length == max(len(clip), MIN_FRAMES)
            np.testing.assert_array_equal(row[: len(clip)], clip)
            assert not row[len(clip) :].any()
        assert batch.weight == 1
        assert torch.equal(batch.mixed_labels, batch.labels)


def several_versions(clips=10, versions=3):
    """Clips of 16 frames whose last column says which clip and which version they are."""
    rng = np.random.default_rng(0)

    def version(clip, number):
        features = rng.normal(size=(16, 2))
        return np.hstack([features, np.full((16, 1), 10 * clip + number)]).astype(np.float32)

    made = [[version(clip, number) for number in range(versions)] for clip in range(clips)]
    return Examples(made, np.arange(clips), {"mfcc": 2, "rms": 1}, [None] * clips)


def versions_in(batches, examples):
    """Clip -> number of the version of it that the batches hold."""
    found = {}
    for batch in batches:
        for row, label in zip(batch.features, batch.labels.tolist(), strict=True):
            normalised = [normalise(v, examples.dims, None) for v in examples.versions[label]]
            (found[label],) = [i for i, v in enumerate(normalised) if np.array_equal(row, v)]
    return found


def test_an_epoch_takes_one_version_of_each_clip_and_in_time_every_one():
    examples, counts = several_versions(), np.zeros((10, 3), dtype=int)
    clips = NormalisedClips(examples, settings(), CPU)
    for epoch in range(60):
        batches = epoch_batches(clips, (epoch,))
        for clip, version in versions_in(batches, examples).items():
            counts[clip, version] += 1
    assert (counts.sum(axis=1) == 60).all()
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 0.01
    assert counts.min() > 5


def test_prediction_takes_the_first_version_of_each_clip():
    examples = several_versions()
    batches = [batch for _, batch in in_order(NormalisedClips(examples, settings(), CPU))]
    assert versions_in(batches, examples) == dict.fromkeys(range(10), 0)


def test_an_epoch_is_decided_by_its_key_alone():
    model = settings(**EVERYTHING, length="crop", frames=20)
    clips = random_clips(40, model)

    def epoch(seed):
        return list(epoch_batches(clips, (seed,)))

    for a, b in zip(epoch(5), epoch(5), strict=True):
        assert torch.equal(a.features, b.features)
        assert torch.equal(a.lengths, b.lengths)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.mixed_labels, b.mixed_labels)
        assert a.weight == b.weight
    orders = {str([batch.labels.tolist() for batch in epoch(seed)]) for seed in range(4)}
    assert len(orders) == 4


def test_an_epoch_leaves_torchs_and_numpys_global_generators_alone():
    torch.manual_seed(3)
    state, old = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    model = settings(**EVERYTHING)
    list(epoch_batches(random_clips(20, model), (0,)))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], old)  # noqa: NPY002


def test_clips_of_similar_length_share_a_batch():
    examples = random_examples(64, longest=400)
    lengths = np.array([max(len(f), MIN_FRAMES) for (f,) in examples.versions])
    model = settings(batch_size=8)
    batches = list(epoch_batches(NormalisedClips(examples, model, CPU), (0,)))
    frames = sum(batch.features.shape[0] * batch.features.shape[1] for batch in batches)
    # 64 clips are one pool: their batches are the slices of all the clips sorted by length.
    assert frames == 8 * np.sort(lengths)[7::8].sum()


def test_length_crop_takes_every_window_in_training():
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(300):
        result = window(line(40), 32, rng)
        starts.add(int(result[0, 0]))
        np.testing.assert_array_equal(result, line(40)[int(result[0, 0]) :][:32])
    assert starts == set(range(9))


def test_length_crop_takes_the_whole_clip_if_it_is_no_longer():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(window(line(32), 32, rng), line(32))
    np.testing.assert_array_equal(window(line(9), 32, rng), line(9))


@pytest.mark.parametrize("length", ["pad", "resize"])
def test_fixed_lengths_reach_the_batches(length):
    model = settings(length=length, frames=32)
    for batch in epoch_batches(random_clips(9, model), (0,)):
        assert batch.features.shape[1:] == (32, 12)
        assert batch.lengths.tolist() == [32] * len(batch.lengths)


def test_crop_limits_the_batches_of_training_only():
    model = settings(length="crop", frames=32)
    examples = random_examples(9, shortest=40)
    clips = NormalisedClips(examples, model, CPU)
    for batch in epoch_batches(clips, (0,)):
        assert batch.features.shape[1] == 32
    longest = max(batch.features.shape[1] for _, batch in in_order(clips))
    assert longest == max(len(f) for (f,) in examples.versions)


def test_mixup_adds_the_clips_of_a_batch_by_the_weight():
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(n, 4, generator=generator) for n in (16, 20, 31)]
    batch = collate(clips, torch.tensor([10, 11, 12]), MIN_FRAMES)
    mixed = mix(batch, 0.4, np.random.default_rng(3))
    assert 0 < mixed.weight < 1
    assert torch.equal(mixed.labels, batch.labels)
    assert sorted(mixed.mixed_labels.tolist()) == [10, 11, 12]
    for i, label in enumerate(mixed.mixed_labels.tolist()):
        other = label - 10
        expected = mixed.weight * batch.features[i] + (1 - mixed.weight) * batch.features[other]
        torch.testing.assert_close(mixed.features[i], expected)
        assert mixed.lengths[i] == max(len(clips[i]), len(clips[other]))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixup_weights_follow_the_beta_distribution(alpha):
    batch = collate([torch.zeros(16, 1)] * 2, torch.tensor([0, 1]), MIN_FRAMES)
    rng = np.random.default_rng(0)
    weights = [mix(batch, alpha, rng).weight for _ in range(1000)]
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_nothing_is_mixed_with_alpha_0_or_in_a_batch_of_one():
    pair = collate([torch.ones(16, 1)] * 2, torch.tensor([0, 1]), MIN_FRAMES)
    assert mix(pair, 0.0, np.random.default_rng(0)) is pair
    single = collate([torch.ones(16, 1)], torch.tensor([0]), MIN_FRAMES)
    assert mix(single, 0.4, np.random.default_rng(0)) is single


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_in_order_covers_every_position_once_and_says_which(batch_size):
    examples = random_examples(30)
    seen = []
    for positions, batch in in_order(NormalisedClips(examples, settings(), CPU), batch_size):
        # What is left over of all clips is the first batch.
        assert len(positions) == (min(batch_size, 30) if seen else (30 - 1) % batch_size + 1)
        assert batch.labels.tolist() == positions.tolist()  # the label is the position
        for row, position in zip(batch.features, positions, strict=True):
            clip = normalise(examples.versions[position][0], DIMS, None)
            np.testing.assert_array_equal(row[: len(clip)], clip)
        seen = [*positions.tolist(), *seen]
    assert sorted(seen) == list(range(30))
    lengths = [len(examples.versions[i][0]) for i in seen]
    assert lengths == sorted(lengths)


def test_in_order_changes_and_mixes_nothing():
    plain = [batch for _, batch in in_order(random_clips(6), 4)]
    clips = random_clips(6, settings(**EVERYTHING))
    for (_, batch), expected in zip(in_order(clips, 4), plain, strict=True):
        assert torch.equal(batch.features, expected.features)
        assert batch.weight == 1


def test_no_examples_give_no_batches():
    examples = Examples([], np.array([], dtype=np.int64), DIMS, [])
    nothing = NormalisedClips(examples, settings(), CPU)
    assert len(nothing) == 0
    assert list(in_order(nothing)) == []
    assert list(epoch_batches(nothing, (0,))) == []


def test_collate_pads_with_zeros_to_the_longest_and_to_the_nets_minimum():
    clips = [torch.ones(n, 2) for n in (1, 20, 17)]
    batch = collate(clips, torch.tensor([2, 0, 1]), MIN_FRAMES)
    assert batch.features.shape == (3, 20, 2)
    assert batch.features.sum(dim=(1, 2)).tolist() == [2, 40, 34]
    assert batch.lengths.tolist() == [MIN_FRAMES, 20, 17]
    assert batch.labels.tolist() == [2, 0, 1]
    assert batch.padded
    shortest = collate(clips[:1], torch.tensor([2]), MIN_FRAMES)
    assert shortest.features.shape == (1, MIN_FRAMES, 2)
    assert not shortest.padded


@pytest.mark.parametrize("grain", [1, 8, 20])
def test_several_clips_are_padded_to_a_multiple_of_the_grain_and_one_is_not(grain):
    clips = [torch.ones(n, 2) for n in (20, 17)]
    batch = collate(clips, torch.tensor([0, 1]), MIN_FRAMES, grain=grain)
    assert batch.features.shape == (2, {1: 20, 8: 24, 20: 20}[grain], 2)
    assert batch.features.sum(dim=(1, 2)).tolist() == [40, 34]
    assert batch.lengths.tolist() == [20, 17]
    (one,) = collate(clips[1:], torch.tensor([1]), MIN_FRAMES, grain=grain).features
    assert torch.equal(one, clips[1])
    alike = collate(clips[:1] * 2, torch.tensor([0, 0]), MIN_FRAMES, grain=grain)
    assert alike.padded == (grain == 8)
    assert alike.lengths.tolist() == [20, 20]


@pytest.mark.parametrize("length", ["own", "crop", "pad", "resize"])
def test_batches_lie_wholly_on_the_device_of_their_clips(length):
    model = settings(**EVERYTHING, length=length, frames=20)
    meta = torch.device("meta")
    clips = NormalisedClips(random_examples(9), model, meta)
    batches = [batch for _, batch in in_order(clips)]
    for batch in (*batches, *epoch_batches(clips, (0,))):
        for tensor in (batch.features, batch.lengths, batch.labels, batch.mixed_labels):
            assert tensor.device == meta


def test_voices_go_with_their_clips():
    examples = replace(random_examples(9), voices=np.arange(9) % 2 + 5)
    clips = NormalisedClips(examples, settings(), CPU)
    batches = [batch for _, batch in in_order(clips, 4)]
    for batch in (*batches, *epoch_batches(clips, (0,))):
        assert torch.equal(batch.voices, batch.labels % 2 + 5)
        assert torch.equal(batch.part([-1, 0]).voices, batch.voices[[-1, 0]])
    assert next(in_order(random_clips(3)))[1].voices is None


@pytest.mark.parametrize("rows", [[0], [2, 0], [1, 3], [0, 1, 2, 3]])
def test_a_part_of_a_batch_has_the_clips_labels_and_padding_of_its_rows(rows):
    clips = [line(n) for n in (20, 30, 16, 25)]
    whole = mix(collate(clips, torch.arange(4), MIN_FRAMES), 0.4, np.random.default_rng(0))
    part = whole.part(rows)
    assert part.features.shape == (len(rows), 30, 2)
    for place, row in enumerate(rows):
        assert torch.equal(part.features[place], whole.features[row])
    for name in ("lengths", "labels", "mixed_labels"):
        assert getattr(part, name).tolist() == [getattr(whole, name).tolist()[row] for row in rows]
    assert part.weight == whole.weight


def two_kinds_of_statistics(count=12):
    """Three versions of each clip; every other clip has statistics of its own."""
    rng = np.random.default_rng(0)
    versions = [
        [rng.normal(3, 2, (int(n), 12)).astype(np.float32) for n in rng.integers(5, 60, 3)]
        for _ in range(count)
    ]
    given = {"mfcc": (1.0, 2.0), "logmel": (3.0, 0.5), "rms": (0.0, 4.0)}
    return Examples(versions, np.arange(count), DIMS, [None, given] * (count // 2))


@pytest.mark.parametrize("room", [0, 4 << 30], ids=["not kept", "kept"])
def test_clips_equal_the_result_of_normalise_whether_they_are_kept_or_not(monkeypatch, room):
    monkeypatch.setattr("ser.training.batches._ROOM", room)
    examples = two_kinds_of_statistics()
    clips = NormalisedClips(examples, settings(), CPU)
    for _ in range(2):
        for i, versions in enumerate(examples.versions):
            for j, version in enumerate(versions):
                expected = normalise(version, DIMS, examples.statistics[i])
                np.testing.assert_array_equal(clips.features(i, j), expected)
                assert clips.frames(i, j) == len(version)
    assert (clips.features(3, 1) is clips.features(3, 1)) == (room > 0)
    found = clips.labels_of([np.array([5, 0]), np.array([5])])
    assert [labels.tolist() for labels in found] == [[5, 0], [5]]


@pytest.mark.parametrize("length", ["own", "crop", "pad", "resize"])
def test_kept_clips_give_the_same_batches_as_clips_normalised_anew(monkeypatch, length):
    model = settings(**EVERYTHING, length=length, frames=20)

    def three_epochs_and_a_prediction():
        clips = NormalisedClips(two_kinds_of_statistics(), model, CPU)
        found = [batch for n in range(3) for batch in epoch_batches(clips, (1, n))]
        return [*found, *(batch for _, batch in in_order(clips, 5))]

    kept = three_epochs_and_a_prediction()
    monkeypatch.setattr("ser.training.batches._ROOM", 0)
    for mine, expected in zip(kept, three_epochs_and_a_prediction(), strict=True):
        assert torch.equal(mine.features, expected.features)
        assert torch.equal(mine.lengths, expected.lengths)
        assert torch.equal(mine.labels, expected.labels)
        assert torch.equal(mine.mixed_labels, expected.mixed_labels)
        assert mine.weight == expected.weight


@pytest.mark.parametrize("more", [0, -1])
def test_clips_are_kept_if_all_their_versions_fit(monkeypatch, more):
    examples = two_kinds_of_statistics()
    values = sum(version.size for versions in examples.versions for version in versions)
    monkeypatch.setattr("ser.training.batches._ROOM", 4 * values + more)
    clips = NormalisedClips(examples, settings(), CPU)
    assert (clips.features(0) is clips.features(0)) == (more == 0)
