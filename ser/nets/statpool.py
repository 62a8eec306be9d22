"""A CNN on log-mel spectrograms that pools each channel's statistics over the clip."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ser.nets import pooling
from ser.nets.layers import clip_outliers, perceptron
from ser.nets.normalisation import MIN_POOLED_DEVIATION
from ser.nets.standardising import StandardisingNet
from ser.nets.transforms import (
    PITCHES,
    band_groups,
    cosine_transform,
    harmonic_combs,
    modulation_filters,
)

_CEPSTRUM = 24  # learned channels, at most as many as there are bands
_CORRELATED = 13  # number of these that are correlated, as usual for MFCC
_GROUPS = 8  # groups of bands whose modulation is computed
_RATES = 16  # modulation: 1 to 16 cycles in _MODULATION frames
_MODULATION = 64  # frames of a filter, which is applied every _MODULATION_HOP frames
_MODULATION_HOP = 16
_FLOOR_DB = -80.0  # lowest level of a log-mel spectrogram
_COMB_FLOOR_DB = -60.0  # quieter bands carry no information about pitch
_ACTIVE_DB = -40.0  # frames further below the loudest count as silence
_PEAK_DB = -20.0  # peaks of the level further below the loudest are ignored
_VOICED_DB = 14.0  # a frame is voiced if its best comb fits better than this
_SHARPNESS_DB = 2.0  # by how much a comb must fit better than others to decide the pitch
_MIN_VOICED = 5  # with fewer voiced frames, the most voiced frames are used instead
_TINY_POWER = 1e-10


class StatPool(StandardisingNet):
    """Convolutions over bands and over time, statistics pooling, one hidden layer.

    The channels of every frame: the 64 bands; a learned 1x1 convolution initialised with the cosine
    transform (24 channels); level, centroid, spread, flux and flatness; pitch and voicing by
    harmonic combs. They are pooled like functionals (`ser.nets.pooling`): mean, deviation,
    percentiles and movement over the active frames, and again over the voiced ones; correlations;
    thirds; rhythm. A learned convolution over time, initialised with windowed sinusoids, adds the
    modulation of groups of bands at each rate.

    The pooled values are standardised by one mean and deviation (`standardise_by`), or by those of
    the clip's voice (`standardise_voices_by`). The result for a clip therefore does not
    depend on its batch, and a batch may have one clip.

    Shapes:
        features [batch, frames, bands], log-mel in dB relative to the clip's loudest point, without
        normalisation, at least 1 frame; lengths [batch] -> logits [batch, emotions].
        Parameters, 5 emotions, 64 bands, width 256: 553,989.
    """

    combs: Tensor
    semitones: Tensor
    kilohertz: Tensor
    groups: Tensor

    def __init__(
        self, bands: int, emotions: int, width: int, dropout: float, relative: bool = False
    ) -> None:
        """Make the net; call `tune` before training it.

        Args:
            bands: number of mel bands, at least 8.
            emotions: number of classes.
            width: number of hidden units.
            dropout: probability of dropping a hidden unit.
            relative: whether percentiles and thirds are relative to the clip's own means, which
                removes some of the general sound of a voice or a recording.
        """
        super().__init__()
        self.relative = relative
        coefficients = min(_CEPSTRUM, bands)
        self.cepstrum = nn.Conv1d(bands, coefficients, 1, bias=False)
        self.modulation = nn.Conv1d(
            1, 2 * _RATES, _MODULATION, _MODULATION_HOP, _MODULATION // 2, bias=False
        )
        with torch.no_grad():
            self.cepstrum.weight.copy_(cosine_transform(coefficients, bands)[:, :, None])
            self.modulation.weight.copy_(modulation_filters(_MODULATION, _RATES)[:, None])
        self.register_buffer("combs", torch.zeros(len(PITCHES), bands))
        self.register_buffer("semitones", _semitones(PITCHES))
        self.register_buffer("kilohertz", torch.zeros(bands))
        self.register_buffer("groups", band_groups(_GROUPS, bands))
        pooled = self.pool(torch.zeros(1, 1, bands), torch.ones(1, dtype=torch.int64)).shape[1]
        self.register_buffer("centre", torch.zeros(1, pooled))
        self.register_buffer("scale", torch.ones(1, pooled))
        # Not saved with the weights, because other voices have other values.
        self.voice_centre, self.voice_scale = torch.empty(0), torch.empty(0)
        self.head = perceptron(pooled, width, emotions, dropout)

    @torch.no_grad()
    def tune(self, band_hertz: NDArray[np.float64]) -> None:
        """Set the frequencies of the mel bands; a trained net has them in its weights.

        Args:
            band_hertz: [bands], the centre of each mel band in Hz.
        """
        self.combs.copy_(harmonic_combs(band_hertz))
        self.kilohertz.copy_(torch.from_numpy(band_hertz / 1000))

    def known_transforms(self) -> list[Tensor]:
        """Return the weights that are initialised with known transforms."""
        return [self.cepstrum.weight, self.modulation.weight]

    def forward(self, features: Tensor, lengths: Tensor, voices: Tensor | None = None) -> Tensor:
        """Compute the logits of a batch.

        Args:
            features: [batch, frames, bands].
            lengths: int64 [batch].
            voices: int64 [batch], the number of each clip's speaker in `standardise_voices_by`;
                None: all clips are standardised by those of `standardise_by`.
        """
        centre, scale = self.centre, self.scale
        if voices is not None:
            centre, scale = self.voice_centre[voices], self.voice_scale[voices]
        standard = (self.pool(features, lengths) - centre) / scale
        return self.classify(standard)

    def classify(self, standard: Tensor) -> Tensor:
        """Compute the logits from standardised pooled vectors: [batch, emotions]."""
        logits: Tensor = self.head(clip_outliers(standard))
        return logits

    def pool(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Pool each clip into one vector: [batch, pooled]."""
        own = torch.arange(features.shape[1], device=features.device) < lengths[:, None]
        mel = features.transpose(1, 2).masked_fill(~own[:, None], _FLOOR_DB)
        with torch.no_grad():
            mel = mel - mel.amax(dim=(1, 2), keepdim=True)
            shape = self._shape(mel)
            level, voicing = shape[:, 0], shape[:, -1]
            active = own & (level >= _ACTIVE_DB)
            voiced = _voiced(voicing, active)
            known = torch.cat([mel, shape], dim=1)
            parts = [pooling.statistics(known, active, voiced, relative=self.relative)]
            parts.append(_rhythm(level, own, active, voiced))
        # Pooled in float32 even if convolutions use fewer bits.
        learned = self.cepstrum(mel).float()
        correlated = torch.cat([learned[:, :_CORRELATED], shape], dim=1)
        parts.append(pooling.statistics(learned, active, voiced, relative=self.relative))
        parts.append(pooling.correlations(correlated, voiced))
        parts.append(pooling.thirds(torch.cat([learned, shape], dim=1), active, self.relative))
        parts.append(self._modulation(mel, level, own))
        return torch.cat(parts, dim=1)

    def _shape(self, mel: Tensor) -> Tensor:
        """Compute level, centroid, spread, flux, flatness, pitch and voicing of each frame.

        Returns:
            [batch, 7, frames] in dB below the loudest, kHz, kHz, 0..sqrt(2), dB, semitones above
            100 Hz, dB.
        """
        power = torch.exp(mel * (math.log(10) / 10))
        total = power.sum(dim=1) + _TINY_POWER
        total_db = 10 * total.log10()
        share = power / total[:, None]
        hertz = self.kilohertz[:, None]
        centroid = (share * hertz).sum(dim=1)
        spread = ((share * hertz.square()).sum(dim=1) - centroid.square()).clamp(min=0).sqrt()
        root = share.sqrt()
        flux = F.pad((root[:, :, 1:] - root[:, :, :-1]).square().sum(dim=1).sqrt(), (1, 0))
        flatness = mel.mean(dim=1) - total_db + 10 * math.log10(mel.shape[1])
        fit = torch.einsum("pb,nbt->npt", self.combs, mel.clamp(min=_COMB_FLOOR_DB))
        voicing = fit.amax(dim=1)
        likely = ((fit - voicing[:, None]) / _SHARPNESS_DB).softmax(dim=1)
        pitch = (likely * self.semitones[:, None]).sum(dim=1)
        level = total_db - total_db.amax(dim=1, keepdim=True)
        return torch.stack([level, centroid, spread, flux, flatness, pitch, voicing], dim=1)

    def _modulation(self, mel: Tensor, level: Tensor, own: Tensor) -> Tensor:
        """Compute the modulation of groups of bands and of the level at each rate.

        Returns:
            [batch, 9 * rates], logarithmic.
        """
        slow = torch.cat([torch.einsum("gb,nbt->ngt", self.groups, mel), level[:, None]], dim=1)
        centred = (slow - pooling.mean(slow, own)[:, :, None]) * own[:, None]
        clips, channels, frames = centred.shape
        filtered = self.modulation(centred.reshape(clips * channels, 1, frames))
        pairs = filtered.view(clips, channels, 2, _RATES, -1)
        size = (pairs.square().sum(dim=2) + 1e-3).sqrt()
        # Only the positions whose centre is one of the clip's own frames.
        inside = own[:, ::_MODULATION_HOP]
        size = size[..., : inside.shape[1]].flatten(1, 2)
        return pooling.mean(size, inside).log1p()

    @torch.no_grad()
    def standardise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the mean and deviation [pooled] to standardise by."""
        self.centre.copy_(mean)
        self.scale.copy_(_not_constant(deviation))

    @torch.no_grad()
    def standardise_voices_by(self, means: Tensor, deviations: Tensor) -> None:
        """Set the mean and deviation [voices, pooled] of each voice."""
        if self.voice_centre.shape == means.shape:
            # In place, because a recorded step reads from the same memory again.
            self.voice_centre.copy_(means)
            self.voice_scale.copy_(_not_constant(deviations))
        else:
            self.voice_centre, self.voice_scale = means, _not_constant(deviations)


def _semitones(hertz: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(12 * np.log2(hertz / 100)).float()


def _not_constant(deviation: Tensor) -> Tensor:
    """Replace deviations of about 0, those of constant values, by 1."""
    return torch.where(deviation > MIN_POOLED_DEVIATION, deviation, 1.0)


def _voiced(voicing: Tensor, active: Tensor) -> Tensor:
    """Return a mask of the voiced frames among the active ones, at least the five most voiced."""
    clear = active & (voicing > _VOICED_DB)
    # Padded, so that there are five: a traced graph cannot decide by the number of frames.
    most = F.pad(voicing.masked_fill(~active, -torch.inf), (0, _MIN_VOICED), value=-torch.inf)
    fifth = most.topk(_MIN_VOICED, dim=1).values[:, -1:]
    few = clear.sum(dim=1, keepdim=True) < _MIN_VOICED
    return clear | few & active & (voicing >= fifth)


def _rhythm(level: Tensor, own: Tensor, active: Tensor, voiced: Tensor) -> Tensor:
    """Compute length, pauses and pace: [batch, 7].

    Logarithm of the number of frames; shares of active and of voiced frames, and of voiced among
    active frames; pauses, changes of voicing and peaks of the level per frame.
    """
    frames, actives, voiceds = (mask.sum(dim=1).float() for mask in (own, active, voiced))
    middle = level[:, 1:-1]
    peaks = (middle > level[:, :-2]) & (middle > level[:, 2:]) & (middle > _PEAK_DB) & own[:, 2:]
    pauses = active[:, 1:] & ~active[:, :-1]
    changes = (voiced[:, 1:] != voiced[:, :-1]) & own[:, 1:]
    counts = [mask.sum(dim=1) / frames for mask in (pauses, changes, peaks)]
    shares = [actives / frames, voiceds / frames, voiceds / actives]
    return torch.stack([frames.log(), *shares, *counts], dim=1)
