"""Make small models with random weights, and speech to test them with."""

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
import safetensors.torch
import soundfile
import torch
from settings import FORM, LIMITS, PLAIN_MODEL

from ser import load
from ser.core.figures import Figures
from ser.core.filters import filter_banks, mel_band_hertz
from ser.core.needs import needs_of
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Features, Model
from ser.features.extract import extract
from ser.inference.onnx_release import add_onnx
from ser.nets import model_folder
from ser.nets.build import build, restore
from ser.nets.description import Description, TrainingClips, versions
from ser.nets.normalisation import identity_statistics, measure_statistics, normalise
from ser.sources import demo
from ser.training.learners import Rows, fit_rows
from ser.use import cli

RATE = demo.SAMPLE_RATE
EMOTIONS = ["angry", "happy", "sad"]
FEATURES = {
    "kinds": ["logmel"],
    "n_fft": 512,
    "win_length": 512,
    "hop_length": 256,
    "n_mels": 16,
    "n_mfcc": 8,
    "fmin": 50.0,
    "fmax": 8000.0,
    "top_db": 80.0,
}
CORPUS = {
    "corpora": {"demo": {"clips": 30, "speakers": 5, "languages": []}},
    "emotions": {"angry": 10, "happy": 10, "sad": 10},
    "seconds": {"total": 45.0, "min": 1.0, "median": 1.5, "max": 2.0},
}
METRICS = {
    "accuracy": 0.61234,
    "accuracy_low": 0.51,
    "accuracy_high": 0.71,
    "uar": 0.59876,
    "uar_low": 0.5012,
    "uar_high": 0.7034,
    "precision_macro": 0.6429,
    "recall_macro": 0.5111,
    "f1_macro": 0.575,
    "per_class": {
        name: {
            "precision": 0.5 + i / 7,
            "recall": 0.4 + i / 9,
            "f1": 0.45 + i / 8,
            "support": 7 + i,
        }
        for i, name in enumerate(EMOTIONS)
    },
    "ece": 0.0876,
    "ece_unscaled": 0.2149,
    "by_confidence": {
        "0.5": {"coverage": 0.75, "n": 18, "accuracy": 0.6667},
        "0.9": {"coverage": 0.0, "n": 0},
    },
    "n_test": 24,
    "n_folds": 1,
    "split_scheme": "random",
    "fold_accuracy": {"mean": 0.61234, "std": 0.0},
    "per_fold": {"1": {"accuracy": 0.61234, "uar": 0.59876, "n": 24, "majority_accuracy": 0.3611}},
    "per_corpus": {"demo": {"accuracy": 0.61234, "uar": 0.59876, "n": 24}},
    "per_speaker": {"demo/1": {"accuracy": 0.5, "n": 10}, "demo/2": {"accuracy": 0.7143, "n": 14}},
    "by_group": {
        "gender": {
            "groups": {
                "female": {
                    **{"accuracy": 0.5, "uar": 0.45, "n": 12},
                    **{"accuracy_low": 0.25, "accuracy_high": 0.75},
                    **{"uar_low": 0.2, "uar_high": 0.7},
                },
                "male": {
                    **{"accuracy": 0.7273, "uar": 0.75, "n": 11},
                    **{"accuracy_low": 0.4545, "accuracy_high": 1.0},
                    **{"uar_low": 0.5, "uar_high": 1.0},
                },
                "unknown": {"accuracy": 1.0, "uar": 1.0, "n": 1},
            },
            "accuracy_gap": {
                **{"best": "male", "worst": "female"},
                **{"difference": 0.2273, "low": -0.15, "high": 0.5909},
            },
            "uar_gap": {
                **{"best": "male", "worst": "female"},
                **{"difference": 0.3, "low": -0.05, "high": 0.65},
            },
        },
        "language": {
            "groups": {
                "unknown": {
                    **{"accuracy": 0.61234, "uar": 0.59876, "n": 24},
                    **{"accuracy_low": 0.51, "accuracy_high": 0.71},
                    **{"uar_low": 0.5012, "uar_high": 0.7034},
                }
            }
        },
    },
    "majority_accuracy": 0.3611,
    "uses_test_speakers_audio": False,
    "confusion": [[5, 1, 1], [2, 5, 1], [1, 2, 6]],
}
# The settings of each net that differ from PLAIN_MODEL.
SETTINGS = {
    "statpool": {"normalisation": "train"},
    "mlp": {"width": 8},
    "dummynet": {"length": "resize"},
    "exponet": {"length": "pad"},
    "gradient_boosting": {"epochs": 4, "learning_rate": 0.5},
    "rezonet": {"length": "crop"},
}


@cache
def _spoken(number):
    clip = next(islice(demo.clips(), number, None))
    return demo.render(clip) / np.float32(2**15)


