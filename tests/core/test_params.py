import copy
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from ser.core.errors import UserError
from ser.core.filters import filter_banks
from ser.core.functional_names import functional_names
from ser.core.kinds import describes_whole_clips
from ser.core.params import load, parse_params
from ser.features.extract import extract

COMMITTED = Path(__file__).parents[2] / "params.yaml"
ABSENT = object()
ON_FRAMES = {
    "features.kinds": ["logmel"],
    "features.n_mfcc": 20,
    "augment.copies": 4,
    "model.name": "resnet",
    "model.normalisation": "clip",
    "model.batch_size": 16,
    "model.frequency_mask": 8,
    "model.time_mask": 24,
}


@pytest.fixture
def values():
    return copy.deepcopy(yaml.safe_load(COMMITTED.read_text(encoding="utf-8")))


def put(values, key, value):
    """Set, or delete, the value of a dotted key."""
    *sections, last = key.split(".")
    for section in sections:
        values = values[section]
    if value is ABSENT:
        del values[last]
    else:
        values[last] = value


@pytest.fixture
def on_frames(values):
    """The committed settings, but for a net that looks at frames, which are masked."""
    for key, value in ON_FRAMES.items():
        put(values, key, value)
    return values


def get(params, key):
    for part in key.split("."):
        params = getattr(params, part)
    return params


def leaves(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


ALL = list(leaves(yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))))
FLOATS = [key for key, value in ALL if isinstance(value, float)]
INTS = [key for key, value in ALL if type(value) is int]
TEXTS = [key for key, value in ALL if isinstance(value, str) and not key.startswith("pull.sources")]
RANGES = [
    key for key, value in ALL if isinstance(value, list) and key.startswith(("augment.", "model."))
]


def refusal(values):
    with pytest.raises(UserError) as caught:
        parse_params(values, "params.yaml")
    return str(caught.value)


def test_the_committed_file_is_valid_and_keeps_its_values():
    params = load(COMMITTED)
    for key, value in ALL:
        if not key.startswith("pull.sources"):
            read = get(params, key)
            assert (list(read) if isinstance(read, tuple) else read) == value, key


def test_parameters_cannot_be_changed_after_reading(values):
    with pytest.raises(ValueError, match="frozen"):
        parse_params(values, "p").split.seed = 3


@pytest.mark.parametrize(
    "section", ["pull", "clean", "features", "augment", "split", "model", "evaluate"]
)
def test_every_section_is_required_and_refuses_unknown_keys(values, section):
    text = refusal(values | {section: values[section] | {"colour": 1}})
    assert f"{section}.colour: unknown key, allowed here: " in text
    allowed = text.split("allowed here: ")[1].split("\n")[0].split(", ")
    assert sorted(allowed) == sorted(values[section])
    del values[section]
    assert f"{section}: missing" in refusal(values)


def test_an_unknown_section_lists_the_sections(values):
    text = refusal(values | {"modle": {}})
    assert "modle: unknown key, allowed here: pull, clean, features, augment, split, " in text


def test_an_unknown_key_two_levels_down_lists_its_neighbours(values):
    put(values, "augment.noise.snr", [1.0, 2.0])
    text = refusal(values)
    assert "augment.noise.snr: unknown key, allowed here: probability, snr_db" in text


@pytest.mark.parametrize("key", [key for key, _ in ALL if not key.startswith("pull.sources")])
def test_every_key_is_required(values, key):
    put(values, key, ABSENT)
    assert f"{key}: missing" in refusal(values)


def test_a_corpus_without_a_source_is_refused(values):
    del values["pull"]["sources"]["aesdd"]
    assert "sources.aesdd is missing" in refusal(values)


def test_a_corpus_without_a_source_is_refused_with_those_that_have_one(values):
    values["pull"]["corpora"] = ["aesdd", "emovo"]
    text = refusal(values)
    assert "\n  pull: sources.emovo is missing: emovo is in pull.corpora" in text
    assert f"there are sources of {', '.join(values['pull']['sources'])}" in text
    for corpus in ("aesdd", "ravdess", "cremad", "tess", "savee", "emodb", "own", "demo"):
        assert corpus in values["pull"]["sources"]
    values["pull"]["sources"]["emovo"] = "path:x"
    assert parse_params(values, "p").pull.corpora == ["aesdd", "emovo"]


@pytest.mark.parametrize("name", ["a", "own", "own2", "my-corpus", "my_corpus", "x-1_y"])
@pytest.mark.parametrize("source", ["path:recordings", "https://host/a.zip#md5=0", "builtin:"])
def test_a_corpus_may_have_any_plain_name_and_its_source_is_not_looked_at(values, name, source):
    values["pull"] |= {"corpora": ["savee", name], "sources": {name: source, "savee": "path:x"}}
    pull = parse_params(values, "p").pull
    assert pull.corpora == ["savee", name]
    assert pull.sources == {name: source, "savee": "path:x"}


@pytest.mark.parametrize(
    "name",
    ["AESDD", "aEsdd", "a/b", "../a", "my corpus", ".", "-a", "_a", "1a", "", "ä", "a\n", "a:b", 3],
)
def test_a_corpus_of_another_name_is_refused_wherever_it_stands(values, name):
    for key in ("pull.corpora", "split.test_corpora"):
        changed = copy.deepcopy(values)
        put(changed, key, ["aesdd", name])
        assert f"\n  {key}.1 = {name!r}: " in refusal(changed)
    values["pull"]["sources"][name] = "path:x"
    assert f"\n  pull.sources.{name}" in refusal(values)


@pytest.mark.parametrize("source", [3, None, ["path:x"], {"path": "x"}, True])
def test_a_source_is_a_text(values, source):
    values["pull"]["sources"]["own"] = source
    assert f"\n  pull.sources.own = {source!r}: " in refusal(values)


@pytest.mark.parametrize("key", ["pull.corpora", "features.kinds"])
def test_lists_of_names_are_neither_empty_nor_repeating(values, key):
    first = get_plain(values, key)[0]
    put(values, key, [])
    assert f"{key} = []" in refusal(values)
    put(values, key, [first, first])
    assert "twice" in refusal(values)


def get_plain(values, key):
    for part in key.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize("key", FLOATS + INTS + TEXTS + RANGES)
@pytest.mark.parametrize("wrong", [True, None, {"a": 1}, "much"])
def test_a_value_of_another_type_is_refused_with_its_key(values, key, wrong):
    if key in ("split.emobox", "features.encoder") and wrong == "much":
        wrong = 3
    put(values, key, wrong)
    assert f"\n  {key}" in refusal(values)


