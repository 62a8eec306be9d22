from itertools import pairwise

import librosa
import numpy as np
import pytest
import scipy.ndimage

from ser.core.columns import column_slices
from ser.core.filters import filter_banks
from ser.core.framing import frame_count
from ser.core.functional_names import descriptor_names
from ser.core.sections import Features
from ser.features.analysis import Analysis
from ser.features.descriptors import (
    compute_descriptors,
    harmonic_differences,
    spectral_shape,
    track_pitch,
)
from ser.features.extract import extract

RATE = 16000
SETTINGS = {
    "n_fft 1024": {"n_fft": 1024, "win_length": 512, "hop_length": 256},
    "n_fft 512": {"n_fft": 512, "win_length": 400, "hop_length": 160},
    "odd window and hop": {"n_fft": 512, "win_length": 401, "hop_length": 147},
    "n_fft 2048": {"n_fft": 2048, "win_length": 2048, "hop_length": 512},
}
OCTAVE_COST = 0.1  # of the longest lag
LOWEST, HIGHEST = 60, 500  # Hz
FLOOR = 1e-10  # of power

# Sample rates, and frames that hold three periods of the lowest pitch.
rates_and_frames = pytest.mark.parametrize(
    ("rate", "n_fft"), [(8000, 512), (16000, 1024), (22050, 2048), (44100, 4096), (48000, 4096)]
)
any_pitch = pytest.mark.parametrize(
    "frequency", [65, 70, 88.8, 100, 123.4, 150, 233, 333, 440, 490]
)


def features(setting="n_fft 1024", **changes):
    values = {"n_mels": 40, "n_mfcc": 20, "fmin": 50.0, "fmax": 7600.0, "top_db": 80.0}
    return Features(**{"kinds": ["functionals"]} | values | SETTINGS[setting] | changes)


def described(waveform, rate, f):
    return compute_descriptors(Analysis(waveform, rate, f, filter_banks(rate, f)))


def frames_of(sound, rate, n_fft, count=7):
    """Return frames of an endless sound, slightly more than a second apart."""
    times = (np.arange(n_fft) + 20001 * np.arange(count)[:, np.newaxis]) / rate
    return (0.3 * sound(times)).astype(np.float32)


def tone(frequency):
    return lambda times: np.cos(2 * np.pi * frequency * times)


def voice(frequency, harmonics=12):
    """Harmonics that fall by 6 dB per octave, as those of a voice do at the lips."""
    return lambda times: sum(tone(k * frequency)(times) / k for k in range(1, harmonics + 1)) / 2


def pulses(period, rate):
    """Return a function of time with one pulse per period, given in samples."""
    return lambda times: 3.0 * (np.round(times * rate).astype(int) % period == 0)


def lag_bounds(rate, n_fft):
    shortest = int(rate / HIGHEST)
    return shortest, min(int(rate / LOWEST), n_fft)


def cost_at(lag, rate, n_fft):
    """Return the share of the peak that the octave cost leaves at a lag."""
    shortest, end = lag_bounds(rate, n_fft)
    return 1 - OCTAVE_COST * (lag - shortest) / (end - 1 - shortest)


@any_pitch
@rates_and_frames
def test_the_pitch_of_a_tone_is_its_frequency_to_a_lag(rate, n_fft, frequency):
    pitch, _ = track_pitch(frames_of(tone(frequency), rate, n_fft), rate)
    period = rate / frequency
    shortest, end = lag_bounds(rate, n_fft)
    # The peak of a cosine is so flat that the cost of long lags moves it: to where the slopes of
    # cos(2 pi lag / period) and of the cost are equal.
    moved = OCTAVE_COST / (end - 1 - shortest) / 0.9 * (period / (2 * np.pi)) ** 2
    assert np.abs(rate / pitch - period).max() <= 0.5 + moved + 1e-3


@any_pitch
# At 8 kHz lags are too far apart for the higher harmonics of a high voice.
@pytest.mark.parametrize(("rate", "n_fft"), [(16000, 1024), (22050, 2048), (48000, 4096)])
def test_the_pitch_of_a_voice_is_that_of_its_first_harmonic_to_a_lag(rate, n_fft, frequency):
    harmonics = min(12, int(0.45 * rate / frequency))
    pitch, _ = track_pitch(frames_of(voice(frequency, harmonics), rate, n_fft), rate)
    assert np.abs(rate / pitch - rate / frequency).max() < 1


