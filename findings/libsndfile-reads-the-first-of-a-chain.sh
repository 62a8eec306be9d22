#!/bin/sh
# Ogg files written one behind the other are one valid file, a chain (RFC 3533, section 4; RFC 7845
# speaks of it for Opus). libsndfile reads the first and says nothing of the others.
#
# Expected: as many samples as both hold. Seen: those of the first. Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
lost = []
for codec in ("VORBIS", "OPUS"):
    links = []
    for frequency, seconds in ((220, 1), (330, 2)):
        tone = 0.3 * np.sin(2 * np.pi * frequency * np.arange(seconds * 48_000) / 48_000)
        soundfile.write("link.ogg", tone, 48_000, format="OGG", subtype=codec)
        links.append(Path("link.ogg").read_bytes())
    Path("chain.ogg").write_bytes(b"".join(links))
    stated, read = soundfile.info("chain.ogg").frames, len(soundfile.read("chain.ogg")[0])
    print(f"{codec}: expected {3 * 48_000} samples, stated {stated}, read {read}")
    lost.append(read <= 48_000)
sys.exit(0 if all(lost) else 1)
PYTHON
