"""Compute the features of a waveform: one function for each kind in `ser.core.kinds`."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from ser.core.encoders import encoder_columns
from ser.core.filters import FilterBanks
from ser.core.functional_names import broad_names, correlated_names
from ser.core.kinds import ENCODER, KINDS, LOGMEL, OPENSMILE
from ser.core.sections import Features
from ser.core.typing import FloatArray
from ser.features import spectra
from ser.features.analysis import Analysis
from ser.features.encoder import encode
from ser.features.functionals import compute_functionals, compute_slopes
from ser.features.opensmile_sets import compute_set
from ser.features.spectra import ToDecibels


def extract(
    waveform: FloatArray,
    sample_rate: int,
    features: Features,
    banks: FilterBanks,
    to_decibels: ToDecibels = spectra.power_to_db,
    given: Mapping[str, FloatArray] = MappingProxyType({}),
) -> FloatArray:
    """Compute the wanted kinds of features and stack their columns.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        features: which kinds, and their settings.
        banks: `ser.core.filters.filter_banks` of the same rate and settings.
        to_decibels: librosa.power_to_db, or the equal function of this package.
        given: the values [1, columns] of each kind that is not computed from the waveform.

    Returns:
        float32 [frames, dims]: log-mel in dB relative to the clip's maximum (-top_db..0), MFCC of
        the log-mel in dB relative to full scale, zero crossings per sample (0..1), RMS as a
        fraction of full scale, chroma relative to the strongest pitch class (0..1). Functionals
        and openSMILE's are combined with each other only: they describe the whole clip in one
        frame, float32 [1, dims].

    Raises:
        UserError: a package that computes one of the kinds is not installed.
    """
    analysis = Analysis(waveform, sample_rate, features, banks, to_decibels)
    columns = [
        given[kind] if KINDS[kind].given else _COMPUTE[kind](analysis) for kind in features.kinds
    ]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def dims_of(features: Features) -> dict[str, int]:
    """Return the columns of each kind, with those that only an encoder tells: kind -> columns.

    Raises:
        UserError: the encoder cannot be used.
    """
    own = {ENCODER: encoder_columns(features)} if features.encoder else {}
    return features.dims | own


def logmel(
    waveform: FloatArray, sample_rate: int, features: Features, banks: FilterBanks
) -> FloatArray:
    """Compute the log-mel spectrogram [frames, n_mels] in dB relative to the clip's maximum."""
    return extract(waveform, sample_rate, features.model_copy(update={"kinds": [LOGMEL]}), banks)


def _logmel(analysis: Analysis) -> FloatArray:
    below: FloatArray = analysis.mel_db - analysis.mel_db.max()
    return below


def _mfcc(analysis: Analysis) -> FloatArray:
    return spectra.cepstrum(analysis.mel_db, analysis.features.n_mfcc)


def _zcr(analysis: Analysis) -> FloatArray:
    return spectra.zero_crossing_rate(analysis.waveform, analysis.features)


def _rms(analysis: Analysis) -> FloatArray:
    power: FloatArray = np.mean(np.square(analysis.frames), axis=1, keepdims=True)
    return np.sqrt(power)


def _chroma(analysis: Analysis) -> FloatArray:
    return spectra.chroma(analysis.power, analysis.banks["chroma"])


def _functionals(analysis: Analysis) -> FloatArray:
    """Compute the functionals in the order of `functional_names`: float64 [1, functionals]."""
    n_mfcc = analysis.features.n_mfcc
    groups = compute_functionals(
        analysis.descriptors,
        broad_names(n_mfcc),
        correlated_names(n_mfcc),
        analysis.features.hop_length / analysis.sample_rate,
    )
    return np.concatenate([group.values for group in groups])[np.newaxis]


def _slopes(analysis: Analysis) -> FloatArray:
    """Compute the statistics of slopes in the order of `slope_names`: float64 [1, slopes]."""
    groups = compute_slopes(analysis.descriptors, broad_names(analysis.features.n_mfcc))
    return np.concatenate([group.values for group in groups])[np.newaxis]


def _encoder(analysis: Analysis) -> FloatArray:
    return encode(analysis.waveform, analysis.sample_rate, analysis.features)


def _opensmile(kind: str, analysis: Analysis) -> FloatArray:
    return compute_set(kind, analysis.waveform, analysis.sample_rate)


_COMPUTE: Mapping[str, Callable[[Analysis], FloatArray]] = {
    LOGMEL: _logmel,
    "mfcc": _mfcc,
    "zcr": _zcr,
    "rms": _rms,
    "chroma": _chroma,
    "functionals": _functionals,
    "slopes": _slopes,
    ENCODER: _encoder,
    **{name: partial(_opensmile, name) for name, k in KINDS.items() if k.package == OPENSMILE},
}
