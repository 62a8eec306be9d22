"""Make changed copies of clips: changes are first drawn, as plain data, and then applied.

The changes of a copy come from one generator seeded with (seed, clip, copy). A value is drawn even
if its change is not applied. The probability of one change therefore does not affect the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ser.augment.recording import DrawnRecording, draw_recording
from ser.augment.vocoder import pitch_shift, time_stretch
from ser.conditions.levels import add_at_snr, within_full_scale
from ser.conditions.noises import white_noise
from ser.core.columns import column_slices, mel_columns
from ser.core.sections import Augment
from ser.core.seeds import seed_of
from ser.core.typing import FloatArray


@dataclass(frozen=True)
class CopyChanges:
    """The changes of one copy; None where a change is not applied.

    Attributes:
        pitch_semitones: above 0 is higher; the length does not change.
        stretch_rate: above 1 is faster; the length is divided by it.
        shift_seconds: above 0 is later.
        gain_db: above 0 is louder.
        noise_snr_db: the clip's mean level above that of the white noise.
        noise_seed: seed of the noise.
        masked_bands: number of neighbouring mel bands hidden.
        masked_band_place: their position, 0 (lowest) to 1.
        masked_frames: number of neighbouring frames hidden.
        masked_frame_place: their position, 0 (earliest) to 1.
        feature_noise: white noise on the features, in standard deviations of each kind of features.
        feature_noise_seed: seed of this noise.
        crop_share: share of the clip's length that is kept, 0..1.
        crop_place: position of this part, 0 (beginning) to 1 (end).
        recording: how it is recorded anew; None: not at all.
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
    recording: DrawnRecording | None


def draw_changes(augment: Augment, clip: str, copy: int) -> CopyChanges:
    """Draw the changes of one copy of a clip.

    Args:
        augment: ranges and probabilities of the changes, and the seed.
        clip: name of the clip.
        copy: number of the copy.
    """
    rng = np.random.default_rng((augment.seed, seed_of(clip), copy))

    def value(probability: float, low: float, high: float) -> float | None:
        is_applied, drawn = rng.random() < probability, float(rng.uniform(low, high))
        return drawn if is_applied else None

    def count(probability: float, low: int, high: int) -> int | None:
        is_applied, drawn = rng.random() < probability, int(rng.integers(low, high + 1))
        return drawn if is_applied else None

    a = augment
    return CopyChanges(
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
        recording=draw_recording(a.recording, rng),
    )


def change_waveform(waveform: FloatArray, sample_rate: int, changes: CopyChanges) -> FloatArray:
    """Apply crop, pitch, stretch, shift, gain and noise, in this order.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        changes: as drawn.

    Returns:
        float32 [samples * crop_share / stretch_rate] in -1..1. A waveform that would exceed this
        range is scaled down to peak 1.
    """
    if changes.crop_share is not None:
        kept = max(1, round(changes.crop_share * len(waveform)))
        waveform = waveform[_span(len(waveform), kept, changes.crop_place)]
    if changes.pitch_semitones is not None:
        waveform = pitch_shift(waveform, sample_rate, changes.pitch_semitones)
    if changes.stretch_rate is not None:
        waveform = time_stretch(waveform, changes.stretch_rate)
    if changes.shift_seconds is not None:
        waveform = shift(waveform, round(changes.shift_seconds * sample_rate))
    if changes.gain_db is not None:
        waveform = waveform * np.float32(10 ** (changes.gain_db / 20))
    if changes.noise_snr_db is not None:
        noise = white_noise(len(waveform), changes.noise_seed)
        waveform = add_at_snr(waveform, noise, changes.noise_snr_db)
    return within_full_scale(waveform)


def shift(waveform: FloatArray, samples: int) -> FloatArray:
    """Shift a waveform later (samples > 0) or earlier, padded with zeros to the same length.

    >>> shift(np.array([1, 2, 3, 4]), 1)
    array([0, 1, 2, 3])
    >>> shift(np.array([1, 2, 3, 4]), -3)
    array([4, 0, 0, 0])
    """
    moved = np.zeros_like(waveform)
    n = len(waveform)
    samples = max(-n, min(n, samples))
    moved[max(0, samples) : n + min(0, samples)] = waveform[max(0, -samples) : n - max(0, samples)]
    return moved


def change_features(
    features: FloatArray, dims: Mapping[str, int], changes: CopyChanges
) -> FloatArray:
    """Apply noise, then masks, so that the masks also hide the noise.

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
        deviation: standard deviation of the noise, relative to that of the kind in this clip.
        seed: of the noise.

    Returns:
        float32 [frames, dims].
    """
    noise = np.random.default_rng(seed).standard_normal(features.shape, dtype=np.float32)
    for _, columns in column_slices(dims):
        noise[:, columns] *= np.float32(deviation * features[:, columns].std(dtype=np.float64))
    return features + noise


def mask_features(features: FloatArray, mel: slice, changes: CopyChanges) -> FloatArray:
    """Replace the masked mel bands and frames by the clip's mean.

    Args:
        features: float32 [frames, dims].
        mel: columns of the log-mel bands.
        changes: as drawn; a mask may be larger than the clip.

    Returns:
        float32 [frames, dims].
    """
    hidden = features.copy()
    if changes.masked_bands:
        bands = hidden[:, mel]
        masked = _span(bands.shape[1], changes.masked_bands, changes.masked_band_place)
        bands[:, masked] = features[:, mel].mean()
    if changes.masked_frames:
        masked = _span(len(features), changes.masked_frames, changes.masked_frame_place)
        hidden[masked] = features.mean(axis=0)
    return hidden


def _span(size: int, length: int, place: float) -> slice:
    """Return a slice of `length` out of `size`, at a position from 0 (first) to 1 (last)."""
    start = round(place * max(0, size - length))
    return slice(start, start + length)
