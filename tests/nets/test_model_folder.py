import json
import math
import re
from importlib import metadata

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from settings import CLEAN, FORM, PLAIN_MODEL, audio_form, audio_limits
from small_model import FEATURES, METRICS, RATE, make

from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.figures import Figures
from ser.core.filters import filter_banks
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Augment, Features, Model
from ser.nets import model_folder
from ser.nets.build import build
from ser.nets.description import (
    FORMAT,
    LIBRARIES,
    Description,
    TrainingClips,
    parse_description,
    versions,
)
from ser.nets.model_folder import load, load_snapshots, save, snapshots_folder
from ser.nets.normalisation import measure_statistics, normalise
from ser.nets.weights import snapshot_name, write_weights

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = PLAIN_MODEL | {"name": "resnet", "width": 2, "dropout": 0.2}
EMOTIONS = ["angry", "happy", "sad"]
FEATURE_SETTINGS = Features.model_validate(FEATURES | {"kinds": ["logmel", "rms"]})
MADE = Preprocessing.of(FORM, FEATURE_SETTINGS, filter_banks(RATE, FEATURE_SETTINGS))
PREPROCESSING = MADE.model_dump(mode="json")
# Up to format 6.
_FEATURES = {k: v for k, v in PREPROCESSING["features"].items() if k != "top_db"}
FORMER_PREPROCESSING = PREPROCESSING | {"features": _FEATURES}
# Up to format 5.
OLDER_PREPROCESSING = {k: v for k, v in FORMER_PREPROCESSING.items() if k != "form"}
OLDER_PREPROCESSING |= {"clean": CLEAN}
CORPUS = {
    "corpora": {"toy": {"clips": 9, "speakers": 2, "languages": ["el"]}},
    "emotions": {"angry": 3, "happy": 3, "sad": 3},
    "seconds": {"total": 18.0, "min": 1.0, "median": 2.0, "max": 3.0},
}
# Numbers that no decimal fraction writes in full.
STATISTICS = [{"logmel": (1 / 3, 2 / 3), "rms": (-1e-7 / 3, 1e-8)}, None]


def make_nets(name, count=2):
    torch.manual_seed(0)
    return [build(Model.model_validate(SETTINGS | {"name": name}), 17, 3) for _ in range(count)]


def weights_of(nets):
    return [{k: t.contiguous() for k, t in net.state_dict().items()} for net in nets]


def described(name="resnet"):
    return Description(
        model=SETTINGS | {"name": name},
        emotions=EMOTIONS,
        preprocessing=MADE,
        folds=[1, 4],
        statistics=STATISTICS,
        temperatures=[0.625, 1.0],
        corpus=CORPUS,
        versions=versions(),
        training_clips=TrainingClips.of_folds([["b2", "a1", "c3"], ["c3", "d4"]]),
    )


@pytest.fixture
def folder(tmp_path):
    """A stored model of two folds."""
    save(tmp_path / "model", described(), weights_of(make_nets("resnet")))
    return tmp_path / "model"


def test_a_model_takes_the_place_of_a_former_one(folder):
    (folder / "fold-1-epochs").mkdir()
    save(folder, described("cnn"), weights_of(make_nets("cnn")))
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.json", "fold-1.safetensors", "fold-4.safetensors"}


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_model_comes_back_as_it_was_saved(tmp_path, name):
    nets = make_nets(name)
    features, lengths = torch.randn(3, 40, 17), torch.tensor([40, 16, 31])
    for net in nets:
        net(features, lengths)  # moves the statistics of the norms off their initial values
    folder = tmp_path / "deep" / "model"
    save(folder, described(name), weights_of(nets))
    description, loaded = load(folder)
    assert description == described(name)
    assert len(loaded) == 2
    for net, again in zip(nets, loaded, strict=True):
        net.eval()
        assert not again.training
        assert torch.equal(again(features, lengths), net(features, lengths))
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[key]), key