@pytest.mark.parametrize("period", [17, 20, 33, 80, 123])
@rates_and_frames
def test_the_pitch_of_a_pulse_train_is_exact(rate, n_fft, period):
    period = period * rate // 8000
    frames = frames_of(pulses(period, rate), rate, n_fft)
    pitch, voicing = track_pitch(frames, rate)
    assert pitch == pytest.approx(np.full(7, rate / period), rel=1e-6)
    # A period later the sound is the same: nothing but the cost of the lag is lost.
    assert voicing == pytest.approx(np.full(7, cost_at(period, rate, n_fft)), abs=0.05)


@pytest.mark.parametrize("harmonics", [(2, 3, 4), (3, 4, 5), (1, 3, 5), (4, 5, 6, 7)])
def test_pitch_is_that_of_the_period_even_if_the_first_harmonic_is_missing(harmonics):
    def sound(times):
        return sum(tone(160 * k)(times) for k in harmonics) / len(harmonics)

    pitch, _ = track_pitch(frames_of(sound, RATE, 1024), RATE)
    assert pitch == pytest.approx(np.full(7, 160), rel=1e-6)


@any_pitch
@rates_and_frames
def test_a_periodic_sound_is_voiced_but_for_the_cost_of_its_lag(rate, n_fft, frequency):
    _, voicing = track_pitch(frames_of(tone(frequency), rate, n_fft), rate)
    assert voicing == pytest.approx(cost_at(rate / frequency, rate, n_fft), abs=0.02)
    assert voicing.min() > 0.89


@pytest.mark.parametrize("seed", range(3))
@rates_and_frames
def test_white_noise_is_not_voiced(rate, n_fft, seed):
    noise = np.random.default_rng(seed).normal(0, 0.1, (200, n_fft)).astype(np.float32)
    _, voicing = track_pitch(noise, rate)
    assert voicing.max() < 0.3
    assert 0 < voicing.mean() < 0.2


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_voicing_in_noise_is_the_share_of_the_periodic_power(noise):
    # Boersma's formula: the peak is r, the harmonics-to-noise ratio r / (1 - r).
    frames = frames_of(tone(250), RATE, 1024, count=300)
    power = 0.3**2 / 2
    noisy = frames + np.random.default_rng(0).normal(0, np.sqrt(noise * power), frames.shape)
    _, voicing = track_pitch(noisy.astype(np.float32), RATE)
    expected = cost_at(64, RATE, 1024) / (1 + noise)
    assert voicing.mean() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("factor", [1e-3, 0.1, 3.0])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_pitch_and_voicing_depend_neither_on_level_nor_on_an_offset(factor, offset):
    frames = frames_of(voice(170), RATE, 1024)
    frames[4:] = np.random.default_rng(0).normal(0, 0.1, (3, 1024))
    pitch, voicing = track_pitch(frames, RATE)
    again, voicing_again = track_pitch(np.float32(factor) * (frames + np.float32(offset)), RATE)
    np.testing.assert_array_equal(again, pitch)
    assert voicing_again == pytest.approx(voicing, abs=1e-3)


def test_the_median_removes_isolated_octave_errors_and_keeps_steps():
    low, high = frames_of(tone(100), RATE, 1024), frames_of(tone(200), RATE, 1024)
    for errors in ([3], [2, 3]):
        frames = high.copy()
        frames[errors] = low[errors]
        assert track_pitch(frames, RATE)[0] == pytest.approx(np.full(7, 200.0))
    stepping = np.concatenate([low[:4], high[:5]])
    assert track_pitch(stepping, RATE)[0] == pytest.approx([100.0] * 4 + [200.0] * 5)


