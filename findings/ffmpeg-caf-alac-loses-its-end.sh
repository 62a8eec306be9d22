#!/bin/sh
# FFmpeg loses the end of an Apple Lossless recording in CAF, even one that it has just written: where
# the last packet is more than half full, what it lacks to 4096 samples is taken off the recording,
# though the packet itself says that it is shorter.
#
# Expected: as many samples as were written. Seen: up to 2047 fewer, without an error.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np

print("PyAV", av.__version__, "libavformat", ".".join(map(str, av.library_versions["libavformat"])))


def lost(n):
    tone = (9000 * np.sin(np.arange(n) / 10)).astype(np.int16)
    with av.open("a.caf", "w", "caf") as file:
        track = file.add_stream("alac", 16_000, layout="mono", format="s16p")
        track.codec_context.open()
        for at in range(0, n, 4096):
            frame = av.AudioFrame.from_ndarray(tone[np.newaxis, at : at + 4096], "s16p", "mono")
            frame.sample_rate, frame.pts = 16_000, at
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    with av.open("a.caf") as file:
        return n - sum(frame.samples for frame in file.decode(audio=0))


cases = {n: lost(n) for n in (8_000, 16_000, 32_011)}
for n, missing in cases.items():
    print(f"{n} samples written: expected {n} read, seen {n - missing}")
sys.exit(0 if all(missing > 0 for missing in cases.values()) else 1)
PYTHON
