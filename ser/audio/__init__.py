"""Turn a recording into the standard waveform of a clip."""