def test_voicing_is_that_of_each_frame():
    frames = frames_of(voice(200), RATE, 1024)
    frames[3] = np.random.default_rng(0).normal(0, 0.1, 1024)
    _, voicing = track_pitch(frames, RATE)
    assert voicing[3] < 0.3
    assert np.delete(voicing, 3).min() > 0.9


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
@rates_and_frames
def test_pitch_is_where_the_autocorrelation_summed_lag_by_lag_is_highest(rate, n_fft, count):
    frames = np.random.default_rng(count).normal(0, 0.1, (count, n_fft)).astype(np.float32)
    frames += frames_of(voice(170), rate, n_fft, count=count)
    shortest, end = lag_bounds(rate, n_fft)
    end = min(end, n_fft // 2)
    window = np.hanning(n_fft)
    of_window = np.correlate(window, window, "full")[n_fft - 1 :]
    lags = np.arange(shortest, end)
    lag, height = [], []
    for frame in (frames - frames.mean(axis=1, keepdims=True)).astype(np.float64) * window:
        correlation = np.array([frame[: n_fft - i] @ frame[i:] for i in lags])
        peaks = correlation / (frame @ frame) / (of_window[lags] / of_window[0])
        peaks *= np.linspace(1, 1 - OCTAVE_COST, len(lags))
        lag.append(lags[peaks.argmax()])
        height.append(peaks.max())
    pitch, voicing = track_pitch(frames, rate)
    expected = scipy.ndimage.median_filter(rate / np.array(lag), 5)
    assert pitch == pytest.approx(expected, rel=1e-6)
    assert voicing == pytest.approx(height, abs=1e-5)


@rates_and_frames
def test_pitch_stays_between_its_bounds_whatever_the_frames(rate, n_fft):
    rng = np.random.default_rng(0)
    frames = np.concatenate(
        [
            rng.normal(0, 0.1, (50, n_fft)),
            np.zeros((5, n_fft)),
            np.ones((5, n_fft)),
            frames_of(tone(30), rate, n_fft),
            frames_of(tone(1500), rate, n_fft),
        ]
    )
    pitch, voicing = track_pitch(frames.astype(np.float32), rate)
    assert pitch.dtype == voicing.dtype == np.float32
    assert pitch.shape == voicing.shape == (74,)
    shortest, end = lag_bounds(rate, n_fft)
    assert rate / (end - 1) * (1 - 1e-6) <= pitch.min()
    assert pitch.max() <= rate / shortest * (1 + 1e-6)
    assert np.isfinite(voicing).all()


FREQUENCIES = np.arange(0, 8001, 125.0)
BINS = len(FREQUENCIES)


def shape(power, frequencies=FREQUENCIES):
    found = spectral_shape(np.asarray(power), frequencies)
    assert all(values.shape == (len(power),) for values in found.values())
    return found


def spectrum(levels):
    """One frame: place -> power, 0 elsewhere."""
    power = np.zeros((1, BINS))
    for place, value in levels.items():
        power[0, place] = value
    return power


@pytest.mark.parametrize("place", [0, 1, 7, 8, 15, 16, 39, 40, 63, 64])
def test_all_of_a_single_bin_is_at_its_frequency(place):
    found = shape(spectrum({place: 3.0}))
    frequency = FREQUENCIES[place]
    for name in ("centroid", "rolloff_25", "rolloff_85"):
        assert found[name] == pytest.approx([frequency]), name
    assert found["spread"] == pytest.approx([0], abs=1e-2)
    flatness = (np.log(3) + (BINS - 1) * np.log(FLOOR)) / BINS - np.log(3 / BINS)
    assert found["flatness"] == pytest.approx([flatness], rel=1e-6)


def test_a_flat_spectrum_spreads_evenly():
    found = shape(np.full((2, BINS), 0.7))
    assert found["flatness"] == pytest.approx([0, 0], abs=1e-9)
    assert found["centroid"] == pytest.approx([4000, 4000])
    # The deviation of a discrete uniform distribution.
    assert found["spread"] == pytest.approx([125 * np.sqrt((BINS**2 - 1) / 12)] * 2)
    # 65 bins: the 17th is the first to reach a quarter, the 56th 85 %.
    assert found["rolloff_25"].tolist() == [FREQUENCIES[16]] * 2
    assert found["rolloff_85"].tolist() == [FREQUENCIES[55]] * 2
    # 7 bins from 125 to 875 Hz, 32 from 1000 to 4875; 15 from 125 to 1875 Hz, 24 from 2000.
    assert found["alpha_ratio"] == pytest.approx([10 * np.log10(7 / 32)] * 2)
    assert found["tilt"] == pytest.approx([10 * np.log10(15 / 24)] * 2)


@pytest.mark.parametrize(
    ("share", "rolloff_25", "rolloff_85"),
    [(0.9, 500, 500), (0.8, 500, 3000), (0.3, 500, 3000), (0.2, 3000, 3000)],
)
def test_two_bins_have_the_moments_of_a_bernoulli_distribution(share, rolloff_25, rolloff_85):
    found = shape(spectrum({4: 2 * share, 24: 2 * (1 - share)}))
    assert found["centroid"] == pytest.approx([share * 500 + (1 - share) * 3000])
    assert found["spread"] == pytest.approx([2500 * np.sqrt(share * (1 - share))], rel=1e-6)
    assert found["rolloff_25"].tolist() == [rolloff_25]
    assert found["rolloff_85"].tolist() == [rolloff_85]
    ratio = 10 * np.log10(share / (1 - share))
    assert found["alpha_ratio"] == pytest.approx([ratio])
    assert found["tilt"] == pytest.approx([ratio])


def test_the_bands_begin_with_their_lowest_and_end_before_their_highest_frequency():
    edges = np.array([0, 49, 50, 999, 1000, 1999, 2000, 4999, 5000, 8000.0])
    power = 2.0 ** np.arange(10)[np.newaxis]  # of which no two sums are equal
    found = shape(power, edges)
    assert found["alpha_ratio"] == pytest.approx([10 * np.log10((4 + 8) / (16 + 32 + 64 + 128))])
    assert found["tilt"] == pytest.approx([10 * np.log10((4 + 8 + 16 + 32) / (64 + 128))])


def test_power_outside_of_the_bands_leaves_their_ratios_at_0():
    found = shape(spectrum({0: 1.0, 40: 1.0, 64: 1.0}))
    assert found["alpha_ratio"].tolist() == found["tilt"].tolist() == [0]


def test_power_in_one_band_only_is_held_against_the_floor():
    found = shape(np.concatenate([spectrum({4: 1.0}), spectrum({24: 1.0})]))
    assert found["alpha_ratio"] == pytest.approx([100, -100])
    assert found["tilt"] == pytest.approx([100, -100])


def test_a_steady_spectrum_has_no_flux_however_loud_it_gets():
    steady = np.random.default_rng(0).uniform(0.1, 1, BINS)
    found = shape(np.outer([1.0, 1.0, 10.0, 0.3], steady))
    assert found["flux"] == pytest.approx(np.zeros(4), abs=1e-6)


def test_flux_is_hellingers_distance_from_the_frame_before():
    moving = np.concatenate([spectrum({4: 1.0}), spectrum({9: 5.0}), spectrum({4: 1.0, 9: 3.0})])
    expected = [0, np.sqrt(2), np.sqrt(0.25 + (1 - np.sqrt(0.75)) ** 2)]
    assert shape(moving)["flux"] == pytest.approx(expected)
    power = np.random.default_rng(0).uniform(0.1, 1, (5, BINS))
    roots = [np.sqrt(row / row.sum()) for row in power]
    expected = [0, *(np.linalg.norm(b - a) for a, b in pairwise(roots))]
    assert shape(power)["flux"] == pytest.approx(expected)
    assert shape(power[:1])["flux"].tolist() == [0]


def test_only_flux_and_ratios_to_the_floor_depend_on_other_frames_or_the_level():
    power = np.random.default_rng(0).uniform(0.1, 1, (5, BINS))
    together, louder = shape(power), shape(8 * power)
    for i in range(5):
        alone = shape(power[i : i + 1])
        for name in together:
            if name != "flux":
                assert alone[name] == pytest.approx(together[name][i : i + 1], rel=1e-12), name
    for name in together:
        assert louder[name] == pytest.approx(together[name], rel=1e-6, abs=1e-6), name


def test_silence_has_a_shape_of_finite_numbers():
    with np.errstate(all="raise"):
        found = shape(np.zeros((3, BINS), np.float32))
    for name in ("centroid", "spread", "flux", "flatness", "alpha_ratio", "tilt"):
        assert found[name] == pytest.approx(np.zeros(3), abs=1e-6), name
    assert np.isfinite(found["rolloff_25"]).all()
    assert np.isfinite(found["rolloff_85"]).all()


def by_librosa(power, frequencies):
    """Compute the shape by librosa, whose functions treat any given spectrum as magnitudes."""
    s = {"S": power.T, "freq": frequencies}
    feature = librosa.feature
    return {
        "centroid": feature.spectral_centroid(**s)[0],
        "spread": feature.spectral_bandwidth(**s, p=2)[0],
        "rolloff_25": feature.spectral_rolloff(**s, roll_percent=0.25)[0],
        "rolloff_85": feature.spectral_rolloff(**s, roll_percent=0.85)[0],
        "flatness": np.log(feature.spectral_flatness(S=power.T, power=1.0, amin=FLOOR)[0]),
    }


@pytest.mark.parametrize("exponent", [0.5, 1, 3])
def test_the_shape_of_any_spectrum_equals_librosas(exponent):
    power = np.random.default_rng(0).uniform(0.01, 1, (200, BINS)) ** exponent
    power /= 1 + np.linspace(0, 5, BINS) ** 2
    found = shape(power)
    for name, expected in by_librosa(power, FREQUENCIES).items():
        assert found[name] == pytest.approx(expected, rel=1e-3 if name == "flatness" else 1e-6)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_shape_of_a_waveform_equals_librosas_up_to_8_khz(rate, setting):
    f = features(setting, fmax=4000.0)
    rng = np.random.default_rng(0)
    waveform = np.cumsum(rng.normal(0, 0.02, 20000)) * 0.1 + rng.normal(0, 0.1, 20000)
    waveform = np.clip(waveform, -1, 1).astype(np.float32)
    framing = {"n_fft": f.n_fft, "hop_length": f.hop_length, "win_length": f.win_length}
    magnitudes = librosa.stft(waveform.astype(float), **framing, pad_mode="constant")
    frequencies = librosa.fft_frequencies(sr=rate, n_fft=f.n_fft)
    heard = frequencies <= 8000
    expected = by_librosa((np.abs(magnitudes) ** 2).T[:, heard], frequencies[heard])
    found = described(waveform, rate, f)
    for name, values in expected.items():
        if name.startswith("rolloff"):
            # In single precision a sum may reach its share a bin earlier or later.
            assert np.abs(found[name] - values).max() < 1.01 * rate / f.n_fft
            assert np.mean(np.abs(found[name] - values) < 1e-2) > 0.98
        else:
            assert found[name] == pytest.approx(values, rel=1e-3, abs=1e-3), name


GRID = np.arange(513) * 15.625  # Hz, of frames of 1024 samples at 16 kHz


def differences(power, frequencies, pitch):
    found = harmonic_differences(power, frequencies, pitch)
    return found["h1_h2"], found["h1_h3"]


def harmonics(pitch, levels, beside=0):
    """Return the power [1, bins] of harmonics of given levels in dB, in the nearest bins."""
    power = np.full((1, len(GRID)), 1e-9)
    for k, level in enumerate(levels, start=1):
        power[0, np.abs(GRID - k * pitch).argmin() + beside] = 10 ** (level / 10)
    return power


@pytest.mark.parametrize("beside", [-1, 0, 1])
@pytest.mark.parametrize("pitch", [70.0, 101.3, 200.0, 317.0, 490.0])
@pytest.mark.parametrize("levels", [(0, -6, -12), (-20, 10, 3), (7, 7, 7)])
def test_harmonics_lie_as_far_below_the_first_as_they_were_put(levels, pitch, beside):
    power = harmonics(pitch, levels, beside)
    second, third = differences(power, GRID, np.array([pitch]))
    assert second == pytest.approx([levels[0] - levels[1]], abs=1e-5)
    assert third == pytest.approx([levels[0] - levels[2]], abs=1e-5)


@pytest.mark.parametrize("beside", [-2, 2])
def test_harmonics_two_bins_off_are_not_found(beside):
    power = harmonics(200.0, (0, -6, -12), beside)
    second, third = differences(power, GRID, np.array([200.0]))
    assert second == pytest.approx([0], abs=1e-6)
    assert third == pytest.approx([0], abs=1e-6)


def test_each_frame_has_harmonics_of_its_own_pitch():
    pitches = np.array([100.0, 200.0, 300.0, 150.0])
    made = [(0, -3, -9), (0, -1, -2), (5, 0, 20), (-30, -20, -10)]
    power = np.concatenate([harmonics(*pair) for pair in zip(pitches, made, strict=True)])
    second, third = differences(power, GRID, pitches)
    assert second == pytest.approx([a - b for a, b, _ in made], abs=1e-5)
    assert third == pytest.approx([a - c for a, _, c in made], abs=1e-5)


def test_harmonics_above_the_highest_frequency_are_taken_at_it():
    frequencies = np.arange(65) * 15.625  # to 1000 Hz
    power = np.full((1, 65), 1e-9)
    power[0, [26, 51, 64]] = 1, 0.1, 0.01  # 400 Hz, 800 Hz, and the last for 1200 Hz
    second, third = differences(power, frequencies, np.array([400.0]))
    assert second == pytest.approx([10])
    assert third == pytest.approx([20])


def test_silence_has_harmonics_of_equal_levels():
    with np.errstate(all="raise"):
        found = differences(np.zeros((2, 513)), GRID, np.array([100.0, 500.0]))
    assert [values.tolist() for values in found] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("amplitudes", [(0.4, 0.2, 0.1), (0.1, 0.4, 0.05), (0.2, 0.2, 0.2)])
def test_a_waveforms_harmonics_and_pitch_are_those_it_was_made_of(amplitudes):
    times = np.arange(RATE) / RATE
    parts = [a * tone(250 * k)(times) for k, a in enumerate(amplitudes, start=1)]
    found = described(sum(parts).astype(np.float32), RATE, features("n_fft 2048"))
    inside = slice(4, -4)
    first, second, third = 20 * np.log10(amplitudes)
    assert found["h1_h2"][inside] == pytest.approx(first - second, abs=0.01)
    assert found["h1_h3"][inside] == pytest.approx(first - third, abs=0.01)
    # An octave is 12 semitones.
    assert found["pitch"][inside] == pytest.approx(12 * np.log2(2.5), abs=1e-5)


def test_the_pitch_of_a_glide_follows_it():
    times = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * 110 * 2**times / np.log(2)  # an octave a second, from 110 Hz
    waveform = sum(np.cos(k * phase) / k for k in range(1, 8)) * 0.2
    found = described(waveform.astype(np.float32), RATE, features())
    starts = np.arange(len(found["pitch"])) * 256 / RATE
    expected = 12 * (np.log2(1.1) + starts)
    inside = slice(4, -4)
    assert np.abs(found["pitch"] - expected)[inside].max() < 0.3  # semitones
    assert found["voicing"][inside].min() > 0.8


def sweep(samples=12345):
    times = np.arange(samples) / RATE
    return (0.7 * np.sin(2 * np.pi * (100 + 3000 * times) * times)).astype(np.float32)


def noise(samples=9001, deviation=0.2):
    made = np.random.default_rng(samples).normal(0, deviation, samples)
    return np.clip(made, -1, 1).astype(np.float32)


def click(samples=5000):
    waveform = np.zeros(samples, np.float32)
    waveform[samples // 2] = 1
    return waveform


SOUNDS = {
    "sweep": sweep(),
    "white noise": noise(),
    "silence": np.zeros(5000, np.float32),
    "a constant": np.full(5000, 0.5, np.float32),
    "full scale": np.where(np.arange(5000) % 50 < 25, 1, -1).astype(np.float32),
    "a click": click(),
    "as quiet as can be": noise(deviation=1e-38),
    "quieter than the floor": noise(deviation=1e-7),
    "silence then noise": np.concatenate([np.zeros(4000, np.float32), noise()]),
    "no sample but one": np.full(1, 0.3, np.float32),
    "no sample but a silent one": np.zeros(1, np.float32),
    "two samples": np.array([0.5, -0.5], np.float32),
    "less than a hop": noise(100),
    "a hop": noise(256),
    "less than a frame": noise(700),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("sound", SOUNDS)
def test_every_descriptor_is_a_finite_number_for_every_frame(sound, setting):
    f = features(setting)
    found = described(SOUNDS[sound], RATE, f)
    assert list(found) == descriptor_names(40, 20)
    frames = frame_count(len(SOUNDS[sound]), f.hop_length)
    for name, values in found.items():
        assert values.dtype == np.float32, name
        assert values.shape == (frames,), name
        assert np.isfinite(values).all(), name


@pytest.mark.parametrize(("n_mels", "n_mfcc"), [(1, 1), (16, 16), (40, 13), (64, 24)])
def test_the_names_are_those_of_the_wanted_bands_and_coefficients(n_mels, n_mfcc):
    f = features(n_mels=n_mels, n_mfcc=n_mfcc)
    found = described(sweep(), RATE, f)
    assert list(found) == [
        *(f"logmel_{i}" for i in range(1, n_mels + 1)),
        *(f"mfcc_{i}" for i in range(1, n_mfcc + 1)),
        *("level", "zcr", "centroid", "spread", "rolloff_25", "rolloff_85", "flux", "flatness"),
        *("alpha_ratio", "tilt", "pitch", "voicing", "h1_h2", "h1_h3"),
    ]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("sound", ["sweep", "white noise", "silence", "a click", "two samples"])
def test_bands_coefficients_and_zero_crossings_are_those_of_the_features(sound, setting):
    f = features(setting, kinds=["logmel", "mfcc", "zcr", "rms"])
    expected = extract(SOUNDS[sound], RATE, f, filter_banks(RATE, f))
    found = described(SOUNDS[sound], RATE, f)
    columns = dict(column_slices(f.dims))
    bands = np.transpose([found[f"logmel_{i}"] for i in range(1, 41)])
    np.testing.assert_array_equal(bands, expected[:, columns["logmel"]])
    coefficients = np.transpose([found[f"mfcc_{i}"] for i in range(1, 21)])
    np.testing.assert_array_equal(coefficients, expected[:, columns["mfcc"]])
    np.testing.assert_array_equal(found["zcr"], expected[:, columns["zcr"]][:, 0])
    power = np.maximum(expected[:, columns["rms"]][:, 0].astype(float) ** 2, FLOOR)
    level = 10 * np.log10(power / power.max())
    assert found["level"] == pytest.approx(level, abs=1e-4)
    assert found["level"].max() == 0


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_what_lies_above_8_khz_does_not_shape_the_spectrum(rate):
    times = np.arange(rate // 2) / rate
    low = 0.1 * np.sin(2 * np.pi * 1000 * times)
    high = 0.5 * np.sin(2 * np.pi * 10000 * times)
    f = features("n_fft 2048")
    alone = described(low.astype(np.float32), rate, f)
    both = described((low + high).astype(np.float32), rate, f)
    for name in ("centroid", "spread", "rolloff_25", "rolloff_85"):
        assert both[name][4:-4] == pytest.approx(alone[name][4:-4], rel=0.02, abs=5), name
    assert both["zcr"][5] > 5 * alone["zcr"][5]


def test_a_clip_that_is_moved_by_hops_has_moved_descriptors():
    f = features()
    silence = np.zeros(8 * 256, np.float32)
    clip = np.concatenate([silence, sweep(), silence])
    found = described(clip, RATE, f)
    moved = described(np.concatenate([silence, clip]), RATE, f)
    for name, values in found.items():
        np.testing.assert_allclose(moved[name][8:], values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_the_descriptors_do_not_change_the_waveform():
    waveform = sweep()
    waveform.setflags(write=False)
    first = described(waveform, RATE, features())
    np.testing.assert_array_equal(waveform, sweep())
    described(noise(), RATE, features())
    for name, values in described(waveform, RATE, features()).items():
        np.testing.assert_array_equal(values, first[name])
