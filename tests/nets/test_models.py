import itertools
import math
import re

import numpy as np
import pytest
import torch
from settings import PLAIN_MODEL
from torch import nn
from torch.nn import functional as F

from ser.core.functional_names import functional_names
from ser.core.needs import MIN_FRAMES, needs_of
from ser.core.sections import Model
from ser.nets.build import NETS, build, count_parameters, restore
from ser.nets.layers import (
    Dropout,
    Part,
    flat_size,
    flatten_columns,
    frame_mask,
    mask_frames,
    mean_over_frames,
    share_dropout,
)
from ser.nets.resnet import AttentivePooling
from ser.nets.standardising import StandardisingNet
from ser.training.learners import Rows, fit_rows

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = PLAIN_MODEL | {"name": "resnet"}
DIMS, EMOTIONS = 20, 5
PAD = {"length": "pad", "frames": 16}  # few values per clip: exponet and dummynet are wide

CNN3, CNN4, RESNET = {"name": "cnn"}, {"name": "cnn", "layers": 4}, {"name": "resnet"}
CNN_NORM = {"name": "cnn", "batch_norm": True}
RESNET4 = {"name": "resnet", "layers": 4}
CONV1D, REZONET = {"name": "conv1d"}, {"name": "rezonet"}
MLP = {"name": "mlp", "width": 32}
STATPOOL = {"name": "statpool", "width": 32}
CNN_FLAT = {"name": "cnn", "pooling": "flatten", "batch_norm": True} | PAD
CNN4_FLAT = CNN_FLAT | {"layers": 4}
DUMMYNET, EXPONET = {"name": "dummynet"} | PAD, {"name": "exponet"} | PAD

ANY_LENGTH = {
    "statpool": STATPOOL,
    "mlp": MLP,
    "cnn3": CNN3,
    "cnn4": CNN4,
    "cnn-norm": CNN_NORM,
    "conv1d": CONV1D,
    "rezonet": REZONET,
    "resnet3": RESNET,
    "resnet4": RESNET4,
}
ONE_LENGTH = {
    "cnn-flat": CNN_FLAT,
    "cnn4-flat": CNN4_FLAT,
    "dummynet": DUMMYNET,
    "exponet": EXPONET,
}


LEARNERS = {
    name: {"name": name, "epochs": 8, "learning_rate": 0.5}
    for name in ("logistic_regression", "svm", "gradient_boosting")
}


def over(nets):
    return pytest.mark.parametrize("net", list(nets.values()), ids=list(nets))


every_net = over(ANY_LENGTH | ONE_LENGTH)
every_net_and_learner = over(ANY_LENGTH | ONE_LENGTH | LEARNERS)
nets_of_any_length = over(ANY_LENGTH | LEARNERS)
nets_of_one_length = over(ONE_LENGTH)


def make(changes, dims=DIMS, emotions=EMOTIONS):
    torch.manual_seed(0)
    return build(Model.model_validate(SETTINGS | changes), dims, emotions)


def fitted(changes, dims=DIMS, emotions=EMOTIONS):
    """Fit a learner to random clips."""
    settings = Model.model_validate(SETTINGS | changes)
    rows = torch.cat(random_clips([1] * 60, dims)).numpy()
    labels = np.arange(60) % emotions
    weights = fit_rows(Rows(rows, labels, None, emotions, 0), settings)
    return restore(settings, dims, emotions, weights).eval()


def in_use(changes, dims=DIMS):
    """Make a net in evaluation mode whose norms do not map zero to zero, like a trained net."""
    if changes in LEARNERS.values():
        return fitted(changes, dims)
    net = make(changes, dims)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.5, 0.5)
            nn.init.normal_(module.running_mean, 0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def padded(clips, extra=0):
    lengths = torch.tensor([len(clip) for clip in clips])
    features = torch.zeros(len(clips), int(lengths.max()) + extra, clips[0].shape[1])
    for row, clip in zip(features, clips, strict=True):
        row[: len(clip)] = clip
    return features, lengths


def random_clips(lengths, dims=DIMS, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, dims, generator=generator) for n in lengths]


