"""Codecs in WAV, W64, AIFF, CAF and VOC: the samples that were encoded, as two decoders see it."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile
from encoders import by_ffmpeg, by_libsndfile, read_by_ffmpeg, read_by_libsndfile, sweep

from ser.core.rejection import Rejected
from ser.decoding.decoding import decode

LENGTHS = [(320, 8_000), (8_000, 8_000), (8_160, 8_000), (23_999, 16_000), (50_001, 48_000)]


def read(folder, data):
    path = folder / "a.wav"
    path.write_bytes(data)
    return decode(path).samples


def refusal(folder, data):
    with pytest.raises(Rejected) as caught:
        read(folder, data)
    return caught.value.reason


def error(found, samples, delay=0):
    """The share of the samples' power that is missed, over all of them but a codec's delay."""
    part, meant = found[delay:][: len(samples)], samples[: len(found) - delay]
    return float(np.sum((part - meant) ** 2) / np.sum(meant**2))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("n", "rate"), LENGTHS)
@pytest.mark.parametrize("kind", ["WAV", "W64"])
@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610", "NMS_ADPCM_32", "G721_32"])
def test_adpcm_and_gsm_of_libsndfile(tmp_path, kind, subtype, n, rate, channels):
    samples = sweep(n, channels, rate)
    is_mono = subtype not in ("IMA_ADPCM", "MS_ADPCM")
    if (is_mono and channels == 2) or not soundfile.check_format(kind, subtype):
        pytest.skip("libsndfile does not write it")
    data = by_libsndfile(samples, rate, kind, subtype)
    found = read(tmp_path, data)
    assert error(found, samples) < (0.3 if subtype == "GSM610" else 0.05)
    # libsndfile counts the padding of IMA ADPCM as samples, and writes no length into a W64.
    stated = subtype != "IMA_ADPCM" and (kind, subtype) != ("W64", "MS_ADPCM")
    assert len(found) == n if stated else 0 <= len(found) - n < 4100
    if subtype not in ("NMS_ADPCM_32", "G721_32"):  # of which FFmpeg knows none
        other = read_by_ffmpeg(data)[: len(found)]
        np.testing.assert_allclose(found, other, atol=0.02 if subtype == "MS_ADPCM" else 1e-6)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("n", "rate"), LENGTHS)
@pytest.mark.parametrize("container", ["wav", "w64"])
@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha"])
def test_adpcm_of_ffmpeg(tmp_path, container, codec, n, rate, channels):
    samples = sweep(n, channels, rate)
    data = by_ffmpeg(samples, rate, container, codec)
    found = read(tmp_path, data)
    assert 0 <= len(found) - n < 2100  # FFmpeg states the padding as samples
    assert error(found, samples) < 0.02
    np.testing.assert_allclose(found, read_by_ffmpeg(data), atol=1e-6)
    if codec != "adpcm_yamaha":
        np.testing.assert_allclose(found, read_by_libsndfile(data), atol=1e-6)


@pytest.mark.parametrize("n", [320, 321, 8_000, 8_161])
@pytest.mark.parametrize("codec", ["g726", "g722"])
def test_other_codecs_of_telephony(tmp_path, codec, n):
    rate = 8_000 if codec == "g726" else 16_000
    samples = sweep(n, 1, rate)
    found = read(tmp_path, by_ffmpeg(samples, rate, "wav", codec))
    assert len(found) == n + n % 2
    assert error(found, samples, 22 if codec == "g722" else 0) < 0.02


@pytest.mark.parametrize(
    "subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
)
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_both_decoders_agree_on_what_has_no_codec(tmp_path, kind, subtype):
    data = by_libsndfile(sweep(4_001, 2, 44_100), 44_100, kind, subtype)
    np.testing.assert_array_equal(read(tmp_path, data), read_by_ffmpeg(data))


MP3 = [{"b": "32000"}, {"b": "64000", "abr": "1"}, {"flags": "+qscale", "global_quality": "472"}]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("n", "rate"), [(16_000, 8_000), (32_011, 16_000), (80_003, 48_000)])
@pytest.mark.parametrize("container", ["wav", "w64"])
@pytest.mark.parametrize("options", MP3, ids=["constant", "average", "variable"])
def test_an_mp3_in_a_wav_is_decoded_to_its_end(tmp_path, container, options, n, rate, channels):
    # The middle is silent: of a changing rate most of its bytes are at both ends.
    samples = sweep(n, channels, rate)
    samples[n // 4 : n // 2] = 0
    data = by_ffmpeg(samples, rate, container, "libmp3lame", **options)
    found = read(tmp_path, data)
    assert 1105 <= len(found) - n < 1105 + 2 * 1152
    assert error(found, samples, 1105) < 0.01
    start = data.index(b"data") + (24 if container == "w64" else 8)
    alone = read_by_libsndfile(data[data.index(b"\xff", start) :])
    shown = min(n, len(alone))  # of a changing rate libsndfile decodes a part
    assert shown > n / 10
    np.testing.assert_allclose(found[:shown], alone[:shown], atol=1e-3)
    assert refusal(tmp_path, data[: len(data) - 100]) == "truncated"


def sized(data, body, size):
    """A WAV with these bytes as its samples."""
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + body


@pytest.mark.parametrize("n", [16_000, 32_011])
@pytest.mark.parametrize("codec", ["libmp3lame", "mp2"])
def test_an_mp3_in_a_wav_whose_size_was_never_filled_in(tmp_path, codec, n):
    data = by_ffmpeg(sweep(n), 16_000, "wav", codec)
    body = data[data.index(b"data") + 8 :]
    whole = read(tmp_path, data)
    for behind in (b"", b"\0", b"LIST\4\0\0\0INFO", b"\0LIST\4\0\0\0INFO"):
        np.testing.assert_array_equal(read(tmp_path, sized(data, body + behind, 0)), whole)


@pytest.mark.parametrize("size", [0, None])
def test_tags_among_an_mp3_in_a_wav_do_not_matter(tmp_path, size):
    data = by_ffmpeg(sweep(32_011), 16_000, "wav", "libmp3lame")
    body = data[data.index(b"data") + 8 :]
    whole = read(tmp_path, data)
    # A size of 7 bits a byte, with a picture that looks like a frame.
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0x10]) + b"\xff\xfb" + bytes(0x110 - 2)
    for tagged in (tag + body, tag + tag + body, body + tag, body + b"TAG" + bytes(125)):
        found = read(tmp_path, sized(data, tagged, len(tagged) if size is None else size))
        np.testing.assert_array_equal(found, whole)


def test_layer_2_and_flac_in_a_wav(tmp_path):
    samples = sweep(32_011)
    found = read(tmp_path, by_ffmpeg(samples, 16_000, "wav", "mp2"))
    assert len(found) == 32_256  # of frames of 1152; the last, not full, its encoder leaves out
    assert error(found, samples, 481) < 1e-4
    found = read(tmp_path, by_ffmpeg(samples, 16_000, "wav", "flac"))
    assert len(found) == 32_011
    np.testing.assert_allclose(found, samples, atol=2**-15)


@pytest.mark.parametrize("tag", [0xFF, 0x1600])
def test_aac_in_a_wav_is_decoded_where_its_frames_have_heads(tmp_path, tag):
    samples = sweep(32_011)
    frames = by_ffmpeg(samples, 16_000, "adts", "aac")
    form = struct.pack("<IHHIIHHH", 18, tag, 1, 16_000, 8_000, 1, 0, 0)
    data = b"data" + struct.pack("<I", len(frames)) + frames + b"\0" * (len(frames) % 2)
    body = b"WAVEfmt " + form + data
    found = read(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body)
    assert error(found, samples, 1024) < 0.01
    assert 1024 <= len(found) - 32_011 < 3 * 1024
    # As FFmpeg writes it nothing says where a frame ends.
    bare = by_ffmpeg(samples, 16_000, "wav", "aac")
    assert refusal(tmp_path, bare) == "undecodable"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n", [320, 4_095, 4_096, 8_000, 8_192, 23_999])
@pytest.mark.parametrize("subtype", ["ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32"])
def test_apple_lossless_of_libsndfile_is_decoded_to_the_sample(tmp_path, subtype, n, channels):
    samples = sweep(n, channels)
    data = by_libsndfile(samples, 16_000, "CAF", subtype)
    found = read(tmp_path, data)
    assert len(found) == n
    np.testing.assert_allclose(found, samples, atol=2.0 ** (1 - int(subtype[5:])))
    np.testing.assert_array_equal(found, read_by_libsndfile(data))
    assert refusal(tmp_path, data[:-20]) == "truncated"


@pytest.mark.parametrize("n", [2, 4_095, 4_097, 23_999])
def test_apple_lossless_that_could_not_be_made_smaller(tmp_path, n):
    # Of this libsndfile makes noise.
    samples = np.random.default_rng(n).uniform(-0.9, 0.9, (n, 1)).astype(np.float32)
    data = by_libsndfile(samples, 16_000, "CAF", "ALAC_32")
    np.testing.assert_allclose(read(tmp_path, data), samples, atol=1e-8)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("n", "rate"), [*LENGTHS, (4_096, 16_000), (5_000, 16_000)])
@pytest.mark.parametrize("codec", ["alac", "flac"])
def test_lossless_codecs_in_caf_of_ffmpeg(tmp_path, codec, n, rate, channels):
    samples = sweep(n, channels, rate)
    data = by_ffmpeg(samples, rate, "caf", codec)
    found = read(tmp_path, data)
    assert len(found) == n
    np.testing.assert_allclose(found, samples, atol=2**-15)
    assert refusal(tmp_path, data[: len(data) * 2 // 3]) == "truncated"


@pytest.mark.parametrize(("n", "rate"), [(16_000, 8_000), (32_011, 16_000), (96_000, 48_000)])
def test_an_mp3_in_caf_begins_and_ends_where_the_recording_does(tmp_path, n, rate):
    samples = sweep(n, 1, rate)
    found = read(tmp_path, by_ffmpeg(samples, rate, "caf", "libmp3lame"))
    assert len(found) == n
    assert error(found, samples) < 0.01


def aac_in_caf(samples, rate):
    """AAC as Apple's programs lay it out: a cookie, and a table of packets of changing size."""
    with av.open(io.BytesIO(by_ffmpeg(samples, rate, "ipod", "aac"))) as opened:
        track = opened.streams.audio[0]
        config = track.codec_context.extradata
        packets = [bytes(packet) for packet in opened.demux(track) if packet.size]
    decoder = b"\x04" + bytes([15 + len(config)]) + b"\x40\x15" + bytes(11) + b"\x05"
    decoder += bytes([len(config)]) + config
    cookie = b"\x03" + bytes([3 + len(decoder)]) + bytes(3) + decoder
    sizes = b"".join(bytes([0x80 | len(p) >> 7, len(p) & 0x7F]) for p in packets)
    rest = 1024 * len(packets) - 1024 - len(samples)
    table = struct.pack(">qqii", len(packets), len(samples), 1024, rest) + sizes
    form = struct.pack(">d4sIIIII", rate, b"aac ", 0, 0, 1024, 1, 0)
    chunks = (b"desc", form), (b"kuki", bytes(4) + cookie), (b"pakt", table)
    chunks = (*chunks, (b"data", bytes(4) + b"".join(packets)))
    return b"caff\0\1\0\0" + b"".join(
        name + struct.pack(">q", len(content)) + content for name, content in chunks
    )


