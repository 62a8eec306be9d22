"""Waveform -> features: log-mel, MFCC, zero crossings, RMS, chroma; or functionals of the clip."""

import numpy as np

from ser.core.filters import FilterBanks
from ser.core.framing import cut_frames
from ser.core.functional_names import broad_names, correlated_names
from ser.core.sections import FUNCTIONALS, Features
from ser.core.typing import FloatArray
from ser.features import spectra
from ser.features.descriptors import describe
from ser.features.functionals import summarise
from ser.features.spectra import ToDecibels


def extract(
    waveform: FloatArray,
    sample_rate: int,
    features: Features,
    banks: FilterBanks,
    to_decibels: ToDecibels = spectra.power_to_db,
) -> FloatArray:
    """Compute the wanted kinds of features, side by side.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        features: which kinds, and their settings.
        banks: `ser.core.filters.filter_banks` of the same rate and settings.
        to_decibels: librosa.power_to_db, or its equal that is here without librosa.

    Returns:
        float32 [frames, dims]: log-mel in dB relative to the clip's maximum (-80..0), MFCC of the
        log-mel in dB relative to full scale, zero crossings per sample (0..1), RMS as a fraction
        of full scale, chroma relative to the strongest pitch class (0..1). Functionals stand
        alone: one frame that says all about the clip, float32 [1, dims].
    """
    if features.kinds == [FUNCTIONALS]:
        return functionals(waveform, sample_rate, features, banks, to_decibels)[np.newaxis]
    frames = cut_frames(waveform, features.n_fft, features.hop_length)
    power = spectra.power_spectrogram(frames, features.win_length)
    if "logmel" in features.kinds or "mfcc" in features.kinds:
        mel_db = to_decibels(spectra.mel_power(power, banks["mel"]))
    columns = []
    for kind in features.kinds:
        if kind == "logmel":
            columns.append(mel_db - mel_db.max())
        elif kind == "mfcc":
            columns.append(spectra.cepstrum(mel_db, features.n_mfcc))
        elif kind == "zcr":
            columns.append(spectra.zero_crossing_rate(waveform, features))
        elif kind == "rms":
            columns.append(np.sqrt(np.mean(np.square(frames), axis=1, keepdims=True)))
        else:
            columns.append(spectra.chroma(power, banks["chroma"]))
    return np.concatenate(columns, axis=1, dtype=np.float32)


def logmel(
    waveform: FloatArray, sample_rate: int, features: Features, banks: FilterBanks
) -> FloatArray:
    """Compute the log-mel spectrogram [frames, n_mels] in dB relative to the clip's maximum."""
    return extract(waveform, sample_rate, features.model_copy(update={"kinds": ["logmel"]}), banks)


def functionals(
    waveform: FloatArray,
    sample_rate: int,
    features: Features,
    banks: FilterBanks,
    to_decibels: ToDecibels = spectra.power_to_db,
) -> FloatArray:
    """Summarise the clip's descriptors: float32 [functionals], see `functional_names`."""
    parts = summarise(
        describe(waveform, sample_rate, features, banks["mel"], to_decibels),
        broad_names(features.n_mfcc),
        correlated_names(features.n_mfcc),
        features.hop_length / sample_rate,
    )
    return np.concatenate([part.values for part in parts], dtype=np.float32)