def on_functionals(n_mels=16):
    """A perceptron's description, and nets of it; the columns' statistics are of all sizes."""
    rng = np.random.default_rng(n_mels)
    changes = {"kinds": ["functionals"], "n_mels": n_mels, "n_mfcc": 1}
    features = FEATURE_SETTINGS.model_copy(update=changes)
    (columns,) = features.dims.values()
    scales = [rng.normal(size=columns) * 10.0 ** rng.integers(-30, 30, columns) for _ in "abcd"]
    statistics = [
        {"functionals": (mean, np.abs(deviation))}
        for mean, deviation in zip(scales[::2], scales[1::2], strict=True)
    ]
    settings = Model.model_validate(SETTINGS | {"name": "mlp", "normalisation": "train"})
    update = {
        "model": settings,
        "preprocessing": Preprocessing.of(FORM, features, filter_banks(RATE, features)),
        "statistics": statistics,
    }
    torch.manual_seed(0)
    nets = [build(settings, columns, 3) for _ in range(2)]
    return described("mlp").model_copy(update=update), nets


@pytest.mark.parametrize("n_mels", [1, 2, 40])
def test_statistics_of_functionals_come_back_as_the_arrays_that_they_were(tmp_path, n_mels):
    description, nets = on_functionals(n_mels)
    save(tmp_path, description, weights_of(nets))
    found, loaded = load(tmp_path)
    assert found.model_copy(update={"statistics": []}) == description.model_copy(
        update={"statistics": []}
    )
    for of_fold, expected in zip(found.statistics, description.statistics, strict=True):
        assert list(of_fold) == ["functionals"]
        assert isinstance(of_fold["functionals"], tuple)
        for array, saved in zip(of_fold["functionals"], expected["functionals"], strict=True):
            assert isinstance(array, np.ndarray)
            assert array.dtype == np.float64
            np.testing.assert_array_equal(array, saved)
    columns = sum(description.preprocessing.dims.values())
    features, lengths = torch.randn(3, 16, columns), torch.tensor([1, 16, 1])
    for net, again in zip(nets, loaded, strict=True):
        assert torch.equal(again(features, lengths), net.eval()(features, lengths))


def test_measured_statistics_normalise_after_a_round_trip_as_before(tmp_path):
    rng = np.random.default_rng(0)
    description, nets = on_functionals()
    dims = description.preprocessing.dims
    clips = [rng.normal(50, 9, (1, dims["functionals"])).astype(np.float32) for _ in range(20)]
    statistics = measure_statistics(clips, dims)
    measured = description.model_copy(update={"statistics": [statistics] * 2})
    save(tmp_path, measured, weights_of(nets))
    again, _ = load(tmp_path)[0].statistics
    for clip in clips:
        expected = normalise(clip, dims, statistics)
        np.testing.assert_array_equal(normalise(clip, dims, again), expected)


def test_statistics_of_frames_come_back_as_numbers(folder):
    of_fold, nothing = load(folder)[0].statistics
    assert nothing is None
    for scales in of_fold.values():
        assert isinstance(scales, tuple)
        assert [type(scale) for scale in scales] == [float, float]


def test_statistics_are_written_as_lists_of_numbers(tmp_path):
    description, nets = on_functionals()
    save(tmp_path, description, weights_of(nets))
    values = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    written = values["statistics"][0]["functionals"]
    assert written == [scale.tolist() for scale in description.statistics[0]["functionals"]]


