#!/bin/sh
# opensmile's process_signal takes floating point in -1..1, but a sample of exactly +1 becomes -1: it
# multiplies by 32768 and converts to 16 bits without clipping. Peak-normalised recordings have such
# samples.
#
# Expected: a square wave of amplitude 1 crosses zero as often as one of 0.999. Seen: never, because
# all of its samples are -1.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opensmile==2.6.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import opensmile

smile = opensmile.Smile(
    feature_set=opensmile.FeatureSet.ComParE_2016,
    feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
)
half = np.ones(40, np.float32)
wave = np.tile(np.concatenate([half, -half]), 200)  # 200 Hz at 16 kHz, one second


def zero_crossings(amplitude):
    frames = smile.process_signal(np.float32(amplitude) * wave, 16000)["pcm_zcr_sma"]
    return float(frames.iloc[10:-10].mean())


print("opensmile", version("opensmile"), "numpy", np.__version__)
found = {amplitude: zero_crossings(amplitude) for amplitude in (0.5, 0.999, 1.0)}
print("expected: the same rate of zero crossings for all; seen:", found)
sys.exit(not (found[0.5] == found[0.999] > 0 and found[1.0] == 0))
PY
"$folder/venv/bin/python" "$folder/see.py"
