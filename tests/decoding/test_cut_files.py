"""Files of all formats that libsndfile writes: whole, cut off, and with sizes never filled in."""

import io
import struct
from functools import cache

import numpy as np
import pytest
import soundfile
from encoders import by_ffmpeg, by_libsndfile, read_by_libsndfile, sweep

from ser.core.rejection import Rejected
from ser.decoding.decoding import decode

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


@cache
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
    # FFmpeg rounds IMA ADPCM otherwise, see ser/decoding/aiff.py.
    close = 0.02 if (kind, subtype) == ("AIFF", "IMA_ADPCM") else 0
    np.testing.assert_allclose(found.samples, expected[: len(found.samples)], atol=close)
    for cut in (len(data) // 2, len(data) * 9 // 10):
        if kind not in STATE_NO_LENGTH:
            assert refusal(tmp_path, data[:cut])[0] == "truncated"


@pytest.mark.parametrize(("kind", "subtype", "channels"), list(formats()))
def test_a_file_that_ends_within_its_header_is_refused(tmp_path, kind, subtype, channels):
    data = made(kind, subtype, channels, 100)
    named = (
        "AIFF",
        "AU",
        "AVR",
        "CAF",
        "HTK",
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
    "kind", ["RF64", "W64", "AIFF", "AU", "NIST", "CAF", "SVX", "AVR", "MPC2K", "HTK"]
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


def test_an_aiff_that_is_cut_before_what_says_how_to_read_it_says_so(tmp_path):
    data = by_libsndfile(sweep(N), RATE, "AIFF", "PCM_16")
    common, sound = data.index(b"COMM"), data.index(b"SSND")
    turned = data[:common] + data[sound:] + data[common:sound]
    np.testing.assert_array_equal(read(tmp_path, turned).samples, read_by_libsndfile(data))
    for cut in (100, 3000, len(turned) - 30):
        reason, detail = refusal(tmp_path, turned[:cut])
        assert reason == "truncated"
        assert "without the chunk COMM" in detail
    whole = b"FORM" + struct.pack(">I", len(data) - 8 - (sound - common)) + data[8:common]
    reason, detail = refusal(tmp_path, whole + data[sound:])
    assert reason == "undecodable"
    assert "without the chunk COMM" in detail


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
def test_a_wav_whose_size_is_not_known_is_read_to_its_end(tmp_path, kind, subtype):
    container = "WAV" if kind == "RIFX" else kind
    if not soundfile.check_format(container, subtype):
        pytest.skip("libsndfile does not write it")
    endian = "BIG" if kind == "RIFX" else "FILE"
    data = bytearray(by_libsndfile(sweep(N, 2, RATE), RATE, container, subtype, endian))
    whole = read_by_libsndfile(bytes(data))
    at = data.index(b"data")
    if kind == "W64":
        place, number, unknown = at + 16, "<Q", (0, 24, 2**63 - 1, 2**64 - 1)
    elif kind == "RF64":
        assert data[at + 4 : at + 8] == b"\xff" * 4
        place, number, unknown = data.index(b"ds64") + 16, "<Q", (0, 2**63 - 1, 2**64 - 1)
    else:
        place, number = at + 4, ">I" if kind == "RIFX" else "<I"
        unknown = (0, 0x7FFFF000, 2**31, 2**32 - 37, 2**32 - 1)
        data[4:8] = bytes(4)
    for written in unknown:
        struct.pack_into(number, data, place, written)
        found = read(tmp_path, bytes(data)).samples
        np.testing.assert_array_equal(found[: len(whole)], whole)
        assert len(found) - len(whole) in (0, 1)  # the padding counts as a sample


def killed(kind, subtype, channels, n=N):
    """What lies on the disk when a program dies before it closes its file; and the whole file."""
    file = io.BytesIO()
    opened = soundfile.SoundFile(file, "w", RATE, channels, subtype, format=kind)
    opened.write(sweep(n, channels, RATE))
    left = file.getvalue()
    opened.close()
    return left, file.getvalue()


# Its codec writes all of it when the file is closed.
KEPT_BACK = ("ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32")
# Nothing tells how many samples their bytes are.
UNCOUNTED = (("AIFF", "IMA_ADPCM"), ("AIFF", "GSM610"))


@pytest.mark.parametrize(("kind", "subtype", "channels"), list(formats()))
def test_what_a_program_wrote_before_it_was_killed_is_read(tmp_path, kind, subtype, channels):
    made(kind, subtype, channels, 1)
    data, whole = killed(kind, subtype, channels)
    if subtype in KEPT_BACK:
        assert refusal(tmp_path, data)[0] == "zero_length"
    elif (kind, subtype) in UNCOUNTED:
        reason, detail = refusal(tmp_path, data)
        assert reason == "undecodable"
        assert "never completed" in detail
    else:
        found, meant = read(tmp_path, data).samples, read(tmp_path, whole).samples
        assert N - 512 < len(found) <= N  # the last block of a codec is not written
        np.testing.assert_array_equal(found, meant[: len(found)])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "ULAW"])
