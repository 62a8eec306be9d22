"""Files of all formats that libsndfile writes: whole, cut off, and with sizes never filled in."""

import struct

import numpy as np
import pytest
import soundfile
from encoders import by_ffmpeg, by_libsndfile, read_by_libsndfile, sweep

from ser.decoding import decode
from ser.rejection import Rejected

RATE = 8000
N = 3011
# Read by others below, or never: samples without a header, an instrument's and two without a reader
# in libsndfile itself once they are opened by soundfile.
NO_CONTAINER = ("RAW", "FLAC", "MP3", "OGG", "SD2")
STATE_NO_LENGTH = ("IRCAM", "PAF", "PVF", "XI")
REFUSED = ("DWVW_12", "DWVW_16", "DWVW_24")  # libsndfile cannot seek in them


def formats():
    for kind in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(kind):
            if kind not in NO_CONTAINER and subtype not in (*REFUSED, "MPEG_LAYER_III"):
                yield from ((kind, subtype, channels) for channels in (1, 2))


def made(kind, subtype, channels, n=N):
    try:
        return by_libsndfile(sweep(n, channels, RATE), RATE, kind, subtype)
    except soundfile.LibsndfileError:
        pytest.skip("libsndfile does not write it")


def read(folder, data):
    path = folder / "a.wav"
    path.write_bytes(data)
    return decode(path)


def refusal(folder, data):
    with pytest.raises(Rejected) as caught:
        read(folder, data)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize(("kind", "subtype", "channels"), list(formats()))
