"""WAV files that are read without libsndfile: the same samples, and nothing that it refuses."""

import io
import struct

import numpy as np
import pytest
import soundfile
from encoders import by_libsndfile, read_by_libsndfile, sweep

from ser.core import recording
from ser.core.rejection import Rejected
from ser.decoding.containers import read_headers
from ser.decoding.decoding import decode, open_stream
from ser.decoding.plain import WIDTHS

RATE = 8000
N = 1001
TAGS = {"PCM_16": 1, "PCM_24": 1, "PCM_32": 1, "FLOAT": 3}
GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def fmt(subtype, channels, extensible=False, valid_bits=0):
    width = WIDTHS[subtype]
    numbers = (channels, RATE, RATE * channels * width, channels * width, 8 * width)
    if not extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", TAGS[subtype], *numbers))
    more = struct.pack("<HHIH", 22, valid_bits or 8 * width, (1 << channels) - 1, TAGS[subtype])
    return chunk(b"fmt ", struct.pack("<HHIIHH", 0xFFFE, *numbers) + more + GUID)


def wav(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def noise(subtype, channels, n=N):
    """Random bytes: every integer and, as float, also NaN, infinity and subnormal numbers."""
    return np.random.default_rng(channels).bytes(n * channels * WIDTHS[subtype])


def is_plain(data):
    stated = read_headers(io.BytesIO(data), len(data))
    return stated is not None and stated.plain is not None


def read(folder, data):
    path = folder / "a.wav"
    path.write_bytes(data)
    return decode(path)


def check_read_as_by_libsndfile(folder, data):
    found = read(folder, data)
    expected = read_by_libsndfile(data)
    assert found.samples.dtype == np.float32
    assert found.samples.shape == expected.shape
    assert found.samples.tobytes() == expected.tobytes()
    with soundfile.SoundFile(io.BytesIO(data)) as opened:
        assert (found.sample_rate, found.subtype) == (opened.samplerate, opened.subtype)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("subtype", WIDTHS)
def test_random_bytes_are_the_samples_that_libsndfile_reads(
    tmp_path, subtype, channels, extensible
):
    data = wav(fmt(subtype, channels, extensible), chunk(b"data", noise(subtype, channels)))
    assert is_plain(data)
    check_read_as_by_libsndfile(tmp_path, data)


@pytest.mark.parametrize("subtype", WIDTHS)
def test_the_largest_and_smallest_samples_are_those_of_libsndfile(tmp_path, subtype):
    width = WIDTHS[subtype]
    integers = [0, 1, -1, 2 ** (8 * width - 1) - 1, -(2 ** (8 * width - 1)), 2**15 - 1, -(2**15)]
    content = b"".join(n.to_bytes(width, "little", signed=True) for n in integers)
    data = wav(fmt(subtype, 1), chunk(b"data", content))
    check_read_as_by_libsndfile(tmp_path, data)
    if subtype != "FLOAT":
        assert read(tmp_path, data).samples[4] == -1


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", WIDTHS)
def test_what_libsndfile_writes_is_plain(tmp_path, subtype, kind):
    data = by_libsndfile(sweep(N, 2, RATE), RATE, kind, subtype)
    assert is_plain(data)
    check_read_as_by_libsndfile(tmp_path, data)


@pytest.mark.parametrize("block", [1, 7, 300])
@pytest.mark.parametrize("subtype", WIDTHS)
def test_small_blocks_give_the_same_samples(tmp_path, subtype, block, monkeypatch):
    data = wav(fmt(subtype, 2), chunk(b"data", noise(subtype, 2)))
    whole = read(tmp_path, data).samples
    monkeypatch.setattr(recording, "BLOCK", block)
    with open_stream(tmp_path / "a.wav") as stream:
        blocks = list(stream.blocks)
    assert {len(part) for part in blocks[:-1]} == {max(1, block // 2)}
    assert np.concatenate(blocks).tobytes() == whole.tobytes()


PCM = chunk(b"data", noise("PCM_24", 1))
NOT_PLAIN = {
    "8 bits": by_libsndfile(sweep(N), RATE, "WAV", "PCM_U8"),
    "double precision": by_libsndfile(sweep(N), RATE, "WAV", "DOUBLE"),
    "mu-law": by_libsndfile(sweep(N), RATE, "WAV", "ULAW"),
    "big-endian": by_libsndfile(sweep(N), RATE, "WAV", "PCM_16", "BIG"),
    "W64": by_libsndfile(sweep(N), RATE, "W64", "PCM_16"),
    "RF64": by_libsndfile(sweep(N), RATE, "RF64", "PCM_16"),
    "chunks behind": wav(fmt("PCM_24", 1), PCM, chunk(b"LIST", b"INFO")),
    "a title": wav(fmt("PCM_24", 1), chunk(b"LIST", b"INFOINAM\2\0\0\0a\0"), PCM),
    "an unknown chunk": wav(fmt("PCM_24", 1), chunk(b"note", b"odd"), PCM),
    "an unknown size": wav(fmt("PCM_24", 1), b"data" + bytes(4) + noise("PCM_24", 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_everything_else_is_left_to_libsndfile(tmp_path, name):
    assert not is_plain(NOT_PLAIN[name])
    assert len(read(tmp_path, NOT_PLAIN[name]).samples) in (N, N + 1)


@pytest.mark.parametrize(
    "before",
    [
        (chunk(b"PEAK", bytes(16)), fmt("PCM_24", 1)),
        (fmt("PCM_24", 1), chunk(b"PEAK", bytes(15))),
        (fmt("PCM_24", 1), fmt("PCM_24", 1)),
    ],
    ids=["peak before fmt", "peak of another size", "two fmt"],
)
def test_what_libsndfile_refuses_is_refused(tmp_path, before):
    data = wav(*before, PCM)
    assert not is_plain(data)
    with pytest.raises(Rejected, match="libsndfile"):
        read(tmp_path, data)


def damaged(seed, count):
    """Yield WAV files with headers of all sorts, most of them damaged."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        subtype = str(rng.choice(list(WIDTHS)))
        channels, bits = int(rng.integers(1, 4)), int(rng.integers(34))
        chunks = [fmt(subtype, channels, rng.random() < 0.4, bits)]
        for name, size in ((b"fact", 4), (b"PEAK", 8 + 8 * channels), (b"LIST", 9)):
            if rng.random() < 0.3:
                chunks.append(chunk(name, rng.bytes(size)))
        if rng.random() < 0.2:
            rng.shuffle(chunks)
        content = noise(subtype, channels, 20)
        data = bytearray(wav(*chunks, chunk(b"data", content)))
        for _ in range(int(rng.integers(3))):
            data[int(rng.integers(len(data) - len(content)))] ^= 1 << int(rng.integers(8))
        yield bytes(data)


def test_a_damaged_header_is_read_as_libsndfile_does_or_refused(tmp_path):
    plain = refused = 0
    for data in damaged(0, 800):
        try:
            if is_plain(data):
                plain += 1
                check_read_as_by_libsndfile(tmp_path, data)
        except Rejected:
            refused += 1
    assert plain > 150
    assert refused > 20


def test_a_file_that_is_cut_while_it_is_read_is_truncated(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "BLOCK", 1000)
    path = tmp_path / "a.wav"
    data = wav(fmt("PCM_16", 1), chunk(b"data", noise("PCM_16", 1, 100_000)))
    path.write_bytes(data)
    with open_stream(path) as stream:
        next(stream.blocks)
        path.write_bytes(data[:-600])
        with pytest.raises(Rejected, match="99700 of 100000 samples") as caught:
            list(stream.blocks)
    assert caught.value.reason == "truncated"


def test_a_block_larger_than_the_file_is_no_traceback(tmp_path):
    # The number of samples in the chunk fact, 0, then agrees with the number of whole blocks.
    data = bytearray(
        wav(fmt("FLOAT", 1), chunk(b"fact", bytes(4)), chunk(b"data", noise("FLOAT", 1)))
    )
    struct.pack_into("<H", data, 32, 0x1010)
    assert 0 < len(read(tmp_path, bytes(data)).samples) <= N


@pytest.mark.parametrize("subtype", TAGS)
def test_a_header_without_channels_is_refused(tmp_path, subtype):
    data = wav(fmt(subtype, 0), chunk(b"data", noise(subtype, 1)))
    with pytest.raises(Rejected) as caught:
        read(tmp_path, data)
    assert caught.value.reason == "undecodable"
