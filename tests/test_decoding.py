"""What FFmpeg decodes, and files read in blocks; WAV and the like: see test_audio."""

import struct

import av
import numpy as np
import pytest
from small_model import encoded, speech

from ser import decoding
from ser.decoding import decode, open_stream
from ser.rejection import REASONS, Rejected

RATE = 48_000
FFMPEG = [".m4a", ".aac", ".webm"]
ALL = [".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", *FFMPEG]


@pytest.fixture(scope="module")
def samples():
    """Two seconds of speech at 48 kHz, with nothing above 8 kHz."""
    whole = np.fft.rfft(speech(0, 2.0))
    return (3 * np.fft.irfft(whole, 2 * RATE)).astype(np.float32) * 0.5


def put(folder, data, name):
    path = folder / name
    path.write_bytes(data)
    return path


def rejection(path):
    with pytest.raises(Rejected) as caught:
        decode(path)
    assert caught.value.reason in REASONS
    return caught.value.reason


def delay_and_error(found, samples):
    """How far decoded samples lie behind, and what share of the power they then miss."""
    n = len(samples) + len(found)
    product = np.fft.irfft(np.fft.rfft(found, n) * np.fft.rfft(samples, n).conj(), n)
    delay = int(product.argmax())
    delay = delay - n if delay > n // 2 else delay
    part = found[max(0, delay) :][: len(samples) - 5000]
    meant = samples[max(0, -delay) :][: len(part)]
    return delay, float(np.sum((part - meant) ** 2) / np.sum(meant**2))


@pytest.mark.parametrize("suffix", FFMPEG)
def test_what_phones_and_browsers_record_is_decoded(tmp_path, samples, suffix):
    recording = decode(put(tmp_path, encoded(samples, RATE, suffix), f"a{suffix}"))
    assert recording.sample_rate == RATE
    assert recording.subtype == ("opus" if suffix == ".webm" else "aac")
    assert recording.samples.dtype == np.float32
    assert recording.samples.shape[1] == 1
    assert recording.seconds == pytest.approx(2.0, abs=0.1)
    delay, error = delay_and_error(recording.samples[:, 0], samples)
    assert abs(delay) < 0.06 * RATE  # encoders put silence in front
    assert error < 0.05


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("suffix", [".m4a", ".webm"])
def test_a_truncated_one_is_refused(tmp_path, samples, suffix, share):
    data = encoded(samples, RATE, suffix)
    cut = put(tmp_path, data[: round(share * len(data))], f"a{suffix}")
    assert rejection(cut) in ("truncated", "undecodable")


def test_an_aac_that_ends_within_a_frame_is_refused(tmp_path, samples):
    data = encoded(samples, RATE, ".aac")
    assert data[:2] == b"\xff\xf1"
    starts = [i for i in range(len(data)) if data[i : i + 4] == data[:4]]
    assert rejection(put(tmp_path, data[: starts[40] + 50], "a.aac")) == "undecodable"
    # Where it ends between two frames, nothing tells that there were more.
    assert 0.5 < decode(put(tmp_path, data[: starts[40]], "b.aac")).seconds < 1.5


@pytest.mark.parametrize("called", ALL)
@pytest.mark.parametrize("suffix", ALL)
def test_the_content_decides_not_the_name(tmp_path, suffix, called):
    data = encoded(speech(0, 0.5), 16_000, suffix)
    right = decode(put(tmp_path, data, f"right{suffix}"))
    wrong = decode(put(tmp_path, data, f"wrong{called}"))
    assert wrong.subtype == right.subtype
    np.testing.assert_array_equal(wrong.samples, right.samples)


@pytest.mark.parametrize("suffix", ALL)
def test_reading_in_small_blocks_gives_the_same_samples(tmp_path, samples, suffix, monkeypatch):
    path = put(tmp_path, encoded(samples, RATE, suffix), f"a{suffix}")
    whole = decode(path)
    monkeypatch.setattr(decoding, "_BLOCK", 4000)
    with open_stream(path) as stream:
        blocks = list(stream.blocks)
    assert (stream.sample_rate, stream.subtype) == (whole.sample_rate, whole.subtype)
    assert len(blocks) > 10
    assert max(map(len, blocks)) < 8000
    # soundfile seeks between two blocks, after which libsndfile begins the next MP3 frame anew.
    close = 2e-3 if suffix == ".mp3" else 1e-6
    np.testing.assert_allclose(np.concatenate(blocks), whole.samples, atol=close)


def test_a_stream_of_which_not_all_is_read_closes_its_file(tmp_path, samples):
    for suffix in ALL:
        path = put(tmp_path, encoded(samples, RATE, suffix), f"a{suffix}")
        with open_stream(path) as stream:
            assert len(next(stream.blocks))
        path.unlink()


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (22, "<H", 0),
        (22, "<H", 65),
        (22, "<H", 65_535),
        (24, "<I", 0),
        (24, "<I", 999),
        (24, "<I", 1_000_000),
        (24, "<I", 2**31),
        (24, "<I", 2**32 - 1),
    ],
)
def test_an_absurd_header_of_a_wav_is_refused(tmp_path, at, form, value):
    data = bytearray(encoded(speech(0, 0.5), 16_000, ".wav"))
    struct.pack_into(form, data, at, value)
    assert rejection(put(tmp_path, bytes(data), "a.wav")) in ("undecodable", "truncated")


@pytest.mark.parametrize("suffix", FFMPEG)
def test_damaged_bytes_lead_to_a_recording_or_a_rejection_and_nothing_else(tmp_path, suffix):
    whole = encoded(speech(0, 0.3), RATE, suffix)
    rng = np.random.default_rng(1)
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=3):
            data[at] = int(rng.integers(256))
        path = put(tmp_path, bytes(data), f"a{suffix}")
        try:
            decode(path)
        except Rejected as verdict:
            assert verdict.reason in REASONS  # noqa: PT017


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "film.m4a"
    with av.open(path, "w", "mp4") as film:
        track = film.add_stream("mpeg4", 10)
        track.width = track.height = 32
        for _ in range(5):
            film.mux(track.encode(av.VideoFrame(32, 32, "yuv420p")))
        film.mux(track.encode(None))
    with pytest.raises(Rejected, match="no sound") as caught:
        decode(path)
    assert caught.value.reason == "undecodable"


def test_a_sound_of_an_unknown_codec_is_refused(tmp_path):
    data = encoded(speech(0, 0.5), RATE, ".webm").replace(b"A_OPUS", b"A_NONE")
    with pytest.raises(Rejected, match="codec") as caught:
        decode(put(tmp_path, data, "a.webm"))
    assert caught.value.reason == "undecodable"


def test_the_name_of_another_file_in_a_container_opens_nothing(tmp_path):
    for text in (b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile a.wav\n"):
        assert rejection(put(tmp_path, text, "list.m4a")) == "undecodable"


def test_a_missing_file_and_a_folder_are_undecodable(tmp_path):
    assert rejection(tmp_path / "gone.m4a") == "undecodable"
    assert rejection(tmp_path) == "undecodable"
