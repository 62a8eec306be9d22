"""What FFmpeg decodes, and files read in blocks; WAV and the like: see test_audio."""

import io
import struct

import av
import numpy as np
import pytest
from small_model import encoded, speech

from ser.core import recording
from ser.core.rejection import REASONS, Rejected
from ser.decoding.decoding import decode, open_stream

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


# What libsndfile, or soundfile, opens by its name alone where it does not know the content.
OPENED_BY_NAME = [".raw", ".RAW", ".gsm", ".vox", ".au", ".snd", ".sd2", ".mp3", ".ogg", ".flac"]


@pytest.mark.parametrize("called", OPENED_BY_NAME)
def test_no_name_makes_sound_of_text_or_hides_a_recording(tmp_path, called):
    whole = decode(put(tmp_path, encoded(speech(0, 0.5), 16_000, ".wav"), "right.wav"))
    wav = put(tmp_path, encoded(speech(0, 0.5), 16_000, ".wav"), f"b{called}")
    np.testing.assert_array_equal(decode(wav).samples, whole.samples)
    text = put(tmp_path, b"What was said is no sound.\n" * 200, f"t{called}")
    assert rejection(text) == "undecodable"
    # What has no mark but its numbers is not sound by its name either.
    assert rejection(put(tmp_path, bytes(9) * 999, f"z{called}")) == "undecodable"


@pytest.mark.parametrize("suffix", ALL)
def test_reading_in_small_blocks_gives_the_same_samples(tmp_path, samples, suffix, monkeypatch):
    path = put(tmp_path, encoded(samples, RATE, suffix), f"a{suffix}")
    whole = decode(path)
    monkeypatch.setattr(recording, "BLOCK", 4000)
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


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_ffmpeg_decodes_several_channels(tmp_path, channels):
    samples = np.random.default_rng(0).uniform(-1, 1, (5000, channels)).astype(np.float32)
    file, layout = io.BytesIO(), f"{channels}C"
    with av.open(file, "w", "matroska") as opened:
        track = opened.add_stream("pcm_f32le", RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", layout)
        frame.rate = RATE
        opened.mux([*track.encode(frame), *track.encode(None)])
    recording = decode(put(tmp_path, file.getvalue(), "a.mka"))
    np.testing.assert_array_equal(recording.samples, samples)


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


def streamed_mp3(samples, rate, **options):
    """An MP3 without a header that states its length, as what is streamed has none."""
    file = io.BytesIO()
    with av.open(file, "w", "mp3", options={"write_xing": "0", "id3v2_version": "0"}) as opened:
        track = opened.add_stream("libmp3lame", rate, layout="mono", format="fltp", options=options)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        frame.rate = rate
        split = av.AudioResampler("fltp", "mono", rate, track.codec_context.frame_size)
        for part in (*split.resample(frame), *split.resample(None)):
            opened.mux(track.encode(part))
        opened.mux(track.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("options", [{}, {"abr": "1", "b": "64000"}])
def test_an_mp3_that_does_not_say_how_long_it_is_is_decoded_to_its_end(tmp_path, rate, options):
    # Of changing bit rate, so that no frame's size tells how many there are.
    loud = np.resize(speech(0, 3.0), 3 * rate)
    samples = np.concatenate([loud, np.zeros(8 * rate, np.float32), loud, loud])
    path = put(tmp_path, streamed_mp3(samples, rate, **options), "a.mp3")
    recording = decode(path)
    assert recording.seconds == pytest.approx(17.0, abs=0.5)
    assert np.abs(recording.samples[-2 * rate :]).max() > 0.1


@pytest.mark.parametrize("suffix", [".aac", ".mp3"])
def test_a_tag_in_front_does_not_hide_what_a_file_is(tmp_path, samples, suffix):
    data = encoded(samples, RATE, suffix)
    # A size of 7 bits a byte, with a picture that looks like a frame.
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0x10]) + b"\xff\xfb" + bytes(0x110 - 2)
    tagged = decode(put(tmp_path, tag + data, f"tagged{suffix}"))
    plain = decode(put(tmp_path, data, f"plain{suffix}"))
    assert tagged.subtype == plain.subtype
    np.testing.assert_array_equal(tagged.samples, plain.samples)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_cut_mp3_that_says_how_long_it_is_is_refused(tmp_path, samples, share):
    data = encoded(samples, RATE, ".mp3")
    assert rejection(put(tmp_path, data[: round(share * len(data))], "a.mp3")) == "truncated"


