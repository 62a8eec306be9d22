import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from torch.nn.functional import interpolate

from ser.core.sections import Model
from ser.nets.lengths import fit_length, min_frames, shorten


def clip(n, dims=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dims)).astype(np.float32)


def fitted(features, length, frames):
    """Without pydantic's limits: no model has fewer than 16 frames."""
    settings = Model.model_validate(PLAIN_MODEL | {"length": length})
    return fit_length(features, settings.model_copy(update={"frames": frames}))


@pytest.mark.parametrize("frames", [1, 2, 16, 31, 64])
@pytest.mark.parametrize("n", [64, 65, 100, 333, 4000])
def test_resizing_down_is_torchs_linear_interpolation(n, frames):
    features = clip(n)
    # In double: in float32, torch's own places are off by a hair.
    rows = torch.from_numpy(features.T.copy())[np.newaxis].double()
    expected = interpolate(rows, frames, mode="linear", align_corners=False)[0].T.numpy()
    if n == frames:
        expected = features
    np.testing.assert_allclose(fitted(features, "resize", frames), expected, atol=2e-6)


@pytest.mark.parametrize("n", [33, 47, 64, 75, 1000])
def test_resizing_down_is_numpys_interpolation_at_the_middles_of_equal_parts(n):
    features = clip(n)
    places = (np.arange(32) + 0.5) * n / 32 - 0.5
    expected = np.transpose([np.interp(places, np.arange(n), column) for column in features.T])
    result = fitted(features, "resize", 32)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert result.dtype == np.float32


@pytest.mark.parametrize("length", ["pad", "resize"])
@pytest.mark.parametrize("n", [1, 20, 31, 32])
def test_a_shorter_clip_gets_zeros_behind(length, n):
    features = clip(n)
    result = fitted(features, length, 32)
    assert result.shape == (32, 3)
    np.testing.assert_array_equal(result[:n], features)
    assert not result[n:].any()


def test_padding_cuts_off_clips_that_are_too_long():
    features = clip(33)
    np.testing.assert_array_equal(fitted(features, "pad", 32), features[:32])


@pytest.mark.parametrize("length", ["own", "crop"])
def test_a_clip_keeps_its_own_length_and_gets_zeros_behind_if_it_is_too_short(length):
    features = clip(40)
    np.testing.assert_array_equal(fitted(features, length, 32), features)
    longer = fitted(features[:9], length, 32)  # the plain net takes 16 frames and more
    np.testing.assert_array_equal(longer[:9], features[:9])
    assert longer.shape == (16, 3)
    assert not longer[9:].any()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "cnn", "length": "own"}, 16),
        ({"name": "cnn", "length": "crop", "frames": 64}, 16),
        ({"name": "cnn", "length": "pad", "frames": 64}, 64),
        ({"name": "mlp", "length": "own"}, 1),
        ({"name": "mlp", "length": "resize", "frames": 64}, 64),
    ],
)
def test_nets_accept_their_minimum_of_frames_and_more(changes, expected):
    assert min_frames(Model.model_validate(PLAIN_MODEL | changes)) == expected


@pytest.mark.parametrize("length", ["own", "crop", "pad", "resize"])
@pytest.mark.parametrize("n", [1, 15, 16, 33, 100])
def test_shorten_equals_fit_length_without_the_padding(length, n):
    model = Model.model_validate(PLAIN_MODEL | {"length": length, "frames": 32})
    features = clip(n)
    shortened, whole = shorten(features, model), fit_length(features, model)
    np.testing.assert_array_equal(whole[: len(shortened)], shortened)
    assert not whole[len(shortened) :].any()