def test_a_model_is_one_description_and_a_file_of_weights_per_fold(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["fold-1.safetensors", "fold-4.safetensors", "model.json"]
    values = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert values["format"] == FORMAT - 1  # as long as it learned no dimensions
    assert values["emotions"] == EMOTIONS
    assert values["preprocessing"] == PREPROCESSING
    assert values["versions"]["torch"] == metadata.version("torch")
    assert set(values["versions"]) == {"python", *LIBRARIES}


def test_equal_models_are_stored_as_equal_bytes(folder, tmp_path):
    save(tmp_path / "again", described(), weights_of(make_nets("resnet")))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_the_parameters_counted_are_those_of_one_folds_net(name):
    net = make_nets(name)[0]
    expected = sum(parameter.numel() for parameter in net.parameters())
    assert model_folder.count_parameters(described(name), net.state_dict()) == expected


def test_as_many_weights_as_folds_are_needed(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        save(tmp_path, described(), weights_of(make_nets("resnet", 1)))


def test_a_folds_snapshots_come_back_in_the_order_of_the_epochs(folder):
    nets = make_nets("resnet", 11)
    for epoch, weights in reversed(list(enumerate(weights_of(nets), start=1))):
        write_weights(snapshots_folder(folder, 4) / snapshot_name(epoch), weights)
    description, _ = load(folder)
    assert list(load_snapshots(folder, description, 1)) == []
    loaded = list(load_snapshots(folder, description, 4))
    assert [epoch for epoch, _ in loaded] == list(range(1, 12))
    for net, (_, again) in zip(nets, loaded, strict=True):
        assert not again.training
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[key]), key


def test_a_snapshot_is_known_by_its_epoch_not_by_its_place(folder):
    (net,), description = make_nets("resnet", 1), load(folder)[0]
    for epoch in (2, 11):
        write_weights(snapshots_folder(folder, 1) / snapshot_name(epoch), *weights_of([net]))
    assert [epoch for epoch, _ in load_snapshots(folder, description, 1)] == [2, 11]


def test_snapshots_of_each_fold_are_apart(folder):
    first, second = make_nets("resnet")
    for fold, net in ((1, first), (4, second)):
        write_weights(snapshots_folder(folder, fold) / snapshot_name(1), *weights_of([net]))
    description, _ = load(folder)
    for fold, net in ((1, first), (4, second)):
        ((_, loaded),) = load_snapshots(folder, description, fold)
        assert torch.equal(loaded.linear.weight, net.linear.weight)


@pytest.mark.parametrize("name", ["model.json", "fold-1.safetensors", "fold-4.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"holds no usable model .*{name}"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere holds no usable model"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("found", [0, 1, 2, 11, "9", None])
def test_a_model_of_another_format_is_refused(folder, found):
    change(folder, format=found)
    made_by = f".*torch {re.escape(metadata.version('torch'))}.*"
    with pytest.raises(
        UserError, match=rf"is of format {found}, written with {made_by} reads the formats 3 to 10"
    ):
        load(folder)


def test_a_model_of_before_figures_by_group_is_read(folder):
    former = {key: value for key, value in METRICS.items() if key != "by_group"}
    change(folder, format=8, metrics=former)
    assert load(folder)[0].metrics == Figures.from_values(former)


def test_a_model_of_before_intervals_had_names_and_recordings_a_high_pass_is_read(folder):
    """As format 3 wrote them."""
    listed = with_lists(METRICS)
    del listed["per_fold"]
    listed["fold_accuracy"] = METRICS["fold_accuracy"] | {"each": [0.61234]}
    clean = {k: v for k, v in CLEAN.items() if k != "highpass"}
    clean["max_clipped"] = 0.01  # of the samples at full scale, which is not what is counted now
    change(folder, format=3, metrics=listed, preprocessing=OLDER_PREPROCESSING | {"clean": clean})
    description, _ = load(folder)
    assert description.preprocessing.form == audio_form(highpass=0.0)
    assert description.limits == audio_limits(0.5, 0.2)
    expected = {key: value for key, value in METRICS.items() if key != "per_fold"}
    assert description.metrics == Figures.from_values(expected)
    assert json.loads(description.to_json())["metrics"] == expected
    change(folder, metrics=None)
    assert load(folder)[0].metrics is None


def test_a_model_of_before_form_and_limits_were_apart_is_read(folder):
    """Format 5 had them among all settings of clean."""
    clean = CLEAN | {"min_seconds": 0.3, "max_clipped": 0.1, "sample_rate": 8000}
    change(folder, format=5, preprocessing=OLDER_PREPROCESSING | {"clean": clean})
    description, _ = load(folder)
    assert description.preprocessing.form == audio_form(sample_rate=8000, highpass=60.0)
    assert description.limits == audio_limits(0.3, 0.1)
    assert description.model == described().model


@pytest.mark.parametrize("found", [3, 4])
@pytest.mark.parametrize("kinds", [["logmel"], ["functionals"], ["mfcc", "chroma"]])
def test_a_model_of_before_filter_banks_were_kept_has_them_computed(found, kinds):
    features = Features.model_validate(FEATURES | {"kinds": kinds})
    values = json.loads(described().to_json()) | {"format": found, "statistics": [None, None]}
    values["preprocessing"] |= {"features": features.model_dump(), "dims": features.dims}
    values["preprocessing"]["clean"] = CLEAN
    del values["preprocessing"]["filter_banks"], values["preprocessing"]["form"]
    banks = parse_description(json.dumps(values), "model.json").preprocessing.banks
    expected = filter_banks(RATE, features)
    assert list(banks) == ["mel", "chroma"] if "chroma" in kinds else ["mel"]
    for name, bank in expected.items():
        np.testing.assert_array_equal(banks[name], bank)


@pytest.mark.parametrize("found", [3, 4])
def test_a_model_of_before_crops_were_drawn_was_trained_without_them(folder, found):
    newer = ("learning_rate_batch", "crop", "frequency_shift")
    older = {name: value for name, value in SETTINGS.items() if name not in newer}
    change(folder, format=found, model=older, preprocessing=OLDER_PREPROCESSING)
    model = load(folder)[0].model
    assert (model.learning_rate_batch, model.crop.probability, model.frequency_shift) == (0, 0, 0)
    assert {name: model.model_dump(mode="json")[name] for name in older} == older


@pytest.mark.parametrize("found", [7, 8])
def test_a_model_of_before_there_were_learners_has_no_setting_of_theirs(folder, found):
    older = {name: value for name, value in SETTINGS.items() if name != "c"}
    change(folder, format=found, model=older)
    description, nets = load(folder)
    assert (description.model.c, len(nets)) == (1.0, 2)
    change(folder, format=FORMAT)
    with pytest.raises(UserError, match=r"holds no usable model \(model.c: missing"):
        load(folder)


@pytest.mark.parametrize("found", [3, 4, 5])
def test_a_model_of_before_its_training_clips_were_kept_does_not_know_them(folder, found):
    values = json.loads((folder / "model.json").read_text())
    del values["training_clips"]
    older = {"format": found, "preprocessing": OLDER_PREPROCESSING}
    (folder / "model.json").write_text(json.dumps(values | older))
    assert load(folder)[0].training_clips is None
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"holds no usable model \(training_clips: missing"):
        load(folder)


@pytest.mark.parametrize("found", [3, 4, 5, 6])
def test_a_model_of_before_temperatures_were_fitted_has_none_that_matter(folder, found):
    values = json.loads((folder / "model.json").read_text()) | {"format": found}
    del values["temperatures"]
    if found < 6:
        values["preprocessing"] = OLDER_PREPROCESSING
    (folder / "model.json").write_text(json.dumps(values))
    assert load(folder)[0].temperatures == [1.0, 1.0]
    (folder / "model.json").write_text(json.dumps(values | {"folds": None}))
    with pytest.raises(UserError, match=r"holds no usable model"):
        load(folder)


def test_a_model_of_before_copies_were_recorded_anew_was_trained_without_that(folder):
    """Format 6 first had no such section of augment."""
    augment = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["augment"]
    older = {name: value for name, value in augment.items() if name != "recording"}
    change(folder, format=6, augment=older, preprocessing=FORMER_PREPROCESSING)
    assert load(folder)[0].preprocessing.features.top_db == 80.0
    found = load(folder)[0].augment
    assert found.recording.probability == 0
    assert {k: v for k, v in found.model_dump(mode="json").items() if k != "recording"} == older
    change(folder, augment=augment)
    assert load(folder)[0].augment == Augment.model_validate(augment)
    change(folder, augment="none")
    with pytest.raises(UserError, match=r"holds no usable model \(damaged: "):
        load(folder)
    change(folder, augment=None)
    assert load(folder)[0].augment is None
    change(folder, format=FORMAT, augment=older, preprocessing=PREPROCESSING)
    with pytest.raises(UserError, match=r"augment.recording: missing"):
        load(folder)


def test_the_training_clips_of_a_net_are_those_of_its_fold():
    clips = TrainingClips.of_folds([["b2", "a1", "c3"], ["c3", "d4"]])
    assert clips.digests == ["a1", "b2", "c3", "d4"]
    assert clips.left_out == [["d4"], ["a1", "b2"]]
    assert clips.of_nets([0]) == {"a1", "b2", "c3"}
    assert clips.of_nets([1]) == {"c3", "d4"}
    assert clips.of_nets([0, 1]) == {"a1", "b2", "c3", "d4"}


def test_the_training_clips_of_a_net_take_one_line_each(folder):
    values = json.loads((folder / "model.json").read_text())
    assert values["training_clips"] == {"digests": "a1 b2 c3 d4", "left_out": ["d4", "a1 b2"]}


def test_the_training_clips_of_other_folds_than_the_models_are_refused(folder):
    change(folder, training_clips={"digests": "a1", "left_out": [""]})
    with pytest.raises(UserError, match=r"holds no usable model .*as many .*as folds"):
        load(folder)


def with_lists(metrics):
    """The same figures with intervals as format 3 had them."""
    listed = dict(metrics)
    for name in ("accuracy", "uar"):
        listed[f"{name}_ci95"] = [listed.pop(f"{name}_low"), listed.pop(f"{name}_high")]
    return listed


@pytest.mark.parametrize("damage", [[0.4], [], 0.5, None])
def test_an_interval_without_two_ends_is_damage(folder, damage):
    metrics = with_lists(METRICS) | {"accuracy_ci95": damage}
    change(folder, format=3, metrics=metrics, preprocessing=OLDER_PREPROCESSING)
    with pytest.raises(UserError, match=r"no usable model .*accuracy_low: missing"):
        load(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"ece": None}, "ece = None: "),
        ({"accuracy": "0.5"}, "accuracy = '0.5': "),
        ({"accurary": 0.5}, "accurary: unknown key"),
        ({"per_speaker": {"demo/1": {"accuracy": 0.5}}}, "per_speaker.demo/1.n: missing"),
    ],
)
def test_damaged_figures_are_named(folder, damage, said):
    change(folder, metrics=METRICS | damage)
    with pytest.raises(UserError, match=f"holds no usable model .*{said}"):
        load(folder)


