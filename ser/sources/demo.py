"""An artificial corpus: speech-like clips from a source-filter synthesiser, named like the AESDD's.

It has six invented voices, five invented ways of speaking and eight rows of nonsense syllables; no
person speaks. The whole pipeline can run on it without a download, but figures measured on it say
nothing about people.

The source is a train of glottal pulses with breath noise, the filter a cascade of resonators, as
in Klatt: Software for a cascade/parallel formant synthesizer. JASA 67(3), 1980. The bytes are the
same on every run: the random numbers of each clip are seeded with its labels.
"""

import io
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, sosfilt

Signal = NDArray[np.float64]

SAMPLE_RATE = 16000  # Hz
_STEP = 160  # samples between two positions of the formants
_SEED = 1952

# Hz, F1 to F3: Peterson, Barney: Control methods used in a study of the vowels. JASA 24(2), 1952,
# averages of the men.
VOWELS = {
    "i": (270.0, 2290.0, 3010.0),
    "e": (530.0, 1840.0, 2480.0),
    "a": (730.0, 1090.0, 2440.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
_HIGHER_FORMANTS = (3500.0, 4500.0)  # Hz, of a uniform tube of length _TRACT
_BANDWIDTHS = (60.0, 90.0, 150.0, 250.0, 300.0)  # Hz
_TRACT = 17.5  # cm, the vocal tract that the formants above belong to

# Centre and bandwidth in Hz, level relative to the vowels. The centres follow the spectral peaks in
# Jongman, Wayland, Wong: Acoustic characteristics of English fricatives. JASA 108(3), 2000; S as
# in "ship". That of f is lowered to stay below half the sample rate.
_FRICATIVES = {"s": (6800.0, 1500.0, 0.5), "S": (3800.0, 1000.0, 0.4), "f": (7200.0, 4000.0, 0.2)}
_PAUSE = "-"
_SECONDS = {"vowel": 0.14, "fricative": 0.075, "pause": 0.08}  # at rate 1
_LENGTHENING = 1.4  # of the last vowel

_UTTERANCES = (
    "sa fi - So a fe su",
    "fo Se i - sa fu a",
    "Si a so - fe Sa i",
    "a fu si - So fa e",
    "fe Su a - si o Sa",
    "so a - fi Se sa u",
    "Sa fe o - su i fa",
    "i Sa - fo se a Su",
)


class Voice(NamedTuple):
    """What is the same in all clips of a speaker."""

    tract: float  # cm
    pitch: float  # Hz
    breath: float  # added to the delivery's
    rate: float  # times the delivery's
    level: float  # dB, added to the delivery's


class Delivery(NamedTuple):
    """How an utterance is spoken."""

    pitch: float  # semitones above the voice's
    accent: float  # semitones that a stressed syllable rises by
    slope: float  # semitones from the first syllable to the last
    rate: float
    level: float  # dB full scale, of the highest sample
    tilt: float  # dB that the source loses at 3 kHz beyond that of its pulses
    breath: float  # noise against pulses
    tremor: float  # semitones
    jitter: float  # standard deviation of a period, and of its amplitude in tens


_VOICES = (
    Voice(tract=17.3, pitch=120, breath=0.00, rate=1.00, level=-1.0),
    Voice(tract=15.1, pitch=190, breath=0.04, rate=1.06, level=0.0),
    Voice(tract=16.7, pitch=134, breath=0.02, rate=0.94, level=1.0),
    Voice(tract=15.5, pitch=176, breath=0.01, rate=1.02, level=-0.5),
    Voice(tract=16.9, pitch=127, breath=0.05, rate=0.97, level=-1.5),
    Voice(tract=15.3, pitch=200, breath=0.02, rate=1.00, level=0.5),
)

_DELIVERIES = {
    # pitch, accent, slope, rate, level, tilt, breath, tremor, jitter
    "anger": Delivery(3.5, 4.0, -3.0, 1.10, -2.5, 1.5, 0.02, 0.0, 0.014),
    "disgust": Delivery(-1.0, 3.0, -4.0, 0.94, -6.0, 6.0, 0.07, 0.1, 0.020),
    "fear": Delivery(7.0, 1.5, 1.0, 1.18, -6.5, 12.0, 0.18, 0.7, 0.012),
    "happiness": Delivery(5.0, 5.5, 3.0, 1.05, -4.0, 9.0, 0.03, 0.0, 0.005),
    "sadness": Delivery(-1.5, 1.0, -2.0, 0.90, -9.0, 16.0, 0.10, 0.2, 0.008),
}
# Standard deviations: between the voices' versions of a delivery, and between the clips of one.
# Because of them, accuracy on a new voice is well above chance and below 1.
_VOICE_SPREAD = Delivery(0.8, 0.7, 0.8, 0.03, 1.0, 1.2, 0.015, 0.1, 0.002)
_CLIP_SPREAD = Delivery(0.8, 0.7, 0.8, 0.03, 0.8, 1.2, 0.015, 0.1, 0.002)
_LOWEST = Delivery(-6.0, 0.0, -8.0, 0.86, -12.0, 0.5, 0.0, 0.0, 0.0)
_HIGHEST = Delivery(12.0, 9.0, 8.0, 1.30, -1.0, 24.0, 0.4, 1.5, 0.04)

# (emotion, utterance, speaker) -> takes, unless there is one take without a letter. As in the
# AESDD, the first take of s05 (3) is broken.
_TAKES = {
    ("anger", 3, 2): ("a", "b"),
    ("fear", 7, 4): ("a", "b"),
    ("happiness", 1, 6): ("a", "b"),
    ("sadness", 5, 3): ("b",),
}
BROKEN = "sadness/s05 (3).wav"
_BROKEN_BYTES = 36  # a WAV header up to where the samples should begin


class Clip(NamedTuple):
    """A clip of the corpus; the numbers count from 1, as in the file names."""

    emotion: str
    utterance: int
    speaker: int
    take: str

    @property
    def path(self) -> str:
        """The path of the clip in the corpus."""
        return (
            f"{self.emotion}/{self.emotion[0]}{self.utterance:02d} ({self.speaker}){self.take}.wav"
        )


class Phone(NamedTuple):
    """One sound of an utterance."""

    symbol: str
    start: float  # s
    end: float  # s


def clips() -> Iterator[Clip]:
    """Yield every clip that can be read, in order.

    >>> next(clips()).path
    'anger/a01 (1).wav'
    """
    for emotion in _DELIVERIES:
        for speaker in range(1, len(_VOICES) + 1):
            for utterance in range(1, len(_UTTERANCES) + 1):
                for take in _TAKES.get((emotion, utterance, speaker), ("",)):
                    yield Clip(emotion, utterance, speaker, take)


def _generator(emotion: str, speaker: int, utterance: int, take: str) -> np.random.Generator:
    key = [_SEED, list(_DELIVERIES).index(emotion), speaker, utterance, " ab".index(take or " ")]
    return np.random.default_rng(key)


def _rng_of(clip: Clip) -> np.random.Generator:
    return _generator(clip.emotion, clip.speaker, clip.utterance, clip.take)


def _delivery(clip: Clip, rng: np.random.Generator) -> Delivery:
    """Draw the delivery of a clip: the emotion's, varied by speaker and by clip."""
    habits = _generator(clip.emotion, clip.speaker, 0, "").standard_normal(len(_LOWEST))
    chance = rng.standard_normal(len(_LOWEST))
    values = np.array(_DELIVERIES[clip.emotion])
    values = values + habits * _VOICE_SPREAD + chance * _CLIP_SPREAD
    voice = _VOICES[clip.speaker - 1]
    spoken = Delivery(*values.tolist())
    spoken = spoken._replace(
        rate=spoken.rate * voice.rate,
        level=spoken.level + voice.level,
        breath=spoken.breath + voice.breath,
    )
    return Delivery(*np.clip(spoken, _LOWEST, _HIGHEST).tolist())


def ratings() -> dict[str, dict[str, float]]:
    """Return the arousal and valence of every clip, 0..1: name of its file -> them, see `rate`."""
    return {Path(clip.path).name: rate(_delivery(clip, _rng_of(clip))) for clip in clips()}


def rate(spoken: Delivery) -> dict[str, float]:
    """Return the arousal and valence of a delivery by construction, 0..1.

    Arousal is the mean of pitch, rate and effort, which is little tilt. Valence is the mean of
    accent, slope and steadiness, which is little jitter. Each is a share of its range from _LOWEST
    to _HIGHEST. The level is not part of them, because clips are scaled to the same peak.

    >>> rate(_HIGHEST._replace(tilt=_LOWEST.tilt, jitter=_LOWEST.jitter))
    {'arousal': 1.0, 'valence': 1.0}
    """
    low = np.array(_LOWEST)
    share = Delivery(*((np.array(spoken) - low) / (np.array(_HIGHEST) - low)).tolist())
    return {
        "arousal": (share.pitch + share.rate + 1 - share.tilt) / 3,
        "valence": (share.accent + share.slope + 1 - share.jitter) / 3,
    }


def _kind(symbol: str) -> str:
    if symbol in VOWELS:
        return "vowel"
    return "pause" if symbol == _PAUSE else "fricative"


def _phones(utterance: str, rate: float, rng: np.random.Generator) -> list[Phone]:
    """Compute when each sound of an utterance begins and ends, after a short silence."""
    symbols = utterance.replace(" ", "")
    phones = []
    start = rng.uniform(0.06, 0.14)
    for i, symbol in enumerate(symbols):
        seconds = _SECONDS[_kind(symbol)] * rng.uniform(0.85, 1.15) / rate
        if i == len(symbols) - 1:
            seconds *= _LENGTHENING
        phones.append(Phone(symbol, start, start + seconds))
        start += seconds
    return phones


def _pitch(
    vowels: list[Phone], seconds: Signal, spoken: Delivery, rng: np.random.Generator
) -> Signal:
    """Compute the fundamental frequency over time, in semitones above the voice's."""
    middles = [(phone.start + phone.end) / 2 for phone in vowels]
    # Every other syllable is stressed, each to a different degree.
    accents = [spoken.accent * (i % 2) * rng.uniform(0.6, 1.4) for i in range(len(vowels))]
    slope = np.linspace(-spoken.slope / 2, spoken.slope / 2, len(vowels))
    tremor = spoken.tremor * np.sin(2 * np.pi * (rng.uniform(5, 7) * seconds + rng.uniform()))
    return spoken.pitch + np.interp(seconds, middles, accents + slope) + tremor


def _voicing(vowels: list[Phone], seconds: Signal) -> Signal:
    """Compute the amplitude of the glottal source: on in the vowels, with soft edges."""
    times: list[float] = []
    amplitudes: list[float] = []
    for start, end in ((phone.start, phone.end) for phone in vowels):
        times += [start, start + 0.02, end - 0.04, end]
        amplitudes += [0.0, 1.0, 0.8, 0.0]
    return np.interp(seconds, times, amplitudes)


def _flow(phase: Signal) -> Signal:
    """Compute the flow of air through the glottis over one period, phase in [0, 1).

    Pulse C of Rosenberg: Effect of glottal pulse shape on the quality of natural vowels. JASA
    49(2), 1971: opens for 40 % of the period, closes for 16 %.
    """
    opening = 0.5 - 0.5 * np.cos(np.pi * phase / 0.4)
    closing = np.cos(np.pi * np.minimum(phase - 0.4, 0.16) / 0.32)
    return np.where(phase < 0.4, opening, closing)


def _source(
    pitch: Signal, breath: float, jitter: float, tilt: float, rng: np.random.Generator
) -> Signal:
    """Compute glottal pulses at `pitch` Hz with `jitter`, and breath noise while it is open."""
    cycles = np.cumsum(pitch / SAMPLE_RATE)
    uneven = rng.standard_normal((2, int(cycles[-1]) + 2))
    cycles = np.cumsum(pitch * (1 + jitter * uneven[0, cycles.astype(int)]) / SAMPLE_RATE)
    number = np.minimum(cycles.astype(int), uneven.shape[1] - 1)
    flow = _flow(cycles % 1) * (1 + 10 * jitter * uneven[1, number])
    # The glottis closes equally fast at every pitch; the lips radiate the derivative of the flow.
    pulses = np.diff(flow, prepend=flow[0]) * SAMPLE_RATE / pitch / 10
    noise = breath * (0.3 + 0.7 * flow) * rng.standard_normal(len(pitch))
    sound: Signal = _tilted(pulses, tilt) + noise
    return sound


def _tilted(signal: Signal, tilt: float) -> Signal:
    """Pass a signal through a first-order low-pass that loses `tilt` dB at 3 kHz."""
    cutoff = 3000 / math.sqrt(10 ** (tilt / 10) - 1)
    pole = math.exp(-2 * math.pi * cutoff / SAMPLE_RATE)
    filtered: Signal = lfilter([1 - pole], [1, -pole], signal)
    return filtered


def _poles(frequency: float, bandwidth: float) -> tuple[float, float]:
    """Compute the denominator of a second-order resonance, without its leading 1."""
    radius = math.exp(-math.pi * bandwidth / SAMPLE_RATE)
    return -2 * radius * math.cos(2 * math.pi * frequency / SAMPLE_RATE), radius * radius


def _resonator(frequency: float, bandwidth: float) -> list[float]:
    """Compute Klatt's second-order resonator, gain 1 at 0 Hz, as a section for SciPy's sosfilt."""
    a1, a2 = _poles(frequency, bandwidth)
    return [1 + a1 + a2, 0.0, 0.0, 1.0, a1, a2]


def _vocal_tract(source: Signal, vowels: list[Phone], length: float) -> Signal:
    """Pass the source through the formants of the vowels, which glide from one to the next.

    Args:
        source: [samples].
        vowels: when each is spoken.
        length: of the vocal tract in cm; a short one has high formants.
    """
    steps = np.arange(0, len(source), _STEP)
    times = [time for phone in vowels for time in (phone.start + 0.03, phone.end - 0.03)]
    targets = np.repeat(
        [VOWELS[phone.symbol] + _HIGHER_FORMANTS for phone in vowels], 2, axis=0
    ) * (_TRACT / length)
    formants = [np.interp(steps / SAMPLE_RATE, times, track) for track in targets.T]
    state = np.zeros((len(formants), 2))
    spoken = np.empty_like(source)
    for step, frequencies in zip(steps, zip(*formants, strict=True), strict=True):
        sections = np.array(
            [_resonator(*pair) for pair in zip(frequencies, _BANDWIDTHS, strict=True)]
        )
        part = slice(step, step + _STEP)
        spoken[part], state = sosfilt(sections, source[part], zi=state)
    return spoken


def _friction(phones: list[Phone], samples: int, rng: np.random.Generator) -> Signal:
    """Compute the fricatives: noise through one resonator each, rising and falling."""
    friction = np.zeros(samples)
    for phone in phones:
        first, last = int(phone.start * SAMPLE_RATE), int(phone.end * SAMPLE_RATE)
        frequency, bandwidth, level = _FRICATIVES[phone.symbol]
        a1, a2 = _poles(frequency, bandwidth)
        # Zeros at 0 Hz and half the sample rate make the resonance a band-pass.
        gain = (1 - a2) / 2
        noise = rng.standard_normal(last - first)
        noise = lfilter([gain, 0, -gain], [1, a1, a2], noise)
        friction[first:last] = level * noise * np.sin(np.linspace(0, np.pi, last - first))
    return friction


def synthesise(
    utterance: str, voice: Voice, spoken: Delivery, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Synthesise an utterance: 16-bit samples at SAMPLE_RATE.

    Args:
        utterance: fricatives (s, S, f), vowels (i, e, a, o, u) and pauses (-); spaces are ignored.
        voice: who speaks; its breath, rate and level must be in `spoken` already.
        spoken: how it is spoken.
        rng: source of all random numbers.
    """
    phones = _phones(utterance, spoken.rate, rng)
    vowels = [phone for phone in phones if _kind(phone.symbol) == "vowel"]
    fricatives = [phone for phone in phones if _kind(phone.symbol) == "fricative"]
    samples = int((phones[-1].end + rng.uniform(0.06, 0.14)) * SAMPLE_RATE)
    seconds = np.arange(samples) / SAMPLE_RATE
    pitch = voice.pitch * 2 ** (_pitch(vowels, seconds, spoken, rng) / 12)
    source = _source(pitch, spoken.breath, spoken.jitter, spoken.tilt, rng)
    speech = _vocal_tract(source * _voicing(vowels, seconds), vowels, voice.tract)
    speech = speech / np.max(np.abs(speech)) + _friction(fricatives, samples, rng)
    speech = speech + 0.001 * rng.standard_normal(samples)  # the room
    # Rounding removes the differences between machines in the last bits of doubles.
    peak = 32767 * 10 ** (spoken.level / 20)
    speech *= peak / np.max(np.abs(speech))
    rounded: NDArray[np.int16] = np.round(speech).astype(np.int16)
    return rounded


def render(clip: Clip) -> NDArray[np.int16]:
    """Synthesise a clip: int16 [samples] at SAMPLE_RATE."""
    rng = _rng_of(clip)
    spoken = _delivery(clip, rng)
    return synthesise(_UTTERANCES[clip.utterance - 1], _VOICES[clip.speaker - 1], spoken, rng)


def _wav(samples: NDArray[np.int16]) -> bytes:
    """Return the bytes of a WAV file, 16-bit and mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def write_demo(folder: Path) -> None:
    """Write the corpus into a folder: one folder per emotion, and one broken clip.

    A file appears under its name only when it is complete.
    """
    for emotion in _DELIVERIES:
        (folder / emotion).mkdir(parents=True, exist_ok=True)
    for clip in clips():
        _replace(folder / clip.path, _wav(render(clip)))
    header = _wav(np.zeros(0, dtype=np.int16))[:_BROKEN_BYTES]
    _replace(folder / BROKEN, header)
