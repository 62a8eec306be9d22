"""Compute a net's input from a waveform in PyTorch, for ONNX files that take waveforms.

Each module computes the same as the NumPy function that its docstring names, for waveforms of any
length, with operations that ONNX has too.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ser.audio.highpass import TRANSITION
from ser.core.framing import hann
from ser.core.kinds import LOGMEL
from ser.core.sections import Features, Model
from ser.core.typing import FloatArray
from ser.features.spectra import POWER_FLOOR
from ser.nets.lengths import min_frames
from ser.nets.normalisation import MIN_DEVIATION, Statistics

_REACH = 40  # half-length of the low-pass filter, in periods of its transition's width
_TAPS = 10  # half-length of the resampling filter, in samples of the lower rate
_KAISER_BETA = 15.0  # of its window: 150 dB of attenuation in the stop band


class HighPass(nn.Module):
    """`ser.audio.highpass.remove_below`, as convolutions. Shapes: [samples] -> [samples].

    A gain on a cosine transform is a convolution of the waveform, mirrored again and again beyond
    its ends. That function removes what a raised-cosine filter lets pass (Proakis, Salehi: Digital
    communications, 5th edition, section 9.2-1). The filter decays so fast that a few seconds of it,
    here at the lowest rate that holds it, come within 1e-6.

    (ONNX has a Fourier transform, but onnxruntime 1.32 computes it in single precision, with errors
    of a percent where the length is not a power of two.)
    """

    def __init__(self, sample_rate: int, cutoff: float) -> None:
        super().__init__()
        width = cutoff * TRANSITION
        self.step = max(1, int(sample_rate / (4 * (cutoff + width))))
        rate = sample_rate / self.step
        self.reach = round(_REACH * rate / width)
        shift = np.arange(self.step)[:, np.newaxis] / self.step
        self.decimator: Tensor
        self.low_pass: Tensor
        self.interpolator: Tensor
        around = np.arange(-_TAPS * self.step, _TAPS * self.step + 1) / self.step
        self._keep("decimator", _resampler(around) / self.step)
        seconds = np.arange(-self.reach, self.reach + 1) / rate
        self._keep("low_pass", _raised_cosine(seconds, cutoff + width / 2, width) / rate)
        self._keep("interpolator", _resampler(shift - np.arange(1 - _TAPS, _TAPS + 1)))

    def _keep(self, name: str, taps: NDArray[np.float64]) -> None:
        kernel = torch.from_numpy(taps.astype(np.float32)).reshape(-1, 1, taps.shape[-1])
        self.register_buffer(name, kernel)

    def forward(self, waveform: Tensor) -> Tensor:
        """Subtract the frequencies below the cutoff."""
        samples = waveform.shape[0]
        before = (_TAPS - 1 + self.reach + _TAPS) * self.step
        indices = torch.arange(-before, samples + before + self.step)
        # A tensor, because torch 2.13 cannot export a remainder by a length.
        indices = indices.remainder(torch.full((1,), 2 * samples))
        indices = torch.minimum(indices, 2 * samples - 1 - indices)
        mirrored = waveform.index_select(0, indices)
        low = F.conv1d(F.conv1d(mirrored[None], self.decimator, stride=self.step), self.low_pass)
        below = F.conv1d(low, self.interpolator).T.flatten()
        return waveform - below[:samples]


def _resampler(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute a windowed sinc at offsets of up to _TAPS samples of the lower rate."""
    window = np.i0(_KAISER_BETA * np.sqrt(1 - np.square(offsets / _TAPS))) / np.i0(_KAISER_BETA)
    return np.asarray(np.sinc(offsets) * window)


def _raised_cosine(
    seconds: NDArray[np.float64], middle: float, width: float
) -> NDArray[np.float64]:
    """Compute the impulse response, per second, of a raised-cosine low-pass filter.

    Args:
        seconds: times at which to compute it.
        middle: frequency at which the gain is 0.5, in Hz.
        width: of the transition from gain 1 to gain 0, in Hz.
    """
    twice = 2 * width * seconds
    pole = np.isclose(np.abs(twice), 1)
    fading = np.cos(np.pi / 2 * twice) / np.where(pole, 1, 1 - np.square(twice))
    return np.asarray(
        2 * middle * np.sinc(2 * middle * seconds) * np.where(pole, np.pi / 4, fading)
    )


