"""Waveform -> features: log-mel and other spectra by frames, functionals of a clip."""
