import hashlib
from dataclasses import asdict, replace

import librosa
import numpy as np
import pytest

from scripts import experiments
from ser.augment.copies import (
    add_feature_noise,
    change_features,
    change_waveform,
    draw_changes,
    mask_features,
    shift,
)
from ser.conditions.levels import add_at_snr
from ser.conditions.noises import white_noise
from ser.core import params
from ser.core.columns import column_slices

RATE = 16000
# change in params -> the key of its range, the field of a draw
CHANGES = {
    "pitch": ("semitones", "pitch_semitones"),
    "stretch": ("rate", "stretch_rate"),
    "shift": ("seconds", "shift_seconds"),
    "gain": ("db", "gain_db"),
    "noise": ("snr_db", "noise_snr_db"),
    "frequency_mask": ("bands", "masked_bands"),
    "time_mask": ("frames", "masked_frames"),
    "feature_noise": ("deviations", "feature_noise"),
    "crop": ("share", "crop_share"),
}


def augment(seed=0, **probabilities):
    values = experiments.resolve(experiments.read_experiment("resnet"))
    values["augment"]["seed"] = seed
    for name in CHANGES:
        values["augment"][name]["probability"] = probabilities.get(name, 1.0)
    return params.parse_params(values, "params.yaml").augment


def nothing(**changes):
    """Return changes that apply only those given."""
    none = {field: None for _, field in CHANGES.values()}
    return replace(draw_changes(augment(), "clip", 1), **none | changes)


def tone(frequency=440.0, samples=RATE, level=0.5):
    times = np.arange(samples) / RATE
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def loudest_frequency(waveform):
    size = 8 * len(waveform)
    return np.argmax(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), size))) * RATE / size


# Draws


def test_the_same_seed_clip_and_copy_give_the_same_draw():
    assert draw_changes(augment(), "aesdd/a01 (1)", 3) == draw_changes(
        augment(), "aesdd/a01 (1)", 3
    )


def test_a_draw_is_the_same_in_every_process_and_version():
    drawn = draw_changes(augment(), "aesdd/a01 (1)", 1)
    name = hashlib.blake2b(b"aesdd/a01 (1)", digest_size=8).hexdigest()
    rng = np.random.default_rng((0, int(name, 16), 1))
    rng.random()
    assert drawn.pitch_semitones == float(rng.uniform(-2, 2))


def test_feature_noise_is_drawn_last_and_does_not_affect_the_other_draws():
    drawn = draw_changes(augment(), "aesdd/a01 (1)", 1)
    # As drawn before there was noise on features.
    assert drawn.noise_seed == 3099728948
    assert drawn.masked_band_place == 0.4306599076399168
    assert drawn.masked_frame_place == 0.29902225117130155


def test_another_clip_copy_or_seed_gives_another_draw():
    draws = [
        draw_changes(augment(), "a", 1),
        draw_changes(augment(), "b", 1),
        draw_changes(augment(), "a", 2),
        draw_changes(augment(seed=1), "a", 1),
    ]
    fields = ("pitch_semitones", "noise_seed", "masked_band_place", "masked_frame_place")
    for field in (*fields, "feature_noise", "feature_noise_seed"):
        assert len({getattr(drawn, field) for drawn in draws}) == 4


@pytest.mark.parametrize("name", CHANGES)
def test_the_probability_of_one_change_does_not_affect_the_others(name):
    field = CHANGES[name][1]
    for copy in range(20):
        every = asdict(draw_changes(augment(), "clip", copy))
        without = asdict(draw_changes(augment(**{name: 0.0}), "clip", copy))
        assert without.pop(field) is None
        assert every.pop(field) is not None
        assert without == every


@pytest.mark.parametrize("name", CHANGES)
def test_probabilities_0_and_1_mean_never_and_always(name):
    field = CHANGES[name][1]
    never, always = augment(**{name: 0.0}), augment(**{name: 1.0})
    assert all(getattr(draw_changes(never, "c", k), field) is None for k in range(200))
    assert all(getattr(draw_changes(always, "c", k), field) is not None for k in range(200))


def test_a_change_is_applied_as_often_as_its_probability_says():
    some = augment(pitch=0.3)
    applied = [draw_changes(some, "clip", k).pitch_semitones is not None for k in range(2000)]
    assert np.mean(applied) == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 2000))