def speech(number=0, seconds=None):
    """Make a synthetic clip, float32 [samples], repeated or cut to a length if given."""
    samples = _spoken(number)
    return samples if seconds is None else np.resize(samples, round(seconds * RATE))


def encoded(samples, rate, suffix, subtype=None):
    """Return the bytes of a file in the format of its suffix."""
    file = io.BytesIO()
    if suffix in _FFMPEG:
        container, codec, form = _FFMPEG[suffix]
        with av.open(file, "w", container) as opened:
            track = opened.add_stream(codec, rate, layout="mono", format=form)
            if codec in _BIT_RATES:
                track.bit_rate = _BIT_RATES[codec]
            frame = av.AudioFrame.from_ndarray(
                np.asarray(samples, np.float32)[np.newaxis], "fltp", "mono"
            )
            frame.rate = rate
            to_form = av.AudioResampler(form, "mono", rate, track.codec_context.frame_size or 960)
            for part in (*to_form.resample(frame), *to_form.resample(None)):
                opened.mux(track.encode(part))
            opened.mux([packet for packet in track.encode(None) if packet.size])
    else:
        kind, usual = _SOUNDFILE[suffix]
        soundfile.write(file, samples, rate, format=kind, subtype=subtype or usual)
    return file.getvalue()


_FFMPEG = {
    ".m4a": ("ipod", "aac", "fltp"),
    ".aac": ("adts", "aac", "fltp"),
    ".webm": ("webm", "libopus", "flt"),
    ".m4b": ("ipod", "alac", "s16p"),
    ".mp4": ("mp4", "aac", "fltp"),
    ".mov": ("mov", "pcm_s16le", "s16"),
    ".3gp": ("3gp", "libopencore_amrnb", "s16"),
    ".3g2": ("3g2", "aac", "fltp"),
    ".amr": ("amr", "libopencore_amrnb", "s16"),
    ".wma": ("asf", "wmav2", "fltp"),
    ".asf": ("asf", "wmav1", "fltp"),
    ".wv": ("wv", "wavpack", "s16p"),
    ".tta": ("tta", "tta", "s16"),
    ".mka": ("matroska", "aac", "fltp"),
    ".mkv": ("matroska", "flac", "s16"),
    ".flv": ("flv", "aac", "fltp"),
    ".avi": ("avi", "pcm_s16le", "s16"),
    ".ts": ("mpegts", "aac", "fltp"),
    ".mpg": ("mpeg", "mp2", "s16"),
    ".vob": ("vob", "ac3", "fltp"),
    ".ac3": ("ac3", "ac3", "fltp"),
    ".eac3": ("eac3", "eac3", "fltp"),
    ".mp2": ("mp2", "mp2", "s16"),
    ".voc": ("voc", "pcm_s16le", "s16"),
}
_BIT_RATES = {"libopencore_amrnb": 12_200, "wmav1": 64_000, "wmav2": 64_000}
_SOUNDFILE = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_16"),
    ".au": ("AU", "PCM_16"),
    ".caf": ("CAF", "PCM_16"),
    ".w64": ("W64", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
    ".sph": ("NIST", "PCM_16"),
}

WRITTEN = (*_SOUNDFILE, *_FFMPEG)  # the suffixes that `encoded` knows
TELEPHONE = (".amr", ".3gp")  # those of 8 kHz


def make(
    folder,
    name="resnet",
    folds=(1,),
    metrics=None,
    corpus=None,
    trained_on=None,
    temperatures=None,
    kinds=None,
    dimensions=(),
    **settings,
):
    """Write a model with random weights; return its description and nets.

    trained_on: for each fold, digests of the clips that its net is said to be trained on.
    temperatures: of each fold; 1 if not given.
    kinds: of features; functionals for mlp and logmel for all others if not given.
    """
    settings = {"dimension_weight": float(bool(dimensions))} | settings
    model = Model.model_validate(PLAIN_MODEL | {"name": name} | SETTINGS.get(name, {}) | settings)
    kinds = kinds or ["functionals" if needs_of(model).whole_clip else "logmel"]
    features = Features.model_validate(FEATURES | {"kinds": kinds})
    banks = filter_banks(RATE, features)
    clips = [extract(speech(i), RATE, features, banks) for i in range(0, 50, 8)]
    statistics = [None] * len(folds)
    if name == "statpool":
        statistics = [identity_statistics(features.dims)] * len(folds)
    elif model.normalisation in ("train", "corpus"):
        statistics = [measure_statistics(clips[i:], features.dims) for i in range(len(folds))]
    description = Description(
        model=model,
        emotions=EMOTIONS,
        dimensions=list(dimensions),
        preprocessing=Preprocessing.of(FORM, features, banks),
        folds=list(folds),
        statistics=statistics,
        temperatures=temperatures or [1.0] * len(folds),
        corpus=corpus or CORPUS,
        versions=versions(),
        training_clips=trained_on and TrainingClips.of_folds(trained_on),
        limits=LIMITS,
        metrics=None if metrics is None else Figures.from_values(metrics),
    )
    torch.manual_seed(0)
    outputs = len(EMOTIONS) + len(dimensions)
    nets = [build(model, sum(features.dims.values()), outputs).eval() for _ in folds]
    if needs_of(model).learner:
        nets = [fitted(model, clips[i:], features.dims) for i in range(len(folds))]
    if name == "statpool":
        for i, net in enumerate(nets):
            net.tune(mel_band_hertz(features))
            standardise(net, pooled(net, clips[i:]))
    weights = [{k: t.contiguous() for k, t in net.state_dict().items()} for net in nets]
    model_folder.save(Path(folder), description, weights)
    return description, nets


