"""Spectrograms changed anew in every epoch: cropped, shifted in frequency, masked.

What is drawn for a clip comes from a generator of its own, keyed on (seed, fold, epoch, clip): who
draws, and in which order, makes no difference.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ser.core.columns import mel_columns
from ser.core.sections import Model

_LEAST_FRAMES = 16  # crops no clip below this, a quarter of a second


def change(
    features: Tensor, dims: Mapping[str, int], model: Model, rng: np.random.Generator
) -> Tensor:
    """Apply the changes of model.crop, frequency_shift, frequency_mask and time_mask.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.
        model: how often, and how far.
        rng: where everything random comes from.

    Returns:
        float32 [frames or fewer, dims].
    """
    if rng.random() < model.crop.probability:
        features = crop(features, *model.crop.share, rng)
    if model.frequency_shift > 0:
        features = shift_bands(features, mel_columns(dims), model.frequency_shift, rng)
    if model.frequency_mask or model.time_mask:
        features = mask(features, dims, model.frequency_mask, model.time_mask, rng)
    return features


def crop(features: Tensor, least: float, most: float, rng: np.random.Generator) -> Tensor:
    """Take a run of frames at random, between two shares of the clip.

    Args:
        features: float32 [frames, dims].
        least: share of the frames, 0..1; never fewer than 16 frames, or all where there are fewer.
        most: share of the frames, 0..1.
        rng: where length and place come from.
    """
    frames = len(features)
    kept = min(frames, max(_LEAST_FRAMES, round(frames * rng.uniform(least, most))))
    start = int(rng.integers(frames - kept + 1))
    return features[start : start + kept]


def shift_bands(features: Tensor, mel: slice, furthest: float, rng: np.random.Generator) -> Tensor:
    """Move a spectrogram up or down by a random number of mel bands, as another throat would.

    In the way of vocal tract length perturbation (Jaitly, Hinton: Vocal tract length perturbation
    improves speech recognition, ICML workshop 2013): a factor of frequency is a step in mel, where
    that is logarithmic. What moves in repeats the outermost band.

    Args:
        features: float32 [frames, dims].
        mel: where the log-mel bands are among the dims.
        furthest: bands, up or down; fractions are interpolated.
        rng: where the step comes from.
    """
    bands = features[:, mel]
    place = np.arange(bands.shape[1]) + rng.uniform(-furthest, furthest)
    place = np.clip(place, 0, bands.shape[1] - 1)
    below = torch.from_numpy(place.astype(np.int64)).to(features.device, non_blocking=True)
    weight = torch.from_numpy((place % 1).astype(np.float32))
    weight = weight.to(features.device, non_blocking=True)
    above = (below + 1).clamp(max=bands.shape[1] - 1)
    low = bands[:, below]
    shifted = features.clone()
    shifted[:, mel] = low + (bands[:, above] - low) * weight
    return shifted


def mask(
    features: Tensor,
    dims: Mapping[str, int],
    widest: int,
    longest: int,
    rng: np.random.Generator,
) -> Tensor:
    """Hide one band of mel bands and one run of frames, at random (SpecAugment).

    Park et al.: SpecAugment, Interspeech 2019. What is hidden becomes the clip's mean.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind.
        widest: most mel bands hidden, 0: none.
        longest: most frames hidden, 0: none; never more than half the clip.
        rng: where the widths and places come from.
    """
    hidden = features.clone()
    if widest > 0:
        bands = hidden[:, mel_columns(dims)]
        start, stop = _run(rng, bands.shape[1], widest)
        bands[:, start:stop] = bands.mean()
    if longest > 0:
        start, stop = _run(rng, len(features), min(longest, len(features) // 2))
        hidden[start:stop] = hidden.mean(dim=0)
    return hidden


def _run(rng: np.random.Generator, size: int, longest: int) -> tuple[int, int]:
    """Draw a run of 0 to `longest` neighbours among `size`."""
    length = int(rng.integers(min(longest, size) + 1))
    start = int(rng.integers(size - length + 1))
    return start, start + length