@pytest.mark.parametrize("key", FLOATS)
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), "1e999"])
def test_numbers_are_finite(values, key, wrong):
    put(values, key, wrong)
    assert f"{key} = " in refusal(values)


@pytest.mark.parametrize("key", RANGES)
@pytest.mark.parametrize("wrong", [[1.0], [1, 2, 3], [float("nan"), 1.0], [True, 2], 3, [2, 1]])
def test_ranges_are_two_finite_numbers_in_order(values, key, wrong):
    put(values, key, wrong)
    assert f"\n  {key}" in refusal(values)


@pytest.mark.parametrize(
    "key", [k for k in FLOATS if k not in ("features.fmax", "augment.stretch.rate")]
)
def test_every_float_may_be_a_number_that_yaml_reads_as_text(on_frames, key):
    assert yaml.safe_load("1e-05") == "1e-05"
    put(on_frames, key, "1e-05")
    assert get(parse_params(on_frames, "p"), key) == 1e-05


def test_fmax_and_the_ends_of_ranges_may_be_numbers_that_yaml_reads_as_text(values):
    put(values, "features.fmax", "7e3")
    put(values, "augment.stretch.rate", ["9e-1", "1e0"])
    params = parse_params(values, "p")
    assert params.features.fmax == 7000
    assert params.augment.stretch.rate == (0.9, 1.0)


