"""A recording -> the standard waveform of a clip, and what its processing is made of."""
