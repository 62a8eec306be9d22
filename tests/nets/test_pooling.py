"""Statistics over masked frames, against numpy."""

import numpy as np
import pytest
import torch

from ser.nets import pooling

pytestmark = pytest.mark.usefixtures("one_thread")
CHANNELS, FRAMES = 4, 50


@pytest.fixture
def x():
    return torch.randn(3, CHANNELS, FRAMES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    """Frames scattered about one clip, the whole of another, a run of the third."""
    scattered = torch.rand(FRAMES, generator=torch.Generator().manual_seed(1)) < 0.5
    run = (torch.arange(FRAMES) >= 11) & (torch.arange(FRAMES) < 40)
    return torch.stack([scattered, torch.ones(FRAMES, dtype=torch.bool), run])


def by_hand(function, x, mask):
    """Apply a function of [channels, frames] to each clip's own frames."""
    rows = [function(clip[:, own.numpy()]) for clip, own in zip(x.numpy(), mask, strict=True)]
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def test_mean_deviation_and_percentiles_are_numpys(x, mask):
    found = pooling.statistics(x, mask)
    assert found.shape == (3, 9 * CHANNELS)
    expected = by_hand(lambda own: np.r_[own.mean(axis=1), own.std(axis=1)], x, mask)
    torch.testing.assert_close(found[:, : 2 * CHANNELS], expected, atol=1e-5, rtol=1e-5)
    expected = by_hand(
        lambda own: np.percentile(own, [5, 25, 50, 75, 95], axis=1).T.flatten(), x, mask
    )
    torch.testing.assert_close(found[:, 2 * CHANNELS : 7 * CHANNELS], expected)


def test_movement_is_of_steps_over_two_frames_between_frames_that_count(x, mask):
    for clip, own, found in zip(x.numpy(), mask, pooling.statistics(x, mask), strict=True):
        steps = [clip[:, i + 2] - clip[:, i] for i in range(FRAMES - 2) if own[i : i + 3].all()]
        expected = np.r_[np.abs(steps).mean(axis=0), np.std(steps, axis=0)]
        torch.testing.assert_close(
            found[-2 * CHANNELS :], torch.from_numpy(expected), atol=1e-5, rtol=1e-5
        )


def test_correlations_are_numpys(x, mask):
    pairs = np.triu_indices(CHANNELS, 1)
    expected = by_hand(lambda own: np.corrcoef(own)[pairs], x, mask)
    torch.testing.assert_close(pooling.correlations(x, mask), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("level", [12.04, 80.7])  # whose means over many frames are rounded
@pytest.mark.parametrize("frames", [10, 4000, 40000])
def test_a_constant_channel_correlates_with_no_other(level, frames):
    x = torch.full((1, 3, frames), level)
    x[:, 2] = torch.randn(frames, generator=torch.Generator().manual_seed(0))
    found = pooling.correlations(x, torch.ones(1, frames, dtype=torch.bool))
    torch.testing.assert_close(found, torch.zeros(1, 3), atol=1e-3, rtol=0)


def test_thirds_are_of_the_frames_from_the_first_that_counts_to_the_last(x, mask):
    mask[0, 20:] = False
    mask[0, :2], mask[0, 19] = False, True
    mask[0, 2] = True
    for clip, own, found in zip(x.numpy(), mask.numpy(), pooling.thirds(x, mask), strict=True):
        places = np.flatnonzero(own)
        third = (places - places[0]) * 3 // (places[-1] - places[0] + 1)
        expected = [clip[:, places[third == n]].mean(axis=1) for n in range(3)]
        torch.testing.assert_close(found, torch.from_numpy(np.concatenate(expected)))


def test_a_third_without_frames_is_like_the_whole():
    x = torch.arange(9.0)[None, None]
    mask = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 0, 1]], dtype=torch.bool)
    assert pooling.thirds(x, mask).tolist() == [[0.5, 3.0, 8.0]]


def all_of(x, mask):
    functions = (pooling.mean, pooling.statistics, pooling.correlations, pooling.thirds)
    return torch.cat([function(x, mask) for function in functions], dim=1)


@pytest.mark.parametrize("wild", [0.0, 1e3, -80.0])
def test_frames_outside_the_mask_have_no_effect(x, mask, wild):
    torch.testing.assert_close(
        all_of(x.masked_fill(~mask[:, None], wild), mask), all_of(x, mask), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("counted", [0, 1])
def test_few_frames_or_none_give_finite_numbers_and_gradients(frames, counted):
    x = torch.randn(2, CHANNELS, frames, requires_grad=True)
    mask = torch.zeros(2, frames, dtype=torch.bool)
    mask[:, :counted] = True
    found = all_of(x, mask)
    found.square().sum().backward()
    assert found.isfinite().all()
    assert x.grad.isfinite().all()


def test_percentiles_are_the_same_with_and_without_gradients(x, mask):
    with_gradient = x.clone().requires_grad_(True)
    found = pooling.percentiles(with_gradient, mask)
    assert torch.equal(found, pooling.percentiles(x, mask))
    plain = x.clone().requires_grad_(True)
    ordered = plain[2, 1, 11:40].sort().values
    weights = torch.randn(5)
    (ordered.quantile(torch.tensor(pooling.PERCENTILES)) * weights).sum().backward()
    (found[2, 5:10] * weights).sum().backward()
    torch.testing.assert_close(with_gradient.grad, plain.grad)


def test_several_masks_are_pooled_as_each_alone(x, mask):
    other = mask.flip(0) & (torch.arange(FRAMES) < 33)
    together = pooling.statistics(x + 50, mask, other)
    alone = torch.cat([pooling.statistics(x + 50, each) for each in (mask, other)], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-4)


def test_relative_values_do_not_depend_on_the_level_of_a_channel(x, mask):
    moved = x + torch.tensor([7.0, -3.0, 20.0, 0.5])[:CHANNELS, None]
    for function in (pooling.statistics, pooling.thirds):
        plain, relative = function(x, mask), function(x, mask, relative=True)
        assert not torch.allclose(plain, relative, atol=1e-2)
        means = CHANNELS if function is pooling.statistics else 0  # which stay what they are
        torch.testing.assert_close(
            function(moved, mask, relative=True)[:, means:], relative[:, means:], atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("index_shape", [(3, CHANNELS, 5), (7,)])
def test_take_is_gather_and_so_is_its_gradient(x, index_shape):
    index = torch.randint(FRAMES, index_shape, generator=torch.Generator().manual_seed(2))
    expanded = index.expand(3, CHANNELS, index_shape[-1])
    slope = torch.randn(expanded.shape, generator=torch.Generator().manual_seed(3))
    gradients = []
    for take in (pooling.take, lambda x, _: x.gather(2, expanded)):
        leaf = x.clone().requires_grad_()
        found = take(leaf, index)
        assert torch.equal(found, x.gather(2, expanded))
        (found * slope).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
