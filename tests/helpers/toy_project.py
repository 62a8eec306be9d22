"""Make the outputs of the stages before train for a tiny corpus, and run the train stage."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path

import numpy as np
import yaml
from settings import FORM

from scripts import experiments
from scripts.workspace import dvc
from ser.core import tables
from ser.core.filters import filter_banks
from ser.core.kinds import describes_whole_clips
from ser.core.preprocessing import Preprocessing
from ser.core.sections import FeatureSettings
from ser.core.store import StoreWriter
from ser.core.tables import parse_report
from stages import evaluate, train

ROOT = Path(__file__).resolve().parents[2]
EMOTIONS = ["angry", "neutral", "sad"]
SPEAKERS = ["1", "2"]
AROUSAL = {"angry": 0.9, "neutral": 0.5, "sad": 0.2}
DIMS = {"logmel": 8, "rms": 1}
FOLDS, EPOCHS = 3, 40
MODEL = {
    "name": "cnn",
    "layers": 3,
    "dropout": 0.2,
    "length": "own",
    "copies": "all",
    "batch_size": 16,
    "epochs": EPOCHS,
    "optimizer": "adamw",
    "learning_rate": 0.005,
    "schedule": "one_cycle",
    "mixup": 0.2,
    "frequency_mask": 2,
    "time_mask": 4,
    "patience": 0,
    "seed": 0,
}
TRAIN_PATHS = [
    "clips.csv",
    "features",
    "augmented",
    "splits.csv",
    "trained",
    "plots/history.csv",
    "train.json",
]

EVALUATE_PATHS = [
    "clips.csv",
    "features",
    "splits.csv",
    "trained",
    "unheard_voices.json",
    "model",
    "headline.json",
    "evaluate.json",
    "predictions.csv",
    "mistakes.csv",
    "test_history.csv",
    "reliability.csv",
    "map.csv",
    "plots/confusion.csv",
]


def clip_names():
    """Return clip, speaker and emotion of the tiny corpus, in clips.csv's order."""
    return [(f"toy/{e}{n}{s}", s, e) for e in sorted(EMOTIONS) for n in range(3) for s in SPEAKERS]


def digest_of(number):
    """Return what clips.csv states as the digest of a clip, by its place."""
    return f"{997 * number % 256:016x}"