@pytest.mark.parametrize("key", INTS)
@pytest.mark.parametrize("wrong", ["1e-05", "4", 4.5])
def test_counts_are_whole_numbers(values, key, wrong):
    put(values, key, wrong)
    assert f"{key} = {wrong!r}" in refusal(values)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("clean.sample_rate", 3999),
        ("clean.sample_rate", 192001),
        ("clean.min_seconds", -0.1),
        ("clean.max_clipped", 1.01),
        ("clean.noise_seconds", 0.0),
        ("clean.noise_reduction", "strong"),
        ("features.n_fft", 15),
        ("features.n_fft", 65537),
        ("features.n_fft", 1023),  # frames of an odd length have no middle
        ("features.win_length", 1),
        ("features.hop_length", 0),
        ("features.n_mels", 0),
        ("features.n_mels", 513),
        ("features.n_mfcc", 0),
        ("features.fmin", -1.0),
        ("features.kinds", ["logmel", "pitch"]),
        ("augment.copies", -1),
        ("augment.copies", 1001),
        ("augment.seed", -1),
        ("augment.pitch.probability", 1.1),
        ("augment.stretch.rate", [0.0, 1.0]),
        ("augment.time_mask.frames", [-1, 3]),
        ("augment.time_mask.frames", [1, 2.5]),
        ("split.scheme", "loso"),
        ("split.folds", 1),
        ("split.test", 0.0),
        ("split.test", 1.0),
        ("split.val", -0.1),
        ("split.val", 1.0),
        ("model.name", "transformer"),
        ("model.layers", 5),
        ("model.width", 0),
        ("model.dropout", 1.0),
        ("model.length", "stretch"),
        ("model.frames", 15),
        ("model.batch_size", 0),
        ("model.epochs", 0),
        ("model.optimizer", "lion"),
        ("model.learning_rate", 0.0),
        ("model.weight_decay", -1e-9),
        ("model.schedule", "linear"),
        ("model.decay_epoch", 0),
        ("model.stop_after", -1),
        ("model.snapshots", "all"),
        ("model.snapshots", 1),
        ("model.batch_norm", 1),
        ("model.pooling", "max"),
        ("model.copies", "some"),
        ("model.balance", "downsample"),
        ("augment.recording.direct_db", [-100.0, 0.0]),
        ("augment.recording.snr_db", [-1e4, 0.0]),
        ("augment.recording.low_hz", [-1.0, 300.0]),
        ("augment.recording.low_hz", [5000.0, 6000.0]),
        ("augment.recording.high_hz", [200.0, 300.0]),
        ("augment.recording.codec_kbps", [1.0, 16.0]),
        ("augment.recording.rt60", [0.0, 0.5]),
        ("augment.feature_noise.deviations", [-0.1, 1.0]),
        ("augment.feature_noise.deviations", [0.0, 100.5]),
        ("augment.feature_noise.probability", -0.1),
        ("augment.crop.share", [0.04, 1.0]),
        ("augment.crop.share", [0.5, 1.01]),
        ("augment.crop.probability", 1.01),
        ("model.label_smoothing", 1.0),
        ("model.mixup", -0.1),
        ("model.patience", -1),
        ("evaluate.bootstrap", 99),
        ("evaluate.calibration_bins", 1),
        ("evaluate.mistakes", -1),
        ("evaluate.baseline", "knn"),
        ("evaluate.groups", ["gender", "gender"]),
        ("evaluate.groups", "gender"),
        ("clean.columns", ["accent", "Accent "]),
        ("clean.columns", [""]),
        ("clean.columns", ["a\x00b"]),
        ("pull.verify", "none"),
    ],
)
def test_values_out_of_range_are_refused_with_their_key(values, key, wrong):
    put(values, key, wrong)
    assert f"\n  {key}" in refusal(values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features.win_length": 1025}, "win_length 1025 is longer than n_fft 1024"),
        ({"features.hop_length": 513}, "hop_length 513 is longer than win_length 512"),
        ({"features.n_mfcc": 65}, "n_mfcc 65 is more than n_mels 64"),
        ({"features.fmin": 300.0, "features.fmax": 300.0}, "fmin 300.0 Hz is not below fmax"),
        ({"features.fmax": 8000.5}, "above the Nyquist frequency 8000.0 Hz"),
        ({"clean.sample_rate": 8000}, "above the Nyquist frequency 4000.0 Hz"),
        ({"features.kinds": ["mfcc"]}, "model.frequency_mask must be 0"),
        (
            {
                "features.kinds": ["mfcc"],
                "model.frequency_mask": 0,
                "augment.frequency_mask.probability": 0.5,
            },
            "augment.frequency_mask.probability must be 0",
        ),
        ({"split.test": 0.9, "split.val": 0.1}, "leave nothing to train on"),
        ({"split.scheme": "emobox"}, "needs emobox: the folder"),
        ({"split.scheme": "cross_corpus"}, "split: scheme cross_corpus needs test_corpora"),
        (
            {"split.scheme": "cross_corpus", "split.test_corpora": ["aesdd"]},
            "split.test_corpora ['aesdd'] are all of pull.corpora: none is left to train on",
        ),
        (
            {
                "split.scheme": "cross_corpus",
                "split.test_corpora": ["tess", "aesdd", "savee"],
                "pull.corpora": ["aesdd", "savee", "tess"],
            },
            "['tess', 'aesdd', 'savee'] are all of pull.corpora: none is left to train on",
        ),
        (
            {
                "split.scheme": "cross_corpus",
                "split.test_corpora": ["emodb", "savee", "tess"],
                "pull.corpora": ["aesdd", "savee"],
            },
            "split.test_corpora names emodb, tess, which pull.corpora ['aesdd', 'savee'] does not",
        ),
        (
            {
                "split.scheme": "cross_corpus",
                "split.test_corpora": ["savee", "savee"],
                "pull.corpora": ["aesdd", "savee"],
            },
            "test_corpora names a corpus twice: ['savee', 'savee']",
        ),
        (
            {"split.train_corpora": {"aesdd": 1}},
            "split.train_corpora ['aesdd'] are all of pull.corpora: none is left to test",
        ),
        (
            {"split.train_corpora": {"savee": 0.5, "tess": 1}, "pull.corpora": ["aesdd", "tess"]},
            "split.train_corpora names savee, which pull.corpora ['aesdd', 'tess'] does not",
        ),
        (
            {
                "split.scheme": "cross_corpus",
                "split.test_corpora": ["savee"],
                "split.train_corpora": {"savee": 0.5},
                "pull.corpora": ["aesdd", "savee"],
            },
            "split: savee is in test_corpora and in train_corpora: a corpus that is trained on",
        ),
        (
            {
                "split.scheme": "cross_corpus",
                "split.test_corpora": ["savee"],
                "split.train_corpora": {"aesdd": 0.5},
                "pull.corpora": ["aesdd", "savee"],
            },
            "test_corpora ['savee'] and split.train_corpora ['aesdd'] are all of pull.corpora",
        ),
        *[
            (
                {
                    "split.train_corpora": {"savee": 0.5},
                    "pull.corpora": ["aesdd", "savee"],
                    "model.balance": balance,
                    "model.length": "pad",
                },
                f"model.balance {balance} makes clips between two others, which may differ in",
            )
            for balance in ("smote", "adasyn")
        ],
        (
            {"split.scheme": "speaker", "split.test_corpora": ["aesdd"]},
            "split: test_corpora ['aesdd'] are for scheme cross_corpus alone, got 'speaker'"
            ": set scheme: cross_corpus, or test_corpora: []",
        ),
        (
            {"clean.emotions": ["sad", "happy", "sad"]},
            "clean.emotions: all, or a list of different emotions",
        ),
        (
            {"clean.emotions": ["happy", "sad"], "clean.relabel": {"calm": "neutral"}},
            "clean: relabel takes 'calm' for neutral, which is not in emotions ['happy', 'sad']",
        ),
        (
            {"clean.emotions": ["sad"], "clean.relabel": {"Grief": "sad", "Joy": "happy"}},
            "clean: relabel takes 'joy' for happy, which is not in emotions ['sad']",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(on_frames, changes, said):
    for key, value in changes.items():
        put(on_frames, key, value)
    assert said in refusal(on_frames)


@pytest.mark.parametrize(
    "changes",
    [
        {"features.win_length": 1024},
        {"features.kinds": ["mfcc"], "model.frequency_mask": 0},
        {
            "features.kinds": ["mfcc"],
            "model.frequency_mask": 0,
            "augment.frequency_mask.probability": 0.5,
            "augment.copies": 0,
        },
        {"split.scheme": "kfold", "split.test": 0.9, "split.val": 0.5},
        {"split.scheme": "emobox", "split.emobox": "folder"},
        {"clean.sample_rate": 44100, "features.fmax": 22050},
        {"augment.gain.db": [3, 3]},
        {
            "split.scheme": "cross_corpus",
            "split.test_corpora": ["tess", "aesdd"],
            "pull.corpora": ["aesdd", "savee", "tess"],
        },
        {"split.scheme": "random", "split.test_corpora": []},
        # A path may stay where it is while another scheme is tried.
        {"split.scheme": "random", "split.emobox": "folder"},
        {
            "split.scheme": "cross_corpus",
            "split.test_corpora": ["savee"],
            "pull.corpora": ["aesdd", "savee"],
            "split.test": 0.9,
            "split.val": 0.5,
        },
        {"split.train_corpora": {"savee": 10}, "pull.corpora": ["aesdd", "savee"]},
        {
            "split.train_corpora": {"savee": 1, "tess": 1.0},
            "pull.corpora": ["aesdd", "savee", "tess"],
            "model.balance": "smote",
            "model.length": "pad",
        },
        {
            "split.scheme": "cross_corpus",
            "split.test_corpora": ["savee"],
            "split.train_corpora": {"tess": 0.01},
            "pull.corpora": ["aesdd", "savee", "tess"],
        },
        {"clean.emotions": ["sad"], "clean.relabel": {"sad": "sad", "blue": "sad"}},
        {"clean.emotions": "all", "clean.relabel": {"calm": "neutral"}},
    ],
)
def test_values_at_the_edge_of_what_fits_together_are_accepted(on_frames, changes):
    for key, value in changes.items():
        put(on_frames, key, value)
    parse_params(on_frames, "p")


def test_all_mistakes_are_reported_at_once(values):
    put(values, "clean.min_seconds", "long")
    put(values, "model.epochs", 0)
    put(values, "model.learn_rate", 0.1)
    put(values, "split.seed", ABSENT)
    put(values, "features.fmin", 9000.0)
    text = refusal(values)
    assert text.startswith("params.yaml is not valid:")
    for said in ("clean.min_seconds", "model.epochs", "model.learn_rate", "split.seed: missing"):
        assert said in text
    assert "fmin 9000.0 Hz is not below fmax 8000.0 Hz" in text
    assert len(text.splitlines()) == 6


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("clean.relabel", "a mapping expected, {} where there is nothing"),
        ("pull.redirect_hosts", "a list expected, [] where there is nothing"),
        ("split.test_corpora", "a list expected, [] where there is nothing"),
    ],
)
def test_a_key_without_a_value_says_how_nothing_is_written(values, key, said):
    put(values, key, None)
    assert f"  {key} = None: {said}" in refusal(values)


@pytest.mark.parametrize(
    "weight", [0, 1e-9, -1, 10.5, float("nan"), float("inf"), True, "much", None]
)
def test_a_weight_outside_its_range_is_refused(values, weight):
    values["pull"]["corpora"] = ["aesdd", "savee"]
    values["split"]["train_corpora"] = {"savee": weight}
    assert "\n  split.train_corpora.savee = " in refusal(values)


