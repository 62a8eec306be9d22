"""Waveform -> features: log-mel, MFCC, zero crossings, RMS, chroma; or functionals of the clip."""

import numpy as np
from numpy.typing import NDArray

from ser import spectra
from ser.arrays import FloatArray
from ser.descriptors import describe
from ser.filters import mel_frequencies
from ser.functional_names import broad_names, correlated_names
from ser.functionals import summarise
from ser.params import FUNCTIONALS, Features


def extract(waveform: FloatArray, sample_rate: int, features: Features) -> FloatArray:
    """Compute the wanted kinds of features, side by side.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        features: which kinds, and their settings.

    Returns:
        float32 [frames, dims]: log-mel in dB relative to the clip's maximum (-80..0), MFCC of the
        log-mel in dB relative to full scale, zero crossings per sample (0..1), RMS as a fraction
        of full scale, chroma relative to the strongest pitch class (0..1). Functionals stand
        alone: one frame that says all about the clip, float32 [1, dims].
    """
    if features.kinds == [FUNCTIONALS]:
        return functionals(waveform, sample_rate, features)[np.newaxis]
    frames = spectra.cut_frames(waveform, features, "constant")
    power = spectra.power_spectrogram(frames, features)
    if "logmel" in features.kinds or "mfcc" in features.kinds:
        mel_db = spectra.mel_decibels(power, sample_rate, features)
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
            columns.append(spectra.chroma(power, sample_rate, features))
    return np.concatenate(columns, axis=1, dtype=np.float32)


def logmel(waveform: FloatArray, sample_rate: int, features: Features) -> FloatArray:
    """Compute the log-mel spectrogram [frames, n_mels] in dB relative to the clip's maximum."""
    return extract(waveform, sample_rate, features.model_copy(update={"kinds": ["logmel"]}))


def functionals(waveform: FloatArray, sample_rate: int, features: Features) -> FloatArray:
    """Summarise the clip's descriptors: float32 [functionals], see `functional_names`."""
    return summarise(
        describe(waveform, sample_rate, features),
        broad_names(features.n_mfcc),
        correlated_names(features.n_mfcc),
        features.hop_length / sample_rate,
    )


def mel_band_hertz(features: Features) -> NDArray[np.float64]:
    """The middle of each mel band in Hz [n_mels]."""
    f = features
    # The first and the last are the outer edges of the outer bands.
    return mel_frequencies(f.n_mels + 2, f.fmin, f.fmax)[1:-1]