def fitting(net, lengths):
    """Return the lengths unchanged, or the net's fixed length for each of them."""
    return [net["frames"]] * len(lengths) if "frames" in net else lengths


def test_the_registry_has_exactly_the_nets_that_params_allows():
    tested = ANY_LENGTH | ONE_LENGTH | LEARNERS
    assert {net["name"] for net in tested.values()} == set(NETS)


@every_net_and_learner
@pytest.mark.parametrize(("dims", "emotions"), [(16, 2), (33, 5), (64, 8)])
def test_a_net_returns_one_finite_logit_per_clip_and_emotion(net, dims, emotions):
    clips = random_clips(fitting(net, [16, 47, 90]), dims)
    new = fitted if net in LEARNERS.values() else make
    for model in (new(net, dims, emotions), new(net, dims, emotions).eval()):
        with torch.no_grad():
            logits = model(*padded(clips))
        assert logits.shape == (3, emotions)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("net", "dims", "count"),
    [
        (MLP | {"width": 128}, 2308, 296_197),
        (MLP | {"width": 256}, 2308, 592_389),
        (CNN3, DIMS, 23_621),
        (CNN4, DIMS, 97_797),
        (CNN_FLAT | {"frames": 256}, 128, 187_365),
        (CNN4_FLAT | {"frames": 256}, 128, 179_557),
        (CONV1D, 1, 535_429 + 1_280),
        (CONV1D, 100, 535_429 + 100 * 1_280),
        (DUMMYNET | {"frames": 626}, 1, 4_002_949),
        (DUMMYNET | {"frames": 626}, 2, 6_558_853),
        (DUMMYNET | {"frames": 626}, 40, 103_978_117),
        (REZONET, 40, 105_173),
        (EXPONET | {"frames": 501}, 42, 45_591_941),
        (RESNET | {"width": 32}, DIMS, 325_733),
        (RESNET4 | {"width": 32}, DIMS, 1_262_565),
    ],
)
def test_a_net_has_the_parameters_that_its_description_states(net, dims, count):
    with torch.device("meta"):  # the widest nets without their memory
        assert count_parameters(make(net, dims)) == count


def weights(before, after, kernel):
    return before * after * kernel + after


@pytest.mark.parametrize(("frames", "dims", "emotions"), [(16, 20, 2), (37, 33, 5), (64, 9, 7)])
@pytest.mark.parametrize("layers", [3, 4])
def test_the_cnn_has_the_parameters_of_its_layers(layers, frames, dims, emotions):
    dims = max(dims, 16)
    channels = [1, 16, 32, 64, 128][: layers + 1]
    convolutions = sum(weights(*pair, 9) for pair in itertools.pairwise(channels))
    norms = 2 * sum(channels[1:])
    mean = weights(channels[-1], emotions, 1)
    places = (frames >> layers) * (dims >> layers)
    flat = weights(channels[-1] * places, emotions, 1)
    for pooling, end in [("mean", mean), ("flatten", flat)]:
        net = CNN_FLAT | {"layers": layers, "frames": frames, "pooling": pooling}
        assert count_parameters(make(net, dims, emotions)) == convolutions + norms + end
        net |= {"batch_norm": False}
        assert count_parameters(make(net, dims, emotions)) == convolutions + end


@pytest.mark.parametrize(("frames", "dims", "emotions"), [(57, 1, 2), (16, 20, 7), (40, 9, 5)])
def test_the_1d_nets_have_the_parameters_of_their_layers(frames, dims, emotions):
    conv1d = weights(dims, 256, 5) + weights(256, 256, 5) + weights(256, 128, 5)
    conv1d += weights(128, 64, 5) + weights(64, 32, 1) + weights(32, emotions, 1)
    assert count_parameters(make(CONV1D, dims, emotions)) == conv1d

    values = frames * dims
    for _ in range(3):
        values = (values - 4 - 5) // 2 + 1
    dummynet = weights(1, 512, 5) + weights(512, 512, 5) + weights(512, 128, 5)
    dummynet += weights(128 * values, 256, 1) + weights(256, emotions, 1)
    net = DUMMYNET | {"frames": frames}
    assert count_parameters(make(net, dims, emotions)) == dummynet

    channels, values = [1, 512, 512, 256, 256, 128], frames * dims
    for _ in range(5):
        values = (values + 1) // 2
    exponet = sum(weights(*pair, 5) + 2 * pair[1] for pair in itertools.pairwise(channels))
    exponet += weights(128 * values, 512, 1) + 2 * 512 + weights(512, emotions, 1)
    net = EXPONET | {"frames": frames}
    assert count_parameters(make(net, dims, emotions)) == exponet


