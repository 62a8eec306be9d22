import io
import struct

import numpy as np
import pytest
import soundfile
from settings import audio_form, audio_limits

from ser.audio.standard import SILENCE_DB, reduce_noise, require_usable, resample, standardise
from ser.core.recording import Recording
from ser.core.rejection import REASONS, Rejected
from ser.decoding.decoding import decode

RATE = 16000


def tone(frequency=440.0, seconds=1.0, rate=RATE, level=0.5):
    times = np.arange(round(seconds * rate)) / rate
    return level * np.sin(2 * np.pi * frequency * times)


def encoded(samples, rate=RATE, kind="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def decoded(path, data):
    path.write_bytes(data)
    return decode(path)


@pytest.fixture
def wav(tmp_path):
    return tmp_path / "a01 (1).wav"


def rejection(path, data):
    with pytest.raises(Rejected) as caught:
        decoded(path, data)
    assert caught.value.reason in REASONS
    return caught.value.reason, str(caught.value)


def recording(samples, rate=RATE):
    samples = np.asarray(samples, dtype=np.float32)
    return Recording(samples.reshape(len(samples), -1), rate, "FLOAT")


def refused(samples, rate=RATE, min_seconds=0.1, max_clipped=0.01):
    with pytest.raises(Rejected) as caught:
        require_usable(recording(samples, rate), audio_limits(min_seconds, max_clipped))
    return caught.value.reason, str(caught.value)


def loudest_frequency(waveform, rate):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * rate / len(waveform)


# Decoding


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_32"),
        ("WAV", "FLOAT"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
        ("WAVEX", "PCM_16"),
        ("WAVEX", "PCM_24"),
        ("WAVEX", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("W64", "PCM_16"),
        ("RF64", "PCM_16"),
        ("CAF", "PCM_16"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_decoding_gives_the_values_of_soundfile(wav, kind, subtype, channels):
    samples = np.stack([tone(440), tone(300, level=0.3)], axis=1)[:, :channels]
    data = encoded(samples, kind=kind, subtype=subtype)
    read, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    result = decoded(wav, data)
    assert np.array_equal(result.samples, read)
    assert result.samples.dtype == np.float32
    assert (result.sample_rate, result.subtype) == (rate, subtype)
    assert result.seconds == len(read) / rate


def test_24_bit_and_float_hold_their_values_exactly(wav):
    counts = np.array([0, 1, -1, 2**22, -(2**23), 2**23 - 1], dtype=np.int64)
    written = (counts << 8).astype(np.int32)
    data = encoded(written, subtype="PCM_24")
    assert np.array_equal(decoded(wav, data).samples[:, 0], (counts / 2**23).astype(np.float32))
    values = np.array([1e-7, -0.25, 1.5], dtype=np.float32)
    assert np.array_equal(decoded(wav, encoded(values, subtype="FLOAT")).samples[:, 0], values)


def test_a_recording_longer_than_a_block_is_decoded_whole(wav):
    samples = np.random.default_rng(0).uniform(-1, 1, (1 << 20) + 5).astype(np.float32)
    data = encoded(samples, subtype="FLOAT")
    assert np.array_equal(decoded(wav, data).samples[:, 0], samples)
    whole = encoded(samples[: 1 << 20], subtype="FLOAT")
    assert np.array_equal(decoded(wav, whole).samples[:, 0], samples[: 1 << 20])


def test_a_name_in_capitals_is_judged_as_a_wav(tmp_path):
    data = encoded(tone())
    assert rejection(tmp_path / "A.WAV", data[:-2])[0] == "truncated"


# Recordings without samples


def test_a_riff_header_without_a_data_chunk_has_zero_length(wav):
    data = encoded(tone(), subtype="FLOAT")
    header = b"RIFF" + struct.pack("<I", 28) + data[8:36]
    assert len(header) == 36
    reason, detail = rejection(wav, header)
    assert reason == "zero_length"
    assert "36 bytes" in detail


def test_an_empty_file_has_zero_length(wav):
    assert rejection(wav, b"") == ("zero_length", "an empty file")


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_a_header_with_an_empty_data_chunk_has_zero_length(wav, kind):
    data = encoded(np.zeros(0), kind=kind)
    if kind == "WAV":
        assert len(data) == 44
    assert rejection(wav, data)[0] == "zero_length"


def test_a_flac_without_samples_is_rejected(wav):
    assert rejection(wav, encoded(np.zeros(0), kind="FLAC"))[0] in ("zero_length", "undecodable")


# Recordings that were cut off


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_cut_by_half_is_truncated(wav, subtype, channels):
    data = encoded(np.stack([tone()] * channels, axis=1), subtype=subtype)
    assert rejection(wav, data[: len(data) // 2])[0] == "truncated"


@pytest.mark.parametrize(
    ("subtype", "width"), [("PCM_16", 2), ("PCM_24", 3), ("FLOAT", 4), ("DOUBLE", 8)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_cut_by_one_sample_is_truncated_and_the_samples_left_are_counted(
    wav, subtype, width, channels
):
    n = 1000
    data = encoded(np.stack([tone()[:n]] * channels, axis=1), subtype=subtype)
    end = data.index(b"data") + 8 + n * width * channels  # a PEAK chunk may follow
    for missing in (1, width * channels):
        reason, detail = rejection(wav, data[: end - missing])
        assert (reason, detail) == ("truncated", f"{n - 1} of {n} samples per channel")


def test_a_wav_cut_anywhere_is_rejected(wav):
    data = encoded(tone(seconds=0.01), kind="WAVEX", subtype="PCM_24")
    reasons = {size: rejection(wav, data[:size])[0] for size in range(len(data))}
    assert set(reasons.values()) <= {"zero_length", "truncated", "undecodable"}
    assert reasons[len(data) - 1] == "truncated"


@pytest.mark.parametrize("kind", ["FLAC", "OGG"])
def test_a_cut_flac_or_ogg_is_rejected(wav, kind):
    data = encoded(tone(), kind=kind, subtype={"FLAC": "PCM_16", "OGG": "VORBIS"}[kind])
    for size in (len(data) - 1, len(data) // 2, 10):
        # libsndfile finds no samples at all in an Ogg without its last page.
        assert rejection(wav, data[:size])[0] in ("truncated", "undecodable", "zero_length")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("suffix", "subtype"), [(".ogg", "VORBIS"), (".opus", "OPUS")])
def test_an_ogg_without_its_last_page_is_rejected(tmp_path, suffix, subtype, share):
    data = encoded(tone(seconds=8.0), rate=16000, kind="OGG", subtype=subtype)
    assert decoded(tmp_path / f"whole{suffix}", data).seconds == pytest.approx(8.0)
    reason, _ = rejection(tmp_path / f"cut{suffix}", data[: round(share * len(data))])
    assert reason in ("truncated", "undecodable")


@pytest.mark.parametrize(("suffix", "kind"), [(".flac", "FLAC"), (".mp3", "MP3")])
def test_a_recording_of_any_other_kind_that_is_cut_by_half_is_rejected(tmp_path, suffix, kind):
    subtype = "MPEG_LAYER_III" if kind == "MP3" else "PCM_16"
    data = encoded(tone(), kind=kind, subtype=subtype)
    reason, _ = rejection(tmp_path / f"a{suffix}", data[: len(data) // 2])
    assert reason in ("truncated", "undecodable")


@pytest.mark.parametrize("riff", [0xFFFFFFFF, 0])
def test_a_wav_that_was_streamed_with_an_unknown_length_is_kept(wav, riff):
    data = bytearray(encoded(tone()))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    data[4:8] = struct.pack("<I", riff)
    assert len(decoded(wav, bytes(data)).samples) == RATE


def with_flac_total(data, total):
    """Set the 36 bits of STREAMINFO that hold the number of samples."""
    changed = bytearray(data)
    changed[21] = changed[21] & 0xF0 | total >> 32
    changed[22:26] = struct.pack(">I", total & 0xFFFFFFFF)
    return bytes(changed)


def test_a_flac_that_was_streamed_with_an_unknown_length_is_decoded(wav):
    data = encoded(tone(), kind="FLAC")
    whole = decoded(wav, data).samples
    np.testing.assert_array_equal(decoded(wav, with_flac_total(data, 0)).samples, whole)


def test_a_flac_that_promises_more_than_memory_holds_is_rejected(wav):
    data = with_flac_total(encoded(tone(), kind="FLAC"), 2**36 - 1)
    assert rejection(wav, data)[0] in ("truncated", "undecodable")


# Chunks of a WAV file


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
VALUES = (1000 * np.arange(-4, 5)).astype("<i2")
DATA = chunk(b"data", VALUES.tobytes())
LIST = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"a name"))
ODD = chunk(b"note", b"odd")


@pytest.mark.parametrize(
    "chunks",
    [
        (FMT, DATA),
        (FMT, LIST, DATA),
        (FMT, ODD, DATA),
        (LIST, ODD, FMT, ODD, DATA),
        (FMT, DATA, LIST),
        (FMT, DATA, ODD, LIST),
    ],
)
def test_other_chunks_around_the_samples_do_not_matter(wav, chunks):
    result = decoded(wav, riff(*chunks))
    assert np.array_equal(result.samples[:, 0], VALUES / np.float32(2**15))


def test_samples_that_are_cut_off_behind_other_chunks_are_noticed(wav):
    assert rejection(wav, riff(FMT, LIST, ODD, DATA)[:-2])[0] == "truncated"


def test_a_data_chunk_of_odd_size_without_its_padding_byte_is_complete(wav):
    header = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8))
    data = riff(header, chunk(b"data", bytes([0, 128, 255])))
    assert len(decoded(wav, data).samples) == 3
    assert len(decoded(wav, data[:-1]).samples) == 3


def test_a_file_without_its_samples_that_promised_more_is_truncated(wav):
    whole = riff(FMT, LIST, DATA)
    assert rejection(wav, whole[: whole.index(b"data")])[0] == "truncated"


# Files that are not recordings


@pytest.mark.parametrize(
    "data",
    [
        np.random.default_rng(0).bytes(5000),
        b"<!DOCTYPE html><html>not found</html>\n",
        "καλημέρα\n".encode(),
        b"RIFF",
        b"RIFF\x04\x00\x00\x00AVI ",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
)
def test_garbage_and_text_named_wav_are_undecodable(wav, data):
    reason, detail = rejection(wav, data)
    assert reason == "undecodable"
    assert detail


def test_damaged_bytes_lead_to_a_recording_or_a_rejection_and_nothing_else(wav):
    rng = np.random.default_rng(1)
    whole = encoded(tone(seconds=0.05))
    for _ in range(300):
        data = bytearray(whole)
        data[int(rng.integers(44))] = int(rng.integers(256))
        try:
            decoded(wav, bytes(data))
        except Rejected as verdict:
            assert verdict.reason in REASONS  # noqa: PT017


# Checks


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_rejected_and_counted(wav, value):
    samples = tone().astype(np.float32)
    samples[[5, 9]] = value
    result = decoded(wav, encoded(samples, subtype="FLOAT"))
    with pytest.raises(Rejected, match=r"^2 samples are NaN or infinite") as caught:
        require_usable(result, audio_limits(0.1, 0.01))
    assert caught.value.reason == "not_finite"


def test_silence_and_a_constant_offset_are_silent():
    assert refused(np.zeros(RATE))[0] == "silent"
    assert refused(np.full(RATE, 0.4))[0] == "silent"
    offsets = np.stack([np.full(RATE, 0.4), np.full(RATE, -0.1)], axis=1)
    assert refused(offsets)[0] == "silent"


def test_the_limit_of_silence_is_80_db_below_full_scale():
    limit = 10 ** (SILENCE_DB / 20)
    assert SILENCE_DB == -80
    assert refused(tone(level=0.98 * limit))[0] == "silent"
    require_usable(recording(tone(level=1.02 * limit)), audio_limits(0.1, 0.01))


def test_the_shortest_length_is_kept_and_a_sample_less_is_too_short():
    require_usable(recording(tone(seconds=0.5)), audio_limits(0.5, 0.01))
    reason, detail = refused(tone(seconds=0.5)[:-1], min_seconds=0.5)
    assert reason == "too_short"
    assert "0.5 s expected" in detail


# Standard form


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24414, 44100, 48000, 96000])
def test_resampling_keeps_the_frequency_and_the_length_of_a_tone(rate):
    waveform = standardise(resample(recording(tone(1000, 1, rate), rate), RATE), audio_form())
    assert abs(len(waveform) - RATE) <= 1
    assert abs(loudest_frequency(waveform, RATE) - 1000) <= 1
    assert waveform.dtype == np.float32
    inside = waveform[800:-800]
    assert np.std(inside) * np.sqrt(2) == pytest.approx(np.abs(inside).max(), rel=0.01)


def test_resampling_leaves_nothing_of_a_tone_above_the_new_nyquist_frequency():
    samples = tone(1000, 1, 48000) + tone(10000, 1, 48000)
    waveform = standardise(resample(recording(samples, 48000), RATE), audio_form())
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    alias = round((RATE - 10000) * len(waveform) / RATE)
    assert spectrum[alias - 3 : alias + 4].max() < 1e-4 * spectrum.max()


@pytest.mark.parametrize("level", [2e-4, 0.5, 1.0, 7.0])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_the_peak_is_1(level, rate):
    resampled = resample(recording(tone(level=level, rate=rate), rate), RATE)
    waveform = standardise(resampled, audio_form())
    assert np.abs(waveform).max() == 1


def signal_to_noise(waveform, frequency):
    """Return the power of the tone, by least squares, over that of the rest, in dB."""
    times = np.arange(len(waveform)) / RATE
    basis = np.stack([np.sin(2 * np.pi * frequency * times), np.cos(2 * np.pi * frequency * times)])
    fitted = np.linalg.lstsq(basis.T, waveform, rcond=None)[0] @ basis
    return 10 * np.log10(np.sum(fitted**2) / np.sum((waveform - fitted) ** 2))


def test_stationary_noise_reduction_raises_the_snr_and_keeps_the_length():
    rng = np.random.default_rng(0)
    samples = 0.02 * rng.standard_normal(2 * RATE)
    samples[RATE // 2 :] += tone(1000, 1.5, level=0.1)
    plain = standardise(resample(recording(samples), RATE), audio_form(noise_seconds=0.4))
    reduced = standardise(
        resample(recording(samples), RATE),
        audio_form(noise_reduction="stationary", noise_seconds=0.4),
    )
    assert len(reduced) == len(plain)
    assert np.abs(reduced).max() == 1
    inside = slice(RATE // 2 + 2000, -2000)
    before, after = signal_to_noise(plain[inside], 1000), signal_to_noise(reduced[inside], 1000)
    assert before == pytest.approx(20 * np.log10(0.1 / np.sqrt(2) / 0.02), abs=0.3)
    assert after > before + 6


def test_noise_reduction_with_a_silent_beginning_stays_finite():
    samples = np.concatenate([np.zeros(RATE // 4), tone()])
    assert np.isfinite(
        standardise(resample(recording(samples), RATE), audio_form(noise_reduction="stationary"))
    ).all()


@pytest.mark.parametrize("samples", [1, 10, 600, 1000, 2000])
def test_noise_reduction_takes_clips_of_any_length(samples):
    waveform = 0.1 + tone(seconds=1)[:samples].astype(np.float32)
    assert len(reduce_noise(waveform, RATE, 0.25)) == samples


@pytest.mark.parametrize("seconds", [1e-4, 0.01, 0.05, 10.0])
def test_noise_reduction_takes_a_noise_profile_of_any_length(seconds):
    waveform = tone().astype(np.float32)
    reduced = reduce_noise(waveform, RATE, seconds)
    assert len(reduced) == len(waveform)
    assert np.isfinite(reduced).all()
