#!/bin/sh
# libsndfile does not read back the 32-bit Apple Lossless that it writes, where a packet could not be
# made smaller; FFmpeg reads the same file to the bit.
#
# Expected: a lossless codec gives the samples that were written. Seen: noise of full scale.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__, "PyAV", av.__version__)
written = np.random.default_rng(0).integers(-(2**30), 2**30, 4000).astype(np.int32)
soundfile.write("a.caf", written, 16_000, format="CAF", subtype="ALAC_32")
by_libsndfile, _ = soundfile.read("a.caf", dtype="int32")
with av.open("a.caf") as opened:
    frames = [frame.to_ndarray().ravel() for frame in opened.decode(audio=0)]
by_ffmpeg = np.concatenate(frames)


def share(read):
    same = min(len(read), len(written))
    return f"{np.mean(read[:same] == written[:same]):.1%} of {same} samples are as they were written"


print("expected: 100.0% by either")
print("libsndfile:", share(by_libsndfile))
print("FFmpeg:", share(by_ffmpeg))
is_so = np.mean(by_libsndfile == written) < 0.01 and (by_ffmpeg == written[: len(by_ffmpeg)]).all()
sys.exit(0 if is_so else 1)
PYTHON