def test_a_voc_of_which_no_sample_was_written_is_of_zero_length(tmp_path, subtype, channels):
    assert refusal(tmp_path, killed("VOC", subtype, channels, 0)[0])[0] == "zero_length"


def test_an_empty_block_of_a_voc_is_no_sign_of_a_killed_program(tmp_path):
    data = by_ffmpeg(sweep(N), RATE, "voc", "pcm_s16le")
    empty = data[26:27] + bytes([12, 0, 0]) + data[30:42]
    assert empty[0] == 9
    found = read(tmp_path, data[:26] + empty + data[26:]).samples
    np.testing.assert_array_equal(found, read(tmp_path, data).samples)


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_an_rf64_whose_sizes_are_both_0_is_read_to_its_end(tmp_path, subtype, name):
    data = bytearray(by_libsndfile(sweep(N, 2, RATE), RATE, "RF64", subtype))
    whole = read_by_libsndfile(bytes(data))
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    # Either of them alone, too.
    np.testing.assert_array_equal(read(tmp_path, name + data[4:]).samples, whole)
    at = data.index(b"ds64") + 8
    data[at : at + 24] = bytes(24)
    np.testing.assert_array_equal(read(tmp_path, name + data[4:]).samples, whole)


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


BEHIND = {
    "one": chunk(b"LIST", b"INFOINAM\2\0\0\0a\0"),
    "several": chunk(b"note", b"odd") + chunk(b"id3 ", bytes(999)) + chunk(b"LIST", b"ab"),
    "without its padding": chunk(b"bext", bytes(600)) + chunk(b"LIST", b"abc")[:-1],
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("written", [0, 2**31, 2**32 - 1])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_chunks_behind_samples_of_an_unknown_number_are_no_samples(
    tmp_path, subtype, written, behind
):
    data = bytearray(by_libsndfile(sweep(3012), RATE, "WAV", subtype))
    whole = read_by_libsndfile(bytes(data))
    struct.pack_into("<I", data, data.index(b"data") + 4, written)
    found = read(tmp_path, bytes(data) + BEHIND[behind]).samples
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("kind", ["W64", "RF64", "AIFF", "CAF", "RIFX"])
def test_nor_are_they_in_its_kin(tmp_path, kind):
    number = {"W64": "<", "RF64": "<"}.get(kind, ">") + ("q" if kind in ("CAF", "W64") else "I")
    guid = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0O\x8e\xdb\x8a" if kind == "W64" else b""
    behind = b"note" + guid + struct.pack(number, 40 if kind == "W64" else 16) + b"not a sample 16!"
    if kind == "RIFX":
        data = by_libsndfile(sweep(3012, 2, RATE), RATE, "WAV", "PCM_16", endian="BIG")
        at = data.index(b"data") + 4
        data = data[:at] + bytes(4) + data[at + 4 :]
    else:
        data = killed(kind, "PCM_16", 2, 3012)[0]
    found = read(tmp_path, data + behind).samples
    np.testing.assert_allclose(found, sweep(3012, 2, RATE), atol=2**-15)


def test_what_only_resembles_a_chunk_is_a_sample(tmp_path):
    # A name, and a size that does not lead to the end.
    for wrong in (struct.pack("<I", 5), b"\xff" * 4, b"LIST"):
        samples = bytes(4000) + b"LIST" + wrong + bytes(400)
        form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
        data = b"RIFF" + bytes(4) + b"WAVE" + form + b"data" + bytes(4) + samples
        assert len(read(tmp_path, data).samples) == len(samples) // 2


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


@pytest.mark.parametrize("coding", [b"pcm,embedded-shorten-v2.00", b"ulaw,embedded-shorten-v1.09"])
def test_a_packed_nist_sphere_says_how_to_unpack_it(tmp_path, coding):
    # LDC's corpora come so: fewer bytes than their header counts as samples.
    data = by_libsndfile(sweep(N), RATE, "NIST", "PCM_16")
    field = b"sample_coding -s3 pcm"
    assert field in data
    packed = b"sample_coding -s%d %s" % (len(coding), coding)
    head = data[:1024].replace(field, packed)[:1024]
    reason, detail = refusal(tmp_path, head + b"ajkg\2" + bytes(2000))
    assert reason == "undecodable"
    assert coding.decode() in detail
    assert "sph2pipe" in detail
