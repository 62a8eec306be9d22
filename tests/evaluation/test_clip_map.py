import numpy as np
import pandas as pd
import pytest
import torch
from settings import PLAIN_MODEL
from small_model import features_of, make
from torch import nn

from ser.core.needs import needs_of
from ser.core.sections import Model
from ser.evaluation import clip_map
from ser.evaluation.prediction import embed
from ser.nets.build import NETS
from ser.training.batches import Examples, NormalisedClips
from ser.training.predict import predict

CPU = torch.device("cpu")


def normalised(clips, dims, model, statistics=None):
    examples = Examples(
        versions=[[clip] for clip in clips],
        labels=np.zeros(len(clips), np.int64),
        dims=dims,
        statistics=[statistics] * len(clips),
    )
    return NormalisedClips(examples, model, CPU)


# Before the last layer


LEARNERS = [
    name for name in NETS if needs_of(Model.model_validate(PLAIN_MODEL | {"name": name})).learner
]


@pytest.mark.parametrize("name", [name for name in NETS if name not in LEARNERS])
def test_what_enters_the_last_layer_decides_the_answer(tmp_path, name):
    # Clips of several lengths, two to a batch, so that they are not computed in their order.
    description, (net,) = make(tmp_path, name, batch_size=2)
    clips = features_of(description, 3, 30, 8, 60, 21)
    dims = description.preprocessing.dims
    given = normalised(clips, dims, description.model, description.statistics[0])
    embedded = embed(net, given)
    *_, last = (module for module in net.modules() if isinstance(module, nn.Linear))
    assert embedded.shape == (5, last.in_features)
    assert embedded.dtype == np.float32
    with torch.no_grad():
        probabilities = last(torch.from_numpy(embedded)).softmax(dim=1).numpy()
    np.testing.assert_allclose(probabilities, predict(net, given), atol=1e-6)
    assert not any(module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_described_by_its_features(tmp_path, name):
    description, (net,) = make(tmp_path, name)
    given = normalised(
        features_of(description, 1, 1, 1),
        description.preprocessing.dims,
        description.model,
        description.statistics[0],
    )
    rows = np.concatenate([given.features(i) for i in range(3)])
    np.testing.assert_array_equal(embed(net, given), rows)


class Nearest(nn.Module):
    """Answers by the distance from centres: weights, but no layer that has them."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centres", torch.eye(3))

    def forward(self, features, lengths):
        return -torch.cdist(features[:, 0], self.centres)


def test_a_net_that_is_one_layer_is_described_by_its_features():
    rows = [np.full((1, 3), n, np.float32) for n in range(4)]
    plain = Model.model_validate(PLAIN_MODEL | {"name": "mlp", "normalisation": "train"})
    statistics = {"functionals": (np.zeros(3), np.ones(3))}
    embedded = embed(Nearest(), normalised(rows, {"functionals": 3}, plain, statistics))
    np.testing.assert_array_equal(embedded, np.concatenate(rows))


# The map


def two_groups(clips, values=8, apart=30.0, seed=0):
    rng = np.random.default_rng(seed)
    group = np.arange(clips) % 2
    return rng.normal(size=(clips, values)).astype(np.float32) + apart * group[:, None], group


def tables_of(vectors, group):
    names = [f"c/{n:04}" for n in range(len(vectors))]
    emotions = np.array(["happy", "sad"])[group]
    table = pd.DataFrame({"clip": names, "fold": 1, "speaker": "c/1", "emotion": emotions})
    return table.assign(predicted="sad"), dict(zip(names, vectors.astype(np.float32), strict=True))


def test_groups_that_lie_apart_stay_apart_and_neighbours_stay_neighbours():
    vectors, group = two_groups(60)
    places = clip_map.t_sne(vectors.astype(np.float32), seed=0)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).all()


def test_a_map_has_the_same_places_on_every_run_whatever_the_order_of_the_clips():
    table, embedded = tables_of(*two_groups(30))
    once = clip_map.map_clips(table, embedded, seed=0)
    again = clip_map.map_clips(table[::-1], dict(reversed(embedded.items())), seed=0)
    pd.testing.assert_frame_equal(once, again)
    assert list(once.columns) == clip_map.COLUMNS
    assert once["clip"].tolist() == list(embedded)
    other = clip_map.map_clips(table, embedded, seed=1)
    assert other["clip"].tolist() == list(embedded)


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_a_map_does_not_depend_on_the_unit_of_the_values(unit):
    vectors, _ = two_groups(40)
    given = vectors * np.float32(unit)
    np.testing.assert_array_equal(clip_map.t_sne(given, 0), clip_map.t_sne(vectors, 0))


@pytest.mark.parametrize("clips", [0, 1, clip_map.FEWEST - 1])
def test_few_clips_have_no_map(clips):
    mapped = clip_map.map_clips(*tables_of(*two_groups(clips)), seed=0)
    assert mapped.empty
    assert list(mapped.columns) == clip_map.COLUMNS


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((10, 4)),
        np.arange(10.0)[:, None],
        np.tile([[0.0, 1], [2, 3]], (5, 1)),
        two_groups(10)[0],
    ],
    ids=["all alike", "one value", "two kinds", "few"],
)
def test_every_clip_has_a_place_whatever_the_net_computes(vectors):
    mapped = clip_map.map_clips(*tables_of(vectors, np.arange(10) % 2), seed=0)
    assert np.isfinite(mapped[["x", "y"]].to_numpy()).all()
    assert len(mapped) == 10


def test_of_too_many_clips_some_are_drawn(monkeypatch):
    monkeypatch.setattr(clip_map, "_MOST", 12)
    table, embedded = tables_of(*two_groups(40))
    drawn = [clip_map.map_clips(table, embedded, seed)["clip"].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 12
    assert drawn[0] == sorted(drawn[0])
