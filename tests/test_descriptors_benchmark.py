"""The descriptors that were tried are what their names say."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import descriptors
from benchmarks.descriptors import Clips, Spectra

HERTZ = np.linspace(0, 8000, 513)


def spectra(seed=0, power=None, voicing=(0.5, 0.5)):
    if power is None:
        power = np.random.default_rng(seed).integers(1, 9, (2, 513))
    return Spectra(np.asarray(power, np.float32), HERTZ, np.array(voicing, np.float32))


@pytest.mark.parametrize(
    ("order", "moment"), [(3, stats.skew), (4, lambda x: stats.kurtosis(x, fisher=False))]
)
def test_moments_are_those_of_as_many_frequencies_as_there_is_power(order, moment):
    given = spectra()
    for found, power in zip(descriptors.moment(given, order), given.power, strict=True):
        assert found == pytest.approx(moment(np.repeat(HERTZ, power.astype(int))), rel=1e-5)


def test_entropy_is_that_of_the_shares_in_bits():
    given = spectra()
    expected = stats.entropy(given.power, axis=1, base=2)
    np.testing.assert_allclose(descriptors.entropy(given), expected, rtol=1e-6)
    flat = spectra(power=np.ones((1, 513)))
    assert descriptors.entropy(flat)[0] == pytest.approx(np.log2(513))


def test_the_slope_is_that_of_a_line_through_the_levels_of_the_band():
    given = spectra()
    inside = (HERTZ >= 500) & (HERTZ <= 1500)
    levels = 10 * np.log10(given.power[:, inside])
    expected = np.polyfit(HERTZ[inside] / 1000, levels.T, 1)[0]
    np.testing.assert_allclose(descriptors.slope(given, 500, 1500), expected, rtol=1e-5)


def test_harmonicity_is_0_db_where_half_of_the_power_repeats():
    found = descriptors.harmonicity(spectra(voicing=(0.5, 10 / 11)))
    np.testing.assert_allclose(found, [0, 10], atol=1e-4)


def test_bark_has_its_published_values():
    published = {100: 1, 510: 5, 1080: 9, 2000: 13, 4400: 18}  # edges of critical bands, Zwicker
    for hertz, edge in published.items():
        assert descriptors.bark(np.array(hertz)) == pytest.approx(edge, abs=0.25)


def test_ten_times_the_power_is_louder_by_the_exponent_and_as_sharp():
    quiet = spectra()
    loud = spectra(power=10 * quiet.power)
    ratio = descriptors.loudness(loud) / descriptors.loudness(quiet)
    np.testing.assert_allclose(ratio, 10**0.23, rtol=1e-5)
    np.testing.assert_allclose(descriptors.sharpness(loud), descriptors.sharpness(quiet), rtol=1e-5)


def test_the_loudness_of_two_barks_is_the_sum_of_theirs():
    power = np.zeros((3, 513))
    low, high = (np.abs(HERTZ - hertz).argmin() for hertz in (1000, 3000))
    power[0, low] = power[2, low] = 4
    power[1, high] = power[2, high] = 9
    first, second, both = descriptors.loudness(spectra(power=power))
    assert first == pytest.approx(4**0.23)
    assert both == pytest.approx(first + second)


def test_a_tone_is_as_sharp_as_its_bark_and_sharper_above_15():
    low, high = (np.abs(HERTZ - hertz).argmin() for hertz in (1000, 6000))
    power = np.zeros((2, 513))
    power[0, low] = power[1, high] = 1
    found = descriptors.sharpness(spectra(power=power))
    places = np.floor(descriptors.bark(HERTZ[[low, high]])) + 0.5
    expected = 0.11 * places * [1, np.exp(0.171 * (places[1] - 15))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_informative_descriptor_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    emotions, speakers = np.tile(["angry", "sad"], 60), np.repeat(["a", "b", "c"], 40)
    noise, more = rng.normal(size=(2, 120, 3))
    telling = (emotions == "sad")[:, np.newaxis] + rng.normal(0, 0.1, (120, 1))
    clips = Clips({"functionals": noise, "more": more, "telling": telling}, emotions, speakers)
    for figure in ("known", "unheard"):
        assert descriptors.measure(("telling",), clips)[figure] > 0.95
        assert descriptors.measure(("more",), clips)[figure] < 0.65


def test_each_voice_has_its_own_mean_and_deviation():
    rng = np.random.default_rng(0)
    speakers = np.repeat(["a", "b"], [30, 50])
    found = descriptors.by_own_voice(rng.normal(5, 3, (80, 2)), speakers)
    for speaker in "ab":
        np.testing.assert_allclose(found[speakers == speaker].mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(found[speakers == speaker].std(axis=0, ddof=1), 1, atol=1e-5)
