"""The conditions that a model is tested under, with their fixed parameters.

Training draws its own from `augment.recording`, with other noises and other rooms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pyroomacoustics

from ser.augment.vocoder import time_stretch
from ser.conditions.codecs import TELEPHONE_RATE, can_encode, encoded, telephone
from ser.conditions.levels import add_at_snr, add_hum, add_offset, attenuate, clip_peaks
from ser.conditions.microphone import band_limit
from ser.conditions.noises import babble, white_noise
from ser.conditions.rooms import reverberate
from ser.core.typing import FloatArray

CLEAN = "clean"
VOICES = 12  # of a babble
_ROOM = (5.0, 4.0, 2.7)  # m
_MOUTH, _MICROPHONE = (1.5, 2.0, 1.6), (3.2, 1.7, 1.2)  # m: 1.8 m apart
_REFLECTIONS = 122  # reflections in a row, enough for the tail of the livelier room
# RT60 in s -> share of the energy that each wall absorbs, for this room and these places.
_ABSORPTION = {0.3: 0.333, 0.8: 0.1435}
_LAPTOP_BAND = (150.0, 4000.0)  # Hz: small and behind a lid


@dataclass(frozen=True)
class Sound:
    """A recording under a condition.

    Attributes:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
    """

    waveform: FloatArray
    sample_rate: int


@dataclass(frozen=True)
class Surroundings:
    """What a condition may draw from.

    Attributes:
        rng: source of all random numbers.
        voices: other recordings, float32 [samples] each, at the rate of the recording.
    """

    rng: np.random.Generator
    voices: Sequence[FloatArray]


@dataclass(frozen=True)
class Condition:
    """A condition.

    Attributes:
        title: what it is, in a few words.
        apply: changes a recording.
        codec: FFmpeg's name of the encoder that it needs; empty: none.
    """

    title: str
    apply: Callable[[Sound, Surroundings], Sound]
    codec: str = ""

    @property
    def available(self) -> bool:
        """Whether this machine can make it."""
        return not self.codec or can_encode(self.codec)


def _plain(
    change: Callable[[FloatArray], FloatArray],
) -> Callable[[Sound, Surroundings], Sound]:
    """Make a condition of a change that needs nothing but the waveform."""
    return lambda sound, _: Sound(change(sound.waveform), sound.sample_rate)


def _hum(sound: Sound, around: Surroundings, hertz: float, snr_db: float) -> Sound:
    phase = around.rng.uniform(0, 2 * np.pi)
    hummed = add_hum(sound.waveform, sound.sample_rate, hertz, snr_db, phase)
    return Sound(hummed, sound.sample_rate)


def _telephone(sound: Sound, _: Surroundings, law: str) -> Sound:
    return Sound(telephone(sound.waveform, sound.sample_rate, law), TELEPHONE_RATE)


def _codec(sound: Sound, _: Surroundings, codec: str, kilobits: int) -> Sound:
    heard = encoded(sound.waveform, sound.sample_rate, codec, 1000 * kilobits)
    return Sound(heard, sound.sample_rate)


def _white(sound: Sound, around: Surroundings, snr_db: float) -> Sound:
    noise = white_noise(len(sound.waveform), int(around.rng.integers(2**32)))
    return Sound(add_at_snr(sound.waveform, noise, snr_db), sound.sample_rate)


def _babble(sound: Sound, around: Surroundings, snr_db: float) -> Sound:
    noise = babble(len(sound.waveform), around.voices, around.rng)
    return Sound(add_at_snr(sound.waveform, noise, snr_db), sound.sample_rate)


def _room(sound: Sound, _: Surroundings, rt60: float) -> Sound:
    response = room_response(rt60, sound.sample_rate)
    return Sound(reverberate(sound.waveform, response), sound.sample_rate)


def _laptop(sound: Sound, _: Surroundings) -> Sound:
    return Sound(band_limit(sound.waveform, sound.sample_rate, *_LAPTOP_BAND), sound.sample_rate)


@cache
def room_response(rt60: float, sample_rate: int) -> FloatArray:
    """Compute the impulse response of a room by the image method.

    Allen, Berkley: Image method for efficiently simulating small-room acoustics, JASA 65(4), 1979.

    Args:
        rt60: 0.3 or 0.8, in seconds.
        sample_rate: in Hz.

    Returns:
        float32 [samples].
    """
    # Its threads share the sum differently on each number of processors.
    pyroomacoustics.constants.set("num_threads", 1)
    room = pyroomacoustics.ShoeBox(
        _ROOM,
        fs=sample_rate,
        materials=pyroomacoustics.Material(_ABSORPTION[rt60]),
        max_order=_REFLECTIONS,
    )
    room.add_source(_MOUTH)
    room.add_microphone(_MICROPHONE)
    room.compute_rir()
    return np.asarray(room.rir[0][0], dtype=np.float32)


def _conditions() -> Iterator[tuple[str, Condition]]:
    yield CLEAN, Condition("as recorded", lambda sound, _: sound)
    for name, title, change in (
        ("offset", "offset of 10 % of full scale", partial(add_offset, share=0.1)),
        ("quiet", "40 dB quieter, in 16 bits", partial(attenuate, db=40)),
        ("clipped", "5 % of the samples clipped", partial(clip_peaks, share=0.05)),
        ("pace_0.9", "spoken 0.9 times as fast", partial(time_stretch, rate=0.9)),
        ("pace_1.1", "spoken 1.1 times as fast", partial(time_stretch, rate=1.1)),
    ):
        yield name, Condition(title, _plain(change))
    for hertz in (50, 60):
        yield (
            f"hum_{hertz}hz",
            Condition(f"mains hum of {hertz} Hz, SNR 20 dB", partial(_hum, hertz=hertz, snr_db=20)),
        )
    for law, name in (("ALAW", "A-law"), ("ULAW", "mu-law")):
        yield (
            f"telephone_{law.lower()}",
            Condition(f"telephone, 8 kHz, {name}", partial(_telephone, law=law)),
        )
    for codec, name, rates in (
        ("libmp3lame", "MP3", (64, 32)),
        ("libopus", "Opus", (24, 12)),
        ("aac", "AAC", (64, 32)),
    ):
        for kilobits in rates:
            yield (
                f"{name.lower()}_{kilobits}k",
                Condition(
                    f"{name}, {kilobits} kbit/s",
                    partial(_codec, codec=codec, kilobits=kilobits),
                    codec,
                ),
            )
    for name, title, add in (
        ("white", "white noise", _white),
        ("babble", f"babble of {VOICES} voices", _babble),
    ):
        for snr_db in (20, 10, 5):
            yield (
                f"{name}_{snr_db}db",
                Condition(f"{title}, SNR {snr_db} dB", partial(add, snr_db=snr_db)),
            )
    for rt60 in _ABSORPTION:
        yield f"room_{rt60:g}s", Condition(f"room, RT60 {rt60:g} s", partial(_room, rt60=rt60))
    yield "laptop", Condition("microphone of 150 to 4,000 Hz", _laptop)


CONDITIONS: Mapping[str, Condition] = dict(_conditions())
