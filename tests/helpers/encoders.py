"""Write and read files of any container and codec with FFmpeg or libsndfile only."""

import io

import av
import numpy as np
import soundfile


class Pipe:
    """A file that cannot seek, so that sizes in the header stay unknown."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data
        return len(data)


def by_libsndfile(samples, rate, kind, subtype, endian="FILE"):
    """Return the bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype, endian=endian)
    return file.getvalue()


def by_ffmpeg(samples, rate, container, codec, piped=False, of_container=None, **options):
    """Return the bytes of a file; samples are [n] or [n, channels], options are the codec's."""
    samples = np.asarray(samples, np.float32).reshape(len(samples), -1)
    layout = ("mono", "stereo")[samples.shape[1] - 1]
    file = Pipe() if piped else io.BytesIO()
    with av.open(file, "w", container, options=of_container or {}) as opened:
        track = opened.add_stream(codec, rate, layout=layout, options=options)
        form = track.codec_context.codec.audio_formats[0].name
        track.codec_context.format = form
        track.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        size = track.codec_context.frame_size or 1024
        to_form = av.AudioResampler(form, layout, rate, size)
        for part in (*to_form.resample(frame), *to_form.resample(None)):
            opened.mux(track.encode(part))
        opened.mux([packet for packet in track.encode(None) if packet.size])
    return bytes(file.data) if piped else file.getvalue()


def read_by_libsndfile(data):
    """Decode a file to float32 [samples, channels]."""
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]


def read_by_ffmpeg(data):
    """Decode a file to float32 [samples, channels]."""
    to_float = av.AudioResampler("fltp")
    with av.open(io.BytesIO(data)) as opened:
        frames = [part for frame in opened.decode(audio=0) for part in to_float.resample(frame)]
    return np.concatenate([frame.to_ndarray().T for frame in frames]).astype(np.float32)


def sweep(n, channels=1, rate=16_000):
    """Make a rising tone, loud to its end: float32 [n, channels], the second channel inverted."""
    times = np.arange(n) / rate
    tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * times) * times)
    return np.stack([tone, -0.5 * tone], axis=1)[:, :channels].astype(np.float32)
