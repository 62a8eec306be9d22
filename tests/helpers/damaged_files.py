"""Make damaged, unusual and hostile files; the same seed makes the same files."""

import io
import struct

import numpy as np
import soundfile
from encoders import by_ffmpeg, by_libsndfile
from small_model import RATE, encoded, speech

SOUND = (
    (".wav", "PCM_16"),
    (".wav", "PCM_24"),
    (".wav", "FLOAT"),
    (".flac", "PCM_16"),
    (".ogg", "VORBIS"),
    (".opus", "OPUS"),
    (".mp3", "MPEG_LAYER_III"),
    (".m4a", ""),
    (".aac", ""),
    (".webm", ""),
)
# Possible contents of a file, whatever its name: by libsndfile (format, subtype) or FFmpeg
# (container, codec).
OTHERS = (
    ("RF64", "PCM_16"),
    ("W64", "PCM_24"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("NIST", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("WAV", "GSM610"),
    ("WAV", "MS_ADPCM"),
    ("wav", "libmp3lame"),
    ("caf", "alac"),
    ("voc", "pcm_s16le"),
    ("ogg", "flac"),
)
SUFFIXES = sorted({suffix for suffix, _ in SOUND})
MAGICS = (
    b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0",
    b"RIFX\0\0\1\0WAVE",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis",
    b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead",
    b"ID3\x04\0\0\0\0\x0f\x7f",
    b"\xff\xfb\x90\x00",
    b"\xff\xf1\x50\x80",
    b"\0\0\0\x1cftypM4A \0\0\0\0",
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01",
    b"FORM\0\0\1\0AIFF",
    b".snd\0\0\0\x18",
    b"caff\0\x01\0\0",
    b"riff\x2e\x91\xcf\x11",
    b"MThd\0\0\0\6",
    b"Creative Voice File\x1a",
    b"NIST_1A\n   1024\n",
    b"MAT\0LAB5.0",
    b"\x64\xa3\x02\0",
    b"PK\3\4",
    b"<?xml version='1.0'?>",
)


def sources(seconds=1.0):
    """Make undamaged files by suffix and subtype."""
    samples = speech(0, seconds)
    return [(suffix, encoded(samples, RATE, suffix, kind or None)) for suffix, kind in SOUND]


def others(seconds=1.0):
    """Make undamaged files of other formats, named as WAV."""
    samples = speech(0, seconds)
    return [
        (".wav", (by_libsndfile if kind.isupper() else by_ffmpeg)(samples, RATE, kind, codec))
        for kind, codec in OTHERS
    ]


def wav(samples, rate=RATE, subtype="FLOAT"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def header(rate=RATE, channels=1, data_size=32000, bits=16, tag=1, body=32000):
    """Make a WAV file with an arbitrary header."""
    align = channels * bits // 8 & 0xFFFF
    per_second = rate * align & 0xFFFFFFFF
    form = struct.pack("<HHIIHH", tag, channels, rate, per_second, align, bits)
    head = b"RIFF" + struct.pack("<I", 36 + data_size & 0xFFFFFFFF) + b"WAVEfmt \x10\0\0\0" + form
    return head + b"data" + struct.pack("<I", data_size) + speech_bytes(body)


def speech_bytes(size):
    return np.resize((speech(0) * 2**15).astype("<i2"), size // 2).tobytes()


def silent_flac(seconds=7200):
    """Make hours of digital silence in about a hundred kB."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16", format="FLAC") as flac:
        minute = np.zeros(60 * RATE, np.int16)
        for _ in range(seconds // 60):
            flac.write(minute)
    return file.getvalue()


def named():
    """Make the files that are not random: name -> bytes."""
    tone = speech(0, 1.0)
    flaws = {kind: tone.copy() for kind in ("nan", "inf", "-inf", "huge")}
    for kind, samples in flaws.items():
        samples[[5, 9]] = 3e38 if kind == "huge" else float(kind)
    files = {f"{kind}.wav": wav(samples) for kind, samples in flaws.items()}
    files |= {f"empty{suffix}": b"" for suffix in SUFFIXES}
    files |= {f"text{suffix}": "καλημέρα\n".encode() * 9 for suffix in SUFFIXES}
    files |= {f"one{suffix}": b"\0" for suffix in SUFFIXES}
    for suffix, data in dict(sources()).items():
        for other in SUFFIXES:
            files[f"{suffix[1:]}-called{other}"] = data
            files[f"CAPITALS-{suffix[1:]}{other.upper()}"] = data[: len(data) // 2]
    files |= {
        "one sample.wav": wav(tone[:1]),
        "one sample.flac": encoded(tone[:1], RATE, ".flac"),
        "no sample.wav": wav(tone[:0]),
        "no sample.flac": encoded(tone[:0], RATE, ".flac"),
        "8 channels.wav": wav(np.stack([tone] * 8, axis=1)),
        "64 channels.wav": wav(np.stack([tone] * 64, axis=1)),
        "65 channels.wav": wav(np.stack([tone] * 65, axis=1)),
        "1024 channels.wav": header(channels=1024),
        "65535 channels.wav": header(channels=65535),
        "0 channels.wav": header(channels=0),
        "192 kHz.wav": wav(np.repeat(tone, 12), 192_000),
        "655350 Hz.flac": encoded(np.repeat(tone, 40), 655_350, ".flac"),
        "1 Hz.wav": header(rate=1),
        "999 Hz.wav": header(rate=999),
        "1 kHz.wav": header(rate=1000),
        "0 Hz.wav": header(rate=0),
        "2^31 Hz.wav": header(rate=2**31),
        "2^31-1 Hz.wav": header(rate=2**31 - 1),
        "2^32-1 Hz.wav": header(rate=2**32 - 1),
        "2 hours promised.wav": header(data_size=2 * 7200 * RATE),
        "2^30 bytes promised.wav": header(data_size=2**30),
        "2^31 bytes promised.wav": header(data_size=2**31 - 2),
        "2^32 bytes promised.wav": header(data_size=2**32 - 1),
        "2 hours of silence.flac": silent_flac(),
        "0 bits.wav": header(bits=0),
        "7 bits.wav": header(bits=7),
        "64 bits.wav": header(bits=64),
        "unknown codec.wav": header(tag=0x1234),
        "silence.wav": wav(np.zeros(RATE)),
        "clipped.wav": wav(np.clip(50 * tone, -1, 1)),
        "offset.wav": wav(np.full(RATE, 0.5)),
        "subnormal.wav": wav(np.full(RATE, 1e-42)),
        "noise.wav": wav(0.1 * np.random.default_rng(0).standard_normal(RATE)),
        "good.wav": wav(tone),
    }
    return files


def damaged(seed, count, seconds=1.0):
    """Yield the name and bytes of randomly damaged files."""
    rng = np.random.default_rng(seed)
    whole = sources(seconds) + others(seconds)
    for n in range(count):
        suffix, data = whole[n % len(whole)]
        kind = _KINDS[n // len(whole) % len(_KINDS)]
        yield f"{kind.__name__.strip('_')}-{n:05}{_suffix(rng, suffix)}", kind(rng, data)


def _suffix(rng, suffix):
    return str(rng.choice(SUFFIXES)) if rng.random() < 0.2 else suffix


def _truncated(rng, data):
    return data[: int(rng.integers(len(data)))]


def _head_flipped(rng, data):
    return _flipped(rng, data, min(len(data), 64), 3)


def _deep_head_flipped(rng, data):
    return _flipped(rng, data, min(len(data), 1024), 8)


def _body_flipped(rng, data):
    return _flipped(rng, data, len(data), 20)


def _tail_flipped(rng, data):
    return _flipped(rng, data[::-1], min(len(data), 2048), 8)[::-1]


def _flipped(rng, data, end, most):
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, most + 1))):
        changed[int(rng.integers(end))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _with_a_huge_number(rng, data):
    """Replace four bytes of the header by an extreme value."""
    at = int(rng.integers(4, 200))
    value = int(rng.choice([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]))
    order = "<I" if rng.random() < 0.5 else ">I"
    return data[:at] + struct.pack(order, value) + data[at + 4 :]


def _with_a_hole(rng, data):
    start, end = sorted(int(i) for i in rng.integers(0, len(data), 2))
    return data[:start] + data[end:]


def _overwritten(rng, data):
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, 500))
    return data[:start] + rng.bytes(length) + data[start + length :]


def _repeated(rng, data):
    start = int(rng.integers(len(data)))
    return data[:start] + data


def _random_behind_a_magic(rng, data):
    magic = MAGICS[int(rng.integers(len(MAGICS)))]
    return magic + rng.bytes(int(rng.integers(0, 5000)))


def _random_behind_a_whole_header(rng, data):
    return data[: int(rng.integers(20, 400))] + rng.bytes(int(rng.integers(0, 5000)))


def _halved(rng, data):
    return data[: len(data) // 2]


def _without_a_page(rng, data):
    """Remove one page if the file is an Ogg."""
    places = [i for i in range(len(data)) if data.startswith(b"OggS", i)]
    if len(places) < 2:
        return _with_a_hole(rng, data)
    at = int(rng.integers(len(places) - 1))
    return data[: places[at]] + data[places[at + 1] :]


def _with_an_unfilled_size(rng, data):
    """Replace a size in the header by 0 or by a value that means unknown."""
    marks = [b"RIFF", b"data", b"fact", b"ds64", b"FORM", b"SSND", b"COMM", b"pakt", b".snd"]
    present = [mark for mark in marks if mark in data[:8192]] or [data[:4]]
    at = data.find(present[int(rng.integers(len(present)))]) + 4 + 4 * int(rng.integers(4))
    size = (bytes(4), b"\xff" * 4, b"\0\xf0\xff\x7f")[int(rng.integers(3))]
    return data[:at] + size + data[at + 4 :]


def _chained(rng, data):
    return data + data[: int(rng.integers(len(data) + 1))]


_KINDS = (
    _truncated,
    _head_flipped,
    _deep_head_flipped,
    _body_flipped,
    _tail_flipped,
    _with_a_huge_number,
    _with_a_hole,
    _overwritten,
    _repeated,
    _random_behind_a_magic,
    _random_behind_a_whole_header,
    _halved,
    _without_a_page,
    _with_an_unfilled_size,
    _chained,
)
