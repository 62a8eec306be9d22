import subprocess
import sys
from itertools import product
from typing import get_args

import pytest
import torch
from settings import PLAIN_MODEL

from ser.core.kinds import SPECTRA
from ser.core.needs import FIXED_LENGTHS, MIN_FRAMES, NEEDS
from ser.core.net_problems import net_problems
from ser.core.sections import Model
from ser.nets.build import NETS, build

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTHS = get_args(Model.model_fields["length"].annotation)
LOGMEL = {"logmel": 16}
FLAT_CNN = {"name": "cnn", "pooling": "flatten"}
LEARNERS = ("logistic_regression", "svm", "gradient_boosting")
OF_WHOLE_CLIPS = ("mlp", *LEARNERS)


def refused(changes, dims=LOGMEL):
    return net_problems(Model.model_validate(PLAIN_MODEL | changes), dims)


def refusal(changes, dims=LOGMEL):
    (text,) = refused(changes, dims)
    return text


def trained(changes, dims=LOGMEL):
    """Learn one batch of the shortest clips, and answer for them."""
    model = Model.model_validate(PLAIN_MODEL | changes)
    columns = sum(dims.values())
    torch.manual_seed(0)
    net = build(model, columns, 5)
    frames = model.frames if model.length in FIXED_LENGTHS else MIN_FRAMES
    features = torch.randn(min(model.batch_size, 2), frames, columns)
    lengths = torch.full((len(features),), frames)
    net(features, lengths).square().sum().backward()
    with torch.no_grad():
        logits = net.eval()(features, lengths)
    assert logits.shape == (len(features), 5)
    assert logits.isfinite().all()
    return net


def test_the_names_are_those_of_the_params():
    assert list(NEEDS) == list(NETS)
    assert set(FIXED_LENGTHS) <= set(LENGTHS)


@pytest.mark.parametrize(("layers", "least"), [(3, 8), (4, 16)])
@pytest.mark.parametrize("others", [{}, {"zcr": 1, "rms": 1}])
def test_the_cnn_needs_a_column_for_every_halving(layers, least, others):
    net = {"name": "cnn", "layers": layers}
    enough = {"mfcc": least - len(others)} | others
    assert refused(net, enough) == []
    trained(net, enough)
    too_few = {"mfcc": least - 1 - len(others)} | others
    text = refusal(net, too_few)
    assert f"model.layers {layers} halves them {layers} times" in text
    assert f"at least {least} columns of features, got {least - 1}" in text
    with pytest.raises(RuntimeError):
        trained(net, too_few)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@pytest.mark.parametrize("dims", [{"zcr": 1}, {"zcr": 1, "rms": 1}])
def test_nets_for_spectrograms_need_one(name, dims):
    text = refusal({"name": name}, dims)
    assert f"model.name {name} looks for patterns in a spectrogram" in text
    assert f"needs one of logmel, mfcc, chroma, got {list(dims)}" in text


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_any_spectrum_will_do_for_nets_for_spectrograms(name, kind):
    dims = {"zcr": 1, kind: 12}
    assert refused({"name": name}, dims) == []
    trained({"name": name}, dims)


def test_a_deep_resnet_trains_one_clip_at_a_time_on_more_than_32_columns():
    net = {"name": "resnet", "layers": 4, "batch_size": 1}
    (problem,) = refused(net, {"logmel": 32})
    assert "at least 33 columns of features, got 32" in problem
    assert "model.batch_size of 2 or more, or model.layers 3" in problem
    assert refused(net | {"batch_size": 2}, {"logmel": 32}) == []
    assert refused(net, {"logmel": 33}) == []
    trained(net, {"logmel": 33})


def test_the_resnet_takes_a_single_column():
    assert refused({"name": "resnet"}, {"mfcc": 1}) == []
    trained({"name": "resnet"}, {"mfcc": 1})


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_the_rezonet_needs_8_bands():
    assert refused({"name": "rezonet"}, {"logmel": 8}) == []
    trained({"name": "rezonet"}, {"logmel": 8})
    text = refusal({"name": "rezonet"}, {"logmel": 7})
    assert "at least 8 columns of features, got 7 of ['logmel']" in text
    with pytest.raises(RuntimeError):
        trained({"name": "rezonet"}, {"logmel": 7})


