"""Ask a trained model about its test clips under each condition."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soxr
from tqdm import tqdm

from scripts.robustness.conditions import CONDITIONS, VOICES, Sound, Surroundings
from ser.audio.channels import voice_channel
from ser.conditions.levels import within_full_scale
from ser.core.errors import UserError
from ser.core.recording import Recording
from ser.core.rejection import Rejected
from ser.core.seeds import seed_of
from ser.core.tables import read_csv
from ser.core.typing import FloatArray
from ser.decoding.decoding import decode
from ser.parallel import ordered_map
from ser.use.loading import load
from ser.use.recogniser import PER_SPEAKER, Recogniser


class ClipToTest(NamedTuple):
    """A test clip.

    Attributes:
        clip: its name.
        path: of its recording.
        fold: in which it is tested.
        emotion: its label.
        others: recordings of other test clips, for babble.
    """

    clip: str
    path: Path
    fold: int
    emotion: str
    others: list[Path]


def clips_to_test(data: Path) -> Iterator[ClipToTest]:
    """Yield the test clips of a run, in the order of its predictions.

    Args:
        data: the run's data folder.
    """
    path_of = read_csv(data / "clips.csv").set_index("clip")["path"]
    rows = read_csv(data / "predictions.csv")
    paths = [data / "raw" / path_of[clip] for clip in rows["clip"]]
    for row, path in zip(rows.to_dict("records"), paths, strict=True):
        others = [other for other in paths if other != path]
        rng = np.random.default_rng(seed_of(row["clip"], "voices"))
        chosen = rng.choice(len(others), min(VOICES, len(others)), replace=False)
        yield ClipToTest(
            row["clip"], path, row["fold"], row["emotion"], [others[i] for i in sorted(chosen)]
        )


def measure(data: Path) -> pd.DataFrame:
    """Ask a run's model about its test clips under each condition that can be made here.

    Args:
        data: the run's data folder.

    Returns:
        A row per clip and condition: clip, emotion, condition, and predicted, which is empty if the
        recording was rejected.

    Raises:
        UserError: the model must be adapted to a voice first.
    """
    clips = list(clips_to_test(data))
    work = partial(answers, model=data / "model")
    rows = []
    with closing(ordered_map(work, clips)) as results:
        for clip, found in zip(
            clips, tqdm(results, "robustness", len(clips), unit="clip"), strict=True
        ):
            rows += [(clip.clip, clip.emotion, *answer) for answer in found.items()]
    return pd.DataFrame(rows, columns=["clip", "emotion", "condition", "predicted"])


def answers(clip: ClipToTest, model: Path) -> dict[str, str]:
    """Return a model's answer about a clip under each condition; empty: rejected.

    Args:
        clip: the clip.
        model: the model's folder.
    """
    recogniser = _recogniser(model, clip.fold)
    if recogniser.needs_a_voice:
        raise UserError(f"{PER_SPEAKER}: it answers nobody whom it does not know")
    recording = decode(clip.path)
    rate = recording.sample_rate
    waveform = within_full_scale(_voice(recording, rate))
    voices = [_voice(decode(path), rate) for path in clip.others]
    found = {}
    for name, condition in CONDITIONS.items():
        if condition.available:
            around = Surroundings(np.random.default_rng(seed_of(clip.clip, name)), voices)
            sound = condition.apply(Sound(waveform, rate), around)
            try:
                found[name] = recogniser.predict(sound.waveform, sound.sample_rate).emotion
            except Rejected:
                found[name] = ""
    return found


def _voice(recording: Recording, rate: int) -> FloatArray:
    """Return the voice channel of a recording at a rate in Hz: float32 [samples]."""
    samples = voice_channel(recording).samples[:, 0]
    if recording.sample_rate == rate:
        return samples
    return np.asarray(soxr.resample(samples, recording.sample_rate, rate))


@cache
def _recogniser(model: Path, fold: int) -> Recogniser:
    return load(model, fold)
