"""Compare the work on single clips, one after the other on one core, with librosa and others.

The times are CPU time, which other programs on the machine change less than the time that passes.
A bound is the work that no program can avoid if it computes the same with the same libraries:
reading the bytes, soxr's resampling, scipy's Fourier transforms of data in the processor's cache.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import audiomentations
import librosa
import noisereduce
import numpy as np
import scipy.fft
import scipy.signal
import soxr
from threadpoolctl import threadpool_limits

from benchmarks.measure import Row, interleave
from ser.audio.standard import checked_waveform, resample, standardise
from ser.augment.copies import CopyChanges, change_waveform
from ser.core import params, sections
from ser.core.filters import FilterBanks, filter_banks
from ser.core.framing import frame_count
from ser.core.typing import FloatArray
from ser.decoding.decoding import decode
from ser.features.extract import extract, logmel

RATE = 16000  # Hz
NOISE_SECONDS = 0.25
LIMITS = sections.AudioLimits(min_seconds=0.5, max_clipped=0.01)
_CLIPS = 60
_HIGHPASS = 60.0  # Hz
_AUGMENTED_SECONDS = 100.0
_CACHED_FRAMES = 32
_MEL_SETTINGS = ("n_fft", "win_length", "hop_length", "n_mels", "fmin", "fmax")
_KERNELS = {
    "pitch_semitones": "the vocoder's transforms and soxr alone",
    "stretch_rate": "the vocoder's transforms alone",
    "noise_snr_db": "drawing uniform numbers alone",
    "shift_seconds": "copying alone",
    "gain_db": "multiplying by -1 alone",
}

Change = Callable[[FloatArray], FloatArray]
# Our settings, the alternative, the bound.
Case = tuple[dict[str, float], Change, Callable[[FloatArray], object]]


def sound_rows(paths: Sequence[Path]) -> Iterator[Row]:
    """Measure all rows on some of the recordings."""
    chosen = paths[:: max(1, len(paths) // _CLIPS)]
    small = params.load().features
    large = {"n_fft": 2048, "win_length": 2048, "hop_length": 512, "n_mels": 128, "fmin": 0.0}
    with threadpool_limits(1):
        yield spectrogram_row(chosen, small, "none", 2.5)
        yield spectrogram_row(chosen, small.model_copy(update=large), "none", 2.5)
        yield spectrogram_row(chosen[::3], small, "stationary", 3.0)
        yield cleaning_row(chosen)
        yield functionals_row(clips_of(chosen, _AUGMENTED_SECONDS), small)
        yield from augmentation_rows(clips_of(chosen, _AUGMENTED_SECONDS))


def one_by_one(function: Callable[..., object], items: Sequence[Any]) -> Callable[[], None]:
    """Return a function that does the work on all items and discards the results."""

    def run() -> None:
        for item in items:
            function(item)

    return run


def form(noise_reduction: str, highpass: float = 0.0) -> sections.AudioForm:
    """Return the form of the waveforms."""
    settings = {
        "highpass": highpass,
        "noise_reduction": noise_reduction,
        "noise_seconds": NOISE_SECONDS,
    }
    return sections.AudioForm.model_validate({"sample_rate": RATE, **settings})


def clips_of(paths: Sequence[Path], seconds: float) -> list[FloatArray]:
    """Standardise recordings up to a total duration: float32 [samples] each."""
    clips: list[FloatArray] = []
    for path in paths:
        if sum(map(len, clips)) < seconds * RATE:
            clips.append(standardise(resample(decode(path), RATE), form("none")))
    return clips


def ours(
    path: Path, noise_reduction: str, features: sections.Features, banks: FilterBanks
) -> FloatArray:
    """Compute a recording's log-mel spectrogram as the stages do: [frames, n_mels]."""
    waveform = standardise(checked_waveform(decode(path), LIMITS, RATE), form(noise_reduction))
    return logmel(waveform, RATE, features, banks)


def loaded_by_librosa(path: Path) -> FloatArray:
    """Load a recording, remove its offset and resample it: float32 [samples]."""
    waveform, rate = librosa.load(path, sr=None)
    return librosa.resample(waveform - waveform.mean(), orig_sr=rate, target_sr=RATE)


def theirs(path: Path, noise_reduction: str, features: sections.Features) -> FloatArray:
    """Compute the same with librosa (and noisereduce): [n_mels, frames]."""
    f = features
    waveform = loaded_by_librosa(path)
    if noise_reduction == "stationary":
        beginning = waveform[: round(NOISE_SECONDS * RATE)]
        waveform = noisereduce.reduce_noise(waveform, RATE, stationary=True, y_noise=beginning)
    settings = {name: getattr(f, name) for name in _MEL_SETTINGS}
    power = librosa.feature.melspectrogram(y=waveform, sr=RATE, **settings)
    decibels: FloatArray = librosa.power_to_db(power, ref=np.max)
    return decibels