@pytest.mark.parametrize("name", CHANGES)
def test_draws_fill_their_range_and_do_not_leave_it(name):
    key, field = CHANGES[name]
    settings = augment()
    low, high = getattr(getattr(settings, name), key)
    drawn = [getattr(draw_changes(settings, f"clip {k}", 1), field) for k in range(500)]
    assert low <= min(drawn) <= low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) <= max(drawn) <= high
    if isinstance(low, int):
        assert set(drawn) == set(range(low, high + 1))


# Waveforms


def test_without_changes_the_waveform_stays_the_same():
    assert np.array_equal(change_waveform(tone(), RATE, nothing()), tone())


@pytest.mark.parametrize(("semitones", "expected"), [(12, 880), (-12, 220), (2, 493.88)])
def test_pitch_moves_the_frequency_and_leaves_the_length(semitones, expected):
    changed = change_waveform(tone(), RATE, nothing(pitch_semitones=semitones))
    assert len(changed) == RATE
    assert loudest_frequency(changed) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.1, 2.0])
@pytest.mark.parametrize("samples", [RATE, 7001])
def test_stretching_divides_the_length_and_leaves_the_pitch(rate, samples):
    changed = change_waveform(tone(samples=samples), RATE, nothing(stretch_rate=rate))
    assert abs(len(changed) - samples / rate) <= 512
    assert loudest_frequency(changed) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("samples", [-10, -3, 0, 1, 4, 5, 100])
def test_shifting_fills_with_silence_and_drops_the_rest(samples):
    waveform = np.arange(1, 6, dtype=np.float32)
    moved = shift(waveform, samples)
    for i, value in enumerate(moved):
        assert value == (waveform[i - samples] if 0 <= i - samples < 5 else 0)


def test_a_positive_shift_in_seconds_is_later():
    click = np.zeros(RATE, dtype=np.float32)
    click[4000] = 1
    assert change_waveform(click, RATE, nothing(shift_seconds=0.25)).argmax() == 8000
    assert change_waveform(click, RATE, nothing(shift_seconds=-0.2)).argmax() == 800


@pytest.mark.parametrize("db", [-20.0, -6.0, 0.0, 5.9])
def test_gain_is_in_decibels(db):
    changed = change_waveform(tone(), RATE, nothing(gain_db=db))
    assert 20 * np.log10(np.std(changed) / np.std(tone())) == pytest.approx(db, abs=1e-3)


def test_a_level_beyond_full_scale_is_scaled_to_full_scale():
    changed = change_waveform(tone(), RATE, nothing(gain_db=20.0))
    assert np.abs(changed).max() == 1
    assert changed == pytest.approx(tone(level=1 / np.abs(tone(level=1)).max()), abs=1e-6)


