import numpy as np
import pandas as pd
import pytest
import torch
from settings import PLAIN_MODEL

from ser.core.sections import Model
from ser.core.store import Store, StoreWriter
from ser.training.batches import NormalisedClips, in_order
from ser.training.examples import ExampleSource

DIMS = {"logmel": 4, "rms": 1}
BLOCKS = (slice(0, 4), slice(4, 5))
EMOTIONS = ["angry", "happy", "sad"]
# Speaker 1 of the corpus toy and speaker 1 of the corpus other are two people.
CLIPS = pd.DataFrame(
    [
        (f"{corpus}/{speaker}{emotion}{take}", corpus, speaker, emotion)
        for corpus, speaker in (("toy", "1"), ("toy", "2"), ("other", "1"))
        for emotion in ("sad", "angry", "happy")
        for take in range(2)
    ],
    columns=["clip", "corpus", "speaker", "emotion"],
)
NAMES = CLIPS["clip"].tolist()
TRAIN, VAL, TEST = NAMES[::2], NAMES[1::4], NAMES[3::4]
COPIED = TRAIN[:4]


def make_arrays(changed=None):
    """Make features by clip; only those of `changed` differ from the features without it."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, corpus, speaker in zip(NAMES, CLIPS["corpus"], CLIPS["speaker"], strict=True):
        level = 5 * (corpus == "toy") + 3 * int(speaker)
        frames = int(rng.integers(16, 40))
        arrays[name] = rng.normal(level, level, (frames, 5)).astype(np.float32)
    if changed:
        arrays[changed] = arrays[changed] * 1.5 + 2
    return arrays


def make_source(folder, normalisation, changed=None, copies=None, pools=False):
    with StoreWriter(folder, (5,), {"dims": DIMS}) as writer:
        for name, array in make_arrays(changed).items():
            writer.add(name, array)
    model = {"name": "statpool" if pools else "cnn", "normalisation": normalisation}
    settings = Model.model_validate(PLAIN_MODEL | model)
    return ExampleSource(CLIPS, Store(folder), settings, copies)


def normalised(examples):
    """Return the clips as a net sees them, without padding."""
    model = Model.model_validate(PLAIN_MODEL)
    clips = NormalisedClips(examples, model, torch.device("cpu"))
    found = {int(places[0]): batch.features[0].numpy() for places, batch in in_order(clips, 1)}
    return [found[i] for i in range(len(examples))]


def by_hand(array, reference):
    """Normalise in plain numpy by all values of each kind in `reference`."""
    whole = np.concatenate(reference).astype(np.float64)
    parts = [(array[:, own] - whole[:, own].mean()) / whole[:, own].std() for own in BLOCKS]
    return np.hstack(parts)


def reference_of(name, normalisation, arrays):
    if normalisation == "clip":
        return [arrays[name]]
    if normalisation == "train":
        return [arrays[clip] for clip in TRAIN]
    row = CLIPS[CLIPS["clip"] == name].iloc[0]
    same = CLIPS[(CLIPS["corpus"] == row["corpus"]) & (CLIPS["speaker"] == row["speaker"])]
    assert len(same) == 6
    return [arrays[clip] for clip in same["clip"]]


@pytest.mark.parametrize("normalisation", ["clip", "train", "speaker"])
@pytest.mark.parametrize("subset", [TRAIN, VAL, TEST], ids=["train", "val", "test"])
def test_each_clip_is_normalised_as_numpy_does(tmp_path, normalisation, subset):
    source, arrays = make_source(tmp_path, normalisation), make_arrays()
    examples = source.examples(subset, EMOTIONS, source.measure(TRAIN))
    for name, features in zip(subset, normalised(examples), strict=True):
        expected = by_hand(arrays[name], reference_of(name, normalisation, arrays))
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def of_corpus(name, clips=NAMES):
    corpus = dict(zip(NAMES, CLIPS["corpus"], strict=True))
    return [clip for clip in clips if corpus[clip] == corpus[name]]


@pytest.mark.parametrize("added", [[], ["other"]], ids=["none of the other corpus", "some of it"])
def test_a_corpus_is_normalised_by_its_train_clips_or_if_none_by_all_of_its_clips(tmp_path, added):
    train = [clip for clip in TRAIN if clip.split("/")[0] in ("toy", *added)]
    source, arrays = make_source(tmp_path, "corpus").of_fold(train, TEST), make_arrays()
    unseen = [clip for clip in NAMES if clip not in train]
    for names in (train, unseen):
        examples = source.examples(names, EMOTIONS, source.measure(train))
        for name, features in zip(names, normalised(examples), strict=True):
            reference = of_corpus(name, train) or of_corpus(name)
            expected = by_hand(arrays[name], [arrays[clip] for clip in reference])
            np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tested", ["toy", "other"])
def test_a_new_recording_is_normalised_as_the_tested_corpora_are(tmp_path, tested):
    test = [clip for clip in TEST if clip.startswith(tested)]
    train = [clip for clip in TRAIN if clip.startswith("toy")]
    source, arrays = make_source(tmp_path, "corpus").of_fold(train, test), make_arrays()
    reference = of_corpus(test[0], train) or of_corpus(test[0])
    whole = np.concatenate([arrays[clip] for clip in reference]).astype(float)
    for kind, block in zip(DIMS, BLOCKS, strict=True):
        expected = (whole[:, block].mean(), whole[:, block].std())
        assert source.measure(train)[kind] == pytest.approx(expected, rel=1e-6)


def test_such_statistics_use_no_test_clip_of_a_corpus_that_is_trained_on(tmp_path):
    expected = make_source(tmp_path / "as-is", "corpus").of_fold(TRAIN, TEST)
    known = normalised(expected.examples(TRAIN, EMOTIONS, None))
    for i, name in enumerate(VAL + TEST):
        source = make_source(tmp_path / f"unseen-{i}", "corpus", name).of_fold(TRAIN, TEST)
        assert source.measure(TRAIN) == expected.measure(TRAIN)
        for features, same in zip(
            normalised(source.examples(TRAIN, EMOTIONS, None)), known, strict=True
        ):
            np.testing.assert_array_equal(features, same)


def test_other_normalisations_have_one_source_for_all_folds(tmp_path):
    for normalisation in ("clip", "train", "speaker"):
        source = make_source(tmp_path / normalisation, normalisation)
        assert source.of_fold(TRAIN, TEST) is source


def test_nets_that_standardise_what_they_pool_measure_each_corpus(tmp_path):
    train = [clip for clip in TRAIN if clip.startswith("toy")]
    of_toy = [clip for clip in TEST if clip.startswith("toy")]
    source = make_source(tmp_path, "corpus", pools=True).of_fold(train, of_toy)
    measured = source.measured_examples(train, EMOTIONS)
    assert len(measured) == len(train) + len(of_corpus("other/1sad0"))
    numbers = source.examples(NAMES, EMOTIONS, source.measure(train)).voices
    assert dict(zip(CLIPS["corpus"], numbers.tolist(), strict=True)) == {"other": 0, "toy": 1}
    assert sorted(measured.voices.tolist()) == [0] * 6 + [1] * len(train)
    assert source.new_voices().tolist() == [1]
    for normalisation in ("train", "speaker"):
        other = make_source(tmp_path / normalisation, normalisation, pools=True)
        assert other.of_fold(train, of_toy).new_voices() is None


def test_examples_have_the_weights_of_their_clips_and_copies_too(tmp_path):
    copies = {n: [np.zeros((20, 5), np.float32)] for n in COPIED}
    source = make_source(tmp_path, "clip", copies=copies)
    weight_of = {name: 0.5 + i for i, name in enumerate(NAMES)}
    for each_copy in (False, True):
        made = source.train_examples(TRAIN, EMOTIONS, None, each_copy, weight_of)
        times = [1 + (each_copy and name in COPIED) for name in TRAIN]
        expected = np.repeat([weight_of[name] for name in TRAIN], times)
        np.testing.assert_array_equal(made.loss_weights, expected.astype(np.float32))
        assert source.train_examples(TRAIN, EMOTIONS, None, each_copy).loss_weights is None


def test_only_train_normalisation_measures_the_train_clips(tmp_path):
    for normalisation in ("clip", "speaker"):
        assert make_source(tmp_path / normalisation, normalisation).measure(TRAIN) is None
    assert make_source(tmp_path / "train", "train").measure(TRAIN) is not None


def test_the_train_statistics_come_from_the_train_clips_alone(tmp_path):
    expected = make_source(tmp_path / "as-is", "train").measure(TRAIN)
    for i, name in enumerate(VAL + TEST):
        source = make_source(tmp_path / f"unseen-{i}", "train", name)
        assert source.measure(TRAIN) == expected
    for i, name in enumerate(TRAIN):
        source = make_source(tmp_path / f"seen-{i}", "train", name)
        assert source.measure(TRAIN) != expected


def test_a_folds_train_statistics_are_those_of_that_fold(tmp_path):
    source = make_source(tmp_path, "train")
    assert source.measure(TRAIN) != source.measure(VAL + TEST)


@pytest.mark.parametrize("normalisation", ["clip", "train", "speaker"])
def test_copies_are_normalised_as_clips_are_and_change_no_common_statistics(
    tmp_path, normalisation
):
    arrays, rng = make_arrays(), np.random.default_rng(1)
    copies = {n: [rng.normal(90, 50, (20, 5)).astype(np.float32)] for n in COPIED}
    source = make_source(tmp_path, normalisation, copies=copies)
    examples = source.train_examples(TRAIN, EMOTIONS, source.measure(TRAIN), True)
    features = normalised(examples)
    for i, name in enumerate(COPIED):
        copy = copies[name][0]
        own = [copy] if normalisation == "clip" else reference_of(name, normalisation, arrays)
        expected = by_hand(copy, own)
        np.testing.assert_allclose(features[2 * i + 1], expected, rtol=1e-4, atol=1e-5)


def test_copies_are_versions_of_their_clip_or_separate_examples(tmp_path):
    copies = {n: [np.full((20, 5), i), np.full((30, 5), -i)] for i, n in enumerate(COPIED)}
    source, arrays = make_source(tmp_path, "speaker", copies=copies), make_arrays()
    emotion = dict(zip(NAMES, CLIPS["emotion"], strict=True))
    one = source.train_examples(TRAIN, EMOTIONS, None, each_copy=False)
    assert [len(versions) for versions in one.versions] == [3 if n in COPIED else 1 for n in TRAIN]
    assert [EMOTIONS[label] for label in one.labels] == [emotion[name] for name in TRAIN]
    every = source.train_examples(TRAIN, EMOTIONS, None, each_copy=True)
    names = [name for name in TRAIN for _ in range(3 if name in COPIED else 1)]
    assert len(every) == len(names) == len(TRAIN) + 2 * len(COPIED)
    assert [EMOTIONS[label] for label in every.labels] == [emotion[name] for name in names]
    assert {len(versions) for versions in every.versions} == {1}
    own = [version for versions in one.versions for version in versions]
    for (first,), second in zip(every.versions, own, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(every.versions[0][0], arrays[TRAIN[0]])
    for examples in (one, every):
        assert len(examples.statistics) == len(examples.labels) == len(examples)


def test_clips_are_predicted_without_their_copies(tmp_path):
    copies = {name: [np.zeros((20, 5), dtype=np.float32)] for name in NAMES}
    source, arrays = make_source(tmp_path, "clip", copies=copies), make_arrays()
    examples = source.examples(VAL, EMOTIONS, None)
    for name, versions in zip(VAL, examples.versions, strict=True):
        (version,) = versions
        np.testing.assert_array_equal(version, arrays[name])


def test_nets_that_standardise_what_they_pool_get_clips_without_normalisation(tmp_path):
    arrays = make_arrays()
    for normalisation in ("train", "speaker"):
        source = make_source(tmp_path / normalisation, normalisation, pools=True)
        of_train = source.measure(TRAIN)
        assert of_train == {"logmel": (0, 1), "rms": (0, 1)}
        for name, features in zip(
            TEST, normalised(source.examples(TEST, EMOTIONS, of_train)), strict=True
        ):
            np.testing.assert_array_equal(features, arrays[name])


def test_such_nets_measure_the_train_clips_or_every_voice_by_all_its_clips(tmp_path):
    of_train = make_source(tmp_path / "train", "train", pools=True)
    measured = of_train.measured_examples(TRAIN, EMOTIONS)
    assert measured.voices is None
    assert len(measured) == len(TRAIN)
    of_voices = make_source(tmp_path / "speaker", "speaker", pools=True)
    measured = of_voices.measured_examples(TRAIN, EMOTIONS)
    people = (CLIPS["corpus"] + CLIPS["speaker"]).to_numpy()
    assert len(measured) == len(NAMES)
    pairs = set(zip(people, measured.voices.tolist(), strict=True))
    assert len(pairs) == 3
    assert {voice for _, voice in pairs} == {0, 1, 2}
    # The clips of any part of a split are numbered alike, copies too.
    number, copies = dict(pairs), {TRAIN[0]: [make_arrays()[TRAIN[0]]]}
    with_copies = make_source(tmp_path / "c", "speaker", copies=copies, pools=True)
    trained = with_copies.train_examples(TRAIN, EMOTIONS, measured.statistics[0], True)
    person = dict(zip(NAMES, people, strict=True))
    expected = [number[person[name]] for name in [TRAIN[0], *TRAIN]]
    assert trained.voices.tolist() == expected
    assert make_source(tmp_path / "o", "train").measured_examples(TRAIN, EMOTIONS) is None


def test_no_clips_give_no_examples(tmp_path):
    examples = make_source(tmp_path, "train").examples([], EMOTIONS, None)
    assert len(examples) == len(examples.labels) == 0
    assert examples.labels.dtype == np.int64
