"""The pages of Ogg files: missing, damaged, chained, side by side."""

import io
import struct

import numpy as np
import pytest
from encoders import by_ffmpeg, by_libsndfile, sweep

from ser.core.rejection import Rejected
from ser.decoding.decoding import decode
from ser.decoding.ogg import checksum, links

RATE = 48_000
N = 400_003
CODECS = ["vorbis", "opus", "flac"]


def encoded(codec, samples, rate=RATE):
    if codec == "flac":
        return by_ffmpeg(samples, rate, "ogg", "flac")
    return by_libsndfile(samples, rate, "OGG", codec.upper())


@pytest.fixture(scope="module")
def files():
    return {codec: encoded(codec, sweep(N, 1, RATE) * 0.5) for codec in CODECS}


def pages(data):
    found = []
    while data:
        assert data[:4] == b"OggS"
        size = 27 + data[26] + sum(data[27 : 27 + data[26]])
        found.append(data[:size])
        data = data[size:]
    return found


def changed(page, serial=None, flags=None, number=None):
    """A page with another serial number and so on, and the right checksum."""
    page = bytearray(page)
    for form, at, value in (("<I", 14, serial), ("B", 5, flags), ("<I", 18, number)):
        if value is not None:
            struct.pack_into(form, page, at, value)
    struct.pack_into("<I", page, 22, checksum(bytes(page)))
    return bytes(page)


def of_serial(data, serial):
    return b"".join(changed(page, serial) for page in pages(data))


def read(folder, data):
    path = folder / "a.ogg"
    path.write_bytes(data)
    return decode(path).samples


def refusal(folder, data):
    with pytest.raises(Rejected) as caught:
        read(folder, data)
    return caught.value.reason


def test_the_checksum_is_that_of_the_specification(files):
    # RFC 3533 gives the polynomial; libogg and FFmpeg wrote these.
    for data in files.values():
        for page in pages(data):
            assert checksum(page) == int.from_bytes(page[22:26], "little")


@pytest.mark.parametrize("codec", CODECS)
def test_a_whole_one_is_read_to_the_sample(tmp_path, files, codec):
    assert len(pages(files[codec])) > 5
    found = read(tmp_path, files[codec])
    assert len(found) == N
    assert np.mean((found - sweep(N, 1, RATE) * 0.5) ** 2) < 1e-3 * np.mean(found**2)


@pytest.mark.parametrize("codec", CODECS)
def test_one_without_any_of_its_pages_is_refused(tmp_path, files, codec):
    whole = pages(files[codec])
    reasons = [
        refusal(tmp_path, b"".join(whole[:i] + whole[i + 1 :])) for i in range(1, len(whole))
    ]
    assert set(reasons) == {"truncated"}
    without_the_first = refusal(tmp_path, b"".join(whole[1:]))
    assert without_the_first in ("truncated", "undecodable")
    assert refusal(tmp_path, b"".join([*whole[:3], whole[2], *whole[3:]])) == "truncated"
    assert refusal(tmp_path, b"".join([*whole[:3], whole[4], whole[3], *whole[5:]])) == "truncated"


@pytest.mark.parametrize("codec", CODECS)
def test_one_that_is_cut_anywhere_is_truncated(tmp_path, files, codec):
    data = files[codec]
    for size in (4, 20, 27, 30, 100, len(data) // 3, len(data) // 2, len(data) - 1):
        assert refusal(tmp_path, data[:size]) == "truncated"


@pytest.mark.parametrize("codec", CODECS)
def test_a_flipped_bit_is_damage(tmp_path, files, codec):
    rng = np.random.default_rng(0)
    for at in rng.integers(4, len(files[codec]), 30):
        data = bytearray(files[codec])
        data[at] ^= 1 << int(rng.integers(8))
        assert refusal(tmp_path, bytes(data)) in ("undecodable", "truncated")


@pytest.mark.parametrize("codec", CODECS)
def test_a_hole_within_pages_is_damage(tmp_path, files, codec):
    data, third = files[codec], len(files[codec]) // 3
    assert refusal(tmp_path, data[:third] + data[third + 500 :]) in ("undecodable", "truncated")
    blank = data[:third] + bytes(500) + data[third + 500 :]
    assert refusal(tmp_path, blank) in ("undecodable", "truncated")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("serials", [(1, 2, 3), (7, 7, 7)])
def test_a_chain_is_read_to_its_end(tmp_path, codec, serials):
    parts = [encoded(codec, sweep(n, 1, RATE) * 0.5) for n in (20_001, 9_999, 30_000)]
    alone = [read(tmp_path, part) for part in parts]
    data = b"".join(of_serial(part, serial) for part, serial in zip(parts, serials, strict=True))
    np.testing.assert_array_equal(read(tmp_path, data), np.concatenate(alone))
    assert len(links(io.BytesIO(data))) == 3
    # Without the first page of the second file, its last, or that of the whole.
    each = [pages(of_serial(part, serial)) for part, serial in zip(parts, serials, strict=True)]
    for link, page in ((1, 0), (1, -1), (2, -1)):
        less = [list(own) for own in each]
        del less[link][page]
        assert refusal(tmp_path, b"".join(map(b"".join, less))) == "truncated"


def test_a_chain_whose_rate_channels_or_codec_change_is_refused(tmp_path):
    for other in (
        encoded("vorbis", sweep(9_000, 1, 16_000), 16_000),
        encoded("vorbis", sweep(9_000, 2, RATE)),
        encoded("opus", sweep(9_000, 1, RATE)),
        encoded("flac", sweep(9_000, 1, RATE)),
    ):
        data = of_serial(encoded("vorbis", sweep(9_000, 1, RATE)), 1) + of_serial(other, 2)
        assert refusal(tmp_path, data) == "undecodable"


def side_by_side(first, second):
    ours, theirs = pages(first), pages(second)
    rest = [page for i in range(1, 40) for page in (*ours[i : i + 1], *theirs[i : i + 1])]
    return [ours[0], theirs[0], *rest]


@pytest.mark.parametrize("codec", CODECS)
def test_of_streams_side_by_side_the_first_is_read_and_all_must_be_whole(tmp_path, files, codec):
    ours, theirs = of_serial(files[codec], 1), of_serial(files["vorbis"], 2)
    alone = read(tmp_path, ours)
    both = side_by_side(ours, theirs)
    np.testing.assert_array_equal(read(tmp_path, b"".join(both)), alone)
    del both[len(both) // 2]
    assert refusal(tmp_path, b"".join(both)) == "truncated"


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_of_something_else_does_not_matter(tmp_path, files, codec):
    ours = of_serial(files[codec], 1)
    alone = read(tmp_path, ours)
    page = pages(files["vorbis"])[0]
    header = bytes([*page[:26], 1, 8]) + b"no sound"
    others = [changed(header, 9, flags, i) for i, flags in enumerate((2, 0, 0, 4))]
    for first, second in ((ours, b"".join(others)), (b"".join(others), ours)):
        np.testing.assert_array_equal(read(tmp_path, b"".join(side_by_side(first, second))), alone)
    lone = b"".join(others)
    assert refusal(tmp_path, lone) == "undecodable"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("tag", [b"TAG" + bytes(125), bytes(5000), b"\n"])
def test_what_stands_behind_the_last_page_does_not_matter(tmp_path, files, codec, tag):
    alone = read(tmp_path, files[codec])
    np.testing.assert_array_equal(read(tmp_path, files[codec] + tag), alone)
