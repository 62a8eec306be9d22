"""Which files are recordings, and what FFmpeg decodes beside what phones and browsers record."""

import ctypes
import gzip
import io
import os
import struct
import zipfile
from contextlib import ExitStack

import av
import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
import soxr
from small_model import encoded, speech
from test_decoding import delay_and_error

from ser.core.rejection import REASONS, Rejected
from ser.decoding import signatures, suffixes
from ser.decoding.decoding import decode
from ser.decoding.ffmpeg import open_with_ffmpeg
from ser.decoding.suffixes import SUFFIXES
from ser.use.recording_files import find_recordings

RATE = 48_000
SECONDS = 2.0
LOSSLESS = {".m4b": "alac", ".mov": "pcm_s16le", ".mkv": "flac", ".avi": "pcm_s16le",
            ".wv": "wavpack", ".tta": "tta", ".voc": "pcm_s16le"}  # fmt: skip
LOSSY = {".mp4": "aac", ".3g2": "aac", ".mka": "aac", ".flv": "aac", ".ts": "aac", ".wma": "wmav2",
         ".asf": "wmav1", ".mpg": "mp2", ".vob": "ac3", ".ac3": "ac3", ".eac3": "eac3",
         ".mp2": "mp2"}  # fmt: skip
NARROW = {".amr": ("amrnb", 8_000), ".3gp": ("amrnb", 8_000)}
BY_LIBSNDFILE = [".wav", ".flac", ".ogg", ".opus", ".aiff", ".au", ".caf", ".w64", ".rf64", ".sph"]
# What no header tells the length of: see ser/use/recording_files.py.
UNTOLD = {".ts", ".mpg", ".vob", ".ac3", ".eac3", ".mp2", ".amr"}


@pytest.fixture(scope="module")
def samples():
    """Two seconds of speech at 48 kHz, with nothing above 3.4 kHz: telephones pass that."""
    narrow = soxr.resample(speech(0, SECONDS), 16_000, 7_000)
    return soxr.resample(narrow, 7_000, RATE)[: round(SECONDS * RATE)].astype(np.float32)


@pytest.fixture(scope="module")
def files(samples):
    """The bytes of one whole file of each kind."""
    return {suffix: of_kind(suffix, samples) for suffix in (*LOSSLESS, *LOSSY, *NARROW)}


def of_kind(suffix, samples):
    rate = NARROW[suffix][1] if suffix in NARROW else RATE
    return encoded(soxr.resample(samples, RATE, rate), rate, suffix)


def put(folder, data, name="a"):
    path = folder / name
    path.write_bytes(data)
    return path


def verdict(path):
    with pytest.raises(Rejected) as caught:
        decode(path)
    return caught.value.reason, str(caught.value)


# What is decoded


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_what_is_lossless_holds_the_very_samples(tmp_path, files, samples, suffix):
    recording = decode(put(tmp_path, files[suffix]))
    assert (recording.sample_rate, recording.subtype) == (RATE, LOSSLESS[suffix])
    np.testing.assert_allclose(recording.samples[:, 0], samples, atol=2**-15)


@pytest.mark.parametrize("suffix", LOSSY)
def test_what_is_lossy_sounds_the_same(tmp_path, files, samples, suffix):
    recording = decode(put(tmp_path, files[suffix]))
    assert (recording.sample_rate, recording.subtype) == (RATE, LOSSY[suffix])
    assert recording.seconds == pytest.approx(SECONDS, abs=0.05)
    delay, error = delay_and_error(recording.samples[:, 0], samples)
    assert abs(delay) <= 2048  # a frame, which encoders put in front or WMA leaves out
    assert error < 0.03


@pytest.mark.parametrize("suffix", NARROW)
def test_what_telephones_record_sounds_much_the_same(tmp_path, files, samples, suffix):
    subtype, rate = NARROW[suffix]
    recording = decode(put(tmp_path, files[suffix]))
    assert (recording.sample_rate, recording.subtype) == (rate, subtype)
    assert recording.seconds == pytest.approx(SECONDS, abs=0.05)
    delay, error = delay_and_error(recording.samples[:, 0], soxr.resample(samples, RATE, rate))
    assert abs(delay) < 0.01 * rate
    assert error < 0.2