@pytest.mark.parametrize(("bands", "emotions"), [(8, 2), (15, 5), (64, 7)])
def test_the_rezonet_has_the_parameters_of_its_layers(bands, emotions):
    along_frequency = 1 * 16 * 9 + 16 * 32 * 5 + 32 * 64 * 3 + 2 * (16 + 32 + 64)
    along_time = 64 * 64 * (9 + 5 + 3) + 2 * (64 + 64 + 64)
    dense = weights(64 * (bands // 8), 80, 1) + weights(80, emotions, 1)
    net = make(REZONET, bands, emotions)
    assert count_parameters(net) == along_frequency + along_time + dense


@pytest.mark.parametrize(("width", "emotions"), [(1, 2), (4, 5), (16, 7)])
@pytest.mark.parametrize("layers", [3, 4])
def test_the_resnet_has_the_parameters_of_its_layers(layers, width, emotions):
    def block(before, after):
        norms = 3 * 2 * after
        return 9 * before * after + 9 * after * after + before * after + norms

    stem = 9 * width + 2 * width
    widths = [width, width, 2 * width, 4 * width, 8 * width][: layers + 1]
    blocks = sum(block(*pair) for pair in itertools.pairwise(widths))
    channels, hidden = widths[-1], 64
    pooling = channels * hidden + hidden + hidden * channels + channels
    linear = 2 * channels * emotions + emotions
    net = make({"width": width, "layers": layers}, emotions=emotions)
    assert count_parameters(net) == stem + blocks + pooling + linear


@pytest.mark.parametrize(
    ("width", "dims", "emotions"), [(1, 1, 2), (16, 20, 5), (128, 2308, 5), (1024, 7, 8)]
)
def test_the_mlp_has_the_parameters_of_its_layers(width, dims, emotions):
    expected = weights(dims, width, 1) + weights(width, emotions, 1)
    assert count_parameters(make(MLP | {"width": width}, dims, emotions)) == expected
    # Whatever the other settings are, and without a single fixed number besides.
    others = {"layers": 4, "batch_norm": True, "dropout": 0.9, "length": "pad", "frames": 99}
    assert count_parameters(make(MLP | {"width": width} | others, dims, emotions)) == expected


def test_the_mlp_has_the_parameters_that_its_docstring_states():
    pattern = r"5 emotions, (\d+) functionals, width (\d+): ([\d,]+)\."
    stated = re.search(pattern, NETS["mlp"](Model.model_validate(SETTINGS), 1, 2).__doc__)
    columns, width, count = (int(number.replace(",", "")) for number in stated.groups())
    assert columns == len(functional_names(n_mels=64, n_mfcc=24))
    assert count_parameters(make(MLP | {"width": width}, columns, 5)) == count
    assert count == weights(columns, width, 1) + weights(width, 5, 1)


def test_frozen_parameters_are_not_counted():
    net = make(CNN3)
    net.linear.requires_grad_(False)
    assert count_parameters(net) == 23_621 - (64 * 5 + 5)


# Columns, learning rate and steps of the wide nets; the others take DIMS, 0.01 and 60.
LEARNING = {"dummynet": (5, 0.0005, 30), "exponet": (4, 0.0005, 40), "conv1d": (DIMS, 0.001, 40)}


@every_net
def test_a_net_learns_8_clips_by_heart(net):
    dims, rate, steps = LEARNING.get(net["name"], (DIMS, 0.01, 60))
    clips = random_clips(fitting(net, [16, 19, 24, 33, 40, 52, 61, 80]), dims)
    labels = torch.arange(8) % 4
    features, lengths = padded(clips)
    model = make(net, dims, emotions=4)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(steps):
        loss = F.cross_entropy(model(features, lengths), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(features, lengths)
    assert logits.argmax(dim=1).tolist() == labels.tolist()
    assert float(F.cross_entropy(logits, labels)) < 0.2


@nets_of_any_length
@pytest.mark.parametrize("length", [MIN_FRAMES, 17, 18, 23, 31, 32, 33, 100, 101])
def test_in_evaluation_padding_changes_nothing(net, length):
    model = in_use(net)
    clips = random_clips([length])
    with torch.no_grad():
        bare = model(*padded(clips))
        for extra in [*range(1, 18), 31, 32, 33, 64, 99, 127, 200]:
            torch.testing.assert_close(model(*padded(clips, extra)), bare, atol=1e-5, rtol=0)


@nets_of_any_length
def test_in_evaluation_a_clip_does_not_depend_on_the_others_of_its_batch(net):
    model = in_use(net)
    lengths = [16, 17, 25, 64, 150, 217]
    clips = random_clips(lengths)
    with torch.no_grad():
        together = model(*padded(clips))
        alone = torch.cat([model(*padded([clip])) for clip in clips])
        others = [clips[0], *random_clips([300, 16, 77], seed=9)]
        elsewhere = model(*padded(others))[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(elsewhere, alone[0], atol=1e-5, rtol=0)


@nets_of_one_length
def test_in_evaluation_a_clip_of_the_one_length_does_not_depend_on_the_others(net):
    model = in_use(net)
    clips = random_clips([16] * 4)
    with torch.no_grad():
        together = model(*padded(clips))
        alone = torch.cat([model(*padded([clip])) for clip in clips])
        elsewhere = model(*padded([clips[0], *random_clips([16] * 2, seed=9)]))[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(elsewhere, alone[0], atol=1e-5, rtol=0)


@every_net_and_learner
def test_in_evaluation_clips_are_told_apart(net):
    # The independence above would also hold for a net that ignores its input.
    model = in_use(net)
    with torch.no_grad():
        logits = model(*padded(random_clips(fitting(net, [40, 40, 80]))))
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    assert (logits[0] - logits[2]).abs().max() > 1e-3


@every_net
def test_gradients_reach_every_parameter(net):
    model = in_use(net)
    features, lengths = padded(random_clips(fitting(net, [16, 50, 33, 64])))
    model(features, lengths).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # The weights over the frames add up to 1, whatever is added to a channel's scores.
        if name != "pooling.score.2.bias":
            assert parameter.grad.abs().max() > 1e-6, name


# statpool gives its input no gradient: the first thing that it does is known, not learned.
@over({name: net for name, net in ANY_LENGTH.items() if name != "statpool"})
def test_no_gradient_comes_from_padding(net):
    model = in_use(net)
    features, lengths = padded(random_clips([16, 50]))
    features.requires_grad_(True)
    model(features, lengths).square().sum().backward()
    assert features.grad[1].abs().sum() > 0
    # A frame next to the clip lies in the reach of a convolution; one far behind it does not.
    assert features.grad[0, 16 + 16 :].abs().sum() == 0


@pytest.mark.parametrize("dims", [1, 2, 7])
@pytest.mark.parametrize("net", [RESNET, CONV1D], ids=["resnet3", "conv1d"])
def test_a_net_trains_on_one_shortest_clip_of_few_dims(net, dims):
    model = make(net, dims).train()
    logits = model(*padded(random_clips([MIN_FRAMES], dims)))
    logits.sum().backward()
    assert logits.isfinite().all()


@every_net
def test_equal_seeds_make_equal_weights(net):
    first, second = make(net).state_dict(), make(net).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    other = build(Model.model_validate(SETTINGS | net), DIMS, EMOTIONS).state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


@every_net
def test_dropout_works_in_training_only_and_only_in_the_nets_that_have_it(net):
    model = make(net | {"dropout": 0.5})
    features, lengths = padded(random_clips(fitting(net, [40, 60])))
    with torch.no_grad():
        repeats = torch.equal(model(features, lengths), model(features, lengths))
        assert repeats == (net["name"] in ("dummynet", "exponet"))
        model.eval()
        assert torch.equal(model(features, lengths), model(features, lengths))


@pytest.mark.parametrize("width", [1, 4, 8, 12, 15, 16])
@pytest.mark.parametrize("layers", [3, 4])
def test_resnets_of_any_width_can_be_trained(layers, width):
    # Some convolutions of few channels crash in PyTorch's backward pass.
    net = make(RESNET | {"width": width, "layers": layers}, dims=64)
    loss = net(torch.randn(4, 200, 64), torch.tensor([200, 150, 90, 16])).square().sum()
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("frames", [16, 29, 40])
@pytest.mark.parametrize("layers", [3, 4])
@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_an_unpadded_clip_goes_through_the_cnns_layers_in_sequence(pooling, layers, frames):
    model = in_use(CNN_FLAT | {"pooling": pooling, "layers": layers, "frames": frames}, 33)
    features, lengths = padded(random_clips([frames] * 3, 33))
    with torch.no_grad():
        x = features.mT[:, None]
        for convolution, norm in zip(model.convolutions, model.norms, strict=True):
            x = nn.MaxPool2d(2)(norm(convolution(x)).clamp(min=0))
        x = x.mean(dim=(2, 3)) if pooling == "mean" else x.reshape(3, -1)
        torch.testing.assert_close(model(features, lengths), model.linear(x))


@pytest.mark.parametrize("changes", [CNN3, CNN4, CNN_NORM], ids=["cnn3", "cnn4", "cnn-norm"])
def test_the_cnn_equals_one_that_pools_after_relu(changes):
    fast, plain = in_use(changes, 33), in_use(changes, 33)
    features, lengths = padded(random_clips([40, 17, 29], 33))
    logits = fast(features, lengths)
    x, left = features.mT[:, None], lengths
    for convolution, norm in zip(plain.convolutions, plain.norms, strict=True):
        x = F.max_pool2d(torch.relu(norm(convolution(x))), 2)
        left = left // 2
        x = x * frame_mask(left, x.shape[-1])[:, None, None]
    expected = plain.linear(x.sum(dim=(2, 3)) / (left * x.shape[2])[:, None])
    assert torch.equal(logits, expected)
    for result in (logits, expected):
        F.cross_entropy(result, torch.tensor([0, 3, 1])).backward()
    for (name, own), other in zip(fast.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-6, rtol=1e-6, msg=name)


@pytest.mark.parametrize("frames", [16, 29, 40])
def test_an_unpadded_clip_goes_through_the_conv1ds_layers_in_sequence(frames):
    model = in_use(CONV1D)
    features, lengths = padded(random_clips([frames] * 3))
    with torch.no_grad():
        x = features.mT
        for convolution in model.convolutions:
            x = nn.MaxPool1d(5, 2, padding=2)(convolution(x).clamp(min=0))
        expected = model.linear(model.dense(x.mean(dim=2)).clamp(min=0))
        torch.testing.assert_close(model(features, lengths), expected)


@pytest.mark.parametrize("frames", [16, 29, 40])
def test_an_unpadded_clip_goes_through_the_rezonets_layers_in_sequence(frames):
    model = in_use(REZONET, 33)
    features, lengths = padded(random_clips([frames] * 3, 33))
    with torch.no_grad():
        x = features.mT[:, None]
        for convolution in model.along_frequency:
            x = nn.MaxPool2d((2, 1))(convolution(x).clamp(min=0))
        assert x.shape == (3, 64, 4, frames)
        for convolution in model.along_time:
            x = nn.MaxPool2d((1, 2))(convolution(x).clamp(min=0))
        x = model.dense(x.mean(dim=3).reshape(3, -1)).clamp(min=0)
        torch.testing.assert_close(model(features, lengths), model.linear(x))


def test_functionals_go_through_the_mlps_layers_in_sequence():
    model = in_use(MLP)
    features, lengths = padded(random_clips([1] * 6))
    with torch.no_grad():
        _, hidden, _, _, output = model.layers
        x = (features[:, 0] @ hidden.weight.T + hidden.bias).clamp(min=0)
        expected = x @ output.weight.T + output.bias
        torch.testing.assert_close(model(features, lengths), expected)


def test_the_mlp_uses_the_first_frame_alone_for_any_lengths():
    model = in_use(MLP)
    (clip, others) = random_clips([1, 15])
    features = torch.cat([clip, others])[None].requires_grad_(True)
    expected = model(clip[None], torch.tensor([1]))
    for length in (1, 2, 16):
        torch.testing.assert_close(model(features, torch.tensor([length])), expected)
    model(features, torch.tensor([16])).square().sum().backward()
    assert features.grad[0, 0].abs().min() > 0
    assert not features.grad[0, 1:].any()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("far", [1000.0, 5.001, 1e30, -1000.0, -1e30])
def test_a_column_far_from_all_that_was_seen_decides_no_more_than_one_of_5_deviations(
    far, training
):
    model = make(MLP).train(training)
    clips = torch.stack(random_clips([1] * 4))

    def logits_with(value):
        changed = clips.clone()
        changed[:, 0, 7] = value
        torch.manual_seed(1)  # the same units dropped out
        with torch.no_grad():
            return model(changed, torch.tensor([1] * 4))

    at_the_limit = logits_with(math.copysign(5, far))
    assert torch.equal(logits_with(far), at_the_limit)
    assert logits_with(far).isfinite().all()
    assert not torch.equal(logits_with(0.9 * math.copysign(5, far)), at_the_limit)


def test_the_mlp_learns_one_clip_at_a_time():
    clips, labels = random_clips([1] * 8), torch.arange(8) % 4
    model = make(MLP | {"dropout": 0.5}, emotions=4).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), 0.003)
    for step in range(240):
        features, lengths = padded([clips[step % 8]])
        loss = F.cross_entropy(model(features, lengths), labels[step % 8, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        assert value.isfinite().all()
        assert not torch.equal(value, before[name]), name
    with torch.no_grad():
        logits = model.eval()(*padded(clips))
    assert logits.argmax(dim=1).tolist() == labels.tolist()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_mlp_drops_a_fifth_of_the_columns_and_so_much_of_the_units_in_training(dropout):
    model = make(MLP | {"dropout": dropout, "width": 300}, dims=300, emotions=300)
    _, hidden, _, _, output = model.layers
    with torch.no_grad():
        for linear in (hidden, output):
            linear.weight.copy_(torch.eye(300))
            linear.bias.zero_()
        ones = torch.ones(50, 1, 300)
        trained = model.train()(ones, torch.tensor([1] * 50))
        in_evaluation = model.eval()(ones, torch.tensor([1] * 50))
    assert torch.equal(in_evaluation, torch.ones(50, 300))
    kept = trained[trained != 0]
    # What is kept is scaled up, so that the mean stays.
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.8 / (1 - dropout)))
    assert kept.numel() / trained.numel() == pytest.approx(0.8 * (1 - dropout), abs=0.02)


def test_attentive_pooling_without_attention_returns_mean_and_deviation_of_the_own_frames():
    pooling = AttentivePooling(3)
    nn.init.zeros_(pooling.score[2].weight)
    features, lengths = padded(random_clips([5, 12, 9], 3))
    with torch.no_grad():
        pooled = pooling(features.mT, lengths)
    for row, clip, length in zip(pooled, features, lengths.tolist(), strict=True):
        own = clip[:length]
        expected = torch.cat([own.mean(dim=0), own.std(dim=0, correction=0)])
        torch.testing.assert_close(row, expected)


def test_columns_are_laid_one_after_the_other():
    features = torch.arange(2 * 3 * 2).reshape(2, 3, 2)
    rows = [[0, 2, 4, 1, 3, 5], [6, 8, 10, 7, 9, 11]]
    assert flatten_columns(features).tolist() == [[rows[0]], [rows[1]]]


@pytest.mark.parametrize("shape", [(3, 2, 6), (3, 2, 4, 6)])
def test_frames_are_masked_from_each_length_on(shape):
    masked = mask_frames(torch.ones(shape), torch.tensor([6, 1, 4]))
    for clip, length in zip(masked, [6, 1, 4], strict=True):
        assert (clip[..., :length] == 1).all()
        assert (clip[..., length:] == 0).all()


@pytest.mark.parametrize("lengths", [[6, 6, 6], [7, 6, 9], [6, 5, 6], [1, 2, 6]])
def test_masking_equals_the_multiplication_also_where_it_is_spared(lengths):
    lengths = torch.tensor(lengths)
    fast = torch.randn(3, 2, 4, 6, requires_grad=True)
    plain = fast.detach().clone().requires_grad_(True)
    weights = torch.randn(3, 2, 4, 6)
    masked = mask_frames(fast, lengths)
    expected = plain * frame_mask(lengths, 6)[:, None, None]
    assert torch.equal(masked, expected)
    assert (masked is fast) == bool((lengths >= 6).all())
    for result in (masked, expected):
        (weights * result).sum().backward()
    assert torch.equal(fast.grad, plain.grad)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.9])
def test_dropout_of_one_process_equals_torchs(probability):
    x, own, torchs = torch.randn(7, 5, 3), Dropout(probability), nn.Dropout(probability)
    results = []
    for layer in (own, torchs):
        torch.manual_seed(3)
        results.append([layer(x), layer(x), torch.rand(2)])
    for mine, expected in zip(*results, strict=True):
        assert torch.equal(mine, expected)
    assert own.eval()(x) is x


PARTS = {
    "halves": [[0, 2, 4], [1, 3, 5]],
    "uneven": [[0, 3], [1, 4], [2, 5]],
    "more than clips": [[0, 4], [1, 5], [2], [3], [0]],  # one computes a clip that does not count
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("clips", [6, 7])
def test_parts_of_a_batch_are_dropped_out_as_the_whole_is(parts, clips):
    x, layer, part = torch.randn(clips, 5, 3), Dropout(0.4), Part()
    torch.manual_seed(3)
    whole = [layer(x), layer(x), torch.rand(2)]
    share_dropout(nn.Sequential(nn.Sequential(layer)), part)
    for rows in parts:
        torch.manual_seed(3)
        part.rows, part.clips = rows, clips
        for result, expected in zip([layer(x[rows]), layer(x[rows])], whole, strict=False):
            torch.testing.assert_close(result, expected[rows])
        assert torch.equal(torch.rand(2), whole[2])  # all go on with the same random numbers
    assert torch.equal(layer.eval()(x[rows]), x[rows])


@every_net
def test_parts_of_a_batch_have_the_logits_of_the_whole_in_training(net):
    model = make(net | {"dropout": 0.5}).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()  # these do see other clips
    features, lengths = padded(random_clips(fitting(net, [40, 16, 33, 60, 21])))
    torch.manual_seed(3)
    with torch.no_grad():
        whole = model(features, lengths)
        part = Part()
        share_dropout(model, part)
        for rows in ([0, 2, 4], [1, 3], [0]):
            torch.manual_seed(3)
            part.rows, part.clips = rows, 5
            result = model(features[rows], lengths[rows])
            torch.testing.assert_close(result, whole[rows], atol=1e-5, rtol=1e-5)


def test_the_mean_is_over_each_clips_own_frames():
    x = torch.tensor([[[1.0, 2.0, 6.0]], [[4.0, 0.0, 0.0]], [[1.0, 2.0, 0.0]]])
    assert mean_over_frames(x, torch.tensor([3, 1, 2])).tolist() == [[3.0], [4.0], [1.5]]


def test_counting_the_values_of_a_stack_leaves_its_norms_and_its_mode_alone():
    stack = nn.Sequential(nn.Conv1d(1, 3, 5), nn.BatchNorm1d(3), nn.MaxPool1d(2))
    before = {name: value.clone() for name, value in stack.state_dict().items()}
    assert flat_size(stack, 1, 15) == 3 * 5
    assert stack.training
    assert all(torch.equal(before[name], value) for name, value in stack.state_dict().items())
    assert flat_size(stack.eval(), 1, 15) == 3 * 5
    assert not stack.training


@every_net_and_learner
def test_the_nets_that_standardise_what_they_pool_are_those_whose_needs_say_so(net):
    model = Model.model_validate(PLAIN_MODEL | net)
    built = build(model, 16, 3)
    assert isinstance(built, StandardisingNet) == needs_of(model).standardises_pooled
    assert needs_of(model).learner == (net in LEARNERS.values())
