import json

import librosa
import numpy as np
import pytest

from ser.audio.change import mel_bank
from ser.core.filters import filter_banks, from_json, mel_band_hertz, to_json
from ser.core.sections import Features


def features(**changes):
    values = {"kinds": ["logmel"], "n_fft": 1024, "win_length": 512, "hop_length": 256}
    values |= {"n_mels": 40, "n_mfcc": 20, "fmin": 50.0, "fmax": 4000.0, "top_db": 80.0}
    return Features(**values | changes)


def test_mel_bands_up_to_1000_hz_are_equal_triangles_of_an_area_of_one():
    """There mel are linear in frequency."""
    f = features(n_mels=9, n_mfcc=9, fmin=0.0, fmax=1000.0)
    bank = filter_banks(16000, f)["mel"]
    bins = np.fft.rfftfreq(1024, 1 / 16000)
    middles = mel_band_hertz(f)
    assert middles == pytest.approx(100.0 * np.arange(1, 10))
    for weights, middle in zip(bank, middles, strict=True):
        triangle = np.interp(bins, [middle - 100, middle, middle + 100], [0, 0.01, 0])
        assert weights == pytest.approx(triangle, abs=1e-8)


def test_mel_bands_above_1000_hz_are_27_to_a_factor_of_6_4():
    middles = mel_band_hertz(features(n_mels=53, fmin=1000.0, fmax=6400.0))
    assert middles[1:] / middles[:-1] == pytest.approx(np.full(52, 6.4 ** (1 / 54)))


@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, 8000.0), (50.0, 900.0), (1000.0, 24000.0)])
@pytest.mark.parametrize("bands", [24, 64])
def test_the_middles_of_mel_bands_are_librosas_bit_for_bit(fmin, fmax, bands):
    edges = librosa.mel_frequencies(bands + 2, fmin=fmin, fmax=fmax)
    found = mel_band_hertz(features(n_mels=bands, fmin=fmin, fmax=fmax))
    np.testing.assert_array_equal(found, edges[1:-1])


def test_pitch_classes_begin_with_c_and_are_tuned_to_440_hz():
    bank = filter_banks(16000, features(kinds=["chroma"], n_fft=4096))["chroma"]
    for midi in range(60, 84):
        heard = bank[:, round(440 * 2 ** ((midi - 69) / 12) * 4096 / 16000)]
        assert heard.argmax() == midi % 12


def test_the_bands_that_speech_is_told_by_are_librosas():
    expected = librosa.filters.mel(sr=16000, n_fft=512, n_mels=32, fmin=80.0, fmax=8000.0)
    np.testing.assert_array_equal(mel_bank(), expected)


# Of 200 bands in 400 Hz some cover no bin.
@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(
    "changes", [{}, {"kinds": ["chroma", "mfcc"]}, {"n_mels": 200, "fmax": 450.0}]
)
def test_filter_banks_come_back_from_json_to_the_last_bit(changes):
    f = features(**changes)
    banks = filter_banks(16000, f)
    again = from_json(json.loads(json.dumps(to_json(banks))), f)
    assert list(again) == list(banks)
    for name, bank in banks.items():
        assert again[name].dtype == np.float32
        np.testing.assert_array_equal(again[name], bank)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"n_mels": 41}, ValueError),
        ({"n_fft": 512}, ValueError),
        ({"kinds": ["chroma"]}, LookupError),
    ],
)
def test_filter_banks_of_other_features_are_refused(changes, error):
    described = to_json(filter_banks(16000, features(fmax=8000.0)))
    with pytest.raises(error):
        from_json(described, features(fmax=8000.0, **changes))
