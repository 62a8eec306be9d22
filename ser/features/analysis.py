"""Compute what features share: a waveform's frames, their power and their mel bands."""

from dataclasses import dataclass
from functools import cached_property

from ser.core.filters import FilterBanks
from ser.core.framing import cut_frames
from ser.core.sections import Features
from ser.core.typing import FloatArray
from ser.features.descriptors import compute_descriptors
from ser.features.spectra import ToDecibels, mel_power, power_spectrogram, power_to_db


@dataclass(frozen=True)
class Analysis:
    """Short-time analysis of a waveform; each part is computed once, on first use.

    Attributes:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        features: framing, mel bands and number of cepstral coefficients.
        banks: `ser.core.filters.filter_banks` of the same rate and settings.
        to_decibels: librosa.power_to_db, or the equal function of this package.
    """

    waveform: FloatArray
    sample_rate: int
    features: Features
    banks: FilterBanks
    to_decibels: ToDecibels = power_to_db

    @cached_property
    def frames(self) -> FloatArray:
        """The waveform's frames, not windowed: float32 [frames, n_fft]."""
        return cut_frames(self.waveform, self.features.n_fft, self.features.hop_length)

    @cached_property
    def power(self) -> FloatArray:
        """Squared magnitudes of the frames' spectra: float32 [frames, 1 + n_fft // 2]."""
        return power_spectrogram(self.frames, self.features.win_length)

    @cached_property
    def mel_db(self) -> FloatArray:
        """Power in mel bands, in dB relative to full scale: float32 [frames, n_mels]."""
        return self.to_decibels(
            mel_power(self.power, self.banks["mel"]), top_db=self.features.top_db
        )

    @cached_property
    def descriptors(self) -> dict[str, FloatArray]:
        """Descriptors of every frame, by name: see `compute_descriptors`."""
        return compute_descriptors(self)
