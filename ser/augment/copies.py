"""Changed copies of clips: what is changed is drawn first, as data, then applied.

The draws of a copy come from one generator keyed on (seed, clip, copy), and every draw is made
whether its change is applied or not: another probability for one change moves no other.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ser.augment.vocoder import pitch_shift, time_stretch
from ser.core.columns import column_slices, mel_columns
from ser.core.sections import Augment
from ser.core.typing import FloatArray


@dataclass(frozen=True)
class Draw:
    """The changes of one copy; None: not applied.

    Attributes:
        pitch_semitones: up or down, at unchanged length.
        stretch_rate: above 1 is faster: the copy is 1 / rate as long.
        shift_seconds: above 0 is later.
        gain_db: louder or softer.
        noise_snr_db: white noise below the clip's mean level.
        noise_seed: of the noise's samples.
        masked_bands: how many mel bands are hidden.
        masked_band_place: where, 0 (lowest) to 1.
        masked_frames: how many frames are hidden.
        masked_frame_place: where, 0 (earliest) to 1.
        feature_noise: white noise on the features, in standard deviations of each kind's values.
        feature_noise_seed: of that noise's values.
        crop_share: how much of the clip is kept, 0..1 of its length.
        crop_place: where, 0 (its beginning) to 1 (its end).
    """

    pitch_semitones: float | None
    stretch_rate: float | None
    shift_seconds: float | None
    gain_db: float | None
    noise_snr_db: float | None
    noise_seed: int
    masked_bands: int | None
    masked_band_place: float
    masked_frames: int | None
    masked_frame_place: float
    feature_noise: float | None
    feature_noise_seed: int
    crop_share: float | None
    crop_place: float


def draw(augment: Augment, clip: str, copy: int) -> Draw:
    """Draw the changes of one copy of a clip."""
    name = int.from_bytes(hashlib.blake2b(clip.encode(), digest_size=8).digest())
    rng = np.random.default_rng((augment.seed, name, copy))

    def value(probability: float, low: float, high: float) -> float | None:
        applied, drawn = rng.random() < probability, float(rng.uniform(low, high))
        return drawn if applied else None

    def count(probability: float, low: int, high: int) -> int | None:
        applied, drawn = rng.random() < probability, int(rng.integers(low, high + 1))
        return drawn if applied else None

    a = augment
    return Draw(
        pitch_semitones=value(a.pitch.probability, *a.pitch.semitones),
        stretch_rate=value(a.stretch.probability, *a.stretch.rate),
        shift_seconds=value(a.shift.probability, *a.shift.seconds),
        gain_db=value(a.gain.probability, *a.gain.db),
        noise_snr_db=value(a.noise.probability, *a.noise.snr_db),
        noise_seed=int(rng.integers(2**32)),
        masked_bands=count(a.frequency_mask.probability, *a.frequency_mask.bands),
        masked_band_place=float(rng.random()),
        masked_frames=count(a.time_mask.probability, *a.time_mask.frames),
        masked_frame_place=float(rng.random()),
        feature_noise=value(a.feature_noise.probability, *a.feature_noise.deviations),
        feature_noise_seed=int(rng.integers(2**32)),
        crop_share=value(a.crop.probability, *a.crop.share),
        crop_place=float(rng.random()),
    )


def change_waveform(waveform: FloatArray, sample_rate: int, changes: Draw) -> FloatArray:
    """Apply crop, pitch, stretch, shift, gain and noise, in this order.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        changes: as drawn.

    Returns:
        float32 [samples * crop_share / stretch_rate] in -1..1: scaled down where a change went
        beyond.
    """
    if changes.crop_share is not None:
        kept = max(1, round(changes.crop_share * len(waveform)))
        waveform = waveform[_place(len(waveform), kept, changes.crop_place)]
    if changes.pitch_semitones is not None:
        waveform = pitch_shift(waveform, sample_rate, changes.pitch_semitones)
    if changes.stretch_rate is not None:
        waveform = time_stretch(waveform, changes.stretch_rate)
    if changes.shift_seconds is not None:
        waveform = shift(waveform, round(changes.shift_seconds * sample_rate))
    if changes.gain_db is not None:
        waveform = waveform * np.float32(10 ** (changes.gain_db / 20))
    if changes.noise_snr_db is not None:
        waveform = add_noise(waveform, changes.noise_snr_db, changes.noise_seed)
    peak = max(waveform.max(initial=0), -waveform.min(initial=0))
    return waveform / peak if peak > 1 else waveform


def shift(waveform: FloatArray, samples: int) -> FloatArray:
    """Move a waveform later (samples > 0) or earlier; silence comes in, the rest goes out."""
    moved = np.zeros_like(waveform)
    n = len(waveform)
    samples = max(-n, min(n, samples))
    moved[max(0, samples) : n + min(0, samples)] = waveform[max(0, -samples) : n - max(0, samples)]
    return moved


def add_noise(waveform: FloatArray, snr_db: float, seed: int) -> FloatArray:
    """Add white Gaussian noise whose power lies snr_db below the waveform's mean power."""
    noise = white_noise(len(waveform), seed)
    power = np.dot(waveform, waveform) / max(1, len(waveform))
    noise *= np.float32(np.sqrt(power) * 10 ** (-snr_db / 20))
    noise += waveform
    return noise


