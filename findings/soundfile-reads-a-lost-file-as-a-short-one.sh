#!/bin/sh
# soundfile reads from file objects, such as those of fsspec, smart_open or a zip. If reading fails
# half-way, as on a share that is lost, what the object raises ends in the callback that libsndfile
# has for it: soundfile.read returns the part before as if it were the whole, for WAV and Ogg.
#
# Expected: the OSError of the file object. Seen: about half of the samples and no exception, only a
# text on stderr. Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>stderr.txt <<'PYTHON'
import io
import sys

import numpy as np
import soundfile


class LostHalfWay(io.BytesIO):
    def readinto(self, buffer):
        if self.tell() + len(buffer) > len(self.getvalue()) // 2:
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
noise = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000)
short = []
for container, codec in (("WAV", "PCM_16"), ("OGG", "VORBIS")):
    whole = io.BytesIO()
    soundfile.write(whole, noise, 16_000, format=container, subtype=codec)
    samples, _ = soundfile.read(LostHalfWay(whole.getvalue()))
    print(f"{container}: {len(samples)} of {len(noise)} samples, no exception")
    short.append(0 < len(samples) < len(noise))
sys.exit(0 if all(short) else 1)
PYTHON
grep -c "Exception ignored from cffi callback" stderr.txt