def test_what_an_emotion_may_be_called_is_said_once(values):
    put(values, "clean.emotions", ["Boredom", "sadness", 1, "sad"])
    text = refusal(values)
    assert text.count("angry, calm, disgust") == 1
    for said in (
        "'Boredom': a name has at most 16 of a to z",
        "'sadness': write it as sad",
        "1: write words that YAML",
    ):
        assert said in text


def test_all_words_that_are_taken_for_no_emotion_are_named_at_once(values):
    put(values, "clean.relabel", {"joy": "Happy", "x": "y", "blue": "sad"})
    text = refusal(values)
    assert text.count("angry, calm, disgust") == 1
    assert "got 'Happy' for joy, 'y' for x" in text


def test_all_contradictions_of_a_section_are_reported_at_once(values):
    put(values, "features.win_length", 2048)
    put(values, "features.fmin", 9000.0)
    put(values, "features.n_mfcc", 65)
    text = refusal(values)
    for said in ("win_length 2048", "fmin 9000.0", "n_mfcc 65"):
        assert said in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pull: [aesdd\n", "not valid YAML"),
        ("pull:\n\t- tab", "not valid YAML"),
        ("", "the file = "),
        ("# only a comment\n", "the file = "),
        ("- pull\n- clean\n", "the file = "),
        ("just text", "the file = "),
        ("pull: 3\n", "pull = 3"),
        ("pull: [1]\n", "pull = [1]"),
    ],
)
def test_a_file_that_is_no_mapping_of_sections_is_refused(tmp_path, text, said):
    file = tmp_path / "p.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"p\.yaml") as caught:
        load(file)
    assert said in str(caught.value)


GROWING = "a: &a [1, 2, 3]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
        ("".join(f"{'  ' * depth}a:\n" for depth in range(3000)), "is nested too deeply"),
        (f"a: {'9' * 20_000}\n", "is not valid YAML"),
        (GROWING, "more than 100,000 values, aliases"),
        ("a: &a {b: 1}\nc: {<<: [*a, *a]}\n", "a merge .<<. is not read"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "a merge .<<. is not read"),
        ("a: &a [*a]\n", "more than 100,000 values, aliases"),
    ],
    ids=["brackets", "indents", "digits", "aliases", "merge", "merged", "itself"],
)
def test_a_file_that_grows_beyond_all_use_is_refused_in_a_line(tmp_path, text, said):
    file = tmp_path / "p.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load(file)
    assert len(str(caught.value)) < 400
    assert "sys." not in str(caught.value)


def test_features_that_would_fill_the_memory_are_refused(values):
    put(values, "features.hop_length", 1)
    assert "features.hop_length 1 makes " in refusal(values)


OTHER_THAN_TEXT = ["0", "01", "1.5", "1e3", "0x1", "true", "null", "~", "2024-01-01"]


def with_relabel(tmp_path, values, text):
    values["clean"]["relabel"] = "MAPPING"
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(values).replace("MAPPING", text), encoding="utf-8")
    return file


@pytest.mark.parametrize("key", ["no", "yes", "on", "off", "n", "y", *map(repr, OTHER_THAN_TEXT)])
def test_a_key_is_the_word_that_the_file_has(tmp_path, values, key):
    file = with_relabel(tmp_path, values, f"{{{key}: neutral}}")
    assert load(file).clean.relabel == {key.strip("'"): "neutral"}


# DVC cannot compare these with words, and fails without naming them.
@pytest.mark.parametrize("key", OTHER_THAN_TEXT)
def test_a_key_that_is_no_text_to_yaml_is_refused_with_how_to_write_it(tmp_path, values, key):
    file = with_relabel(tmp_path, values, f"{{{key}: neutral}}")
    with pytest.raises(UserError, match=r"clean\.relabel: the key .* is not text; write .* '01'"):
        load(file)


@pytest.mark.parametrize("keys", ["{1: sad, 01: neutral}", "{1: sad, true: neutral}"])
def test_keys_that_are_one_value_to_yaml_are_refused(tmp_path, values, keys):
    with pytest.raises(UserError, match=r"is not valid YAML[\s\S]*duplicate key"):
        load(with_relabel(tmp_path, values, keys))


CORPORA = "  corpora:\n  - aesdd\n"  # as params.yaml has them
WORDS = "[no, 'true', on]"
SOURCES = "    no: path:x\n    'true': path:x\n    on: path:x\n    own:"