def test_figures_are_written_as_they_are_read(folder):
    change(folder, metrics=METRICS)
    assert json.dumps(json.loads(load(folder)[0].to_json())["metrics"]) == json.dumps(METRICS)


def change(folder, **changes):
    path = folder / "model.json"
    values = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"model": SETTINGS | {"name": "transformer"}},
        {"model": SETTINGS | {"width": 3}},
        {"model": SETTINGS | {"name": "cnn"}},
        {"model": None},
        {"emotions": ["angry"]},
        {"emotions": None},
        {"preprocessing": {}},
        {"preprocessing": {"dims": [16, 1]}},
        {"folds": [1, 2]},
        {"folds": None},
        {"folds": [1, 1]},
        {"statistics": [None]},
        {"statistics": None},
        {"temperatures": [1.0]},
        {"temperatures": [1.0, 0.049]},
        {"temperatures": [1.0, 20.1]},
        {"temperatures": [1.0, math.nan]},
        {"temperatures": [1.0, math.inf]},
        {"temperatures": [1.0, "1"]},
        {"temperatures": None},
        {"statistics": [[1, 2], None]},
        {"statistics": [{"logmel": [10**400, 1.0], "rms": [0.0, 1.0]}, None]},
        {"statistics": [{"logmel": ["1", 1.0], "rms": [0.0, 1.0]}, None]},
        {"statistics": [{"logmel": [True, 1.0], "rms": [0.0, 1.0]}, None]},
        {"preprocessing": PREPROCESSING | {"filter_banks": {"mel": [[0, [10**400]]] * 16}}},
        {"emotions": ["=1+1", "happy", "sad"]},
        {"emotions": ["\x1b[2J", "happy", "sad"]},
        {"corpus": CORPUS | {"seconds": CORPUS["seconds"] | {"max": math.nan}}},
        {"corpus": CORPUS | {"seconds": CORPUS["seconds"] | {"max": math.inf}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_description_that_does_not_fit_the_weights_is_refused(folder, changes):
    change(folder, **changes)
    with pytest.raises(UserError, match=r"holds no usable model"):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "3", "{}"])
