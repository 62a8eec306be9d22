#!/bin/sh
# PyAV's `encode` accepts an AudioFrame without a pts, as `AudioFrame.from_ndarray` makes it, and
# numbers its samples itself. An AAC encoder begins with 1,024 samples of its own. If the first frame
# has pts 0, the MP4 notes them, and decoding skips them; without a pts it does not, and what is
# decoded lags 1,024 samples (64 ms at 16 kHz) behind, with the file's stated length longer by as
# much. MP3 and Opus do not lag.
#
# Expected: the same file, whether the frame's pts is None or 0. Seen: lags of 1024 and 0 samples.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import av
import numpy as np

RATE = 16_000
noise = np.random.default_rng(0).uniform(-0.3, 0.3, 2 * RATE)
sound = np.convolve(noise, np.ones(8) / 8, "same").astype(np.float32)  # mostly below 2 kHz


def lag_and_length(codec, container, pts):
    file = io.BytesIO()
    with av.open(file, "w", container) as output:
        stream = output.add_stream(codec, RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, pts
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as opened:
        stream = opened.streams.audio[0]
        stated = stream.duration * stream.time_base
        resampler = av.AudioResampler("fltp", "mono", RATE)
        heard = np.concatenate(
            [plain.to_ndarray()[0] for f in opened.decode(stream) for plain in resampler.resample(f)]
        )
    part = heard[: len(sound)]
    spectrum = np.fft.rfft(part, 4 * RATE) * np.conj(np.fft.rfft(sound, 4 * RATE))
    return int(np.fft.irfft(spectrum).argmax()), float(stated)


print("PyAV", av.__version__)
seen = {}
for codec, container in (("aac", "mp4"), ("libmp3lame", "mp3"), ("libopus", "ogg")):
    for pts in (None, 0):
        lag, seconds = lag_and_length(codec, container, pts)
        seen[codec, pts] = lag
        print(f"{codec} in {container}, pts {pts}: lag of {lag} samples, {seconds:.3f} s stated")
sys.exit(0 if (seen["aac", None], seen["aac", 0]) == (1024, 0) else 1)
PYTHON