def test_a_whole_file_is_read_to_the_sample_and_a_cut_one_refused(
    tmp_path, kind, subtype, channels
):
    data = made(kind, subtype, channels)
    found = read(tmp_path, data)
    expected = read_by_libsndfile(data)
    assert found.sample_rate == (44_100 if kind == "XI" else RATE)  # an instrument has no rate
    assert N <= len(found.samples) <= len(expected)
    if subtype in ("MS_ADPCM", "NMS_ADPCM_16", "G721_32", "GSM610") and kind == "WAV":
        assert len(found.samples) == N  # as the chunk fact says; the rest is padding
    # FFmpeg rounds IMA ADPCM otherwise, see ser/aiff.py.
    close = 0.02 if (kind, subtype) == ("AIFF", "IMA_ADPCM") else 0
    np.testing.assert_allclose(found.samples, expected[: len(found.samples)], atol=close)
    for cut in (len(data) // 2, len(data) * 9 // 10):
        if kind not in STATE_NO_LENGTH:
            assert refusal(tmp_path, data[:cut])[0] in (
                # libsndfile itself refuses an HTK, for no reason that is of use.
                ("undecodable",) if kind == "HTK" else ("truncated",)
            )


@pytest.mark.parametrize(("kind", "subtype", "channels"), list(formats()))
def test_a_file_that_ends_within_its_header_is_refused(tmp_path, kind, subtype, channels):
    data = made(kind, subtype, channels, 100)
    named = (
        "AIFF",
        "AU",
        "AVR",
        "CAF",
        "MAT4",
        "MAT5",
        "MPC2K",
        "NIST",
        "RF64",
        "SDS",
        "SVX",
        "VOC",
    )
    for cut in (20, 24, 30, 40):
        if kind in (*named, "W64", "WAV", "WAVEX", "WVE"):
            assert refusal(tmp_path, data[:cut])[0] == "truncated"
        elif kind != "PVF":  # whose header is 14 bytes
            assert refusal(tmp_path, data[:cut])[0] in ("undecodable", "zero_length")


@pytest.mark.parametrize(
    "kind", ["RF64", "W64", "AIFF", "AU", "NIST", "CAF", "SVX", "AVR", "MPC2K"]
)
def test_a_file_cut_by_one_sample_says_how_many_are_left(tmp_path, kind):
    data = by_libsndfile(sweep(N, 1, RATE), RATE, kind, "PCM_16")
    at = data.rindex(
        struct.pack(
            "<h" if kind in ("RF64", "W64", "NIST", "MPC2K") else ">h",
            round(float(sweep(N, 1, RATE)[-1, 0]) * 32767),
        )
    )
    reason, detail = refusal(tmp_path, data[:at])
    assert reason == "truncated"
    assert f"of {N} samples" in detail or f"of {2 * N} bytes" in detail


@pytest.mark.parametrize("kind", ["RF64", "W64", "AIFF", "AU", "NIST", "CAF", "SVX", "AVR"])
def test_a_header_without_samples_is_of_zero_length(tmp_path, kind):
    data = by_libsndfile(np.zeros((0, 1)), RATE, kind, "PCM_16")
    assert refusal(tmp_path, data)[0] == "zero_length"


def test_an_aiff_whose_samples_begin_behind_its_end_is_refused(tmp_path):
    data = bytearray(by_libsndfile(sweep(N), RATE, "AIFF", "PCM_16"))
    at = data.index(b"SSND") + 8
    for offset in (2 * N, 2 * N + 100, 2**32 - 1):
        data[at : at + 4] = struct.pack(">I", offset)
        assert refusal(tmp_path, bytes(data))[0] in ("truncated", "undecodable", "zero_length")


def test_rifx_is_read_and_refused_where_it_is_cut(tmp_path):
    data = by_libsndfile(sweep(N, 2, RATE), RATE, "WAV", "PCM_16", endian="BIG")
    assert data[:4] == b"RIFX"
    np.testing.assert_array_equal(read(tmp_path, data).samples, read_by_libsndfile(data))
    assert refusal(tmp_path, data[: len(data) // 2])[0] == "truncated"
    assert refusal(tmp_path, data[:20])[0] == "truncated"


def test_bw64_is_read_as_rf64(tmp_path):
    data = by_libsndfile(sweep(N, 2, RATE), RATE, "RF64", "PCM_24")
    renamed = data.replace(b"RF64", b"BW64", 1)
    np.testing.assert_array_equal(read(tmp_path, renamed).samples, read_by_libsndfile(data))
    assert refusal(tmp_path, renamed[:9000])[0] == "truncated"


# Sizes that were never filled in


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "RIFX"])
@pytest.mark.parametrize("written", [0, 0x7FFFF000, 2**31, 2**32 - 37, 2**32 - 1])
def test_a_wav_whose_size_is_not_known_is_read_to_its_end(tmp_path, kind, subtype, written):
    container = "WAV" if kind == "RIFX" else kind
    if not soundfile.check_format(container, subtype):
        pytest.skip("libsndfile does not write it")
    endian = "BIG" if kind == "RIFX" else "FILE"
    data = bytearray(by_libsndfile(sweep(N, 2, RATE), RATE, container, subtype, endian))
    whole = read_by_libsndfile(bytes(data))
    at = data.index(b"data")
    if kind == "W64":
        written = {0: 0, 2**32 - 1: 2**63 - 1, 2**31: 2**64 - 1}.get(written, 24)
        struct.pack_into("<Q", data, at + 16, written)
    elif kind == "RF64":
        assert data[at + 4 : at + 8] == b"\xff" * 4
        written = {0: 0, 2**32 - 1: 2**64 - 1}.get(written, 2**63 - 1)
        struct.pack_into("<Q", data, data.index(b"ds64") + 16, written)
    else:
        struct.pack_into(">I" if kind == "RIFX" else "<I", data, at + 4, written)
        data[4:8] = bytes(4)
    # What stands behind the samples then counts as some: a chunk that is padding here.
    np.testing.assert_array_equal(read(tmp_path, bytes(data)).samples[: len(whole)], whole)
    assert len(read(tmp_path, bytes(data)).samples) - len(whole) in (0, 1)


@pytest.mark.parametrize("riff", [0, 36, 4088, 2**32 - 1])
@pytest.mark.parametrize("before", [b"", b"JUNK" + struct.pack("<I", 4000) + bytes(4000)])
def test_a_wav_that_was_never_finalised_is_read(tmp_path, riff, before):
    samples = (sweep(N)[:, 0] * 2**15).astype("<i2")
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVE" + before + form + b"data" + bytes(4)
    found = read(tmp_path, head + samples.tobytes()).samples[:, 0]
    np.testing.assert_array_equal(found, samples / np.float32(2**15))
    # A sample of which the last byte was not written.
    assert len(read(tmp_path, head + samples.tobytes()[:-1]).samples) == N - 1


@pytest.mark.parametrize("subtype", ["GSM610", "MS_ADPCM", "G721_32", "NMS_ADPCM_24"])
def test_a_wav_of_another_codec_that_was_never_finalised_is_read(tmp_path, subtype):
    data = bytearray(by_libsndfile(sweep(N), RATE, "WAV", subtype))
    whole = read(tmp_path, bytes(data)).samples
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    found = read(tmp_path, bytes(data)).samples
    assert 0 <= len(found) - N < 512  # nobody says where the padding of the last block begins
    np.testing.assert_array_equal(found[:N], whole)


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


@pytest.mark.parametrize(
    "behind",
    [b"", chunk(b"LIST", b"INFOINAM\2\0\0\0a\0"), chunk(b"note", b"odd") + chunk(b"LIST", b"a")],
)
def test_an_empty_wav_with_other_chunks_behind_is_of_zero_length(tmp_path, behind):
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    body = b"WAVE" + form + b"data" + bytes(4) + behind
    reason, detail = refusal(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body)
    assert reason == "zero_length"
    assert "empty data chunk" in detail


@pytest.mark.parametrize("written", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
def test_an_au_of_unknown_length_is_read_to_its_end(tmp_path, written, endian):
    data = bytearray(by_libsndfile(sweep(N, 2, RATE), RATE, "AU", "PCM_16", endian))
    whole = read_by_libsndfile(bytes(data))
    data[8:12] = struct.pack(">I", written)
    np.testing.assert_array_equal(read(tmp_path, bytes(data)).samples, whole)
    assert refusal(tmp_path, bytes(data[:24]))[0] == "zero_length"


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("wav", codec) for codec in ("pcm_s16le", "pcm_f32le", "adpcm_ms", "libmp3lame")),
        *(("w64", "pcm_s16le"), ("aiff", "pcm_s16be"), ("aiff", "pcm_f32be"), ("au", "pcm_s16be")),
        *(("caf", "pcm_s16be"), ("caf", "pcm_s24le"), ("voc", "pcm_s16le"), ("ogg", "flac")),
    ],
)
def test_what_ffmpeg_writes_into_a_pipe_is_read(tmp_path, container, codec):
    samples = sweep(N, 2, RATE)
    found = read(tmp_path, by_ffmpeg(samples, RATE, container, codec, piped=True)).samples
    if codec.startswith(("pcm", "flac")):
        np.testing.assert_allclose(found, samples, atol=2**-15)
    else:
        assert len(found) >= N


def test_an_unfinished_aiff_of_a_codec_that_needs_its_header_says_so(tmp_path):
    data = by_ffmpeg(sweep(N), RATE, "aiff", "adpcm_ima_qt", piped=True)
    reason, detail = refusal(tmp_path, data)
    assert reason == "undecodable"
    assert "never completed" in detail


def test_an_rf64_without_the_chunk_that_holds_its_size_is_truncated(tmp_path):
    data = by_libsndfile(sweep(N), RATE, "RF64", "PCM_16")
    assert refusal(tmp_path, data[:14])[0] == "truncated"


@pytest.mark.parametrize(
    "head", [b"RIFF\xff\xff\xff\x7fWAVE", b"FORM\0\0\0\0AIFF", b"caff\0\1\0\0"]
)
def test_a_file_of_nothing_but_tiny_chunks_is_refused_at_once(tmp_path, head):
    assert refusal(tmp_path, head + bytes(10_000_000))[0] == "undecodable"