@pytest.mark.parametrize("snr_db", [10.0, 30.0])
@pytest.mark.parametrize("level", [0.01, 0.5])
def test_noise_lies_below_the_clips_level_by_the_given_ratio(snr_db, level):
    waveform = tone(level=level)
    noise = change_waveform(waveform, RATE, nothing(noise_snr_db=snr_db)) - waveform
    measured = 10 * np.log10(np.mean(waveform**2) / np.mean(noise.astype(np.float64) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.01)


def test_noise_depends_on_its_seed_only():
    changes = nothing(noise_snr_db=10.0, noise_seed=1)
    one = change_waveform(tone(), RATE, changes)
    assert np.array_equal(change_waveform(tone(), RATE, changes), one)
    assert not np.allclose(change_waveform(tone(), RATE, replace(changes, noise_seed=2)), one)


def test_noise_is_added_last_so_that_its_level_holds():
    plain = nothing(gain_db=-12.0, shift_seconds=0.1)
    clean = change_waveform(tone(), RATE, plain)
    noise = change_waveform(tone(), RATE, replace(plain, noise_snr_db=20.0)) - clean
    assert 20 * np.log10(np.std(clean) / np.std(noise)) == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize("copy", range(4))
def test_results_are_float32_within_full_scale(copy):
    loud = tone(level=1.0)
    changed = change_waveform(loud, RATE, draw_changes(augment(), "clip", copy))
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() <= 1
    assert np.array_equal(loud, tone(level=1.0))


def test_silence_stays_silence():
    changed = change_waveform(
        np.zeros(4000, dtype=np.float32), RATE, draw_changes(augment(), "c", 1)
    )
    assert np.isfinite(changed).all()
    assert not changed.any()


# A clip is never shorter than clean.min_seconds, which may be 0.
@pytest.mark.parametrize("samples", [2, 30, 500])
def test_very_short_clips_can_be_changed(samples):
    changed = change_waveform(tone(samples=samples), RATE, draw_changes(augment(), "clip", 1))
    assert np.isfinite(changed).all()
    assert len(changed) > 0


# Noise on features

DIMS = {"rms": 1, "logmel": 16, "chroma": 12}


def stacked(frames=4000):
    """Features whose kinds differ in mean and deviation."""
    values = np.random.default_rng(0).standard_normal((frames, 29))
    for (_, columns), deviation in zip(column_slices(DIMS), (0.05, 12.0, 0.3), strict=True):
        values[:, columns] = deviation * (values[:, columns] - 2)
    return values.astype(np.float32)


@pytest.mark.parametrize("deviation", [0.01, 0.5, 3.0])
def test_feature_noise_has_the_wanted_deviation_within_each_kind(deviation):
    features = stacked()
    noise = add_feature_noise(features, DIMS, deviation, seed=5).astype(np.float64) - features
    for _, columns in column_slices(DIMS):
        measured = noise[:, columns] / features[:, columns].std(dtype=np.float64)
        # The deviation of n values is off by 1 / sqrt(2 n) of itself, their mean by 1 / sqrt(n).
        n = measured.size
        assert measured.std() == pytest.approx(deviation, rel=4 / np.sqrt(2 * n))
        assert measured.mean() == pytest.approx(0, abs=4 * deviation / np.sqrt(n))


def test_feature_noise_is_white():
    noise = add_feature_noise(stacked(), DIMS, 1.0, seed=5) - stacked()
    between_columns = np.corrcoef(noise.T)[~np.eye(29, dtype=bool)]
    assert np.abs(between_columns).max() < 5 / np.sqrt(4000)
    between_frames = [np.corrcoef(column[1:], column[:-1])[0, 1] for column in noise.T]
    assert np.abs(between_frames).max() < 5 / np.sqrt(4000)


def test_feature_noise_depends_on_its_seed_only():
    changes = nothing(feature_noise=0.1, feature_noise_seed=1)
    one = change_features(stacked(), DIMS, changes)
    assert one.dtype == np.float32
    assert np.array_equal(change_features(stacked(), DIMS, changes), one)
    other = change_features(stacked(), DIMS, replace(changes, feature_noise_seed=2))
    assert not np.allclose(other, one)


def test_feature_noise_does_not_write_into_its_input():
    features = stacked()
    features.setflags(write=False)
    assert not np.array_equal(add_feature_noise(features, DIMS, 0.1, seed=1), features)


@pytest.mark.parametrize("deviation", [None, 0.0])
def test_without_feature_noise_the_features_stay_the_same(deviation):
    changed = change_features(stacked(), DIMS, nothing(feature_noise=deviation))
    assert np.array_equal(changed, stacked())


def test_a_constant_kind_gets_no_noise():
    features = stacked()
    features[:, 0] = 0
    noisy = add_feature_noise(features, DIMS, 1.0, seed=1)
    assert not noisy[:, 0].any()
    assert (noisy[:, 1:] != features[:, 1:]).mean() > 0.99


def test_masks_hide_the_feature_noise():
    noise = {"feature_noise": 0.5, "feature_noise_seed": 1}
    noisy = change_features(stacked(50), DIMS, nothing(**noise))
    masks = {"masked_bands": 4, "masked_band_place": 0.0}
    masks |= {"masked_frames": 9, "masked_frame_place": 0.0}
    hidden = change_features(stacked(50), DIMS, nothing(**noise, **masks))
    assert hidden[:9] == pytest.approx(np.tile(noisy.mean(axis=0), (9, 1)), abs=1e-5)
    assert np.unique(hidden[9:, 1:5]) == pytest.approx(noisy[:, 1:17].mean(), abs=1e-5)
    assert np.array_equal(hidden[9:, 5:], noisy[9:, 5:])


# Masks


def spectrogram(frames=50, bands=16, others=3):
    values = np.random.default_rng(0).standard_normal((frames, others + bands + 1))
    return values.astype(np.float32), slice(others, others + bands)


@pytest.mark.parametrize("bands", [1, 5, 16, 40])
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_a_frequency_mask_hides_exactly_the_given_number_of_neighbouring_bands(bands, place):
    features, mel = spectrogram()
    changes = nothing(masked_bands=bands, masked_band_place=place)
    hidden = mask_features(features, mel, changes)
    changed = np.flatnonzero((hidden != features).all(axis=0))
    untouched = np.flatnonzero((hidden == features).all(axis=0))
    count = min(bands, 16)
    assert len(changed) == count
    assert len(untouched) == features.shape[1] - count
    assert np.array_equal(changed, np.arange(changed[0], changed[0] + count))
    assert changed[0] >= mel.start
    assert changed[-1] < mel.stop
    assert np.unique(hidden[:, changed]) == pytest.approx(features[:, mel].mean(), abs=1e-6)
    if place == 0:
        assert changed[0] == mel.start
    if place == 1:
        assert changed[-1] == mel.stop - 1


@pytest.mark.parametrize("frames", [1, 7, 50, 90])
@pytest.mark.parametrize("place", [0.0, 0.6, 1.0])
def test_a_time_mask_hides_exactly_the_given_number_of_neighbouring_frames(frames, place):
    features, mel = spectrogram()
    changes = nothing(masked_frames=frames, masked_frame_place=place)
    hidden = mask_features(features, mel, changes)
    changed = np.flatnonzero((hidden != features).all(axis=1))
    count = min(frames, 50)
    assert len(changed) == count
    assert (hidden == features).all(axis=1).sum() == 50 - count
    assert np.array_equal(changed, np.arange(changed[0], changed[0] + count))
    assert hidden[changed] == pytest.approx(np.tile(features.mean(axis=0), (count, 1)), abs=1e-6)
    if place == 0:
        assert changed[0] == 0
    if place == 1:
        assert changed[-1] == 49


@pytest.mark.parametrize("count", [None, 0])
def test_without_masks_the_features_stay_the_same(count):
    features, mel = spectrogram()
    hidden = mask_features(features, mel, nothing(masked_bands=count, masked_frames=count))
    assert np.array_equal(hidden, features)
    assert hidden.dtype == np.float32


def test_masking_does_not_write_into_its_input():
    features, mel = spectrogram()
    features.setflags(write=False)
    hidden = mask_features(features, mel, nothing(masked_bands=3, masked_frames=3))
    assert not np.array_equal(hidden, features)


def test_pitch_and_stretch_equal_librosas():
    # Of a tone alone most bins hold rounding errors, whose phases mean nothing.
    waveform = add_at_snr(tone(300), white_noise(RATE, seed=0), 40.0)
    stretched = librosa.effects.time_stretch(waveform.astype(np.float64), rate=1.1)
    changed = change_waveform(waveform, RATE, nothing(stretch_rate=1.1))
    assert changed == pytest.approx(stretched, abs=1e-4)
    shifted = librosa.effects.pitch_shift(waveform.astype(np.float64), sr=RATE, n_steps=1.5)
    changed = change_waveform(waveform, RATE, nothing(pitch_semitones=1.5))
    assert changed == pytest.approx(shifted, abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_a_crop_is_one_part_of_the_clip_of_exactly_its_share(share, place):
    waveform = np.linspace(-0.9, 0.9, 1000, dtype=np.float32)
    cropped = change_waveform(waveform, RATE, nothing(crop_share=share, crop_place=place))
    start = round(place * (1000 - len(cropped)))
    assert len(cropped) == round(share * 1000)
    np.testing.assert_array_equal(cropped, waveform[start : start + len(cropped)])


def test_a_crop_leaves_at_least_one_sample():
    one = np.ones(1, dtype=np.float32)
    assert len(change_waveform(one, RATE, nothing(crop_share=0.05))) == 1