@pytest.mark.parametrize(
    "dims", [{"mfcc": 40}, {"chroma": 12}, {"logmel": 40, "zcr": 1}, {"mfcc": 20, "logmel": 40}]
)
def test_the_rezonet_takes_nothing_but_mel_bands(dims):
    text = refusal({"name": "rezonet"}, dims)
    assert text == (
        f"model.name rezonet needs features.kinds [logmel] of at least 8 columns, got {list(dims)}"
    )


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("net", "what"),
    [
        (FLAT_CNN, "model.pooling flatten"),
        ({"name": "dummynet"}, "model.name dummynet"),
        ({"name": "exponet"}, "model.name exponet"),
    ],
)
def test_nets_that_flatten_need_clips_of_one_length(net, what, length):
    net = net | {"length": length}
    if length in ("resize", "pad"):
        assert refused(net) == []
        trained(net)
    else:
        text = refusal(net)
        assert text.startswith(f"{what} needs clips of one length: model.length resize or pad with")
        assert text.endswith(f"got '{length}'")


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["cnn", "conv1d", "rezonet", "resnet"])
def test_nets_that_average_take_clips_of_any_length(name, length):
    assert refused({"name": name, "length": length}) == []
    if name != "cnn":  # the others have no pooling to choose
        assert refused({"name": name, "length": length, "pooling": "flatten"}) == []


@pytest.mark.parametrize(
    ("frames", "columns", "too_few_frames"), [(57, 1, 56), (29, 2, 28), (19, 3, 18)]
)
def test_the_dummynet_needs_57_values(frames, columns, too_few_frames):
    net = {"name": "dummynet", "length": "pad"}
    dims = {"mfcc": columns}
    assert refused(net | {"frames": frames}, dims) == []
    assert trained(net | {"frames": frames}, dims).dense[0].in_features == 128
    text = refusal(net | {"frames": too_few_frames}, dims)
    values = too_few_frames * columns
    assert f"at least 57 values per clip, model.frames {too_few_frames} times {columns}" in text
    assert text.endswith(f"are {values}")
    if values == 56:
        with pytest.raises(RuntimeError):
            trained(net | {"frames": too_few_frames}, dims)


def test_the_exponet_needs_two_clips_a_batch():
    net = {"name": "exponet", "length": "pad", "frames": 16}
    assert refused(net | {"batch_size": 2}, {"zcr": 1}) == []
    trained(net | {"batch_size": 2}, {"zcr": 1})
    assert "model.batch_size of 2 or more" in refusal(net | {"batch_size": 1}, {"zcr": 1})
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        trained(net | {"batch_size": 1}, {"zcr": 1})


def test_all_that_a_net_lacks_is_listed():
    texts = refused({"name": "exponet", "batch_size": 1, "length": "crop"})
    assert len(texts) == 2
    texts = refused(FLAT_CNN | {"length": "own"}, {"rms": 1})
    assert len(texts) == 2
    assert "spectrogram" in texts[0]
    assert "one length" in texts[1]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("columns", [1, 57, 2308])
def test_the_perceptron_takes_functionals_of_any_number(columns, batch_size, length):
    net = {"name": "mlp", "length": length, "batch_size": batch_size}
    assert refused(net, {"functionals": columns}) == []
    trained(net, {"functionals": columns})


@pytest.mark.parametrize(
    "dims",
    [
        *({kind: 12} for kind in SPECTRA),
        {"zcr": 1},
        {"functionals": 40, "rms": 1},
        {"logmel": 2308},
    ],
)
def test_the_perceptron_takes_no_frames(dims):
    assert refusal({"name": "mlp"}, dims) == (
        f"model.name mlp and features.kinds {list(dims)} do not go together: mlp, "
        "logistic_regression, svm, gradient_boosting take "
        "[functionals, slopes, egemaps, compare, table, encoder], all other nets take frames"
    )


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("name", [name for name in NETS if name not in OF_WHOLE_CLIPS])
def test_functionals_are_for_the_perceptron_and_the_learners_alone(name, batch_size, length):
    # Whatever else is wrong would be wrong of frames, and goes unsaid.
    net = {"name": name, "length": length, "batch_size": batch_size, "pooling": "flatten"}
    assert refusal(net, {"functionals": 2308}) == (
        f"model.name {name} and features.kinds ['functionals'] do not go together: mlp, "
        "logistic_regression, svm, gradient_boosting take "
        "[functionals, slopes, egemaps, compare, table, encoder], all other nets take frames"
    )


