"""Make a run whose net looks at a known place: a burst of a tone decides the emotion."""

import numpy as np
import torch
from settings import FORM, PLAIN_MODEL
from small_model import CORPUS, EMOTIONS, FEATURES, RATE
from torch import nn

from ser.core.filters import filter_banks
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Features, Model
from ser.core.store import StoreWriter
from ser.core.tables import CLIP_COLUMNS, write_csv
from ser.features.extract import extract
from ser.nets import model_folder
from ser.nets.build import build
from ser.nets.description import Description, versions

TONES = {"angry": 700.0, "sad": 4000.0}  # Hz; happy has no tone
BURST = 0.14  # seconds
SECONDS = 1.5
_STEPS = 40
_FEATURES = Features.model_validate(FEATURES)


def clip(emotion, seed):
    """Make SECONDS of noise with a burst of the emotion's tone; return also the burst's start."""
    rng = np.random.default_rng(seed)
    waveform = 0.01 * rng.standard_normal(round(SECONDS * RATE))
    start = rng.uniform(0.1, SECONDS - BURST - 0.1)
    if emotion in TONES:
        times = np.arange(round(BURST * RATE)) / RATE
        first = round(start * RATE)
        waveform[first : first + len(times)] += 0.1 * np.sin(2 * np.pi * TONES[emotion] * times)
    return (waveform / np.abs(waveform).max()).astype(np.float32), start


def make_run(data):
    """Train a net on such clips, as the train stage stores it, and predict three new ones."""
    model = Model.model_validate(PLAIN_MODEL | {"name": "cnn", "normalisation": "clip"})
    torch.manual_seed(0)
    net = build(model, FEATURES["n_mels"], len(EMOTIONS))
    labels = torch.arange(48) % len(EMOTIONS)
    waveforms = [clip(EMOTIONS[label], seed)[0] for seed, label in enumerate(labels)]
    banks = filter_banks(RATE, _FEATURES)
    spectra = torch.from_numpy(np.stack([extract(w, RATE, _FEATURES, banks) for w in waveforms]))
    spectra = (spectra - spectra.mean((1, 2), True)) / spectra.std((1, 2), keepdim=True)
    lengths = torch.full((len(labels),), spectra.shape[1])
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(spectra, lengths), labels).backward()
        optimizer.step()
    description = Description(
        model=model,
        emotions=EMOTIONS,
        preprocessing=Preprocessing.of(FORM, _FEATURES, banks),
        folds=[1],
        statistics=[None],
        temperatures=[1.0],
        corpus=CORPUS,
        versions=versions(),
        training_clips=None,
    )
    weights = {k: t.contiguous() for k, t in net.state_dict().items()}
    model_folder.save(data / "model", description, [weights])
    rows = [{"clip": name, "fold": 1, "emotion": name, "predicted": name} for name in EMOTIONS]
    write_csv(data / "predictions.csv", rows, list(rows[0]))
    clips = [dict.fromkeys(CLIP_COLUMNS, "") | {"clip": n, "path": f"{n}.wav"} for n in EMOTIONS]
    write_csv(data / "clips.csv", clips, CLIP_COLUMNS)
    with StoreWriter(data / "clean", (), {"sample_rate": RATE}) as store:
        for name in EMOTIONS:
            store.add(f"{name}.wav", clip(name, 100)[0])
