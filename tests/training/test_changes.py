"""Changes of spectrograms in an epoch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL

from ser.core.sections import Model
from ser.training.batches import Examples, NormalisedClips, epoch_batches
from ser.training.changes import change, crop, mask, shift_bands

DIMS = {"mfcc": 3, "logmel": 8, "rms": 1}
MEL = slice(3, 11)


class Drawn:
    """A generator that draws one number."""

    def __init__(self, value):
        self.value = value

    def uniform(self, low, high):
        assert low <= self.value <= high
        return self.value


def hidden(features, widest, longest, rng):
    """Which columns and which frames a mask hid, of features in which no value is a mean."""
    result = mask(torch.from_numpy(features), DIMS, widest, longest, rng).numpy()
    changed = result != features
    frames, columns = np.flatnonzero(changed.all(axis=1)), np.flatnonzero(changed.all(axis=0))
    covered = np.zeros_like(changed)
    covered[frames], covered[:, columns] = True, True
    np.testing.assert_array_equal(changed, covered)
    return columns, frames


def powers(frames):
    """Features without two alike: no mean of some is one of them."""
    return np.exp(np.random.default_rng(1).normal(size=(frames, 12))).astype(np.float32)


def is_run(places):
    return all(b - a == 1 for a, b in pairwise(places))


def test_masks_hide_one_run_of_mel_bands_and_one_of_frames_at_most_so_long():
    rng = np.random.default_rng(0)
    features = powers(50)
    widths, lengths, bands, frames = set(), set(), set(), set()
    for _ in range(600):
        columns, places = hidden(features, 3, 10, rng)
        assert is_run(columns)
        assert is_run(places)
        widths.add(len(columns))
        lengths.add(len(places))
        bands.update(columns.tolist())
        frames.update(places.tolist())
    assert widths == set(range(4))
    assert lengths == set(range(11))
    assert bands == set(range(3, 11))  # log-mel stands behind 3 columns of mfcc
    assert frames == set(range(50))


def test_a_time_mask_never_hides_more_than_half_the_clip():
    rng = np.random.default_rng(0)
    lengths = {len(hidden(powers(7), 0, 100, rng)[1]) for _ in range(200)}
    assert lengths == {0, 1, 2, 3}


def test_a_frequency_mask_wider_than_the_mel_bands_hides_at_most_all_of_them():
    rng = np.random.default_rng(0)
    widths = {len(hidden(powers(7), 100, 0, rng)[0]) for _ in range(300)}
    assert widths == set(range(9))


def test_masks_of_0_change_nothing_and_need_no_mel_bands():
    features = torch.ones(20, 3)
    result = mask(features, {"mfcc": 3}, 0, 0, np.random.default_rng(0))
    assert torch.equal(result, features)


def test_mask_leaves_its_input_alone():
    features = torch.from_numpy(powers(20))
    for seed in range(5):
        mask(features, DIMS, 4, 9, np.random.default_rng(seed))
    np.testing.assert_array_equal(features, powers(20))


def test_masked_values_become_the_mean_of_the_clip():
    features = torch.from_numpy(powers(50))
    for seed in range(20):
        bands = mask(features, DIMS, 3, 0, np.random.default_rng(seed))
        hidden = bands != features
        assert not hidden[:, :3].any()
        torch.testing.assert_close(bands[hidden], features[:, MEL].mean().expand(int(hidden.sum())))
        frames = mask(features, DIMS, 0, 10, np.random.default_rng(seed))
        rows = (frames != features).any(dim=1)
        torch.testing.assert_close(frames[rows], features.mean(dim=0).expand(int(rows.sum()), -1))


@pytest.mark.parametrize("frames", [20, 100, 333])
def test_a_crop_is_a_run_of_frames_of_any_length_and_place_between_the_shares(frames):
    rng = np.random.default_rng(0)
    clip = torch.arange(frames).float()[:, None]
    lengths, starts = [], []
    for _ in range(400):
        part = crop(clip, 0.6, 0.9, rng)
        starts.append(int(part[0, 0]))
        lengths.append(len(part))
        assert torch.equal(part, clip[starts[-1] :][: lengths[-1]])
    least, most = max(16, round(0.6 * frames)), round(0.9 * frames)
    assert least <= min(lengths) < least + 0.02 * frames
    assert most - 0.02 * frames < max(lengths) <= most
    middles = (np.array(starts) + np.array(lengths) / 2) / frames
    assert abs(middles.mean() - 0.5) < 0.02
    assert min(starts) == 0
    assert max(np.add(starts, lengths)) == frames
    if least > 16:  # uniform in between
        assert abs(np.mean(lengths) / frames - 0.75) < 0.02


@pytest.mark.parametrize("frames", [1, 15, 16])
def test_a_short_clip_is_not_cropped(frames):
    clip = torch.rand(frames, 2)
    assert torch.equal(crop(clip, 0.1, 0.2, np.random.default_rng(0)), clip)


@pytest.mark.parametrize("step", [-3, -1, 0, 2])
def test_a_shift_by_whole_bands_rolls_them_and_repeats_the_outermost(step):
    features = powers(9)
    shifted = shift_bands(torch.from_numpy(features), MEL, 3.0, Drawn(step)).numpy()
    expected = features.copy()
    expected[:, MEL] = np.roll(features[:, MEL], -step, axis=1)
    if step > 0:
        expected[:, 11 - step : 11] = features[:, 10:11]
    elif step < 0:
        expected[:, 3 : 3 - step] = features[:, 3:4]
    np.testing.assert_array_equal(shifted, expected)


def test_a_shift_between_bands_interpolates_as_numpy_does():
    features = powers(9)
    shifted = shift_bands(torch.from_numpy(features), MEL, 2.0, Drawn(-1.3)).numpy()
    expected = [np.interp(np.arange(8) - 1.3, np.arange(8), row) for row in features[:, MEL]]
    np.testing.assert_allclose(shifted[:, MEL], expected, rtol=1e-5)
    np.testing.assert_array_equal(shifted[:, :3], features[:, :3])


def test_clips_are_cropped_as_often_as_wanted_and_nothing_is_changed_unasked():
    clip = torch.from_numpy(powers(100))
    rng = np.random.default_rng(0)
    model = Model.model_validate(PLAIN_MODEL)
    assert torch.equal(change(clip, DIMS, model, rng), clip)
    model = model.model_copy(update={"crop": model.crop.model_copy(update={"probability": 0.25})})
    cropped = [len(change(clip, DIMS, model, rng)) < 100 for _ in range(1000)]
    assert np.mean(cropped) == pytest.approx(0.25, abs=0.05)


CHANGES = {
    "crop": {"probability": 0.7, "share": [0.6, 0.9]},
    "frequency_shift": 2.0,
    "frequency_mask": 3,
    "time_mask": 8,
}


CONTENT = np.exp(np.random.default_rng(0).normal(size=(1000, 12))).astype(np.float32)


def changed(lengths, key, batch_size):
    """Return, for each position, the result of an epoch for a clip with the same content."""
    versions = [[CONTENT[i : i + n]] for i, n in enumerate(lengths)]
    as_it_is = dict.fromkeys(DIMS, (0.0, 1.0))
    examples = Examples(versions, np.arange(len(lengths)), DIMS, [as_it_is] * len(lengths))
    model = Model.model_validate(PLAIN_MODEL | CHANGES | {"batch_size": batch_size})
    found = {}
    clips = NormalisedClips(examples, model, torch.device("cpu"))
    for batch in epoch_batches(clips, key):
        rows = zip(batch.labels.tolist(), batch.features, batch.lengths.tolist(), strict=True)
        found |= {label: row[:length] for label, row, length in rows}
    return found


def test_the_changes_of_a_clip_depend_only_on_seed_fold_epoch_and_its_position():
    lengths = [40, 90, 60, 33, 120, 57, 80]
    first = changed(lengths, (0, 1, 2), 2)
    # Neither the batches, nor the lengths of the others, nor how many they are.
    others = [n if i in (0, 3, 6) else n + 50 for i, n in enumerate(lengths)]
    for again in (changed(lengths, (0, 1, 2), 4), changed([*others, 99, 30], (0, 1, 2), 1)):
        for i in (0, 3, 6):
            assert torch.equal(first[i], again[i])
    for key in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        other = changed(lengths, key, 2)
        assert sum(torch.equal(first[i], other[i]) for i in first) <= 1


def test_clips_and_shuffling_draw_different_numbers():
    key, model = (0, 1, 2), Model.model_validate(PLAIN_MODEL | CHANGES)
    drawn = change(torch.from_numpy(CONTENT[:400]), DIMS, model, np.random.default_rng(key))
    assert not torch.equal(changed([400], key, 1)[0], drawn)
