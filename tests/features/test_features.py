import subprocess
import sys

import librosa
import numpy as np
import pytest

from ser.core.columns import column_slices, mel_columns
from ser.core.filters import filter_banks
from ser.core.framing import cut_frames, frame_count
from ser.core.kinds import KINDS, N_CHROMA
from ser.core.sections import Features
from ser.features.extract import extract, logmel
from ser.features.spectra import mel_power, power_spectrogram, power_to_db

RATE = 16000
OWN = [name for name, kind in KINDS.items() if not (kind.package or kind.given)]
OF_FRAMES = [name for name in OWN if not KINDS[name].whole_clip]
SETTINGS = {
    "n_fft 1024": {"n_fft": 1024, "win_length": 512, "hop_length": 256},
    "n_fft 512": {"n_fft": 512, "win_length": 400, "hop_length": 160},
    "odd window and hop": {"n_fft": 512, "win_length": 401, "hop_length": 147},
}


def features(kinds, setting="n_fft 1024", **changes):
    values = {"n_mels": 40, "n_mfcc": 20, "fmin": 50.0, "fmax": 7600.0, "top_db": 80.0}
    return Features(kinds=kinds, **values | SETTINGS[setting] | changes)


def tone(samples=RATE, frequency=440.0):
    return np.sin(2 * np.pi * frequency * np.arange(samples) / RATE).astype(np.float32)


def chirp():
    times = np.arange(12345) / RATE
    return (0.7 * np.sin(2 * np.pi * (100 + 3000 * times) * times)).astype(np.float32)


def noise():
    return (0.2 * np.random.default_rng(0).standard_normal(9001)).astype(np.float32)


def with_silence():
    waveform = tone(8000)
    waveform[2000:6000] = 0
    return waveform


SOUNDS = {"tone": tone, "chirp": chirp, "noise": noise, "silence within": with_silence}


def extracted(waveform, f):
    return extract(waveform, RATE, f, filter_banks(RATE, f))


def by_librosa(kind, waveform, f):
    """Compute the features by librosa in double precision: [frames, dims]."""
    y = waveform.astype(np.float64)
    framing = {"n_fft": f.n_fft, "hop_length": f.hop_length, "win_length": f.win_length}
    if kind in ("logmel", "mfcc"):
        mel = librosa.feature.melspectrogram(
            y=y, sr=RATE, n_mels=f.n_mels, fmin=f.fmin, fmax=f.fmax, pad_mode="constant", **framing
        )
        if kind == "logmel":
            return librosa.power_to_db(mel, ref=np.max, top_db=f.top_db).T
        return librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=f.top_db), n_mfcc=f.n_mfcc).T
    if kind == "zcr":
        return librosa.feature.zero_crossing_rate(
            waveform, frame_length=f.n_fft, hop_length=f.hop_length
        ).T
    if kind == "rms":
        return librosa.feature.rms(
            y=y, frame_length=f.n_fft, hop_length=f.hop_length, pad_mode="constant"
        ).T
    return librosa.feature.chroma_stft(
        y=y, sr=RATE, tuning=0.0, n_chroma=12, pad_mode="constant", **framing
    ).T


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("kind", OF_FRAMES)
def test_each_kind_equals_librosas(kind, sound, setting):
    f = features([kind], setting)
    waveform = SOUNDS[sound]()
    result, expected = extracted(waveform, f), by_librosa(kind, waveform, f)
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    if kind == "logmel":
        assert np.abs(result - expected).max() < 1e-3  # dB
    elif kind == "mfcc":
        # A sum of n_mels levels, each off by no more than the levels are.
        assert np.abs(result - expected).max() < 1e-3 * np.sqrt(f.n_mels)
    elif kind == "zcr":
        assert result == pytest.approx(expected, abs=1e-7)
    else:
        assert result == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("n_mels", "n_mfcc"), [(40, 20), (5, 1), (64, 24)])
@pytest.mark.parametrize("kind", OWN)
def test_each_kind_has_the_expected_columns_and_rows(kind, n_mels, n_mfcc):
    f = features([kind], n_mels=n_mels, n_mfcc=n_mfcc)
    result = extracted(chirp(), f)
    rows = 1 if KINDS[kind].whole_clip else frame_count(len(chirp()), f.hop_length)
    assert result.dtype == np.float32
    assert result.shape == (rows, KINDS[kind].columns(f.n_mels, f.n_mfcc))


# Some of many bands in few Hz cover no bin.
@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("n_mels", [1, 2, 3, 5, 64, 200])
@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, 8000.0), (50.0, 400.0), (7000.0, 7100.0)])
def test_mel_levels_are_those_of_all_filters_at_once(n_mels, fmin, fmax):
    f = features(["logmel"], n_mels=n_mels, n_mfcc=1, fmin=fmin, fmax=fmax)
    power = power_spectrogram(cut_frames(chirp(), f.n_fft, f.hop_length), f.win_length)
    bank = filter_banks(RATE, f)["mel"]
    found = mel_power(power, bank)
    assert found.dtype == np.float32
    assert found == pytest.approx(power.astype(np.float64) @ bank.T.astype(np.float64), rel=1e-5)