def test_an_invalid_description_is_refused(folder, text):
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="model"):
        load(folder)


def test_a_description_that_is_no_text_is_refused(folder):
    (folder / "model.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="holds no usable model"):
        load(folder)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def overwrite(path):
    path.write_text("no weights at all", encoding="utf-8")


def drop_a_tensor(path):
    tensors = safetensors.torch.load_file(path)
    del tensors["linear.weight"]
    safetensors.torch.save_file(tensors, path)


def add_a_tensor(path):
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors | {"more": torch.zeros(1)}, path)


@pytest.mark.parametrize("damage", [cut, empty, overwrite, drop_a_tensor, add_a_tensor])
def test_damaged_weights_are_refused(folder, damage):
    damage(folder / "fold-4.safetensors")
    with pytest.raises(UserError, match=r"holds no usable model"):
        load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "dummynet", "length": "pad", "frames": 65536},  # 27 GB
        {"name": "exponet", "length": "pad", "frames": 65536},
        {"name": "cnn", "length": "pad", "pooling": "flatten", "frames": 65536},
        {"name": "resnet", "layers": 4, "width": 1024},
        {"name": "statpool", "width": 1024},
    ],
    ids=lambda changes: changes["name"],
)
def test_a_net_that_is_larger_than_its_weights_is_refused_before_it_is_made(folder, changes):
    change(folder, model=SETTINGS | changes)
    with pytest.raises(UserError, match=r"fold-1.safetensors: .* is .*, expected is "):
        load(folder)