TAGS = {
    "a zero": b"\0",
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
    "text": b"the end\r\n" * 9,
    "random": np.random.default_rng(0).bytes(5000),
    "id3v1": b"TAG" + bytes(125),
    "id3v2.4": b"ID3\x04\0\x10" + bytes([0, 0, 2, 0]) + bytes(256) + b"3DI\x04\0\x10\0\0\2\0",
    "apev2": b"APETAGEX\xd0\x07\0\0" + bytes(20) + np.random.default_rng(1).bytes(50_000),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("header", [True, False])
def test_what_stands_behind_the_sound_of_an_mp3_does_not_matter(tmp_path, samples, tag, header):
    data = encoded(samples, RATE, ".mp3") if header else streamed_mp3(samples, RATE)
    plain = decode(put(tmp_path, data, "plain.mp3"))
    tagged = decode(put(tmp_path, data + TAGS[tag], "tagged.mp3"))
    assert tagged.seconds == pytest.approx(plain.seconds, abs=0.2)
    n = len(plain.samples) - 3000
    np.testing.assert_array_equal(tagged.samples[:n], plain.samples[:n])


ID3 = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256)


@pytest.mark.parametrize(
    "before",
    [b"\0", bytes(500), b"junk" * 50, ID3 + ID3, ID3 + bytes(300)],
    ids=["a zero", "zeros", "junk", "two tags", "padding"],
)
@pytest.mark.parametrize("header", [True, False])
def test_nor_does_what_stands_before_it(tmp_path, before, header):
    loud = np.resize(speech(0, 3.0), 3 * RATE)
    long = np.concatenate([loud, np.zeros(8 * RATE, np.float32), loud, loud])
    data = encoded(long, RATE, ".mp3") if header else streamed_mp3(long, RATE, abr="1", b="64000")
    recording = decode(put(tmp_path, before + data, "a.mp3"))
    assert recording.seconds == pytest.approx(17.0, abs=0.3)
    if header:
        cut = put(tmp_path, before + data[: round(0.7 * len(data))], "cut.mp3")
        assert rejection(cut) == "truncated"


def test_an_mp3_whose_rate_changes_is_refused(tmp_path):
    data = [streamed_mp3(np.resize(speech(0), 2 * rate), rate) for rate in (44_100, 48_000)]
    with pytest.raises(Rejected, match="its sample rate or its channels change"):
        decode(put(tmp_path, b"".join(data), "a.mp3"))


def test_flac_in_ogg_is_decoded(tmp_path, samples):
    file = io.BytesIO()
    with av.open(file, "w", "ogg") as opened:
        track = opened.add_stream("flac", RATE, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(
            (samples * 2**15).astype(np.int16)[np.newaxis], "s16", "mono"
        )
        frame.rate = RATE
        split = av.AudioResampler("s16", "mono", RATE, track.codec_context.frame_size)
        for part in (*split.resample(frame), *split.resample(None)):
            opened.mux(track.encode(part))
        opened.mux([packet for packet in track.encode(None) if packet.size])
    recording = decode(put(tmp_path, file.getvalue(), "a.oga"))
    np.testing.assert_allclose(recording.samples[:, 0], samples, atol=2**-15)
    assert rejection(put(tmp_path, file.getvalue()[:-3000], "b.oga")) == "truncated"


def test_a_film_that_is_longer_than_its_sound_is_no_truncated_recording(tmp_path, samples):
    path = tmp_path / "film.m4a"
    with av.open(path, "w", "mp4") as film:
        sound = film.add_stream("aac", RATE, layout="mono")
        picture = film.add_stream("mpeg4", 10)
        picture.width = picture.height = 32
        for _ in range(50):
            film.mux(picture.encode(av.VideoFrame(32, 32, "yuv420p")))
        film.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        frame.rate = RATE
        film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    assert decode(path).seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("error", [ValueError, FileNotFoundError])
def test_an_error_of_whoever_reads_is_not_taken_for_a_damaged_file(tmp_path, suffix, error):
    path = put(tmp_path, encoded(speech(0, 0.5), 16_000, suffix), f"a{suffix}")
    with pytest.raises(error, match="ours"), open_stream(path):
        raise error("ours")


@pytest.mark.parametrize("mark", [b"Xing", b"Info", b"VBRI"])
@pytest.mark.parametrize("behind", [b"", b"\0\0\0", b"\0\0\0\x01", b"\0\0\0\x01\0\0"])
def test_an_mp3_that_is_cut_within_its_header_is_refused(tmp_path, mark, behind):
    data = b"\xff\xfb\x90\x00" + bytes(32) + mark + behind
    assert rejection(put(tmp_path, data, "a.mp3")) in ("undecodable", "zero_length", "truncated")
