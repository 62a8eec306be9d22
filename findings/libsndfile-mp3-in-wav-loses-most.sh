#!/bin/sh
# libsndfile reads an MP3 of variable bit rate in a WAV as far as the average bit rate of its beginning
# would take it, though the chunk fact states how many samples there are, and says nothing of the rest.
#
# Expected: about as many samples as were written, or an error. Seen: less than half.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys
from pathlib import Path

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__, "PyAV", av.__version__)
RATE, SECONDS = 16_000, 10
tone = (0.3 * np.sin(np.arange(RATE * SECONDS) / 10)).astype(np.float32)
options = {"flags": "+qscale", "global_quality": "472"}
with av.open("a.wav", "w", "wav") as file:
    track = file.add_stream("libmp3lame", RATE, layout="mono", format="fltp", options=options)
    track.codec_context.open()
    size = track.codec_context.frame_size
    for at in range(0, len(tone), size):
        frame = av.AudioFrame.from_ndarray(tone[np.newaxis, at : at + size], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, at
        file.mux(track.encode(frame))
    file.mux(track.encode(None))
data = Path("a.wav").read_bytes()
(stated,) = struct.unpack_from("<I", data, data.index(b"fact") + 8)
by_libsndfile = len(soundfile.read("a.wav")[0])
with av.open("a.wav") as file:
    by_ffmpeg = sum(frame.samples for frame in file.decode(audio=0))
print(f"{len(tone)} samples written, {stated} stated by the file")
print(f"expected: about {len(tone)}; FFmpeg: {by_ffmpeg}; libsndfile: {by_libsndfile}")
sys.exit(0 if by_libsndfile < len(tone) / 2 < len(tone) <= by_ffmpeg else 1)
PYTHON
