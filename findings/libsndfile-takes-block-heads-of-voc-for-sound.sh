#!/bin/sh
# A Creative Voice file may have its samples in several blocks. libsndfile reads the first block's
# form and then all the rest of the file, so the heads of the other blocks become samples.
#
# Expected: the 3000 samples of a steady level. Seen: more, some of them far off that level.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 numpy==2.4.6 av==18.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
import sys
from pathlib import Path

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__, "PyAV", av.__version__)
LEVEL, RATE = 140, 8_000  # of unsigned bytes: 12 above the middle


def block(kind, content):
    return bytes([kind]) + len(content).to_bytes(3, "little") + content


samples = bytes([LEVEL]) * 1_000
first = block(1, bytes([256 - 1_000_000 // RATE, 0]) + samples)  # rate, 8 bits
more = block(2, samples)  # goes on in the same form
head = b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x010A, 0x1129)
Path("a.voc").write_bytes(head + first + more + more + b"\0")
read, _ = soundfile.read("a.voc")
with av.open("a.voc") as file:
    by_ffmpeg = sum(frame.samples for frame in file.decode(audio=0))
off = np.count_nonzero(np.abs(read - (LEVEL - 128) / 128) > 0.01)
print(f"expected 3000 samples, none off the level; FFmpeg reads {by_ffmpeg}")
print(f"libsndfile reads {len(read)}, {off} of them off the level")
sys.exit(0 if len(read) > 3_000 and off > 0 else 1)
PYTHON
