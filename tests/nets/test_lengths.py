import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from ser.nets.lengths import fit_length, places
from ser.training import batches


def clip(n, dims=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dims)).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, 16, 31, 64])
@pytest.mark.parametrize("n", [64, 65, 100, 333, 4000])
def test_resizing_down_is_torchs_linear_interpolation(n, frames):
    features = clip(n)
    # In double: in float32, torch's own places are off by a hair.
    rows = torch.from_numpy(features.T.copy())[np.newaxis].double()
    expected = interpolate(rows, frames, mode="linear", align_corners=False)[0].T.numpy()
    if n == frames:
        expected = features
    np.testing.assert_allclose(fit_length(features, "resize", frames, 1), expected, atol=2e-6)


def test_the_weights_of_the_places_lie_between_0_and_1_and_the_places_in_the_clip():
    for n in range(1, 40):
        for frames in range(1, 40):
            before, after, weight = places(n, frames)
            assert len(before) == len(after) == len(weight) == frames
            assert before.min() >= 0
            assert after.max() < n
            assert ((after == before + 1) | (after == n - 1)).all()
            assert ((weight >= 0) & (weight <= 1)).all()


@pytest.mark.parametrize("length", ["own", "crop", "pad", "resize"])
@pytest.mark.parametrize("n", [1, 5, 15, 16, 17, 31, 32, 33, 100])
def test_a_clip_is_predicted_at_the_length_at_which_training_measures_it(length, n):
    features = torch.from_numpy(clip(n))
    # Without a generator: as clips are validated and tested.
    whole = batches.fit_length(features, length, 32, None)
    batch = batches.collate([whole], torch.tensor([0]), 16)
    result = fit_length(features.numpy(), length, 32, 16)
    assert result.shape == tuple(batch.features.shape[1:])
    np.testing.assert_allclose(result, batch.features[0].numpy(), atol=2e-6)


@pytest.mark.parametrize("length", ["own", "crop"])
def test_a_clip_keeps_its_own_length_and_gets_zeros_behind_if_it_is_too_short(length):
    features = clip(20)
    np.testing.assert_array_equal(fit_length(features, length, 8, 16), features)
    longer = fit_length(features, length, 8, 25)
    np.testing.assert_array_equal(longer[:20], features)
    assert longer.shape == (25, 3)
    assert not longer[20:].any()


def test_padding_cuts_off_what_is_too_long():
    features = clip(20)
    np.testing.assert_array_equal(fit_length(features, "pad", 12, 1), features[:12])
    padded = fit_length(features, "pad", 30, 1)
    assert padded.shape == (30, 3)
    assert not padded[20:].any()