def replaced(text, *changes):
    """The text with each (old, new) replaced; each old is there once."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ([("emotions: all", f"emotions: {WORDS}")], lambda p: p.clean.emotions),
        ([(CORPORA, f"  corpora: {WORDS}\n"), ("    own:", SOURCES)], lambda p: p.pull.corpora),
        (
            [(CORPORA, f"  corpora: {WORDS}\n"), ("    own:", SOURCES)],
            lambda p: [name for name in p.pull.sources if p.pull.sources[name] == "path:x"],
        ),
        (
            [
                (CORPORA, "  corpora: [aesdd, no, 'true', on]\n"),
                ("    own:", SOURCES),
                ("scheme: random\n", "scheme: cross_corpus\n"),
                ("test_corpora: []", f"test_corpora: {WORDS}"),
            ],
            lambda p: p.split.test_corpora,
        ),
    ],
)
def test_yes_and_no_are_words_wherever_a_name_stands(tmp_path, changes, read):
    file = tmp_path / "p.yaml"
    text = COMMITTED.read_text(encoding="utf-8")
    file.write_text(replaced(text, *changes), encoding="utf-8")
    assert read(load(file)) == ["no", "true", "on"]


@pytest.mark.parametrize(
    ("old", "key"),
    [(CORPORA, "  corpora"), ("test_corpora: []", "test_corpora"), ("emotions: all", "emotions")],
)
@pytest.mark.parametrize("word", ["true", "0", "01", "null", "~", "1.5", "2024-01-01"])
def test_a_value_that_is_no_word_says_that_quotes_make_it_one(tmp_path, old, key, word):
    file = tmp_path / "p.yaml"
    text = COMMITTED.read_text(encoding="utf-8")
    file.write_text(replaced(text, (old, f"{key}: [{word}]\n")), encoding="utf-8")
    told = rf"\.{key.strip()}\b[\s\S]*such as 0, 01 or true, in quotes: '01'"
    with pytest.raises(UserError, match=told):
        load(file)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("clean: {song: true}\nclean: {song: false}\n", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"p\.yaml is not valid YAML[\s\S]*duplicate key .cl"
    ) as text:
        load(file)
    assert "suppress" not in str(text.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match="not valid YAML"):
        load(file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none\.yaml: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="cannot read"):
        load(tmp_path)


def test_load_reads_params_yaml_of_the_working_folder(tmp_path, monkeypatch, values):
    put(values, "split.seed", 77)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load().split.seed == 77


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.decay_epoch", 1),
        ("model.stop_after", 0),
        ("model.stop_after", 1),
        ("model.snapshots", True),
        ("model.snapshots", False),
        ("model.schedule", "step"),
        ("augment.feature_noise.deviations", [0, 0]),
        ("augment.feature_noise.deviations", [0.0, 100.0]),
        ("augment.crop.share", [0.05, 1.0]),
        ("augment.crop.share", [1, 1]),
        ("model.crop.share", [0.05, 1.0]),
        ("model.learning_rate_batch", 0),
        ("model.frequency_shift", 0.5),
    ],
)
def test_values_at_the_edge_of_their_range_are_accepted(values, key, value):
    put(values, key, value)
    read = get(parse_params(values, "p"), key)
    assert read == (tuple(value) if isinstance(value, list) else value)


def test_columns_of_features_are_counted_by_kind_in_the_order_of_stacking(on_frames):
    put(on_frames, "features.kinds", ["chroma", "zcr", "mfcc", "rms", "logmel"])
    dims = parse_params(on_frames, "p").features.dims
    assert list(dims.items()) == [
        ("chroma", 12),
        ("zcr", 1),
        ("mfcc", 20),
        ("rms", 1),
        ("logmel", 64),
    ]


NAMES = {
    "model.name": [
        *("statpool", "mlp", "logistic_regression", "svm", "gradient_boosting"),
        *("resnet", "cnn", "conv1d", "dummynet", "rezonet", "exponet"),
    ],
    "features.kinds.0": [
        *("logmel", "mfcc", "zcr", "rms", "chroma", "functionals", "slopes"),
        *("egemaps", "compare", "egemaps_lld", "compare_lld", "table", "encoder"),
    ],
    "split.scheme": [
        *("random", "speaker", "kfold", "speaker_kfold", "leave_one_speaker_out"),
        *("cross_corpus", "emobox"),
    ],
    "model.balance": ["none", "upsample", "class_weights", "smote", "adasyn"],
}


OF_WHOLE_CLIPS = ("mlp", "logistic_regression", "svm", "gradient_boosting")


@pytest.mark.parametrize("key", NAMES)
def test_an_unknown_name_is_refused_with_the_valid_ones(values, key):
    if key == "features.kinds.0":
        values["features"]["kinds"] = ["nonesuch"]
    else:
        put(values, key, "nonesuch")
    (line,) = [line for line in refusal(values).splitlines() if line.startswith(f"  {key} = ")]
    assert line.startswith(f"  {key} = 'nonesuch': ")
    assert re.findall(r"'(\w+)'", line)[1:] == NAMES[key]


@pytest.mark.parametrize(
    ("key", "valid"), [item for item in NAMES.items() if item[0] != "split.scheme"]
)
def test_every_valid_name_is_accepted(values, key, valid):
    values["model"] |= {"name": "conv1d", "frequency_mask": 0}
    values["model"]["crop"]["probability"] = 0.0
    for name in valid:
        changed = copy.deepcopy(values)
        changed["model"]["length"] = "own" if name == "statpool" else "pad"
        if key == "features.kinds.0":
            changed["features"] |= {
                "kinds": [name],
                "table": "tables/x.csv" * (name == "table"),
                "encoder": "encoders/x" * (name == "encoder"),
            }
            changed["model"]["name"] = "mlp" if describes_whole_clips([name]) else "conv1d"
            assert parse_params(changed, "p").features.kinds == [name]
        else:
            put(changed, key, name)
            if key == "model.name":
                kind = "functionals" if name in OF_WHOLE_CLIPS else "logmel"
                put(changed, "features.kinds", [kind])
            assert get(parse_params(changed, "p"), key) == name


@pytest.mark.parametrize("scheme", [s for s in NAMES["split.scheme"] if s != "cross_corpus"])
def test_corpora_to_test_are_not_ignored_by_another_scheme(values, scheme):
    values["pull"]["corpora"] = ["aesdd", "demo"]
    values["split"] |= {"scheme": scheme, "emobox": "folder", "test_corpora": ["demo"]}
    assert f"for scheme cross_corpus alone, got {scheme!r}" in refusal(values)


@pytest.mark.parametrize("scheme", NAMES["split.scheme"])
def test_every_scheme_is_accepted(values, scheme):
    values["pull"]["corpora"] = ["aesdd", "demo"]
    tested = ["demo"] if scheme == "cross_corpus" else []
    values["split"] |= {"scheme": scheme, "emobox": "folder", "test_corpora": tested}
    assert parse_params(values, "p").split.scheme == scheme


@pytest.mark.parametrize(
    "emotions",
    [
        "all",
        ["sad"],
        ["sad", "angry"],
        ["angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"],
        ["boredom", "angry"],
        ["x", "no", "true", "mixed-feelings_2"],
    ],
)
def test_all_or_some_emotions_are_kept(values, emotions):
    put(values, "clean.emotions", emotions)
    assert parse_params(values, "p").clean.emotions == emotions


@pytest.mark.parametrize(
    ("emotions", "said"),
    [
        (
            ["sad", "Angry"],
            "got 'Angry': a name has at most 16 of a to z, 0 to 9, _ and -, a letter first",
        ),
        (["sad", "Ärger"], "got 'Ärger': a name has at most 16 of a to z"),
        (["sad", "so so"], "got 'so so': a name has at most 16 of a to z"),
        (["sad", "2nd"], "got '2nd': a name has at most 16 of a to z"),
        (["sad", "x\n"], "a name has at most 16 of a to z"),
        (["sad", ""], "got '': a name has at most 16 of a to z"),
        (["sad", "anger"], "got 'anger': write it as angry"),
        (["sad", "all"], "got 'all': that name is reserved"),
        (["sad", "speaker"], "got 'speaker': that name is reserved"),
        (["sad", 3], "got 3: write words that YAML would read otherwise, such as 0, 01 or true"),
        (["sad", True], "got True: write"),
        (["sad", None], "got None: write"),
        (["sad", "boredom", "boredom"], "different emotions"),
        ([], "[]"),
        ("angry", "'angry'"),
        ("All", "'All'"),
        ("", "''"),
        (None, "None"),
        (True, "True"),
        ({"sad": "happy"}, "{'sad': 'happy'}"),
    ],
)
def test_emotions_of_another_kind_are_refused(values, emotions, said):
    put(values, "clean.emotions", emotions)
    text = refusal(values)
    assert "\n  clean.emotions" in text
    assert said in text


@pytest.mark.parametrize("emotions", [["anger"], "angry", []])
def test_refused_emotions_stand_below_their_key_as_the_file_has_it(values, emotions):
    put(values, "clean.emotions", emotions)
    for line in refusal(values).splitlines()[1:]:
        assert re.match(r"  clean\.emotions(\.\d)?( = |: )", line), line


@pytest.mark.parametrize(
    ("relabel", "read"),
    [
        ({}, {}),
        ({"calm": "neutral"}, {"calm": "neutral"}),
        ({"Calm": "neutral", "BLUE": "sad"}, {"calm": "neutral", "blue": "sad"}),
        ({"pleasant surprise": "surprise"}, {"pleasant surprise": "surprise"}),
        ({"Ärger": "angry"}, {"ärger": "angry"}),
        ({"A\u0308rger": "angry"}, {"ärger": "angry"}),
        ({" pleasant\u00a0 Surprise\u200b": "surprise"}, {"pleasant surprise": "surprise"}),
    ],
)
def test_words_are_taken_for_emotions_whatever_their_case_and_form(values, relabel, read):
    put(values, "clean.relabel", relabel)
    assert parse_params(values, "p").clean.relabel == read


@pytest.mark.parametrize(
    ("relabel", "said"),
    [
        (
            {"calm": "bored"},
            "clean: relabel: one of angry, calm, disgust, fear, happy, neutral",
        ),
        ({"calm": "Neutral"}, "clean: relabel: one of angry, "),
        ({"calm": 3}, "clean.relabel.calm = 3: text expected; write"),
        ({"calm": None}, "clean.relabel.calm = None: "),
        ({"calm": ["sad"]}, "clean.relabel.calm = ['sad']: "),
        ({3: "sad"}, "clean.relabel: the key 3 is not text; write"),
        ({False: "sad"}, "clean.relabel: the key False is not text; write"),
        ({None: "sad"}, "clean.relabel: the key None is not text; write"),
        ([], "clean.relabel = []: "),
        (["calm"], "clean.relabel = ['calm']: "),
        ("calm", "clean.relabel = 'calm': "),
        (None, "clean.relabel = None: "),
    ],
)
def test_a_relabelling_of_another_kind_is_refused(values, relabel, said):
    put(values, "clean.relabel", relabel)
    assert f"\n  {said}" in refusal(values)


@pytest.mark.parametrize("other", ["Blue", " blue", "b\u200blue"])
def test_a_word_that_is_taken_for_two_emotions_is_refused(values, other):
    put(values, "clean.relabel", {other: "sad", "blue": "calm"})
    text = refusal(values)
    assert "relabel" in text
    assert f"{other}, blue" in text


def test_words_are_taken_for_an_emotion_of_ones_own_that_is_listed(values):
    values["clean"] |= {"emotions": ["boredom", "sad"], "relabel": {"Langeweile": "boredom"}}
    clean = parse_params(values, "p").clean
    assert clean.relabel == {"langeweile": "boredom"}
    assert clean.own_emotions == ["boredom"]
    values["clean"]["emotions"] = ["contempt", "sad"]
    assert (
        "or a name of your own that emotions lists, expected, got 'boredom' for langeweile"
        in refusal(values)
    )
    values["clean"]["emotions"] = "all"
    assert (
        "or a name of your own that emotions lists, expected, got 'boredom' for langeweile"
        in refusal(values)
    )
    values["clean"]["relabel"] = {}
    assert parse_params(values, "p").clean.own_emotions == []


@pytest.mark.parametrize("song", [True, False])
def test_songs_are_kept_or_not(values, song):
    put(values, "clean.song", song)
    assert parse_params(values, "p").clean.song is song


@pytest.mark.parametrize("song", [0, 1, "yes", "true", None, []])
def test_whether_songs_are_kept_is_true_or_false(values, song):
    put(values, "clean.song", song)
    assert f"\n  clean.song = {song!r}: " in refusal(values)


@pytest.mark.parametrize("wrong", [None, "savee", 3, {"savee": 1}])
def test_test_corpora_are_a_list(values, wrong):
    put(values, "split.test_corpora", wrong)
    assert f"\n  split.test_corpora = {wrong!r}: " in refusal(values)


@pytest.mark.parametrize("balance", ["smote", "adasyn"])
def test_interpolating_between_clips_needs_one_length(on_frames, balance):
    values = on_frames
    values["model"]["balance"] = balance
    for length in ("own", "crop"):
        values["model"]["length"] = length
        text = refusal(values)
        assert f"\n  model: balance {balance} interpolates between clips" in text
        assert f"length resize or pad with frames, got '{length}'" in text
    for length in ("resize", "pad"):
        values["model"]["length"] = length
        assert parse_params(values, "p").model.balance == balance


@pytest.mark.parametrize("balance", ["none", "upsample", "class_weights"])
def test_other_balances_take_clips_of_their_own_length(values, balance):
    values["model"] |= {"balance": balance, "length": "own"}
    assert parse_params(values, "p").model.balance == balance


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"features.n_mels": 7, "features.n_mfcc": 7, "model.name": "cnn"},
            ["at least 8 columns of features, got 7"],
        ),
        (
            {"features.kinds": ["zcr", "rms"], "model.frequency_mask": 0},
            ["model.name resnet looks for patterns", "logmel, mfcc, chroma, got ['zcr', 'rms']"],
        ),
        ({"model.name": "cnn", "model.pooling": "flatten"}, ["model.length resize or pad"]),
        (
            {"model.name": "rezonet", "features.kinds": ["logmel", "zcr"]},
            ["features.kinds [logmel] of at least 8 columns, got ['logmel', 'zcr']"],
        ),
        (
            {"model.name": "exponet", "model.batch_size": 1},
            ["model.name exponet needs clips of one length", "model.batch_size of 2 or more"],
        ),
        (
            {
                "model.name": "dummynet",
                "model.length": "pad",
                "model.frames": 56,
                "model.frequency_mask": 0,
                "features.kinds": ["zcr"],
            },
            ["at least 57 values per clip, model.frames 56 times 1 column(s) are 56"],
        ),
    ],
)
def test_what_a_net_lacks_is_refused_before_any_work(on_frames, changes, said):
    for key, value in changes.items():
        put(on_frames, key, value)
    text = refusal(on_frames)
    assert text.startswith("params.yaml is not valid:\n  model.")
    for part in said:
        assert part in text


@pytest.fixture
def on_functionals(values):
    """The committed settings with a perceptron on functionals, whatever else they say."""
    values["features"] |= {"kinds": ["functionals"], "n_mels": 64, "n_mfcc": 24}
    values["augment"]["copies"] = 3
    for name in ("feature_noise", "frequency_mask", "time_mask"):
        values["augment"][name]["probability"] = 0.0
    values["model"] |= {"name": "mlp", "normalisation": "train"}
    values["model"] |= {"frequency_shift": 0.0, "frequency_mask": 0, "time_mask": 0}
    values["model"]["crop"]["probability"] = 0.0
    return values


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model.normalisation": "speaker"},
        {"model.mixup": 0.4},
        {"model.width": 1},
        *({"model.name": name, "model.copies": "all"} for name in OF_WHOLE_CLIPS),
        *({"model.name": name, "augment.copies": 0} for name in OF_WHOLE_CLIPS),
        {"model.length": "pad", "model.balance": "smote"},
        {"augment.noise.probability": 1.0, "augment.pitch.probability": 1.0},
        {"augment.stretch.probability": 1.0, "augment.shift.probability": 1.0},
        {"augment.gain.probability": 1.0, "augment.crop.probability": 1.0},
        # Without copies nothing is changed.
        {"augment.copies": 0, "augment.feature_noise.probability": 1.0},
        {"augment.copies": 0, "augment.frequency_mask.probability": 1.0},
        {"augment.copies": 0, "augment.time_mask.probability": 1.0},
    ],
)
def test_what_suits_functionals_is_accepted(on_functionals, changes):
    for key, value in changes.items():
        put(on_functionals, key, value)
    params = parse_params(on_functionals, "p")
    assert params.features.dims == {"functionals": 2308}
    for key, value in changes.items():
        assert get(params, key) == value


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"augment.feature_noise.probability": 0.1},
            "augment.feature_noise.probability must be 0: one deviation is taken over all "
            "columns, but those of features.kinds [functionals] have different units",
        ),
        (
            {"augment.time_mask.probability": 1.0, "augment.copies": 1},
            "augment.time_mask.probability must be 0: it hides frames, but features.kinds "
            "[functionals] has none",
        ),
        (
            {"augment.frequency_mask.probability": 0.5},
            "augment.frequency_mask.probability must be 0: ",
        ),
        (
            {"model.frequency_mask": 1},
            "model.frequency_mask must be 0: mel bands would be changed, but features.kinds "
            "['functionals'] has no logmel",
        ),
        (
            {"model.crop.probability": 0.5},
            "model.crop.probability must be 0: it takes frames away, but features.kinds "
            "[functionals] has none",
        ),
        (
            {"model.frequency_shift": 0.5},
            "model.frequency_shift must be 0: mel bands would be changed",
        ),
        (
            {"model.time_mask": 1},
            "model.time_mask must be 0: it takes frames away, but features.kinds [functionals] "
            "has none",
        ),
        *[
            (
                {"model.name": name},
                f"model.copies must be all: {name} is fitted once, so of a clip and its 3 copies "
                "(augment.copies) it would use only one",
            )
            for name in OF_WHOLE_CLIPS[1:]
        ],
        (
            {"model.normalisation": "clip"},
            "model.normalisation must be train, corpus or speaker: a single clip's functionals "
            "have no mean and deviation of their own",
        ),
        *[
            (
                {"model.name": name},
                f"model.name {name} and features.kinds ['functionals'] do not go together: mlp, "
                "logistic_regression, svm, gradient_boosting take "
                "[functionals, slopes, egemaps, compare, table, encoder], all other nets take "
                "frames",
            )
            for name in NAMES["model.name"]
            if name not in OF_WHOLE_CLIPS
        ],
        *[
            (
                {"features.kinds": kinds},
                f"model.name mlp and features.kinds {kinds} do not go together: mlp, "
                "logistic_regression, svm, gradient_boosting take "
                "[functionals, slopes, egemaps, compare, table, encoder], all other nets take "
                "frames",
            )
            for kinds in (["logmel"], ["zcr", "rms"], NAMES["features.kinds.0"][:5])
        ],
    ],
)
def test_what_does_not_suit_functionals_is_refused(on_functionals, changes, said):
    for key, value in changes.items():
        put(on_functionals, key, value)
    first, *problems = refusal(on_functionals).splitlines()
    assert first == "params.yaml is not valid:"
    assert len(problems) == 1
    assert problems[0].startswith(f"  {said}")
    assert ";" not in problems[0]


def test_all_that_does_not_suit_functionals_is_reported_at_once(on_functionals):
    put(on_functionals, "augment.feature_noise.probability", 0.5)
    put(on_functionals, "augment.time_mask.probability", 0.5)
    put(on_functionals, "model.time_mask", 3)
    put(on_functionals, "model.crop.probability", 0.5)
    put(on_functionals, "model.normalisation", "clip")
    (line,) = refusal(on_functionals).splitlines()[1:]
    found = [problem.split(" must be ")[0].strip() for problem in line.split(";")]
    assert found == [
        "augment.feature_noise.probability",
        "augment.time_mask.probability",
        "model.crop.probability",
        "model.time_mask",
        "model.normalisation",
    ]


@pytest.mark.parametrize("kind", NAMES["features.kinds.0"][:5])
def test_functionals_stand_alone(on_functionals, kind):
    for kinds in (["functionals", kind], [kind, "functionals"]):
        put(on_functionals, "features.kinds", kinds)
        assert (
            f"\n  features: kinds {kinds}: functionals cannot be stacked with the others, because "
            "these describe frames, not whole clips"
        ) in refusal(on_functionals)


@pytest.mark.parametrize(
    ("kinds", "alone"),
    [
        (["egemaps_lld", "logmel"], "egemaps_lld"),
        (["rms", "compare_lld"], "compare_lld"),
        (["egemaps_lld", "egemaps"], "egemaps_lld"),
        (["compare_lld", "egemaps_lld"], "compare_lld, egemaps_lld"),
    ],
)
def test_frames_of_their_own_stand_alone(on_functionals, kinds, alone):
    put(on_functionals, "features.kinds", kinds)
    assert (
        f"kinds {kinds}: {alone} cannot be stacked with others, because openSMILE has frames of "
        "its own, every 10 ms"
    ) in refusal(on_functionals)


def test_what_describes_whole_clips_is_stacked(on_functionals):
    put(on_functionals, "features.kinds", ["egemaps", "functionals", "compare"])
    dims = parse_params(on_functionals, "p").features.dims
    assert list(dims.items()) == [("egemaps", 88), ("functionals", 2308), ("compare", 6373)]


def test_a_short_hop_costs_whole_clips_nothing(on_functionals):
    on_functionals["features"] |= {"kinds": ["compare"], "hop_length": 16}
    assert parse_params(on_functionals, "p").features.dims == {"compare": 6373}


@pytest.mark.parametrize(
    ("kinds", "table", "said"),
    [
        (["table"], "", "kinds [table] needs table: a file such as tables/mine.csv"),
        (["functionals"], "tables/x.npy", "table 'tables/x.npy' is for kinds [table], got"),
        *[
            (["table"], table, "or .npy in the folder tables/ expected")
            for table in ("x.csv", "/tables/x.csv", "tables/../x.csv", "tables/x/y.csv")
        ],
        (["table"], "tables/x.parquet", "pandas converts other formats, such as Parquet"),
    ],
)
def test_a_table_is_in_its_folder_and_used(on_functionals, kinds, table, said):
    on_functionals["features"] |= {"kinds": kinds, "table": table}
    on_functionals["augment"]["copies"] = 0
    assert said in refusal(on_functionals)


@pytest.mark.parametrize(
    ("kinds", "encoder", "said"),
    [
        (
            ["encoder"],
            "",
            "kinds ['encoder'] and encoder '': kinds [encoder] needs encoder, a folder",
        ),
        (["functionals"], "x", "kinds ['functionals'] and encoder 'x': kinds [encoder] needs"),
        *[
            (["encoder"], encoder, f"of 40 hexadecimal digits> expected, got {encoder!r}")
            for encoder in ("a/b@main", "a/b@", "b@" + "0" * 40, "a/b@" + "0" * 39)
        ],
    ],
)
def test_an_encoder_is_a_folder_or_pinned_and_used(on_functionals, kinds, encoder, said):
    on_functionals["features"] |= {"kinds": kinds, "encoder": encoder}
    assert said in refusal(on_functionals)


@pytest.mark.parametrize("layer", [-1, 1.5, "last", True, None])
def test_a_layer_is_a_number_or_the_mean_of_all(on_functionals, layer):
    on_functionals["features"] |= {"kinds": ["encoder"], "encoder": "a/b@" + "0" * 40}
    for good in ("mean", 0, 24):
        on_functionals["features"]["encoder_layer"] = good
        assert parse_params(on_functionals, "p").features.encoder_layer == good
    on_functionals["features"]["encoder_layer"] = layer
    assert "features.encoder_layer: mean, or the number of a layer from 0 on" in refusal(
        on_functionals
    )


def test_a_table_has_no_rows_for_copies(on_functionals):
    on_functionals["features"] |= {"kinds": ["functionals", "table"], "table": "tables/x.csv"}
    assert "augment.copies must be 0, got 3: features.table 'tables/x.csv' has no" in refusal(
        on_functionals
    )
    on_functionals["augment"]["copies"] = 0
    dims = parse_params(on_functionals, "p").features.dims
    assert dims == {"functionals": 2308, "table": 1}


def test_functionals_are_named_once(on_functionals):
    put(on_functionals, "features.kinds", ["functionals", "functionals"])
    text = refusal(on_functionals)
    assert "kinds names a feature twice: ['functionals', 'functionals']" in text


def test_a_frequency_mask_without_mel_bands_is_refused_whichever_it_is(on_functionals):
    put(on_functionals, "augment.frequency_mask.probability", 0.5)
    put(on_functionals, "model.frequency_mask", 2)
    put(on_functionals, "model.frequency_shift", 1.0)
    text = refusal(on_functionals)
    names = "augment.frequency_mask.probability, model.frequency_mask, model.frequency_shift"
    assert f"\n  {names} must be 0: mel bands would be changed" in text


@pytest.mark.parametrize("key", ["frequency_shift", "frequency_mask"])
def test_bands_move_and_hide_within_the_spectrogram(values, key):
    put(values, "features.n_mels", 16)
    put(values, "features.n_mfcc", 8)
    put(values, f"model.{key}", 15)
    parse_params(values, "params.yaml")
    put(values, f"model.{key}", 16)
    text = refusal(values)
    assert f"model.{key} 16" in text
    assert "features.n_mels 16" in text
    assert "at most 15" in text


@pytest.mark.parametrize(("n_mels", "n_mfcc"), [(1, 1), (40, 13), (64, 24), (128, 40)])
def test_functionals_are_as_many_as_their_names(on_functionals, n_mels, n_mfcc):
    on_functionals["features"] |= {"n_mels": n_mels, "n_mfcc": n_mfcc}
    dims = parse_params(on_functionals, "p").features.dims
    assert dims == {"functionals": len(functional_names(n_mels, n_mfcc))}


@pytest.mark.parametrize(
    ("rate", "n_fft"),
    [(4000, 16), (16000, 16), (16000, 32), (16000, 64), (44100, 64), (48000, 128), (192000, 256)],
)
def test_frames_are_refused_or_long_enough_for_all_that_functionals_need(
    on_functionals, rate, n_fft
):
    on_functionals["clean"]["sample_rate"] = rate
    on_functionals["features"] |= {"n_fft": n_fft, "win_length": n_fft, "hop_length": n_fft // 2}
    on_functionals["features"] |= {"n_mels": 4, "n_mfcc": 3, "fmax": min(8000.0, rate / 2)}
    try:
        features = parse_params(on_functionals, "p").features
    except UserError:
        return
    noise = np.random.default_rng(0).normal(0, 0.1, rate // 4).astype(np.float32)
    banks = filter_banks(rate, features)
    assert np.isfinite(extract(noise, rate, features, banks)).all()


def test_clips_are_grouped_by_columns_of_clips_csv(values):
    groups = ["speaker", "take", "age", "intensity", "sample_rate", "channels", "accent"]
    put(values, "clean.columns", [" Accent"])
    put(values, "evaluate.groups", groups)
    parsed = parse_params(values, "p")
    assert parsed.clean.columns == ["accent"]
    assert parsed.evaluate.groups == groups
    put(values, "evaluate.groups", [])
    assert parse_params(values, "p").evaluate.groups == []


@pytest.mark.parametrize("name", ["accent", "clip", "path", "emotion", "samples_digest"])
def test_a_group_without_a_column_is_refused_with_those_that_there_are(values, name):
    put(values, "evaluate.groups", ["gender", name])
    put(values, "clean.columns", ["device"])
    told = refusal(values)
    assert f"evaluate.groups names {name}: clips can be grouped by corpus, speaker, " in told
    assert ", level, device, and by a column of labels.csv that clean.columns names" in told


@pytest.mark.parametrize("name", ["Speaker", "level", "clip", "path", "emotion"])
def test_a_column_that_clips_csv_has_anyway_is_refused(values, name):
    put(values, "clean.columns", ["accent", name])
    assert f"{name.lower()}: clips.csv has a column of that name" in refusal(values)