def wideband_amr(frames):
    """Frames of random bits, at 23.85 kbit/s (RFC 4867, 5.3)."""
    rng = np.random.default_rng(0)
    return b"#!AMR-WB\n" + b"".join(b"\x44" + rng.bytes(60) for _ in range(frames))


def test_wideband_amr_is_decoded(tmp_path):
    recording = decode(put(tmp_path, wideband_amr(50)))
    assert (recording.sample_rate, recording.subtype) == (16_000, "amrwb")
    assert recording.samples.shape == (50 * 320, 1)
    assert np.abs(recording.samples).max() > 0.01


def ogg_page(packet, flags, position, number):
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, 7, number, 0)
    page = head + bytes([len(sizes)]) + sizes + packet
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = checksum << 1 ^ (0x04C11DB7 if checksum & 1 << 31 else 0)
            checksum &= 0xFFFFFFFF
    return page[:22] + struct.pack("<I", checksum) + page[26:]


def speex(frames):
    """Narrow-band frames of random bits (The Speex Manual, 7 and 9)."""
    rng = np.random.default_rng(0)
    numbers = (1, 80, 8_000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    head = b"Speex   " + b"1.2".ljust(20, b"\0") + struct.pack("<13i", *numbers)
    pages = [ogg_page(head, 2, 0, 0), ogg_page(bytes(8), 0, 0, 1)]
    for n in range(frames):
        packet = b"\x28" + rng.bytes(37)  # of submode 5, 300 bits
        end = 4 if n == frames - 1 else 0
        pages.append(ogg_page(packet, end, 160 * (n + 1), n + 2))
    return b"".join(pages)


def test_speex_is_decoded(tmp_path):
    recording = decode(put(tmp_path, speex(50)))
    assert (recording.sample_rate, recording.subtype) == (8_000, "speex")
    assert recording.samples.shape == (50 * 160, 1)
    assert np.abs(recording.samples).max() > 0.01
    assert verdict(put(tmp_path, speex(50)[:-500]))[0] == "truncated"


def test_a_broadcast_wave_of_64_bits_is_decoded(tmp_path, samples):
    data = b"BW64" + encoded(samples, RATE, ".rf64")[4:]
    recording = decode(put(tmp_path, data))
    np.testing.assert_allclose(recording.samples[:, 0], samples, atol=2**-15)
    assert verdict(put(tmp_path, data[: len(data) // 2]))[0] == "truncated"


# What was cut off


@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("suffix", sorted({*LOSSLESS, *LOSSY, *NARROW} - UNTOLD))
def test_what_was_cut_off_is_refused(tmp_path, files, suffix, share):
    data = files[suffix]
    reason, _ = verdict(put(tmp_path, data[: round(share * len(data))]))
    assert reason in ("truncated", "undecodable")


@pytest.mark.parametrize("suffix", sorted(UNTOLD))
def test_of_what_says_nothing_of_its_length_the_rest_is_decoded(tmp_path, files, suffix):
    data = files[suffix]
    if suffix == ".amr":  # between two frames
        data = data[: 6 + 50 * 32]
    elif suffix == ".ts":
        data = data[: len(data) // 2 // 188 * 188]
    else:
        data = data[: len(data) // 2]
    try:
        assert decode(put(tmp_path, data)).seconds == pytest.approx(SECONDS / 2, abs=0.3)
    except Rejected as refused:
        assert refused.reason == "undecodable"  # noqa: PT017 - within a frame


def test_a_film_of_many_fragments_that_was_cut_off_is_truncated(tmp_path, samples):
    file = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
    with av.open(file, "w", "mp4", options=options) as opened:
        add_sound(opened, samples)
    data = file.getvalue()
    assert decode(put(tmp_path, data)).seconds == pytest.approx(SECONDS, abs=0.1)
    assert verdict(put(tmp_path, data[: len(data) // 2]))[0] == "truncated"


def test_other_bytes_behind_a_film_do_not_matter(tmp_path, files, samples):
    recording = decode(put(tmp_path, files[".m4b"] + b"TAG" + bytes(125)))
    np.testing.assert_allclose(recording.samples[:, 0], samples, atol=2**-15)


@pytest.mark.parametrize("size", [b"\xff" * 8, b"\x80" + bytes(7), bytes(8)])
def test_an_absurd_size_of_a_box_is_no_traceback(tmp_path, files, size):
    head = files[".mp4"][: files[".mp4"].index(b"mdat") - 4]
    path = put(tmp_path, head + b"\0\0\0\1mdat" + size + bytes(99))
    assert verdict(path)[0] in ("truncated", "undecodable")


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY, *NARROW])
def test_damaged_bytes_lead_to_a_recording_or_a_rejection(tmp_path, samples, suffix):
    whole = of_kind(suffix, samples[: RATE // 4])
    rng = np.random.default_rng(1)
    for n in range(30):
        data = bytearray(whole)
        for at in rng.integers(min(len(data), 200 if n % 2 else len(data)), size=4):
            data[at] = int(rng.integers(256))
        try:
            decode(put(tmp_path, bytes(data[: len(data) - 100 * (n % 3)])))
        except Rejected as refused:
            assert refused.reason in REASONS  # noqa: PT017


def add_sound(opened, samples, codec="aac", form="fltp"):
    track = opened.add_stream(codec, RATE, layout="mono", format=form)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
    frame.rate = RATE
    size = track.codec_context.frame_size or 1024
    split = av.AudioResampler(form, "mono", RATE, size)
    for part in (*split.resample(frame), *split.resample(None)):
        opened.mux(track.encode(part))
    opened.mux(track.encode(None))


def film(container, codec, sounds=(), seconds=4, picture=True):
    """A film whose sounds are shorter than its pictures."""
    file = io.BytesIO()
    with av.open(file, "w", container) as opened:
        tracks = [opened.add_stream("aac", RATE, layout="mono") for _ in sounds]
        if picture:
            track = opened.add_stream(codec, 10)
            track.width = track.height = 64
            rng = np.random.default_rng(0)
            for _ in range(10 * seconds):
                noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
                opened.mux(
                    track.encode(
                        av.VideoFrame.from_ndarray(noise, "rgb24").reformat(format="yuv420p")
                    )
                )
            opened.mux(track.encode(None))
        for sound, samples in zip(tracks, sounds, strict=True):
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
            frame.rate = RATE
            opened.mux(sound.encode(frame))
            opened.mux(sound.encode(None))
    return file.getvalue()


FILMS = {".mp4": ("mp4", "mpeg4"), ".mkv": ("matroska", "mpeg4"), ".flv": ("flv", "flv"),
         ".avi": ("avi", "mpeg4"), ".wmv": ("asf", "msmpeg4")}  # fmt: skip


@pytest.mark.parametrize("suffix", FILMS)
def test_of_a_film_the_sound_is_read_and_a_cut_one_refused(tmp_path, samples, suffix):
    data = film(*FILMS[suffix], [samples])
    recording = decode(put(tmp_path, data))
    assert recording.seconds == pytest.approx(SECONDS, abs=0.1)
    assert delay_and_error(recording.samples[:, 0], samples)[1] < 0.05
    reason, _ = verdict(put(tmp_path, data[: round(0.7 * len(data))]))
    assert reason in ("truncated", "undecodable")


@pytest.mark.parametrize("suffix", FILMS)
def test_a_film_without_sound_says_so(tmp_path, suffix):
    assert verdict(put(tmp_path, film(*FILMS[suffix]))) == ("undecodable", "no sound in it")


@pytest.mark.parametrize("default", [0, 1])
def test_of_two_tracks_the_default_one_is_read(tmp_path, samples, default):
    other = np.zeros_like(samples)
    file = io.BytesIO()
    with av.open(file, "w", "matroska") as opened:
        tracks = [opened.add_stream("pcm_s16le", RATE, layout="mono") for _ in range(2)]
        for n, track in enumerate(tracks):
            track.disposition = av.stream.Disposition.default if n == default else 0
        for track, sound in zip(tracks, (samples, other), strict=True):
            frame = av.AudioFrame.from_ndarray(
                (sound * 2**15).astype(np.int16)[None], "s16", "mono"
            )
            frame.rate = RATE
            opened.mux(track.encode(frame))
            opened.mux(track.encode(None))
    loudest = np.abs(decode(put(tmp_path, file.getvalue())).samples).max()
    assert (loudest > 0.1) == (default == 0)


# What is refused by its name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"MAC \x96\x0f\0\0", "Monkey's Audio"),
        (b"MP+\x07", "Musepack"),
        (b"MPCKSH", "Musepack"),
        (b"tBaK", "TAK"),
        (b"DSD \x1c\0\0\0", "DSD"),
        (b".RMF\0\0\0\x12", "RealMedia"),
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b"\x02#!SILK_V3", "SILK"),
        (b"#!AMR_MC1.0\n", "AMR of several channels"),
        (b"RIFF\0\1\0\0QLCM", "QCP"),
        (b"ADIF", "AAC in ADIF"),
        (b"ajkg\2", "Shorten"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, head, name):
    path = put(tmp_path, head + bytes(500), "a.wav")
    assert verdict(path) == ("undecodable", f"{name} is not read: convert it to WAV or FLAC")


# Which files of a folder are recordings


def kind(data):
    return signatures.kind_of(io.BytesIO(data))


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY, *NARROW])
def test_what_ffmpeg_decodes_is_known_by_its_content(files, suffix):
    assert kind(files[suffix]).reader


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("suffix", [".mp3", ".aac"])
def test_frames_are_known_at_any_rate_with_tags_and_without(rate, suffix):
    data = encoded(soxr.resample(speech(0, 0.5), 16_000, rate), rate, suffix)
    bare = data[data.index(b"\xff") :] if suffix == ".mp3" else data
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + bytes(256)
    assert kind(bare).reader == kind(tag + bare).reader == suffix[1:]
    assert kind(tag + bytes(999)) == signatures.TAGGED
    assert kind(bare[:20]) is None


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
@pytest.mark.parametrize("suffix", [".ac3", ".eac3", ".mp2"])
def test_and_so_are_those_of_films(rate, suffix):
    data = encoded(soxr.resample(speech(0, 0.5), 16_000, rate), rate, suffix)
    assert kind(data).reader == ("mp3" if suffix == ".mp2" else suffix[1:])


def test_the_transport_stream_of_a_disc_is_known(samples, tmp_path):
    file = io.BytesIO()
    with av.open(file, "w", "mpegts", options={"mpegts_m2ts_mode": "1"}) as opened:
        add_sound(opened, samples)
    assert kind(file.getvalue()).reader == "mpegts"
    assert decode(put(tmp_path, file.getvalue())).seconds == pytest.approx(SECONDS, abs=0.1)


# Nothing in them tells what they are: see ser/decoding/signatures.py.
UNMARKED = {"RAW", "SD2"}


@pytest.mark.parametrize("name", sorted(set(soundfile.available_formats()) - UNMARKED))
def test_what_libsndfile_reads_is_known_by_its_content(name):
    file = io.BytesIO()
    soundfile.write(file, speech(0, 0.5), 16_000, soundfile.default_subtype(name), format=name)
    assert kind(file.getvalue()).reader


@pytest.mark.parametrize("atom", [b"moov", b"mdat", b"wide", b"free"])
def test_films_of_quicktime_without_a_type_are_known(atom):
    assert kind(b"\0\0\0\x08" + atom + bytes(8)).reader == "mp4"
    assert kind(b"Use " + atom + b" software") is None


def others():
    """Files that are no recordings."""
    rng = np.random.default_rng(0)
    picture = io.BytesIO()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.wav", encoded(speech(0, 0.5), 16_000, ".wav"))
    pictures = {}
    for name in ("png", "jpeg", "webp", "pdf", "svg", "tiff"):
        picture = io.BytesIO()
        plt.figure(figsize=(1, 1)).savefig(picture, format=name)
        plt.close()
        pictures[f"a.{name}"] = picture.getvalue()
    texts = {
        "text": b"The free software: MAC address, TTA, GGGG, ID3 and RIFF\n" * 99,
        "greek.txt": "καλημέρα\n".encode() * 99,
        "utf16.txt": ("καλημέρα και πάλι\n" * 99).encode("utf-16"),
        "labels.csv": b"path,emotion\na.wav,happy\n" * 99,
        "a.py": b"import sys\n",
        "a.ts": b"export const a = 1;\n",
        "list.m3u8": b"#EXTM3U\na.wav\n",
        "empty": b"",
        "a": b"G",
        "a.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "a.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
        "a.gz": gzip.compress(b"a" * 999),
        "a.mid": b"MThd\0\0\0\6\0\1\0\2\0\x60",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        # Other tables of MATLAB's; features of HTK's, as openSMILE writes them.
        "a.mat": b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM\x0e\0\0\0\x40" + bytes(99),
        "b.mat": b"\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0x\0" + bytes(8),
        "a.htk": struct.pack(">iihh", 100, 100_000, 4 * 39, 9) + bytes(100 * 4 * 39),
        "a.raw": rng.integers(-999, 999, 3000).astype("<i2").tobytes(),
        "a.gsm": bytes(5000),
    }
    random = {f"random-{n}": rng.bytes(3000) for n in range(300)}
    # Random behind a mark that needs a second one.
    random |= {f"sync-{n}": b"\xff\xfb\x90" + rng.bytes(3000) for n in range(100)}
    random |= {f"adts-{n}": b"\xff\xf1\x50" + rng.bytes(3000) for n in range(100)}
    random |= {f"ac3-{n}": b"\x0b\x77\0\0\x14\x40" + rng.bytes(3000) for n in range(100)}
    return texts | pictures | random | {"a.zip": archive.getvalue()}


def test_in_a_folder_the_content_decides_or_a_name_like_a_recordings(tmp_path, files):
    recordings = {f"sound-{suffix[1:]}": data for suffix, data in files.items()}
    recordings |= {
        f"{suffix[1:]}-by-libsndfile": encoded(speech(0, 0.5), 16_000, suffix)
        for suffix in BY_LIBSNDFILE
    }
    recordings |= {"not read": b"MAC \x96\x0f\0\0", "A.MP4": b"", "a.wav": b"text", "b.3gp": b"\0"}
    rest = others()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for n, (name, data) in enumerate((recordings | rest).items()):
        put(tmp_path / ("deep/er" if n % 2 else "."), data, name)
    found, counted = find_recordings(tmp_path)
    assert {path.name for path in found} == set(recordings)
    assert counted == len(rest)
    assert found == sorted(found)


def test_hidden_files_links_to_folders_pipes_and_devices_are_not_opened(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    data = encoded(speech(0, 0.5), 16_000, ".wav")
    put(elsewhere, data, "sound")
    folder = tmp_path / "folder"
    for hidden in (".git", "__MACOSX", "called.wav"):
        (folder / hidden).mkdir(parents=True)
    put(folder / ".git", data, "a.wav")
    put(folder / "__MACOSX", data, "a.wav")
    put(folder, data, ".a.wav")
    put(folder / "called.wav", data, "in a folder called so")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "linked.wav").symlink_to(elsewhere)
    (folder / "link").symlink_to(elsewhere / "sound")
    (folder / "gone.wav").symlink_to(elsewhere / "gone")
    (folder / "gone").symlink_to(elsewhere / "gone")
    (folder / "zero.wav").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.wav")
    found, counted = find_recordings(folder)
    names = [path.relative_to(folder).as_posix() for path in found]
    assert names == ["called.wav/in a folder called so", "gone.wav", "link"]
    assert counted == 6


def test_every_suffix_is_written_as_they_are_compared():
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in SUFFIXES)
    written = {*LOSSLESS, *LOSSY, *NARROW, *BY_LIBSNDFILE} - {".ts"}
    assert written <= set(SUFFIXES)
    assert len(suffixes.READ) < 210


# Nothing else is opened


@pytest.fixture
def target(tmp_path):
    """A recording, and a function that says how often it was opened since."""
    path = put(tmp_path, encoded(speech(0, 0.5), 16_000, ".wav"), "target.wav")
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "inotify_init1"):
        pytest.skip("nothing tells who opens a file")
    watch = libc.inotify_init1(os.O_NONBLOCK)
    in_open, event = 0x20, 16  # what is watched; bytes of an event
    assert libc.inotify_add_watch(watch, os.fsencode(path), in_open) >= 0

    def opened():
        try:
            return len(os.read(watch, 4096)) // event
        except BlockingIOError:
            return 0

    yield path, opened
    os.close(watch)


def scripts(path):
    """What makes FFmpeg open other files, where it is allowed to look what a file is."""
    name = path.name.encode()
    return {
        "concat": b"ffconcat version 1.0\nfile " + name + b"\n",
        "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + name + b"\n#EXT-X-ENDLIST\n",
        "m3u": str(path).encode() + b"\n",
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\nc=IN IP4 127.0.0.1\n",
        "dash": b"<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation><BaseURL>"
        + name + b"</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "asx": b"<asx version='3.0'><entry><ref href='" + name + b"'/></entry></asx>",
        "pls": b"[playlist]\nFile1=" + name + b"\n",
        "tagged": b"ID3\x04\0\0\0\0\0\0ffconcat version 1.0\nfile " + name + b"\n",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".mp3", ".mkv"])
def test_a_script_called_like_a_recording_opens_nothing(tmp_path, target, monkeypatch, suffix):
    path, opened = target
    monkeypatch.chdir(tmp_path)
    for name, script in scripts(path).items():
        reason, _ = verdict(put(tmp_path, script, f"{name}{suffix}"))
        assert reason == "undecodable"
    assert opened() == 0


def test_even_a_container_of_other_files_would_open_nothing(tmp_path, target, monkeypatch):
    path, opened = target
    monkeypatch.chdir(tmp_path)
    script = put(tmp_path, scripts(path)["concat"], "a.wav")
    with av.open(io.BytesIO(script.read_bytes()), "r", "concat") as container:
        assert container.streams.audio
    assert opened() > 0
    with script.open("rb") as file, ExitStack() as stack, pytest.raises(Rejected):
        open_with_ffmpeg(file, "concat", stack)
    assert opened() == 0


def test_no_container_that_opens_other_files_is_known():
    readers = {kind.reader for _, kind in signatures.SIGNATURES}
    assert not readers & {"concat", "hls", "dash", "image2", "sdp", "rtsp", "rtp", "lavfi", "imf"}
    available = {name for names in av.formats_available for name in names.split(",")}
    assert readers - {"", signatures.LIBSNDFILE} <= available


def test_a_film_that_refers_to_another_file_does_not_open_it(tmp_path, target, monkeypatch, files):
    path, opened = target
    monkeypatch.chdir(tmp_path)
    # The sound of a film may lie in another file: ISO/IEC 14496-12, 8.7.2.
    here = b"url \0\0\0\1"
    assert files[".mov"].count(here) >= 1
    there = b"url \0\0\0\0" + path.name.encode() + b"\0"
    elsewhere = put(tmp_path, grown(files[".mov"], here, there), "a.mov")
    try:
        decode(elsewhere)
    except Rejected as refused:
        assert refused.reason in ("undecodable", "truncated")  # noqa: PT017
    assert opened() == 0


def grown(data, old, new):
    """Replace the last occurrence of some bytes by more, in all the boxes that hold them."""
    at, more = data.rindex(old), len(new) - len(old)
    changed = bytearray(data[:at] + new + data[at + len(old) :])
    place = 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref", b"url "):
        place = changed.index(name, place)
        size = int.from_bytes(changed[place - 4 : place], "big") + more
        changed[place - 4 : place] = size.to_bytes(4, "big")
    return bytes(changed)