def fitted(model, clips, dims):
    """Fit a learner to made-up clips, each of the next emotion; return the net."""
    statistics = measure_statistics(clips, dims)
    rows = np.concatenate([normalise(clip, dims, statistics) for clip in clips]).clip(-5, 5)
    labels = np.arange(len(clips)) % len(EMOTIONS)
    weights = fit_rows(Rows(rows, labels, None, len(EMOTIONS), 0), model)
    return restore(model, rows.shape[1], len(EMOTIONS), weights).eval()


def enliven(folder):
    """Change a net with random weights so that all its answers differ between clips, and folds.

    The logits of each dimension, and on average of the emotions, get a deviation of 1.
    """
    recogniser = load(folder)
    clips = np.stack([recogniser.fold_answers(speech(n), RATE) for n in range(0, 50, 5)])
    emotions, values = np.split(clips.astype(np.float64), [len(EMOTIONS)], axis=2)
    levels = np.concatenate([np.log(emotions), np.log(values / (1 - values))], axis=2)
    spread = levels.std(axis=0)
    emotional = spread[:, : len(EMOTIONS)]
    emotional[:] = emotional.mean(axis=1, keepdims=True)
    for place, fold in enumerate(recogniser.description.folds):
        file = Path(folder) / f"fold-{fold}.safetensors"
        tensors = safetensors.torch.load_file(file)
        scale = torch.from_numpy(1 / spread[place]).float()
        mean = torch.from_numpy(levels[:, place].mean(axis=0)).float()
        tensors["linear.weight"] = tensors["linear.weight"] * scale[:, None]
        tensors["linear.bias"] = (tensors["linear.bias"] - mean) * scale
        safetensors.torch.save_file(tensors, file)


def features_of(description, *numbers):
    """Compute the features of made-up clips as a model does."""
    made = description.preprocessing
    return [extract(speech(n), RATE, made.features, made.banks) for n in numbers]


def release(folder, *arguments, **settings):
    """Write a model as `make` does, with an ONNX file; return its description."""
    make(folder, *arguments, **settings)
    description, modules = model_folder.load(folder)
    assert add_onnx(folder, description, modules, features_of(description, 0, 30, 60)) < 1e-5
    return description


def standardise(net, values):
    """Let a net standardise by the mean and deviation of pooled vectors [clips, pooled]."""
    net.standardise_by(values.mean(dim=0), values.std(dim=0, correction=0))


def pooled(net, clips):
    """Compute what a net pools from each clip, float32 [frames, bands]: [clips, pooled]."""
    with torch.no_grad():
        return torch.cat(
            [net.pool(torch.from_numpy(clip)[None], torch.tensor([len(clip)])) for clip in clips]
        )


SER = Path(sys.executable).with_name("ser")


def ser(*arguments, cwd=None, timeout=120, under=(), **kwargs):
    """Run the installed program `ser`, `under` another one if given, until it ends."""
    return subprocess.run(
        [*under, SER, *map(os.fspath, arguments)],
        cwd=cwd,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        **kwargs,
    )


def ser_here(*arguments, cwd="."):
    """Run a command of `ser` in this process, which need not import torch anew, as `ser` does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    arguments = [*map(os.fspath, arguments)]
    with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main(arguments)
        except SystemExit as ended:
            code = ended.code
    written = []
    for stream in (out, err):
        stream.flush()
        written.append(stream.buffer.getvalue())
    return subprocess.CompletedProcess(arguments, code, *written)


# Linux counts the memory of the process that starts a program as the program's own, so a small one
# has to start it.
PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""


def ser_and_peak(*arguments, **kwargs):
    """Run `ser`; return the finished process and the most memory that it had, in kB."""
    done = ser(*arguments, under=(sys.executable, "-c", PEAK), **kwargs)
    *told, peak = done.stderr.splitlines(keepends=True)
    done.stderr = b"".join(told)
    return done, int(peak)