def spectrogram_row(
    paths: Sequence[Path], features: sections.Features, noise_reduction: str, goal: float
) -> Row:
    """Compare decoding, resampling, noise reduction if any, and the log-mel spectrogram.

    Bound: reading the bytes, resampling, Fourier transforms (two more for noise reduction).
    """
    reduced = noise_reduction != "none"
    recordings = {path: decode(path) for path in paths}

    def kernels(path: Path) -> None:
        path.read_bytes()
        recording = recordings[path]
        resampled = soxr.resample(recording.samples[:, 0], recording.sample_rate, RATE)
        if reduced:
            transform(2 * frame_count(len(resampled), 256), 1024)
        transform(frame_count(len(resampled), features.hop_length), features.n_fft)

    settings: dict[str, Any] = {"noise_reduction": noise_reduction, "features": features}
    banks = filter_banks(RATE, features)
    seconds, other_seconds, bound = interleave(
        one_by_one(partial(ours, **settings, banks=banks), paths),
        one_by_one(partial(theirs, **settings), paths),
        one_by_one(kernels, paths),
        clock=time.process_time,
    )
    steps = "decode, resample, reduce noise, log-mel" if reduced else "decode, resample, log-mel"
    return Row(
        f"{steps} ({features.n_mels} bands, n_fft {features.n_fft})",
        "librosa and noisereduce" if reduced else "librosa",
        seconds,
        other_seconds,
        goal,
        "reading the bytes, soxr and the transforms alone",
        bound,
        f"{len(paths)} clips; {agreement(paths, noise_reduction, features)}",
    )


def cleaning_row(paths: Sequence[Path]) -> Row:
    """Compare decoding, resampling and a high-pass with librosa and scipy's filter without delay.

    Bound: reading the bytes, resampling, a cosine transform and its inverse.
    """
    recordings = {path: decode(path) for path in paths}
    biquads = scipy.signal.butter(8, _HIGHPASS, "highpass", fs=RATE, output="sos")

    def ours(path: Path) -> None:
        standardise(checked_waveform(decode(path), LIMITS, RATE), form("none", _HIGHPASS))

    def theirs(path: Path) -> None:
        scipy.signal.sosfiltfilt(biquads, loaded_by_librosa(path))

    def kernels(path: Path) -> None:
        path.read_bytes()
        recording = recordings[path]
        resampled = soxr.resample(recording.samples[:, 0], recording.sample_rate, RATE)
        fast = np.resize(resampled, scipy.fft.next_fast_len(len(resampled), real=True))
        scipy.fft.idct(scipy.fft.dct(fast))

    seconds, other_seconds, bound = interleave(
        *(one_by_one(way, paths) for way in (ours, theirs, kernels)), clock=time.process_time
    )
    return Row(
        f"decode, check, resample, high-pass at {_HIGHPASS:g} Hz",
        "librosa and scipy.signal.sosfiltfilt",
        seconds,
        other_seconds,
        1.0,
        "reading the bytes, soxr and two cosine transforms alone",
        bound,
        f"{len(paths)} clips; theirs has no checks",
    )


def functionals_row(clips: Sequence[FloatArray], features: sections.Features) -> Row:
    """Compare the functionals of clips with librosa's descriptors of their frames.

    Bound: the transforms of the spectrum, and two for the autocorrelation of every frame.
    """
    f = features.model_copy(update={"kinds": ["functionals"]})
    banks = filter_banks(RATE, f)
    frames: dict[str, Any] = {"n_fft": f.n_fft, "hop_length": f.hop_length}
    padded = scipy.fft.next_fast_len(f.n_fft + RATE // 60, real=True)

    def theirs(clip: FloatArray) -> None:
        spectrum = np.abs(librosa.stft(clip, win_length=f.win_length, **frames))
        mel = librosa.feature.melspectrogram(S=spectrum**2, sr=RATE, n_mels=f.n_mels, fmin=f.fmin)
        librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=f.n_mfcc)
        librosa.feature.rms(y=clip, frame_length=f.n_fft, hop_length=f.hop_length)
        librosa.feature.zero_crossing_rate(clip, frame_length=f.n_fft, hop_length=f.hop_length)
        librosa.feature.spectral_centroid(S=spectrum, sr=RATE)
        librosa.feature.spectral_bandwidth(S=spectrum, sr=RATE)
        librosa.feature.spectral_flatness(S=spectrum)
        for share in (0.25, 0.85):
            librosa.feature.spectral_rolloff(S=spectrum, sr=RATE, roll_percent=share)
        librosa.yin(clip, fmin=60, fmax=500, sr=RATE, frame_length=f.n_fft, hop_length=f.hop_length)

    def kernels(clip: FloatArray) -> None:
        count = frame_count(len(clip), f.hop_length)
        transform(count, f.n_fft)
        transform(2 * count, padded)

    ours = partial(extract, sample_rate=RATE, features=f, banks=banks)
    seconds, other_seconds, bound = interleave(
        *(one_by_one(way, clips) for way in (ours, theirs, kernels)), clock=time.process_time
    )
    return Row(
        "functionals",
        "librosa's descriptors with YIN, without statistics",
        seconds,
        other_seconds,
        1.0,
        "the transforms of spectra and autocorrelations alone",
        bound,
        f"{sum(map(len, clips)) / RATE:.0f} s of clips",
    )