DIMS = [
    {"functionals": 1},
    {"functionals": 40},
    {"zcr": 1},
    {"zcr": 1, "rms": 1},
    {"zcr": 1, "rms": 1, "mfcc": 2},
    {"mfcc": 7},
    {"logmel": 7},
    {"logmel": 8},
    {"logmel": 7, "rms": 1},
    {"chroma": 12},
    {"logmel": 16},
    {"mfcc": 20, "chroma": 12},
    {"logmel": 33},
]


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_have_no_steps_and_no_epochs(name):
    functionals = {"functionals": 40}
    assert refused({"name": name}, functionals) == []
    settings = {"mixup": 0.2, "patience": 3, "stop_after": 1, "snapshots": True}
    for key, value in (settings | {"precision": "bfloat16"}).items():
        text = refusal({"name": name, key: value}, functionals)
        off = {"snapshots": "false", "precision": "float32"}.get(key, "0")
        assert text == (
            f"model.{key} must be {off}, got {value}: {name} is fitted to all clips at once, "
            "without steps and epochs"
        )
        assert refused({"name": "mlp", key: value}, functionals) == []


@pytest.mark.parametrize("name", [name for name in NETS if name not in LEARNERS])
def test_whatever_is_accepted_can_be_trained_on_the_shortest_clips(name):
    options = {
        "layers": (3, 4) if name in ("cnn", "resnet") else (3,),
        "pooling": ("mean", "flatten") if name == "cnn" else ("mean",),
        "batch_norm": (False, True) if name == "cnn" else (False,),
        "length": ("own", "pad"),
        "frames": (16,),
        "batch_size": (1, 2),
        "normalisation": ("train",) if name == "statpool" else ("clip",),
    }
    accepted, crashed = 0, []
    for values in product(*options.values()):
        changes = {"name": name} | dict(zip(options, values, strict=True))
        for dims in DIMS:
            if not refused(changes, dims):
                accepted += 1
                try:
                    trained(changes, dims)
                except (RuntimeError, ValueError) as error:
                    crashed.append((changes, dims, str(error)))
    assert accepted > 0
    assert crashed == []


STATPOOL = {"name": "statpool", "normalisation": "train"}


def test_statpool_takes_spectrograms_of_8_bands_or_more_at_their_own_length():
    for normalisation, length in product(("clip", "train", "speaker"), ("own", "crop")):
        changes = STATPOOL | {"normalisation": normalisation, "length": length, "batch_size": 1}
        assert refused(changes, {"logmel": 8}) == []
        trained(changes, {"logmel": 8})


@pytest.mark.parametrize(
    ("changes", "dims", "said"),
    [
        ({}, {"logmel": 7}, "at least 8 columns of features, got 7 of ['logmel']"),
        ({}, {"mfcc": 24}, "needs features.kinds [logmel]"),
        ({}, {"logmel": 64, "rms": 1}, "[logmel] of at least 8 columns, got ['logmel', 'rms']"),
        ({"length": "pad"}, LOGMEL, "model.length own or crop, got 'pad'"),
        ({"length": "resize"}, LOGMEL, "model.length own or crop, got 'resize'"),
        ({"mixup": 0.2}, LOGMEL, "model.mixup must be 0, got 0.2"),
    ],
)
def test_what_statpool_cannot_take_is_refused(changes, dims, said):
    assert said in refusal(STATPOOL | changes, dims)


def test_params_can_be_checked_without_torch():
    code = "import sys, ser.core.params; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 1}, "one clip has nothing to be compared with: model.batch_size of 2"),
        ({"name": "svm", "normalisation": "train"}, "model.dimension_weight must be 0, got 0.5"),
    ],
)
def test_dimensions_are_refused_where_they_cannot_be_learned(changes, said):
    settings = PLAIN_MODEL | {"dimension_weight": 0.5} | changes
    dims = {"functionals": 9} if changes.get("name") == "svm" else {"logmel": 64}
    (problem,) = net_problems(Model.model_validate(settings), dims)
    assert said in problem
    plain = Model.model_validate(settings | {"dimension_weight": 0.0})
    assert net_problems(plain, dims) == []
