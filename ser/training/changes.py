"""Change spectrograms at random in every epoch: crop them, shift them in frequency, mask them.

Each clip has its own generator, seeded with (seed, fold, epoch, clip), so the order in which clips
are changed does not matter.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ser.core.columns import mel_columns
from ser.core.sections import Model

_MIN_FRAMES = 16  # shortest crop, a quarter of a second


def change(
    features: Tensor, dims: Mapping[str, int], model: Model, rng: np.random.Generator
) -> Tensor:
    """Apply the changes of model.crop, frequency_shift, frequency_mask and time_mask.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind, in the order of stacking.
        model: probabilities and ranges of the changes.
        rng: source of all random numbers.

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


def crop(features: Tensor, min_share: float, max_share: float, rng: np.random.Generator) -> Tensor:
    """Return a random run of frames, of a length between two shares of the clip.

    Args:
        features: float32 [frames, dims].
        min_share: smallest share of the frames, 0..1; at least 16 frames are kept, or all of a
            shorter clip.
        max_share: largest share of the frames, 0..1.
        rng: chooses length and position.
    """
    frames = len(features)
    kept = min(frames, max(_MIN_FRAMES, round(frames * rng.uniform(min_share, max_share))))
    start = int(rng.integers(frames - kept + 1))
    return features[start : start + kept]


def shift_bands(features: Tensor, mel: slice, max_bands: float, rng: np.random.Generator) -> Tensor:
    """Shift a spectrogram up or down by a random number of mel bands, as if by another vocal tract.

    Similar to vocal tract length perturbation: where the mel scale is logarithmic, a factor of
    frequency is a shift in mel. The outermost band is repeated at the edge. Jaitly, Hinton: Vocal
    tract length perturbation improves speech recognition, ICML workshop 2013.

    Args:
        features: float32 [frames, dims].
        mel: columns of the log-mel bands.
        max_bands: largest shift up or down, in bands; fractions are interpolated.
        rng: chooses the shift.
    """
    bands = features[:, mel]
    place = np.arange(bands.shape[1]) + rng.uniform(-max_bands, max_bands)
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
    max_bands: int,
    max_frames: int,
    rng: np.random.Generator,
) -> Tensor:
    """Mask one random run of mel bands and one of frames (SpecAugment).

    Masked values become the clip's mean. Park et al.: SpecAugment, Interspeech 2019.

    Args:
        features: float32 [frames, dims].
        dims: columns of each kind.
        max_bands: largest number of mel bands masked; 0: none.
        max_frames: largest number of frames masked; 0: none. At most half the clip is masked.
        rng: chooses sizes and positions.
    """
    hidden = features.clone()
    if max_bands > 0:
        bands = hidden[:, mel_columns(dims)]
        start, stop = _draw_run(rng, bands.shape[1], max_bands)
        bands[:, start:stop] = bands.mean()
    if max_frames > 0:
        start, stop = _draw_run(rng, len(features), min(max_frames, len(features) // 2))
        hidden[start:stop] = hidden.mean(dim=0)
    return hidden


def _draw_run(rng: np.random.Generator, size: int, max_length: int) -> tuple[int, int]:
    """Draw start and end of a run of 0 to `max_length` neighbours among `size`."""
    length = int(rng.integers(min(max_length, size) + 1))
    start = int(rng.integers(size - length + 1))
    return start, start + length