def white_noise(samples: int, seed: int) -> FloatArray:
    """Draw Gaussian noise of mean 0 and power 1: float32 [samples].

    Box, Muller: A note on the generation of random normal deviates, Annals of Mathematical
    Statistics 29(2), 1958: twice as fast as numpy's own, which draws them one by one.
    """
    half = (samples + 1) // 2
    uniform = np.random.default_rng(seed).random((2, half), dtype=np.float32)
    radius = np.sqrt(-2 * np.log(1 - uniform[0]))  # 0 may be drawn, 1 never is
    angle = np.float32(2 * np.pi) * uniform[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:samples]


def change_features(features: FloatArray, dims: Mapping[str, int], changes: Draw) -> FloatArray:
    """Apply noise and masks, in this order: masks hide the noise as well.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.
        changes: as drawn.

    Returns:
        float32 [frames, dims].
    """
    if changes.feature_noise is not None:
        features = add_feature_noise(
            features, dims, changes.feature_noise, changes.feature_noise_seed
        )
    return mask_features(features, mel_columns(dims), changes)


def add_feature_noise(
    features: FloatArray, dims: Mapping[str, int], deviation: float, seed: int
) -> FloatArray:
    """Add white Gaussian noise to each kind of features.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.
        deviation: of the noise, in standard deviations of the kind's own values in this clip.
        seed: of the noise's values.

    Returns:
        float32 [frames, dims].
    """
    noise = np.random.default_rng(seed).standard_normal(features.shape, dtype=np.float32)
    for _, columns in column_slices(dims):
        noise[:, columns] *= np.float32(deviation * features[:, columns].std(dtype=np.float64))
    return features + noise


def mask_features(features: FloatArray, mel: slice, changes: Draw) -> FloatArray:
    """Hide mel bands and frames behind the clip's mean.

    Args:
        features: float32 [frames, dims].
        mel: where the log-mel bands are among the dims.
        changes: as drawn; more than there is hides all there is.

    Returns:
        float32 [frames, dims].
    """
    hidden = features.copy()
    if changes.masked_bands:
        bands = hidden[:, mel]
        place = _place(bands.shape[1], changes.masked_bands, changes.masked_band_place)
        bands[:, place] = features[:, mel].mean()
    if changes.masked_frames:
        place = _place(len(features), changes.masked_frames, changes.masked_frame_place)
        hidden[place] = features.mean(axis=0)
    return hidden


def _place(size: int, length: int, place: float) -> slice:
    """Put a run of `length` among `size`, at a place from 0 (first) to 1 (last)."""
    start = round(place * max(0, size - length))
    return slice(start, start + length)