def augmentation_rows(clips: Sequence[FloatArray]) -> Iterator[Row]:
    """Compare each change of a waveform, clip by clip; both ways return the changed waveform.

    Bounds: the two transforms per frame of the phase vocoder, plus soxr's resampling for pitch;
    drawing uniform numbers; copying the samples; multiplying them.
    """

    def vocoder(clip: FloatArray) -> None:
        transform(2 * frame_count(len(clip), 512), 2048)

    def vocoder_and_soxr(clip: FloatArray) -> None:
        vocoder(clip)
        soxr.resample(clip, RATE * 2 ** (1.5 / 12), RATE)

    def uniform(clip: FloatArray) -> None:
        np.random.default_rng(0).random(len(clip), dtype=np.float32)

    def by_librosa(change: Callable[..., FloatArray], **settings: float) -> Change:
        return lambda clip: change(clip, **settings)

    def by_audiomentations(name: str, *settings: object, **others: object) -> Change:
        change = getattr(audiomentations, name)(*settings, **others, p=1.0)
        return lambda clip: change(clip, RATE)

    pitch, stretch = {"pitch_semitones": 1.5}, {"stretch_rate": 1.1}
    effects = librosa.effects
    of_librosa: list[Case] = [
        (pitch, by_librosa(effects.pitch_shift, sr=RATE, n_steps=1.5), vocoder_and_soxr),
        (stretch, by_librosa(effects.time_stretch, rate=1.1), vocoder),
    ]
    other = by_audiomentations
    of_audiomentations: list[Case] = [
        (pitch, other("PitchShift", 1.5, 1.5), vocoder_and_soxr),
        (stretch, other("TimeStretch", 1.1, 1.1, leave_length_unchanged=False), vocoder),
        ({"noise_snr_db": 20.0}, other("AddGaussianSNR", 20.0, 20.0), uniform),
        ({"shift_seconds": 0.1}, other("Shift", 0.1, 0.1, "seconds", rollover=False), np.copy),
        ({"gain_db": -3.0}, other("Gain", -3.0, -3.0), np.negative),
    ]
    for against, cases in (("librosa", of_librosa), ("audiomentations", of_audiomentations)):
        for setting, change, kernel in cases:
            yield change_row(clips, setting, against, change, kernel)


def change_row(
    clips: Sequence[FloatArray],
    setting: dict[str, float],
    against: str,
    change: Change,
    kernel: Callable[[FloatArray], object],
) -> Row:
    """Compare one change. Bound: the kernel alone."""
    nothing: dict[str, Any] = {field.name: None for field in fields(CopyChanges)}
    changes = CopyChanges(**nothing | {"noise_seed": 0} | setting)
    seconds, other_seconds, bound = interleave(
        one_by_one(partial(change_waveform, sample_rate=RATE, changes=changes), clips),
        one_by_one(change, clips),
        one_by_one(kernel, clips),
        clock=time.process_time,
    )
    name = next(iter(setting))
    return Row(
        f"augmentation: {name.split('_')[0]}",
        against,
        seconds,
        other_seconds,
        3.0,
        _KERNELS[name],
        bound,
        f"{sum(map(len, clips)) / RATE:.0f} s of clips",
    )


def transform(frames: int, n_fft: int) -> None:
    """Run at least `frames` real Fourier transforms on data that stay in the cache."""
    block = np.ones((_CACHED_FRAMES, n_fft), dtype=np.float32)
    for _ in range(0, frames, _CACHED_FRAMES):
        scipy.fft.rfft(block, axis=1)


def agreement(paths: Sequence[Path], noise_reduction: str, features: sections.Features) -> str:
    """Return a text about how much the two log-mel spectrograms differ."""
    settings: dict[str, Any] = {"noise_reduction": noise_reduction, "features": features}
    banks = filter_banks(RATE, features)
    differences = [
        ours(path, **settings, banks=banks) - theirs(path, **settings).T for path in paths
    ]
    apart = np.abs(np.concatenate(differences))
    return (
        f"99.9 % of the values within {np.quantile(apart, 0.999):.1g} dB of theirs, all within "
        f"{apart.max():.1g} dB"
    )