@pytest.mark.parametrize("exponents", [(-30, -5), (-12, 2), (0, 0)])
@pytest.mark.parametrize("top_db", [80.0, 33.3])
def test_decibels_are_librosas_to_the_last_bit(exponents, top_db):
    power = 10 ** np.random.default_rng(0).uniform(*exponents, (50, 40)).astype(np.float32)
    found = power_to_db(power, top_db=top_db)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, librosa.power_to_db(power, top_db=top_db))


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_tone_of_440_hz_peaks_in_its_mel_band_and_in_chroma_a(setting):
    f = features(["logmel", "chroma"], setting)
    result = extracted(tone(), f)
    centres = librosa.mel_frequencies(f.n_mels + 2, fmin=f.fmin, fmax=f.fmax)[1:-1]
    loudest = result[5:-5, mel_columns(f.dims)].argmax(axis=1)
    assert set(loudest) <= set(np.argsort(np.abs(centres - 440))[:2])
    pitch_class = result[5:-5, f.n_mels :].argmax(axis=1)
    assert set(pitch_class) == {librosa.note_to_midi("A4") % 12}


@pytest.mark.parametrize("top_db", [80.0, 55.0])
def test_levels_reach_from_0_down_to_top_db(top_db):
    result = extracted(with_silence(), features(["logmel"], top_db=top_db))
    assert result.max() == 0
    assert result.min() == pytest.approx(-top_db, abs=1e-4)


def test_half_the_amplitude_is_half_the_rms_and_changes_no_logmel():
    f = features(["logmel", "rms"])
    loud, soft = extracted(noise(), f), extracted(noise() / 2, f)
    assert soft[:, -1] == pytest.approx(loud[:, -1] / 2)
    assert soft[:, :-1] == pytest.approx(loud[:, :-1], abs=1e-4)


def test_zero_crossings_and_rms_of_a_sine_have_their_closed_forms():
    result = extracted(tone(frequency=1000), features(["zcr", "rms"]))[5:-5]
    assert result[:, 0] == pytest.approx(2 * 1000 / RATE, abs=2 / 1024)
    assert result[:, 1] == pytest.approx(np.sqrt(0.5), rel=5e-3)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("hops", [1, 2, 3, 10])
def test_there_are_1_plus_samples_over_hop_frames(setting, extra, hops):
    f = features(OF_FRAMES, setting)
    samples = hops * f.hop_length + extra
    expected = 1 + samples // f.hop_length
    assert frame_count(samples, f.hop_length) == expected
    assert len(extracted(noise()[:samples], f)) == expected


@pytest.mark.parametrize("samples", [1, 2, 100, 511, 1023])
@pytest.mark.parametrize("setting", SETTINGS)
def test_waveforms_shorter_than_a_frame_have_finite_features(samples, setting):
    f = features(OF_FRAMES, setting)
    result = extracted(tone(samples, 3000) + np.float32(0.1), f)
    assert result.shape == (frame_count(samples, f.hop_length), sum(f.dims.values()))
    assert np.isfinite(result).all()


def test_silence_has_finite_features():
    f = features(OF_FRAMES)
    result = extracted(np.zeros(5000, dtype=np.float32), f)
    assert np.isfinite(result).all()
    assert not result[:, -14:].any()


@pytest.mark.parametrize("order", [OF_FRAMES, OF_FRAMES[::-1], ["rms", "logmel"], ["chroma"]])
def test_kinds_are_stacked_in_the_order_asked_for(order):
    f = features(order)
    sizes = {"logmel": 40, "mfcc": 20, "zcr": 1, "rms": 1, "chroma": N_CHROMA}
    assert list(f.dims.items()) == [(kind, sizes[kind]) for kind in order]
    alone = {kind: extracted(chirp(), features([kind])) for kind in order}
    result = extracted(chirp(), f)
    assert result.shape[1] == sum(f.dims.values())
    assert [kind for kind, _ in column_slices(f.dims)] == order
    for kind, columns in column_slices(f.dims):
        assert np.array_equal(result[:, columns], alone[kind])


@pytest.mark.parametrize(
    ("kinds", "columns"),
    [
        (["logmel"], slice(0, 40)),
        (["mfcc", "zcr", "logmel", "rms"], slice(21, 61)),
        (["mfcc", "chroma"], slice(0, 0)),
    ],
)
def test_mel_columns_are_where_the_bands_are(kinds, columns):
    f = features(kinds)
    assert mel_columns(f.dims) == columns
    if "logmel" in kinds:
        found = extracted(chirp(), f)[:, mel_columns(f.dims)]
        assert np.array_equal(found, logmel(chirp(), RATE, f, filter_banks(RATE, f)))


def test_settings_of_one_call_do_not_reach_the_next():
    waveform = chirp()
    first = extracted(waveform, features(["logmel"]))
    for changes in ({"fmin": 300.0}, {"fmax": 4000.0}, {"n_mels": 30}, {"win_length": 700}):
        other = extracted(waveform, features(["logmel"], **changes))
        assert other.shape != first.shape or np.abs(other - first).max() > 0.1
    assert np.array_equal(extracted(waveform, features(["logmel"])), first)


def test_extracting_does_not_change_the_waveform():
    waveform = chirp()
    waveform.setflags(write=False)
    extracted(waveform, features(OF_FRAMES))
    assert np.array_equal(waveform, chirp())


def test_the_work_on_clips_needs_no_slow_import():
    slow = "{'librosa', 'noisereduce', 'numba', 'scipy.signal', 'torch'}"
    modules = "ser.audio.standard, ser.augment.copies, ser.features.extract"
    program = f"import sys, {modules}; print({slow} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