@pytest.mark.parametrize(("n", "rate"), [(16_000, 16_000), (32_011, 16_000), (96_000, 48_000)])
def test_aac_in_caf_begins_and_ends_where_the_recording_does(tmp_path, n, rate):
    samples = sweep(n, 1, rate)
    data = aac_in_caf(samples, rate)
    found = read(tmp_path, data)
    assert len(found) == n
    assert error(found, samples) < 0.01
    assert refusal(tmp_path, data[:-50]) == "truncated"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("n", [64, 8_000, 23_999])
@pytest.mark.parametrize("container", ["aiff", "caf"])
def test_ima_adpcm_of_quicktime(tmp_path, container, n, channels):
    samples = sweep(n, channels)
    data = by_ffmpeg(samples, 16_000, container, "adpcm_ima_qt")
    found = read(tmp_path, data)
    assert len(found) == -(-n // 64) * 64  # only packets are counted
    assert error(found, samples) < 0.02
    if container == "aiff":  # nor is libsndfile's as near
        assert error(found, samples) <= error(read_by_libsndfile(data), samples)


@pytest.mark.parametrize("n", [1, 160, 8_000, 8_011])
def test_gsm_in_an_aiff_ends_where_its_header_says(tmp_path, n):
    samples = sweep(n, 1, 8_000)
    found = read(tmp_path, by_libsndfile(samples, 8_000, "AIFF", "GSM610"))
    assert len(found) == n


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_alaw"])
def test_a_voc_of_several_blocks(tmp_path, codec, channels):
    samples = sweep(32_011, channels)
    found = read(tmp_path, by_ffmpeg(samples, 16_000, "voc", codec))
    assert len(found) == 32_011
    assert error(found, samples) < 1e-3


def test_a_voc_with_a_hole_is_refused(tmp_path):
    data = by_ffmpeg(sweep(32_011), 16_000, "voc", "pcm_s16le")
    reasons = {refusal(tmp_path, data[:at] + data[at + 500 :]) for at in range(5000, 50_000, 900)}
    assert reasons <= {"truncated", "undecodable"}


def with_fact(data, fact):
    at = data.index(b"fact") + 8
    return data[:at] + struct.pack("<I", fact) + data[at + 4 :]


@pytest.mark.parametrize("subtype", ["MS_ADPCM", "GSM610", "G721_32"])
def test_a_chunk_fact_that_cannot_be_right_is_not_believed(tmp_path, subtype):
    data = by_libsndfile(sweep(8_011, 1, 8_000), 8_000, "WAV", subtype)
    right = read(tmp_path, data)
    assert len(right) == 8_011
    for fact in (0, 1, 4_000, 16_022, 2**32 - 1):
        found = read(tmp_path, with_fact(data, fact))
        assert 8_011 <= len(found) < 8_600
        np.testing.assert_array_equal(found[:8_011], right)


def test_the_samples_that_an_aiff_states_are_not_exceeded(tmp_path):
    data = bytearray(by_libsndfile(sweep(3_000), 16_000, "AIFF", "PCM_16"))
    at = data.index(b"COMM") + 10
    data[at : at + 4] = struct.pack(">I", 2_990)
    assert len(read(tmp_path, bytes(data))) == 2_990


def test_a_number_of_samples_that_was_never_filled_in_is_not_believed(tmp_path):
    data = bytearray(by_libsndfile(sweep(3_000), 16_000, "AIFF", "PCM_16"))
    at = data.index(b"COMM") + 10
    data[at : at + 4] = bytes(4)
    assert len(read(tmp_path, bytes(data))) == 3_000
    data = bytearray(by_ffmpeg(sweep(4_096), 16_000, "caf", "alac"))
    at = data.index(b"pakt") + 20
    data[at : at + 8] = bytes(8)
    assert len(read(tmp_path, bytes(data))) == 4_096
