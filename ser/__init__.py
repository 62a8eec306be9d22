"""Speech emotion recognition: the library under the stages of dvc.yaml.

Nothing in here knows of DVC, of params.yaml's place or of the project's folders. Conventions:
waveforms are float32 [samples] in -1..1, features float32 [frames, dims], times are in seconds,
frequencies in Hz, levels in dB.
"""