LEARNERS = ["logistic_regression", "svm", "gradient_boosting"]


def of_learner(folder, name):
    """Write a model of two folds with a learner; return its description and nets."""
    return make(folder, name, (1, 4), normalisation="train")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_comes_back_as_it_was_saved(tmp_path, name):
    description, nets = of_learner(tmp_path, name)
    found, loaded = load(tmp_path)
    assert found.model == description.model
    features, lengths = torch.randn(9, 1, sum(found.preprocessing.dims.values())), torch.ones(9)
    for net, again in zip(nets, loaded, strict=True):
        assert torch.equal(again(features, lengths), net(features, lengths))
        weights = again.state_dict()
        assert model_folder.count_parameters(found, weights) == sum(
            parameter.numel() for parameter in net.parameters()
        )
    if name == "svm":  # as many support vectors as each fold's machine has
        assert [len(net.vectors) for net in loaded] == [7, 6]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gradient_boosting", {"epochs": 1_000_000}),
        ("gradient_boosting", {"epochs": 10**30}),
        ("gradient_boosting", {"layers": 4}),
    ],
)
def test_a_learner_that_is_larger_than_its_weights_is_refused(tmp_path, name, changes):
    description, _ = of_learner(tmp_path, name)
    change(tmp_path, model=description.model.model_dump(mode="json") | changes)
    with pytest.raises(UserError, match=r"holds no usable model"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "tensor", "values", "said"),
    [
        (
            "svm",
            "coefficients",
            torch.zeros(10**6, 3),
            r"coefficients is .*\[1000000, 3\], expected",
        ),
        ("svm", "vectors", torch.zeros(()), r"coefficients is .*, expected is float32 \[0, 3\]"),
        ("svm", "vectors", torch.zeros(7, 0), r"vectors is float32 \[7, 0\], expected is"),
        ("gradient_boosting", "columns", torch.full((4, 3, 7), -1), r"not one of the \d+"),
        ("gradient_boosting", "columns", torch.full((4, 3, 7), 10**6), r"not one of the \d+"),
    ],
)
def test_weights_that_do_not_fit_a_learner_are_refused(tmp_path, name, tensor, values, said):
    of_learner(tmp_path, name)
    path = tmp_path / "fold-1.safetensors"
    write_weights(path, safetensors.torch.load_file(path) | {tensor: values})
    with pytest.raises(UserError, match=rf"holds no usable model \(fold-1.safetensors: .*{said}"):
        load(tmp_path)


def test_weights_of_another_type_are_refused(folder):
    path = folder / "fold-1.safetensors"
    tensors = safetensors.torch.load_file(path)
    name = "linear.weight"
    write_weights(path, tensors | {name: tensors[name].to(torch.int32)})
    with pytest.raises(UserError, match=r"linear.weight is int32 .*, expected is float32"):
        load(folder)


def test_a_description_of_gigabytes_is_not_read(folder):
    with (folder / "model.json").open("ab") as file:
        file.truncate(10**10)  # a hole
    with pytest.raises(UserError, match=r"model.json has more than 64,000,000 bytes"):
        load(folder)


def test_a_description_that_is_a_device_is_not_read(folder):
    (folder / "model.json").unlink()
    (folder / "model.json").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"model.json is not a file"):
        load(folder)


def test_features_that_would_fill_the_memory_are_refused(folder):
    features = PREPROCESSING["features"] | {"hop_length": 1}
    form = PREPROCESSING["form"] | {"sample_rate": 192_000}
    change(folder, preprocessing=PREPROCESSING | {"features": features, "form": form})
    with pytest.raises(UserError, match=r"hop_length 1 makes .* values of a second"):
        load(folder)


@pytest.mark.parametrize("found", [3, 4])
@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("clean", "sample_rate", 0),
        ("clean", "sample_rate", 10**400),
        ("clean", "sample_rate", float("inf")),
        ("features", "n_fft", "many"),
    ],
)
def test_an_older_format_is_checked_before_its_filter_banks_are_computed(
    folder, found, section, key, value
):
    damaged = OLDER_PREPROCESSING | {section: OLDER_PREPROCESSING[section] | {key: value}}
    change(folder, format=found, preprocessing=damaged)
    with pytest.raises(UserError, match=rf"holds no usable model \({key} = "):
        load(folder)
