#!/bin/sh
# A Creative Voice file may have its samples in several blocks, as FFmpeg writes it. libsndfile reads
# the first block's form and then all the rest of the file: the heads of the other blocks become
# samples.
#
# Expected: as many samples as were written, all of one level. Seen: more, some of them far off that
# level. Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 numpy==2.4.6 av==18.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__, "PyAV", av.__version__)
LEVEL, SAMPLES, BLOCK = 3_000, 16_000, 1_000  # of 16 bits
with av.open("a.voc", "w", "voc") as file:
    track = file.add_stream("pcm_s16le", 16_000, layout="mono", format="s16")
    for at in range(0, SAMPLES, BLOCK):
        samples = np.full((1, BLOCK), LEVEL, np.int16)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate, frame.pts = 16_000, at
        file.mux(track.encode(frame))
    file.mux(track.encode(None))
with av.open("a.voc") as file:
    by_ffmpeg = sum(frame.samples for frame in file.decode(audio=0))
read, _ = soundfile.read("a.voc", dtype="int16")
off = np.count_nonzero(np.abs(read.astype(int) - LEVEL) > 10)
print(f"{SAMPLES} samples written, expected {SAMPLES} read, none off the level; FFmpeg: {by_ffmpeg}")
print(f"libsndfile reads {len(read)}, {off} of them off the level")
sys.exit(0 if by_ffmpeg == SAMPLES < len(read) and off > 0 else 1)
PYTHON