def three_folds():
    """Return the split: each take is tested in one fold and validated in another."""
    rows = []
    for fold in range(FOLDS):
        for i, (clip, _, _) in enumerate(clip_names()):
            subset = ("test", "val", "train")[(i // len(SPEAKERS) + fold) % 3]
            rows.append({"clip": clip, "fold": fold + 1, "subset": subset})
    return rows


def one_split():
    subsets = ("train", "val", "test")
    return [
        {"clip": clip, "fold": 1, "subset": subsets[i // len(SPEAKERS) % 3]}
        for i, (clip, _, _) in enumerate(clip_names())
    ]


def make_project(folder, splits=None, changes=None, without=(), kinds=tuple(DIMS)):
    """Write the outputs of the stages before train; features of `without` are NaN."""
    folder.mkdir(parents=True, exist_ok=True)
    values = experiments.resolve(experiments.read_experiment("resnet"))
    values["features"] |= {"kinds": list(kinds), "n_mels": 8, "n_mfcc": 8}
    values["model"] |= MODEL | (changes or {})
    values["evaluate"] |= {"bootstrap": 200, "mistakes": 3, "calibration_bins": 5}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    rng = np.random.default_rng(0)
    settings = FeatureSettings.model_validate(values["features"])
    columns = sum(settings.dims.values())
    whole = describes_whole_clips(kinds)

    def features(key, emotion):
        clip = rng.normal(0, 2, (1 if whole else int(rng.integers(16, 32)), columns))
        clip[:, 2 * EMOTIONS.index(emotion)] += 4
        return (clip * np.nan if key in without else clip).astype(np.float32)

    rows, copies = [], []
    banks = filter_banks(FORM.sample_rate, settings)
    meta = Preprocessing.of(FORM, settings, banks).model_dump(mode="json")
    with (
        StoreWriter(folder / "features", (columns,), meta) as originals,
        StoreWriter(folder / "augmented", (columns,), {"dims": settings.dims}) as augmented,
    ):
        for number, (clip, speaker, emotion) in enumerate(clip_names()):
            originals.add(clip, features(clip, emotion))
            row = dict.fromkeys(tables.CLIP_COLUMNS, "")
            row |= {"clip": clip, "corpus": "toy", "emotion": emotion, "speaker": speaker}
            row |= {"seconds": 1.0, "sample_rate": 16000, "channels": 1}
            row |= {"samples_digest": digest_of(number)}
            rows.append(row)
            augmented.add(f"{clip}#1", features(f"{clip}#1", emotion))
            copies.append({"key": f"{clip}#1", "clip": clip, "copy": 1})
    tables.write_csv(folder / "clips.csv", rows, tables.CLIP_COLUMNS)
    tables.write_csv(folder / "augmented" / "copies.csv", copies, ["key", "clip", "copy"])
    (folder / "unheard_voices.json").write_text("{}")
    rows = [{"weight": 1.0} | row for row in splits or three_folds()]
    columns = ["clip", "fold", "subset", "weight"]
    tables.write_csv(folder / "splits.csv", rows, columns)
    return folder


def rate(folder, valence=True):
    """Add ratings to clips.csv: arousal by the emotion, valence of one speaker alone."""
    clips = tables.read_csv(folder / "clips.csv")
    places = np.arange(len(clips))
    clips["arousal"] = clips["emotion"].map(AROUSAL) + 0.01 * (places % 3)
    if valence:
        clips["valence"] = np.where(clips["speaker"] == "1", 1 - clips["arousal"], np.nan)
    tables.write_table(folder / "clips.csv", clips)
    return clips.set_index("clip")


def set_params(folder, **changes):
    path = folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["model"] |= changes
    path.write_text(yaml.safe_dump(values))


def start(stage, folder, paths, variables=None, launcher=(), **kwargs):
    """Start a stage in a separate process, through a launcher if given."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SER_DEVICE": "cpu"}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"} | (variables or {})
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", f"stages.{stage}", *paths],
        # A background job ignores Ctrl-C, and so would the processes that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


def ending(process):
    """Wait until a process and all its children have ended; kill them if they do not."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # which is the leader of its session
        raise
    return process.returncode, out.decode(), err.decode()


def run(stage, folder, paths, variables=None, launcher=()):
    return ending(start(stage, folder, paths, variables, launcher, start_new_session=True))


def train_here(folder, output=None):
    """Run the stage in this process; return what it printed."""
    output = output or io.StringIO()
    with chdir(folder), redirect_stdout(output):
        train.main(*map(Path, TRAIN_PATHS))
    return output.getvalue()


def evaluate_here(folder, output=None):
    """Run the stage in this process; return what it wrote as figures."""
    with chdir(folder), redirect_stdout(output or io.StringIO()):
        evaluate.main(*map(Path, EVALUATE_PATHS))
    return parse_report((folder / "evaluate.json").read_text())


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def results(folder):
    """Read everything that the train stage writes."""
    return contents(folder / "trained") | {
        name: (folder / name).read_bytes() for name in ("plots/history.csv", "train.json")
    }


def seen_by_dvc(folder, *metrics):
    """Return what `dvc metrics show` prints for some files, after `dvc init` if needed."""
    if not (folder / ".dvc").exists():
        done = dvc(folder, "init", "--no-scm", "--quiet", capture_output=True)
        assert done.returncode == 0, done.stderr
    done = dvc(folder, "metrics", "show", "--json", *metrics, capture_output=True)
    assert done.returncode == 0, done.stderr
    return {name: read["data"] for name, read in json.loads(done.stdout)[""]["data"].items()}


def assert_dvc_compares_the_headline_alone(folder, headline, *reports):
    """Check that DVC shows every figure of the headline, and none of the reports."""
    seen = seen_by_dvc(folder, headline, *reports)
    written = json.loads((folder / headline).read_text())
    assert "accuracy" in written
    assert all(isinstance(value, int | float) for value in written.values())
    assert seen == {headline: written} | {name: {} for name in reports}
