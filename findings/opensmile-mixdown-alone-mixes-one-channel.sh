#!/bin/sh
# opensmile's Smile(mixdown=True) does not mix the channels of a recording: it mixes those that
# `channels` selects, which is the first one unless they are named. A stereo file whose voice is in
# the second channel is measured as silence, without a warning.
#
# Expected: silence in one channel and a tone in the other have the loudness of their mean, half of
# the tone. Seen: that of the first channel, whichever it is; `channels=[0, 1]` beside mixdown gives
# the mean.
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


def loudness(signal, **settings):
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        **settings,
    )
    return float(smile.process_signal(signal, 16000)["loudness_sma3_amean"].iloc[0])


tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.float32)
silence = np.zeros_like(tone)
half = loudness(tone / 2)
seen = {
    "tone first, mixdown": loudness(np.stack([tone, silence]), mixdown=True),
    "silence first, mixdown": loudness(np.stack([silence, tone]), mixdown=True),
    "silence first, mixdown of both": loudness(
        np.stack([silence, tone]), mixdown=True, channels=[0, 1]
    ),
}
print("opensmile", version("opensmile"), "numpy", np.__version__)
print("expected:", half, "for all; seen:", seen)
first, second, both = seen.values()
sys.exit(not (first == loudness(tone) and second < 0.01 and abs(both - half) < 0.01))
PY
"$folder/venv/bin/python" "$folder/see.py"
