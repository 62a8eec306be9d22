"""The net that pools statistics of a log-mel spectrogram."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from small_model import FEATURES as SMALL
from small_model import RATE, pooled, speech, standardise
from torch.nn import functional as F

from ser.core.filters import filter_banks, mel_band_hertz
from ser.core.sections import Features, Model
from ser.features.extract import extract
from ser.nets.build import build, count_parameters
from ser.nets.layers import Part, share_dropout
from ser.training.batches import Examples, NormalisedClips
from ser.training.loop import FoldData, Run, fit
from ser.training.pooled import measure_pooled, measure_voices
from ser.training.predict import predict
from ser.training.team import Team

pytestmark = pytest.mark.usefixtures("one_thread")

FEATURES = Features.model_validate(SMALL | {"n_fft": 1024, "n_mels": 32})
DIMS = FEATURES.dims
SETTINGS = PLAIN_MODEL | {
    "name": "statpool",
    "width": 16,
    "dropout": 0.3,
    "normalisation": "train",
    "batch_size": 4,
    "epochs": 4,
    "learning_rate": 0.003,
    "crop": {"probability": 0.5, "share": [0.6, 0.9]},
    "frequency_shift": 1.0,
    "frequency_mask": 3,
    "time_mask": 5,
}
CPU = torch.device("cpu")
CLIPS = 12  # of three emotions and two voices


def settings(**changes):
    return Model.model_validate(SETTINGS | changes)


@cache
def spoken(number, seconds=None):
    """A spectrogram of synthesised speech, float32 [frames, bands]."""
    return extract(speech(number, seconds), RATE, FEATURES, filter_banks(RATE, FEATURES))


def make(**changes):
    torch.manual_seed(0)
    net = build(settings(**changes), FEATURES.n_mels, 3)
    net.tune(mel_band_hertz(FEATURES))
    return net


def examples(voices=False):
    versions = [[spoken(i)] for i in range(CLIPS)]
    numbers = np.arange(CLIPS) % 2 if voices else None
    identity_statistics = {"logmel": (0.0, 1.0)}
    return Examples(
        versions, np.arange(CLIPS) // 2 % 3, DIMS, [identity_statistics] * CLIPS, numbers
    )


NOTHING = Examples([], np.zeros(0, np.int64), DIMS, [])


def train(folder, model, voices=False, on_epoch=lambda history: None):
    data = examples(voices)
    run = Run(Team(CPU), folder / "c.safetensors", folder / "s")
    return fit(FoldData(1, data, NOTHING, data, FEATURES, 3), model, run, on_epoch)


def batch_of(clips, extra=0):
    lengths = torch.tensor([len(clip) for clip in clips])
    features = torch.zeros(len(clips), int(lengths.max()) + extra, FEATURES.n_mels)
    for row, clip in zip(features, clips, strict=True):
        row[: len(clip)] = torch.from_numpy(clip)
    return features, lengths


def test_neither_padding_nor_other_clips_change_the_pooled_values_of_a_clip():
    net = make()
    clips = [spoken(3), spoken(8)[:1], spoken(20)[:40], spoken(5, 4.0)]
    alone = pooled(net, clips)
    assert alone.isfinite().all()
    for extra in (0, 1, 17, 64):
        with torch.no_grad():
            together = net.pool(*batch_of(clips, extra))
        torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


HOLLOW = np.full((60, 32), -80.0, np.float32)
ONE_CLICK = HOLLOW.copy()
ONE_CLICK[30] = 0


@pytest.mark.parametrize(
    "clip",
    [
        spoken(3)[:1],
        spoken(3)[:2],
        spoken(3)[:4],
        np.zeros((50, 32), np.float32),
        HOLLOW,
        ONE_CLICK,
    ],
    ids=["one frame", "two", "four", "a constant", "silence", "one active frame"],
)
def test_clips_with_next_to_nothing_in_them_are_answered_and_learnt_from(clip):
    net = make()
    standardise(net, pooled(net, [spoken(i) for i in range(6)]))
    logits = net(*batch_of([clip, spoken(3)]))
    F.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert logits.isfinite().all()
    assert all(weights.grad.isfinite().all() for weights in net.parameters())


def test_gradients_reach_every_weight():
    net = make()
    standardise(net, pooled(net, [spoken(i) for i in range(6)]))
    net.eval()(*batch_of([spoken(n) for n in range(4)])).square().sum().backward()
    for name, weights in net.named_parameters():
        assert weights.grad.abs().max() > 1e-6, name
    learned = {name for name, _ in net.named_parameters() if not name.startswith("head")}
    assert learned == {"cepstrum.weight", "modulation.weight"}


def test_pooled_values_are_standardised_by_the_measured_clips():
    net, clips = make(), NormalisedClips(examples(), settings(), CPU)
    measure_pooled(net, clips)
    standard = (pooled(net, [spoken(i) for i in range(CLIPS)]) - net.centre) / net.scale
    varies = net.scale[0] != 1
    assert varies.float().mean() > 0.9
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(len(varies)), atol=1e-3, rtol=0)
    deviation = standard.std(dim=0, correction=0)[varies]
    torch.testing.assert_close(deviation, torch.ones(len(deviation)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("voices", [False, True])
def test_what_is_measured_in_parts_equals_what_is_measured_at_once(monkeypatch, voices):
    few, times, made = examples(voices), 7, []
    numbers = None if few.voices is None else np.repeat(few.voices, times)
    many = Examples(
        [version for version in few.versions for _ in range(times)],
        np.repeat(few.labels, times),
        DIMS,
        [*few.statistics] * times,
        numbers,
    )
    for batches in (128, 1):
        monkeypatch.setattr("ser.training.pooled._HELD", batches)
        net, clips = make(), NormalisedClips(many, settings(), CPU)
        measure_pooled(net, clips)
        measure_voices(net, clips)
        made.append([net.centre, net.scale, net.voice_centre, net.voice_scale])
    for at_once, in_parts in zip(*made, strict=True):
        torch.testing.assert_close(in_parts, at_once, atol=1e-4, rtol=1e-4)


def test_voices_are_measured_each_by_its_own_clips():
    net, clips = make(), NormalisedClips(examples(voices=True), settings(), CPU)
    measure_voices(net, clips)
    rows = pooled(net, [spoken(i) for i in range(CLIPS)])
    for voice in (0, 1):
        own = rows[voice::2]
        torch.testing.assert_close(net.voice_centre[voice], own.mean(dim=0), atol=1e-4, rtol=1e-4)
        deviation = own.std(dim=0, correction=0)
        varies = deviation > 1e-3
        torch.testing.assert_close(
            net.voice_scale[voice][varies], deviation[varies], atol=1e-4, rtol=1e-3
        )
    # Nobody is measured against the other: with one clip's voice told otherwise, answers differ.
    features, lengths = batch_of([spoken(0)])
    with torch.no_grad():
        first, second = (net.eval()(features, lengths, torch.tensor([voice])) for voice in (0, 1))
    assert not torch.allclose(first, second)


def test_trained_weights_hold_all_that_predicts_and_voices_are_not_among_them(tmp_path):
    weights, _ = train(tmp_path, settings(epochs=1))
    torch.manual_seed(5)
    net = build(settings(), FEATURES.n_mels, 3)
    net.load_state_dict(weights)
    torch.testing.assert_close(net.combs, make().combs)
    assert not torch.equal(net.scale, torch.ones_like(net.scale))
    assert not any("voice" in name for name in weights)


def test_parameters_are_counted():
    net = make()
    count = pooled(net, [spoken(0)]).shape[1]
    head = count * 16 + 16 + 16 * 3 + 3
    assert count_parameters(net) == 24 * 32 + 32 * 64 + head


def test_parts_of_a_batch_have_the_logits_of_the_whole_in_training():
    net = make().train()
    features, lengths = batch_of([spoken(i) for i in range(4)])
    torch.manual_seed(3)
    with torch.no_grad():
        whole = net(features, lengths)
        part = Part()
        share_dropout(net, part)
        part.rows, part.clips = [1, 3], 4
        torch.manual_seed(3)
        torch.testing.assert_close(
            net(features[[1, 3]], lengths[[1, 3]]), whole[[1, 3]], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_easy_task_is_learnt_one_clip_at_a_time_as_in_batches(tmp_path, batch_size):
    model = settings(
        batch_size=batch_size,
        learning_rate_batch=4,
        epochs=12,
        dropout=0.0,
        crop={"probability": 0.0, "share": [0.6, 0.9]},
        frequency_mask=0,
        time_mask=0,
    )
    weights, history = train(tmp_path, model)
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    net = make()
    net.load_state_dict(weights)
    probabilities = predict(net, NormalisedClips(examples(), model, CPU))
    assert (probabilities.argmax(axis=1) == examples().labels).mean() > 0.8


def test_rate_and_decay_go_with_the_root_of_the_batch(tmp_path):
    root = math.sqrt(3 / 12)
    changes = {"batch_size": 3, "epochs": 1}
    one = settings(learning_rate_batch=12, learning_rate=0.02, weight_decay=0.4, **changes)
    other = settings(
        learning_rate_batch=0, learning_rate=root * 0.02, weight_decay=root * 0.4, **changes
    )
    first, history = train(tmp_path / "a", one)
    second, again = train(tmp_path / "b", other)
    assert history == again
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_known_transforms_learn_at_a_tenth_of_the_rate_and_do_not_decay(tmp_path):
    changes = {"optimizer": "adamw", "schedule": "constant", "weight_decay": 50.0}
    model = settings(batch_size=CLIPS, epochs=1, learning_rate=0.003, **changes)
    weights, _ = train(tmp_path, model)
    # Adam's first step is as long as the rate for every weight.
    for name in ("cepstrum.weight", "modulation.weight"):
        moved = (weights[name] - make().state_dict()[name]).abs()
        assert moved.max().item() == pytest.approx(0.0003, rel=0.01)


class Killed(BaseException):
    """Raised to end a training from outside."""


def killed(history):
    if len(history) == 2:
        raise Killed


@pytest.mark.parametrize("voices", [False, True], ids=["train", "speaker"])
def test_a_training_that_was_killed_is_resumed_with_the_identical_weights(tmp_path, voices):
    model = settings(normalisation="speaker" if voices else "train")
    weights, history = train(tmp_path / "whole", model, voices)
    with pytest.raises(Killed):
        train(tmp_path / "parts", model, voices, killed)
    resumed, again = train(tmp_path / "parts", model, voices)
    assert again == history
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)


@pytest.mark.parametrize("new", [[0], [1], [0, 1]])
def test_a_net_trained_by_corpus_answers_new_recordings_as_those_of_the_tested(tmp_path, new):
    """Measured with the weights of the last epoch, also after a stop."""
    model, data = settings(normalisation="corpus"), examples(voices=True)
    fold = FoldData(1, data, NOTHING, data, FEATURES, 3, np.array(new))
    run = Run(Team(CPU), tmp_path / "c.safetensors", tmp_path / "s")
    with pytest.raises(Killed):
        fit(fold, model, run, killed)
    weights, _ = fit(fold, model, run, lambda history: None)
    net = make(normalisation="corpus")
    net.load_state_dict(weights)
    net.eval()
    chosen = [spoken(i) for i in range(CLIPS) if i % 2 in new]
    values = pooled(net, chosen)
    torch.testing.assert_close(net.centre[0], values.mean(dim=0), atol=1e-4, rtol=1e-4)
    measure_voices(net, NormalisedClips(data, model, CPU))
    if len(new) == 1:
        features, lengths = batch_of(chosen)
        voice = torch.full((len(chosen),), new[0])
        with torch.no_grad():
            torch.testing.assert_close(
                net(features, lengths), net(features, lengths, voice), rtol=0, atol=0
            )