class StandardForm(nn.Module):
    """The standard form of one channel at its rate. Shapes: [samples] -> [samples].

    It rejects nothing: silence stays silence.
    """

    def __init__(self, sample_rate: int, highpass: float) -> None:
        super().__init__()
        self.highpass = HighPass(sample_rate, highpass) if highpass > 0 else nn.Identity()

    def forward(self, waveform: Tensor) -> Tensor:
        """Remove the offset and the frequencies below voices, scale to peak 1."""
        waveform = self.highpass(waveform - waveform.mean())
        return waveform / waveform.abs().max().clamp(min=torch.finfo(torch.float32).tiny)


class LogMel(nn.Module):
    """`extract.logmel`. Shapes: [samples] -> [frames, n_mels], in dB, its maximum 0."""

    def __init__(self, features: Features, bank: FloatArray) -> None:
        """Store the settings and the mel filter bank [n_mels, 1 + n_fft // 2]."""
        super().__init__()
        f = features
        self.n_fft, self.hop_length, self.top_db = f.n_fft, f.hop_length, f.top_db
        # Frames are n_fft long, but the window covers win_length of them only.
        before = f.n_fft // 2 - (f.n_fft - f.win_length) // 2
        self.padding = (before, f.win_length - before)
        turn = 2 * np.pi * np.arange(f.n_fft) / f.n_fft
        self.turn: Tensor
        self.window: Tensor
        self.filters: Tensor
        waves = np.stack([np.cos(turn), np.sin(turn)]).astype(np.float32)
        self.register_buffer("turn", torch.from_numpy(waves))
        self.register_buffer("window", torch.from_numpy(hann(f.win_length)))
        self.register_buffer("filters", torch.from_numpy(bank))

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrogram."""
        bins = self.n_fft // 2 + 1
        # The matrix of the Fourier transform is computed here from one turn: stored, it would make
        # the file large.
        turns = torch.outer(torch.arange(bins), torch.arange(len(self.window))) % self.n_fft
        waves = (self.turn[:, turns] * self.window).reshape(2 * bins, 1, -1)
        padded = F.pad(waveform[None], self.padding)
        spectrum = F.conv1d(padded, waves, stride=self.hop_length)
        power = spectrum[:bins].square() + spectrum[bins:].square()
        level = 10 * (self.filters @ power).clamp(min=POWER_FLOOR).log10()
        return (level - level.max()).clamp(min=-self.top_db).T


class Normalise(nn.Module):
    """`normalisation.normalise` for each fold. Shapes: [frames, dims] -> [folds, frames, dims].

    Args:
        statistics: of each fold's train clips; None: each clip is normalised by its own.
    """

    def __init__(self, statistics: list[Statistics | None]) -> None:
        super().__init__()
        self.folds = len(statistics)
        train_statistics = [each[LOGMEL] for each in statistics if each is not None]
        self.train_statistics: Tensor | None
        self.register_buffer(
            "train_statistics", torch.tensor(train_statistics) if train_statistics else None
        )

    def forward(self, features: Tensor) -> Tensor:
        """Shift and scale."""
        if self.train_statistics is None:
            centred = features - features.mean()
            deviation = centred.square().mean().sqrt()
            return (centred / deviation.clamp(min=MIN_DEVIATION)).expand(self.folds, -1, -1)
        mean, deviation = self.train_statistics.T[:, :, None, None]
        scaled: Tensor = (features - mean) / deviation.clamp(min=MIN_DEVIATION)
        return scaled


class FitLength(nn.Module):
    """`ser.nets.lengths.fit_length`. Shapes: [folds, n, dims] -> [folds, frames, dims]."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.length, self.min_frames = model.length, min_frames(model)

    def forward(self, features: Tensor) -> Tensor:
        """Pad with zeros, cut off or interpolate."""
        frames = features.shape[1]
        padded_frames = torch.sym_max(frames, self.min_frames)
        padded = F.pad(features, (0, 0, 0, padded_frames - frames))
        if self.length == "pad":
            return padded[:, : self.min_frames]
        if self.length != "resize":
            return padded
        # As ser.nets.lengths.shorten; the positions are 0, 1, 2 ... in clips that are short enough.
        n = torch.full((1,), padded_frames, dtype=torch.float64)
        middle = (torch.arange(self.min_frames) + 0.5) * (n / self.min_frames) - 0.5
        middle = torch.minimum(middle.clamp(min=0), n - 1)
        before = middle.long()
        weight = (middle - before).float()[:, None]
        earlier = padded.index_select(1, before)
        later = padded.index_select(1, torch.minimum(before + 1, n.long() - 1))
        return earlier + (later - earlier) * weight
