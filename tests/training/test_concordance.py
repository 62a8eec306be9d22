import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from ser.training.concordance import concordance, mean_concordance, rated_concordance

RATED = np.array([0.1, 0.4, 0.35, 0.8, 0.95, 0.6])


def of(values, ratings, weights=None):
    """Return the concordance of one dimension."""
    weights = np.ones(len(values)) if weights is None else np.asarray(weights)
    columns = (torch.as_tensor(a, dtype=torch.float64)[:, None] for a in (values, ratings, weights))
    return float(concordance(*columns))


@pytest.mark.parametrize("gain", [1.0, 0.5, -1.0, 2.0])
@pytest.mark.parametrize("offset", [0.0, 0.2, -1.0])
def test_a_scaled_and_shifted_rating_has_the_concordance_of_the_closed_form(gain, offset):
    variance = RATED.var()
    apart = (gain * RATED + offset - RATED).mean()
    expected = 2 * gain * variance / (variance + gain**2 * variance + apart**2)
    assert of(gain * RATED + offset, RATED) == pytest.approx(expected)


def test_it_is_the_correlation_times_what_bias_costs_on_random_data():
    rng = np.random.default_rng(0)
    for _ in range(20):
        rated, values = rng.random(30), rng.random(30) ** 2
        # Lin's accuracy: of two deviations and the distance of two means.
        r = np.corrcoef(rated, values)[0, 1]
        ratio = values.std() / rated.std()
        shift = (values.mean() - rated.mean()) / np.sqrt(values.std() * rated.std())
        expected = r * 2 / (ratio + 1 / ratio + shift**2)
        assert of(values, rated) == pytest.approx(expected)


def test_one_minus_it_is_the_mean_squared_error_over_the_largest_possible():
    rng = np.random.default_rng(1)
    rated, noise = rng.random((40, 1)), rng.normal(0, 0.1, 40)
    values = LinearRegression().fit(rated, rated[:, 0] + noise).predict(rated)
    error = np.mean((values - rated[:, 0]) ** 2)
    worst = values.var() + rated.var() + (values.mean() - rated.mean()) ** 2
    assert 1 - of(values, rated[:, 0]) == pytest.approx(error / worst)


def test_a_clip_of_weight_2_counts_as_two_and_of_weight_0_not_at_all():
    values = RATED[::-1] ** 2
    weights = [2, 1, 0, 1, 1, 2]
    assert of(values, RATED, weights) == pytest.approx(
        of(np.repeat(values, weights), np.repeat(RATED, weights))
    )


@pytest.mark.parametrize("rated", [[0.2, 0.2, 0.2], [0.1, 0.5, 0.9], [0.5, 0.5, 0.5]])
def test_constant_values_have_none_and_a_finite_gradient(rated):
    values = torch.full((3, 1), 0.5, requires_grad=True)
    ratings = torch.tensor(rated)[:, None]
    found, known = rated_concordance(values, ratings)
    assert found.item() == 0
    assert known.item()
    (1 - found).sum().backward()
    assert values.grad.isfinite().all()
    if rated[0] != rated[2]:
        assert values.grad.abs().max() > 0  # the net can begin to learn


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 0.7])
@pytest.mark.parametrize("clips", [3, 7, 100])
def test_equal_numbers_have_none_however_their_mean_is_rounded(value, clips):
    equal = np.full(clips, value)
    assert of(equal, equal) == pytest.approx(0, abs=1e-9)
    assert of(equal, np.linspace(0, 1, clips)) == pytest.approx(0, abs=1e-9)


def test_a_rated_clip_of_weight_0_is_not_one_of_two():
    values, ratings = torch.tensor([[0.2], [0.6], [0.9]]), torch.tensor([[0.1], [0.5], [0.8]])
    for weights, enough in (([1.0, 0.0, 0.0], False), ([1.0, 0.0, 2.0], True)):
        _, known = rated_concordance(values, ratings, torch.tensor(weights))
        assert known.tolist() == [enough]


def test_clips_without_a_rating_do_not_count():
    values = torch.rand(5, 2, generator=torch.manual_seed(0))
    ratings = torch.rand(5, 2, generator=torch.manual_seed(1))
    ratings[0, 0] = ratings[3, 0] = torch.nan
    ratings[1:, 1] = torch.nan
    weights = torch.tensor([1.0, 2.0, 1.0, 4.0, 0.5])
    found, known = rated_concordance(values, ratings, weights)
    assert known.tolist() == [True, False]  # of one clip, it means nothing
    kept = [1, 2, 4]
    expected = of(values[kept, 0], ratings[kept, 0], weights[kept])
    assert found[0].item() == pytest.approx(expected, abs=1e-6)
    assert mean_concordance(values.numpy(), ratings.numpy()) == pytest.approx(
        of(values[kept, 0], ratings[kept, 0]), abs=1e-6
    )
    assert mean_concordance(values.numpy(), np.full((5, 2), np.nan, np.float32)) is None


def test_descending_it_reaches_the_ratings():
    ratings = torch.from_numpy(RATED)[:, None]
    free = torch.zeros(6, 1, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        free += torch.linspace(-0.1, 0.1, 6)[:, None]
    optimizer = torch.optim.Adam([free], 0.05)
    for _ in range(400):
        optimizer.zero_grad()
        (1 - rated_concordance(free.sigmoid(), ratings)[0]).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(free.sigmoid().detach().numpy()[:, 0], RATED, atol=0.01)
