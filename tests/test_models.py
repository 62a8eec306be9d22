import pytest
import torch
from settings import PLAIN_MODEL
from torch import nn
from torch.nn import functional as F

from ser.errors import UserError
from ser.models import MIN_FRAMES, build, count_parameters
from ser.params import Model

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = PLAIN_MODEL | {"name": "resnet"}
CNN3, CNN4, RESNET = {"name": "cnn"}, {"name": "cnn", "layers": 4}, {"name": "resnet"}
NETS = pytest.mark.parametrize("net", [CNN3, CNN4, RESNET], ids=["cnn3", "cnn4", "resnet"])
DIMS, EMOTIONS = 20, 5


def make(changes, dims=DIMS, emotions=EMOTIONS):
    torch.manual_seed(0)
    return build(Model.model_validate(SETTINGS | changes), dims, emotions)


def in_use(changes, dims=DIMS):
    """A net in evaluation whose norms move zero away from zero, as those of a trained net do."""
    net = make(changes, dims)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
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


@NETS
@pytest.mark.parametrize(("dims", "emotions"), [(16, 2), (33, 5), (64, 8)])
def test_a_net_gives_one_finite_logit_per_clip_and_emotion(net, dims, emotions):
    logits = make(net, dims, emotions)(*padded(random_clips([16, 47, 90], dims)))
    assert logits.shape == (3, emotions)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize(("net", "count"), [(CNN3, 23_621), (CNN4, 97_797)])
def test_the_cnn_has_the_parameters_that_its_description_states(net, count):
    assert count_parameters(make(net)) == count


@pytest.mark.parametrize(("width", "emotions"), [(1, 2), (4, 5), (16, 7)])
def test_the_resnet_has_the_parameters_of_its_layers(width, emotions):
    def block(before, after):
        norms = 3 * 2 * after
        return 9 * before * after + 9 * after * after + before * after + norms

    stem = 9 * width + 2 * width
    blocks = block(width, width) + block(width, 2 * width) + block(2 * width, 4 * width)
    channels, hidden = 4 * width, 64
    pooling = channels * hidden + hidden + hidden * channels + channels
    linear = 2 * channels * emotions + emotions
    net = make({"width": width}, emotions=emotions)
    assert count_parameters(net) == stem + blocks + pooling + linear


def test_frozen_parameters_are_not_counted():
    net = make(CNN3)
    net.linear.requires_grad_(False)
    assert count_parameters(net) == 23_621 - (64 * 5 + 5)


@NETS
def test_a_net_learns_8_clips_of_unlike_lengths_by_heart(net):
    clips = random_clips([16, 19, 24, 33, 40, 52, 61, 80])
    labels = torch.arange(8) % 4
    features, lengths = padded(clips)
    model = make(net, emotions=4)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        loss = F.cross_entropy(model(features, lengths), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        logits = model(features, lengths)
    assert logits.argmax(dim=1).tolist() == labels.tolist()
    assert float(F.cross_entropy(logits, labels)) < 0.2


@NETS
@pytest.mark.parametrize("length", [MIN_FRAMES, 17, 18, 23, 31, 32, 33, 100, 101])
def test_in_evaluation_padding_changes_nothing(net, length):
    model = in_use(net)
    clips = random_clips([length])
    with torch.no_grad():
        bare = model(*padded(clips))
        for extra in [*range(1, 18), 31, 32, 33, 64, 99, 127, 200]:
            torch.testing.assert_close(model(*padded(clips, extra)), bare, atol=1e-5, rtol=0)


@NETS
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


@NETS
def test_in_evaluation_clips_are_told_apart(net):
    # The independence above would also hold for a net that ignores its input.
    model = in_use(net)
    with torch.no_grad():
        logits = model(*padded(random_clips([40, 40, 80])))
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    assert (logits[0] - logits[2]).abs().max() > 1e-3


@NETS
def test_gradients_reach_every_parameter_and_none_comes_from_padding(net):
    model = in_use(net)
    features, lengths = padded(random_clips([16, 50]))
    features.requires_grad_(True)
    model(features, lengths).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert features.grad[1].abs().sum() > 0
    # A frame next to the clip lies in the reach of a convolution; one far behind it does not.
    assert features.grad[0, 16 + 16 :].abs().sum() == 0


@pytest.mark.parametrize("dims", [1, 2, 7])
def test_the_resnet_trains_on_one_shortest_clip_of_few_dims(dims):
    model = make(RESNET, dims).train()
    logits = model(*padded(random_clips([MIN_FRAMES], dims)))
    logits.sum().backward()
    assert logits.isfinite().all()


@pytest.mark.parametrize(("layers", "need"), [(3, 8), (4, 16)])
def test_the_cnn_takes_no_fewer_dims_than_its_halvings_need(layers, need):
    net = {"name": "cnn", "layers": layers}
    assert make(net, need)(*padded(random_clips([16], need))).isfinite().all()
    with pytest.raises(UserError, match=rf"{need - 1} feature column.*at least {need} are needed"):
        make(net, need - 1)


@NETS
def test_equal_seeds_make_equal_weights(net):
    first, second = make(net).state_dict(), make(net).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@NETS
def test_dropout_works_in_training_only(net):
    model = make(net | {"dropout": 0.5})
    features, lengths = padded(random_clips([40, 60]))
    assert not torch.equal(model(features, lengths), model(features, lengths))
    model.eval()
    assert torch.equal(model(features, lengths), model(features, lengths))


@pytest.mark.parametrize("width", [1, 4, 8, 12, 15, 16])
def test_resnets_of_any_width_can_be_trained(width):
    # Some convolutions of few channels crash in PyTorch's backward pass.
    net = make(RESNET | {"width": width}, dims=64)
    loss = net(torch.randn(4, 200, 64), torch.tensor([200, 150, 90, 16])).square().sum()
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
