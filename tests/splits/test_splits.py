from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser.core.clips import group_of, speaker_of
from ser.core.errors import UserError
from ser.core.sections import Split
from ser.corpora import aesdd
from ser.splits.schemes import (
    SUBSETS,
    folds_lacking,
    make_folds,
    shared_groups,
    subset_sizes,
    validates_train_speakers,
)

REAL = Path(__file__).parents[3] / "shared" / "aesdd"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad")
SPEAKER_SCHEMES = ("speaker", "speaker_kfold", "leave_one_speaker_out")
SCHEMES = ("random", "kfold", *SPEAKER_SCHEMES)


def split(scheme, **changes):
    values = {"folds": 5, "test": 0.2, "val": 0.1, "seed": 0, "test_corpora": [], "emobox": ""}
    return Split(scheme=scheme, **values | {"train_corpora": {}} | changes)


def row(corpus, emotion, utterance, speaker, take=""):
    name = f"{emotion[0]}{utterance:02} ({speaker}){take}"
    return {
        "clip": f"{corpus}/{name}",
        "corpus": corpus,
        "path": f"{corpus}/{emotion}/{name}.wav",
        "emotion": emotion,
        "speaker": str(speaker),
        "utterance": f"{utterance:02}",
        "take": take,
    }


def table(speakers=6, utterances=8, emotions=EMOTIONS, corpus="aesdd", takes=True):
    """Every speaker says every utterance with every emotion; speaker 5 also in two takes."""
    rows = [
        row(corpus, emotion, utterance, speaker, take)
        for emotion in emotions
        for utterance in range(1, utterances + 1)
        for speaker in range(1, speakers + 1)
        for take in (("a", "b") if takes and speaker == 5 else ("",))
    ]
    return pd.DataFrame(rows)


def real_table():
    rows = []
    for file in sorted(REAL.glob("*/*.flac")):
        labels = aesdd.parse_aesdd(f"{file.stem}.wav")
        rows.append(
            {
                "clip": f"aesdd/{file.stem}",
                "corpus": "aesdd",
                "path": f"aesdd/{file.parent.name}/{file.stem}.wav",
                "emotion": labels.emotion,
                "speaker": labels.speaker,
                "utterance": labels.utterance,
                "take": labels.take,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module", params=["made up", "real"])
def clips(request):
    if request.param == "made up":
        return table()
    if not REAL.is_dir():
        pytest.skip("no real AESDD here")
    return real_table()


def column(clips, fold, name):
    return clips[name].groupby(clips["clip"].map(fold)).agg(set).to_dict()


# What holds of every scheme


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("val", [0.0, 0.1])
def test_every_clip_has_one_subset_in_every_fold(clips, scheme, val):
    for fold in make_folds(clips, split(scheme, val=val)):
        assert set(fold) == set(clips["clip"])
        assert set(fold.values()) == {s for s in SUBSETS if s != "val" or val}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(3))
def test_takes_of_one_sentence_stay_on_one_side(clips, scheme, seed):
    groups = group_of(clips)
    assert groups.duplicated().any()
    for fold in make_folds(clips, split(scheme, seed=seed)):
        assert clips["clip"].map(fold).groupby(groups).nunique().max() == 1
        assert shared_groups(clips, fold) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_emotion_is_in_train_and_in_test(clips, scheme):
    for fold in make_folds(clips, split(scheme)):
        emotions = column(clips, fold, "emotion")
        assert emotions["train"] == emotions["test"] == set(EMOTIONS)


@pytest.mark.parametrize("scheme", SPEAKER_SCHEMES)
@pytest.mark.parametrize("seed", range(3))
def test_speakers_of_the_subsets_are_different_people(clips, scheme, seed):
    for fold in make_folds(clips, split(scheme, seed=seed, folds=3)):
        speakers = column(clips, fold, "speaker")
        assert sum(len(names) for names in speakers.values()) == clips["speaker"].nunique()


@pytest.mark.parametrize("scheme", ["kfold", "speaker_kfold", "leave_one_speaker_out"])
@pytest.mark.parametrize("folds", [2, 3, 6])
def test_every_clip_is_tested_exactly_once(clips, scheme, folds):
    made = make_folds(clips, split(scheme, folds=folds, val=0.1))
    assert len(made) == (6 if scheme == "leave_one_speaker_out" else folds)
    tested = [clip for fold in made for clip, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(clips["clip"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_seed_gives_the_same_split_and_another_seed_another(clips, scheme):
    once = make_folds(clips, split(scheme))
    assert make_folds(clips, split(scheme)) == once
    assert any(make_folds(clips, split(scheme, seed=seed)) != once for seed in (1, 2, 3))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_order_of_the_table_does_not_matter(clips, scheme):
    once = make_folds(clips, split(scheme))
    for seed in range(2):
        shuffled = clips.sample(frac=1, random_state=seed)
        assert make_folds(shuffled, split(scheme)) == once


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_global_random_state_is_neither_used_nor_moved(clips, scheme):
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    once = make_folds(clips, split(scheme))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert make_folds(clips, split(scheme)) == once


# Sizes


@pytest.mark.parametrize(("test", "val"), [(0.2, 0.1), (0.3, 0.0), (0.1, 0.3), (0.5, 0.25)])
@pytest.mark.parametrize("seed", range(3))
def test_random_takes_the_wanted_share_of_every_emotion(clips, test, val, seed):
    (fold,) = make_folds(clips, split("random", test=test, val=val, seed=seed))
    for _, same in clips.groupby("emotion"):
        counts = Counter(same["clip"].map(fold))
        assert abs(counts["test"] - test * len(same)) <= 1
        assert abs(counts["val"] - val * len(same)) <= 2


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_of_kfold_are_of_one_size_within_a_group_per_emotion(clips, folds):
    made = make_folds(clips, split("kfold", folds=folds))
    largest = group_of(clips).value_counts().max()
    for _, same in clips.groupby("emotion"):
        tested = [(same["clip"].map(fold) == "test").sum() for fold in made]
        assert max(tested) - min(tested) <= largest
        for fold in made:
            assert abs((same["clip"].map(fold) == "val").sum() - 0.1 * len(same)) <= 2
    sizes = [list(fold.values()).count("test") for fold in made]
    assert max(sizes) - min(sizes) <= largest


@pytest.mark.parametrize(
    ("test", "val", "speakers"), [(0.2, 0.1, (4, 1, 1)), (0.5, 0.3, (1, 2, 3))]
)
def test_speaker_takes_the_wanted_share_of_the_speakers(clips, test, val, speakers):
    (fold,) = make_folds(clips, split("speaker", test=test, val=val))
    there = column(clips, fold, "speaker")
    assert tuple(len(there[subset]) for subset in SUBSETS) == speakers


@pytest.mark.parametrize("scheme", ["speaker_kfold", "leave_one_speaker_out"])
def test_speakers_are_dealt_evenly(clips, scheme):
    made = make_folds(clips, split(scheme, folds=4))
    tested = [len(column(clips, fold, "speaker")["test"]) for fold in made]
    assert sorted(tested) == ([1, 1, 2, 2] if scheme == "speaker_kfold" else [1] * 6)


def test_leave_one_speaker_out_tests_the_speakers_in_their_order():
    clips = table(speakers=11, utterances=2)
    made = make_folds(clips, split("leave_one_speaker_out"))
    assert [column(clips, fold, "speaker")["test"] for fold in made] == [
        {str(n)} for n in range(1, 12)
    ]


def test_subset_sizes_are_means_over_the_folds():
    folds = [{"a": "train", "b": "test"}, {"a": "train", "b": "train", "c": "val"}]
    assert subset_sizes(folds) == {"train": 1.5, "val": 0.5, "test": 0.5}


# What the clips do not allow


def refusal(clips, settings):
    with pytest.raises(UserError) as caught:
        make_folds(clips, settings)
    return str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_clips_are_refused(scheme):
    assert "no clips" in refusal(table().iloc[:0], split(scheme))


def test_more_folds_than_speakers_are_refused_with_both_numbers():
    text = refusal(table(speakers=4), split("speaker_kfold", folds=5))
    assert "split.folds 5 is more than the 4 speakers" in text
    assert "2 to 4 folds" in text


@pytest.mark.parametrize(
    ("scheme", "changes", "needed"),
    [("random", {}, 3), ("random", {"val": 0.0}, 2), ("kfold", {"folds": 4}, 3)],
)
def test_an_emotion_of_one_clip_is_refused_with_the_numbers(scheme, changes, needed):
    clips = pd.concat([table(), pd.DataFrame([row("aesdd", "calm", 1, 1)])], ignore_index=True)
    text = refusal(clips, split(scheme, **changes))
    assert "emotion 'calm' has 1 clip(s) in 1 group(s)" in text
    assert f"needs at least {needed}" in text


def test_takes_of_one_sentence_do_not_count_as_several_clips():
    takes = [row("aesdd", "calm", 1, 1, take) for take in ("", "a", "b")]
    clips = pd.concat([table(), pd.DataFrame(takes)], ignore_index=True)
    assert "3 clip(s) in 1 group(s)" in refusal(clips, split("random"))


def test_three_groups_are_enough_for_train_val_and_test():
    rare = [row("aesdd", "calm", n, 1) for n in (1, 2, 3)]
    clips = pd.concat([table(), pd.DataFrame(rare)], ignore_index=True)
    (fold,) = make_folds(clips, split("random"))
    assert sorted(fold[r["clip"]] for r in rare) == ["test", "train", "val"]


@pytest.mark.parametrize("scheme", ["speaker", "leave_one_speaker_out"])
def test_one_speaker_is_refused_where_speakers_are_kept_apart(scheme):
    text = refusal(table(speakers=1), split(scheme))
    assert text == (
        f"split.scheme {scheme} keeps speakers apart, and all clips are of one speaker, aesdd/1: "
        "choose scheme random or kfold, or add recordings of other speakers"
    )


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (split("leave_one_speaker_out", val=0.9), "1 for test and 5 for val"),
        (split("speaker", test=0.5, val=0.45), "3 for test and 3 for val"),
        (split("speaker_kfold", folds=2, val=0.9), "3 for test and 3 for val"),
    ],
)
def test_a_val_that_takes_all_other_speakers_is_refused_with_the_numbers(settings, numbers):
    text = refusal(table(), settings)
    assert f"6 speakers, of which {numbers}, leave none to train on: set split.val lower" in text


def test_a_test_that_takes_all_speakers_is_refused_with_the_way_to_leave_some():
    text = refusal(table(speakers=3), split("speaker", test=0.9, val=0.0))
    assert "3 speakers, of which 3 for test and 0 for val, leave none to train on: set" in text
    assert "set split.test lower" in text


# Folds that lack an emotion


def lacking_fear(*speakers):
    """Of six speakers, some never say fear."""
    clips = table(takes=False)
    lacks = (clips["emotion"] == "fear") & clips["speaker"].isin(speakers)
    return clips[~lacks].reset_index(drop=True)


@pytest.mark.parametrize(
    ("scheme", "changes"),
    [
        ("leave_one_speaker_out", {}),
        ("speaker_kfold", {"folds": 6}),
        ("speaker_kfold", {"folds": 5}),
    ],
)
@pytest.mark.parametrize("val", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_a_speaker_who_lacks_an_emotion_is_tested_like_the_others(scheme, changes, val, seed):
    clips = lacking_fear("2")
    made = make_folds(clips, split(scheme, val=val, seed=seed, **changes))
    tested = [clip for fold in made for clip, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(clips["clip"])
    lacking = []
    for number, fold in enumerate(made, start=1):
        emotions = column(clips, fold, "emotion")
        assert emotions["train"] == set(EMOTIONS)
        if "fear" not in emotions["test"]:
            assert column(clips, fold, "speaker")["test"] == {"2"}
            lacking.append(number)
    assert folds_lacking(clips, made)["test"] == ({"fear": lacking} if lacking else {})
    assert lacking or changes == {"folds": 5}


def test_what_the_val_clips_of_a_fold_lack_is_told():
    clips = lacking_fear("1", "2")
    made = make_folds(clips, split("leave_one_speaker_out"))
    lacking = [
        number
        for number, fold in enumerate(made, start=1)
        if column(clips, fold, "speaker")["val"] <= {"1", "2"}
    ]
    assert lacking
    found = folds_lacking(clips, made)
    assert found == {"train": {}, "val": {"fear": lacking}, "test": {"fear": [1, 2]}}
    without = make_folds(clips, split("leave_one_speaker_out", val=0.0))
    assert folds_lacking(clips, without)["val"] == {}


@pytest.mark.parametrize("scheme", ["speaker_kfold", "leave_one_speaker_out"])
@pytest.mark.parametrize("seed", range(5))
def test_val_speakers_take_no_emotion_away_that_others_could_leave(scheme, seed):
    """Two of four say fear: the one who is not tested is trained on."""
    clips = lacking_fear("2", "3")
    clips = clips[clips["speaker"].isin(["1", "2", "3", "4"])]
    for fold in make_folds(clips, split(scheme, folds=4, seed=seed)):
        assert column(clips, fold, "emotion")["train"] == set(EMOTIONS)
        assert len(column(clips, fold, "speaker")["val"]) == 1


def test_an_emotion_that_only_the_test_has_is_refused_with_the_numbers():
    text = refusal(lacking_fear("1", "2", "3", "4", "5"), split("leave_one_speaker_out"))
    assert "fold 6 of split.scheme leave_one_speaker_out: its train clips hold angry, " in text
    assert "but none of fear: its test clips hold 8 fear; " in text
    assert "split.seed" in text
    assert "clean.emotions" in text


@pytest.mark.parametrize("seed", range(5))
def test_a_single_test_without_an_emotion_is_refused(seed):
    """Figures over all emotions cannot be computed from it."""
    text = refusal(lacking_fear("1", "2", "3", "4", "5"), split("speaker", seed=seed))
    assert " hold angry, disgust, happy, sad, but none of fear" in text
    assert "split.seed" in text


@pytest.mark.parametrize("val", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_an_emotion_of_fewer_groups_than_folds_is_tested_in_some_of_them(val, seed):
    rare = [row("aesdd", "calm", n, 1) for n in (1, 2, 3)]
    clips = pd.concat([table(), pd.DataFrame(rare)], ignore_index=True)
    made = make_folds(clips, split("kfold", folds=5, val=val, seed=seed))
    tested = [clip for fold in made for clip, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(clips["clip"])
    for fold in made:
        assert "calm" in column(clips, fold, "emotion")["train"]
    assert len(folds_lacking(clips, made)["test"]["calm"]) == 2
    assert folds_lacking(clips, made)["train"] == {}


def test_more_folds_than_groups_are_refused_with_both_numbers():
    clips = table(speakers=2, utterances=2, emotions=("angry", "sad"))
    assert len(make_folds(clips, split("kfold", folds=8, val=0.0))) == 8
    text = refusal(clips, split("kfold", folds=9, val=0.0))
    assert "split.folds 9 is more than the 8 groups of takes" in text


def test_of_several_corpora_a_fold_lacks_what_its_own_corpora_have():
    clips = corpora("savee", "own")  # who is tested of own says three emotions, and no other
    made = make_folds(clips, split("leave_one_speaker_out", val=0.0))
    assert folds_lacking(clips, made) == {"train": {}, "val": {}, "test": {}}


# One speaker left beside those tested: who validates


TWO = [
    split("speaker"),
    split("leave_one_speaker_out"),
    split("speaker_kfold", folds=2),
    split("cross_corpus", test_corpora=["b"]),
]


@pytest.mark.parametrize("settings", TWO, ids=lambda s: s.scheme)
@pytest.mark.parametrize("seed", range(2))
def test_one_speaker_left_is_trained_on_and_validates(settings, seed):
    clips = table(2, 10)
    if settings.scheme == "cross_corpus":
        # One speaker of whom nobody knows the name counts as one.
        clips = clips.assign(corpus=clips["speaker"].map({"1": "a", "2": "b"}))
        clips["speaker"] = clips["speaker"].replace("1", "")
    groups, speakers = group_of(clips), speaker_of(clips)
    for fold in make_folds(clips, settings.model_copy(update={"seed": seed})):
        subset = clips["clip"].map(fold)
        assert subset.notna().all()
        (left,) = speakers[subset == "train"].unique()
        assert set(speakers[subset == "val"]) == {left}
        assert left not in set(speakers[subset == "test"])
        assert subset.groupby(groups).nunique().max() == 1
        assert clips["emotion"][subset == "val"].value_counts().to_dict() == dict.fromkeys(
            EMOTIONS, 2
        )
        assert validates_train_speakers(clips, fold)


def test_takes_of_one_sentence_validate_together_where_one_speaker_is_left():
    clips = table(speakers=6)
    clips = clips[clips["speaker"].isin(["5", "6"])]
    for fold in make_folds(clips, split("leave_one_speaker_out", val=0.3)):
        assert clips["clip"].map(fold).groupby(group_of(clips)).nunique().max() == 1
        assert set(fold.values()) == set(SUBSETS)


@pytest.mark.parametrize("settings", TWO[:3], ids=lambda s: s.scheme)
def test_two_speakers_and_no_val(settings):
    for fold in make_folds(table(speakers=2), settings.model_copy(update={"val": 0.0})):
        assert set(fold.values()) == {"train", "test"}
        assert not validates_train_speakers(table(speakers=2), fold)


def test_a_val_of_all_that_one_speaker_says_is_refused():
    clips = table(speakers=2)
    text = refusal(clips, split("leave_one_speaker_out", val=0.6))
    half = len(clips) // 2
    assert (
        f"fold 1 of split.scheme leave_one_speaker_out: test has {half} clips, val {half}" in text
    )
    assert f"of {2 * half}: none is left to train on; set split.val lower, or to 0" in text
    assert "hold nothing" not in text


@pytest.mark.parametrize("scheme", SPEAKER_SCHEMES)
def test_where_two_speakers_are_left_no_voice_of_train_validates(clips, scheme):
    for fold in make_folds(clips, split(scheme, folds=3)):
        assert not validates_train_speakers(clips, fold)


@pytest.mark.parametrize("scheme", ["kfold", "speaker_kfold"])
def test_a_val_that_leaves_nothing_to_train_on_is_refused(scheme):
    text = refusal(table(), split(scheme, folds=2, val=0.9))
    assert "to train on" in text
    assert "split.val lower, or to 0" in text


def test_a_val_that_takes_all_clips_of_an_emotion_is_named_beside_the_test():
    rare = pd.DataFrame([row("aesdd", "calm", n, s) for s in (1, 2) for n in (1,)])
    text = refusal(
        pd.concat([table(speakers=2), rare], ignore_index=True),
        split("leave_one_speaker_out", val=0.1),
    )
    assert "but none of calm: its test clips hold 1 calm, its val clips hold 1 calm;" in text


# Several corpora


SIX = ("angry", "disgust", "fear", "happy", "neutral", "sad")
# Speakers, utterances, emotions, takes of corpora of unlike size: only one has calm, and three have
# surprise; one has a single speaker.
SIZES = {
    "aesdd": (6, 5, EMOTIONS, 1),
    "cremad": (91, 2, SIX, 1),
    "own": (1, 9, ("angry", "happy", "sad"), 1),
    "ravdess": (24, 2, (*SIX, "calm", "surprise"), 2),
    "savee": (4, 6, (*SIX, "surprise"), 1),
    "tess": (2, 12, (*SIX, "surprise"), 1),
}


@cache
def corpora(*names):
    """The clips of several corpora, in the order of clips.csv."""
    rows = [
        row(corpus, emotion, utterance, speaker, take)
        for corpus in names or SIZES
        for speaker in range(1, SIZES[corpus][0] + 1)
        for utterance in range(1, SIZES[corpus][1] + 1)
        for emotion in SIZES[corpus][2]
        for take in "abc"[: SIZES[corpus][3]]
    ]
    # Surprise and sad begin alike.
    clips = pd.DataFrame(rows)
    clips["clip"] += "-" + clips["emotion"]
    return clips.sort_values("clip", ignore_index=True)


@cache
def folds_of(scheme, seed=0, **changes):
    return make_folds(corpora(), split(scheme, seed=seed, **changes))


def speakers_by_corpus(clips, fold):
    """How many speakers of each corpus each subset has: corpus -> (train, val, test)."""
    counts = speaker_of(clips).groupby([clips["corpus"], clips["clip"].map(fold)]).nunique()
    return {
        corpus: tuple(int(counts.get((corpus, subset), 0)) for subset in SUBSETS)
        for corpus in sorted(clips["corpus"].unique())
    }


def strata(clips):
    """The clips of each corpus and emotion, and the size of their largest group of takes."""
    return [
        (same["clip"], group_of(same).value_counts().max())
        for _, same in clips.groupby(["corpus", "emotion"])
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(2))
def test_of_several_corpora_every_clip_has_one_subset_in_every_fold(scheme, seed):
    for fold in folds_of(scheme, seed):
        assert set(fold) == set(corpora()["clip"])
        assert set(fold.values()) == set(SUBSETS)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(2))
def test_of_several_corpora_takes_of_one_sentence_stay_on_one_side(scheme, seed):
    clips = corpora()
    groups = group_of(clips)
    assert groups.duplicated().any()
    for fold in folds_of(scheme, seed):
        assert clips["clip"].map(fold).groupby(groups).nunique().max() == 1
        assert shared_groups(clips, fold) == 0


@pytest.mark.parametrize("scheme", SPEAKER_SCHEMES)
@pytest.mark.parametrize("seed", range(2))
def test_of_several_corpora_no_speaker_is_on_two_sides(scheme, seed):
    clips = corpora()
    speakers = speaker_of(clips)
    assert speakers.nunique() == 128
    for fold in folds_of(scheme, seed):
        assert clips["clip"].map(fold).groupby(speakers).nunique().max() == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(2))
def test_emotions_of_one_corpus_only_are_trained_on_and_tested_where_it_is(scheme, seed):
    clips = corpora()
    for fold in folds_of(scheme, seed):
        emotions = column(clips, fold, "emotion")
        assert emotions["train"] == set(clips["emotion"])
        tested = column(clips, fold, "corpus")["test"]
        assert emotions["test"] == {e for corpus in tested for e in SIZES[corpus][2]}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_of_several_corpora_the_same_seed_gives_the_same_split(scheme):
    once = folds_of(scheme)
    assert make_folds(corpora(), split(scheme)) == once
    assert folds_of(scheme, 1) != once


@pytest.mark.parametrize("scheme", SCHEMES)
def test_of_several_corpora_the_order_of_the_table_does_not_matter(scheme):
    shuffled = corpora().sample(frac=1, random_state=0)
    assert make_folds(shuffled, split(scheme)) == folds_of(scheme)


@pytest.mark.parametrize("scheme", [*SCHEMES, "cross_corpus"])
def test_any_corpora_go_together(scheme):
    for number in (2, 5):
        for names in combinations(("aesdd", "cremad", "ravdess", "savee", "tess"), number):
            clips = corpora(*names)
            common = set.intersection(*(set(SIZES[name][2]) for name in names))
            clips = clips[clips["emotion"].isin(common)]
            tested = [names[0]] if scheme == "cross_corpus" else []
            for fold in make_folds(clips, split(scheme, folds=3, test_corpora=tested)):
                assert set(fold) == set(clips["clip"])
                subsets = column(clips, fold, "emotion")
                assert subsets["train"] == subsets["test"] == common
                assert "val" in fold.values()  # tuning counts on it where split.val is above 0


@pytest.mark.parametrize(("test", "val"), [(0.2, 0.1), (0.3, 0.0), (0.1, 0.3), (0.5, 0.25)])
@pytest.mark.parametrize("seed", range(2))
def test_random_takes_the_wanted_share_of_every_emotion_of_every_corpus(test, val, seed):
    (fold,) = folds_of("random", seed, test=test, val=val)
    for clips, largest in strata(corpora()):
        counts = Counter(clips.map(fold))
        assert abs(counts["test"] - test * len(clips)) <= largest
        assert abs(counts["val"] - val * len(clips)) <= largest


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_kfold_deals_every_emotion_of_every_corpus_evenly(folds):
    made = folds_of("kfold", folds=folds)
    assert len(made) == folds
    for clips, largest in strata(corpora()):
        tested = [(clips.map(fold) == "test").sum() for fold in made]
        assert sum(tested) == len(clips)
        assert max(tested) - min(tested) <= largest
        for fold in made:
            assert abs((clips.map(fold) == "val").sum() - 0.1 * len(clips)) <= largest
    sizes = [list(fold.values()).count("test") for fold in made]
    assert max(sizes) - min(sizes) <= 2  # the most takes of one sentence


def test_an_emotion_of_as_many_groups_as_folds_is_tested_in_every_fold():
    # Neither corpus has five groups of calm. One sentence of many takes makes the folds unlike.
    many = [row("a", "angry", 1, 1, take) for take in "abcdefgh"]
    more = [row("a", "angry", n, 1) for n in range(2, 7)]
    calm = [row(corpus, "calm", n, 1) for corpus, last in (("a", 3), ("b", 2)) for n in range(last)]
    clips = pd.DataFrame([*many, *more, *calm])
    for fold in make_folds(clips, split("kfold", folds=5, val=0.0)):
        assert column(clips, fold, "emotion")["test"] == {"angry", "calm"}


@pytest.mark.parametrize(
    ("test", "val", "expected"),
    [
        (
            0.2,
            0.1,
            {
                "aesdd": (4, 1, 1),
                "cremad": (64, 9, 18),
                "own": (1, 0, 0),
                "ravdess": (17, 2, 5),
                "savee": (3, 0, 1),
                "tess": (1, 0, 1),
            },
        ),
        (
            0.5,
            0.4,
            {
                "aesdd": (1, 2, 3),
                "cremad": (9, 36, 46),
                "own": (1, 0, 0),
                "ravdess": (2, 10, 12),
                "savee": (1, 1, 2),
                "tess": (1, 0, 1),
            },
        ),
        (
            0.01,
            0.0,
            {
                "aesdd": (5, 0, 1),
                "cremad": (90, 0, 1),
                "own": (1, 0, 0),
                "ravdess": (23, 0, 1),
                "savee": (3, 0, 1),
                "tess": (1, 0, 1),
            },
        ),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_speaker_takes_its_share_of_the_speakers_of_every_corpus(test, val, expected, seed):
    (fold,) = folds_of("speaker", seed, test=test, val=val)
    assert speakers_by_corpus(corpora(), fold) == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("test", [0.01, 0.5, 0.98])
def test_speaker_tests_and_trains_on_every_corpus_of_two_speakers(test, seed):
    (fold,) = folds_of("speaker", seed, test=test, val=0.01)
    for corpus, (train, _, tested) in speakers_by_corpus(corpora(), fold).items():
        assert train >= 1
        assert tested >= 1 or corpus == "own"


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_speaker_kfold_deals_the_speakers_of_every_corpus_evenly(folds):
    made = folds_of("speaker_kfold", folds=folds)
    counts = [speakers_by_corpus(corpora(), fold) for fold in made]
    for corpus, (speakers, *_) in SIZES.items():
        tested = [count[corpus][2] for count in counts]
        assert sum(tested) == speakers
        assert max(tested) - min(tested) <= 1
    sizes = [sum(test for _, _, test in count.values()) for count in counts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("scheme", ["kfold", "speaker_kfold", "leave_one_speaker_out"])
@pytest.mark.parametrize("folds", [2, 5])
def test_of_several_corpora_every_clip_is_tested_exactly_once(scheme, folds):
    made = folds_of(scheme, folds=folds)
    assert len(made) == (128 if scheme == "leave_one_speaker_out" else folds)
    tested = [clip for fold in made for clip, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(corpora()["clip"])


def test_leave_one_speaker_out_tests_corpus_after_corpus():
    clips = corpora()
    speakers = speaker_of(clips)
    tested = [
        set(speakers[clips["clip"].map(fold) == "test"]) for fold in folds_of(SPEAKER_SCHEMES[2])
    ]
    assert tested == [
        {f"{corpus}/{number}"} for corpus in SIZES for number in range(1, SIZES[corpus][0] + 1)
    ]


def test_speaker_1_of_two_corpora_is_two_people():
    clips = pd.concat([table(3, 2), table(3, 2, corpus="demo")], ignore_index=True)
    made = make_folds(clips, split("leave_one_speaker_out"))
    assert len(made) == 6
    for fold in made:
        speakers = speaker_of(clips).groupby(clips["clip"].map(fold)).agg(set)
        assert len(speakers["test"]) == 1
        assert sum(map(len, speakers)) == 6


@pytest.mark.parametrize("scheme", ["speaker_kfold", "leave_one_speaker_out"])
@pytest.mark.parametrize("val", [0.0, 0.1, 0.3, 0.7])
def test_val_takes_the_share_of_every_corpus_and_leaves_one_to_train_on(scheme, val):
    for fold in folds_of(scheme, val=val):
        for corpus, (train, valued, tested) in speakers_by_corpus(corpora(), fold).items():
            speakers = SIZES[corpus][0]
            left = speakers - tested
            assert valued == (min(round(val * speakers), left - 1) if left else 0)
            assert train == left - valued
            assert train >= 1 or left == 0


def test_val_has_a_speaker_of_the_corpus_that_has_most_left_where_no_share_is_one():
    clips = corpora("own", "savee", "tess")
    clips = clips[clips["emotion"].isin(SIZES["own"][2])]
    for seed in range(5):
        (fold,) = make_folds(clips, split("speaker", seed=seed))
        assert speakers_by_corpus(clips, fold) == {
            "own": (1, 0, 0),
            "savee": (2, 1, 1),
            "tess": (1, 0, 1),
        }


def test_one_speaker_each_is_nothing_to_test_on():
    clips = pd.concat([table(1), table(1, corpus="demo")], ignore_index=True)
    text = refusal(clips, split("speaker", val=0.0))
    assert "each corpus has one speaker alone, who is trained on" in text
    assert "choose scheme leave_one_speaker_out or cross_corpus" in text
    made = make_folds(clips, split("leave_one_speaker_out", val=0.0))
    assert [column(clips, fold, "corpus")["test"] for fold in made] == [{"aesdd"}, {"demo"}]


@pytest.mark.parametrize("scheme", ["speaker_kfold", "leave_one_speaker_out"])
def test_an_emotion_of_one_speaker_is_refused_where_that_speaker_is_tested(scheme):
    calm = pd.DataFrame(
        [row("own", emotion, n, 1) for emotion in ("angry", "calm") for n in (1, 2)]
    )
    clips = pd.concat([corpora("cremad"), calm], ignore_index=True)
    text = refusal(clips, split(scheme))
    assert f"of split.scheme {scheme}: its train clips hold angry, disgust, fear," in text
    assert "but none of calm" in text
    assert "clean.emotions" in text
    # Where the scheme need not test that speaker it does not.
    (fold,) = make_folds(clips, split("speaker"))
    assert "calm" in column(clips, fold, "emotion")["train"]


def test_an_emotion_that_a_tested_corpus_has_and_a_tested_speaker_lacks_is_told():
    # Speaker 2 of 2 never says calm: that speaker's fold has nothing of it to test.
    calm = pd.DataFrame([row("cremad", "calm", n, s) for n in (1, 2) for s in range(1, 92)])
    more = pd.DataFrame([row("tess", "calm", n, 1) for n in (1, 2)])
    clips = pd.concat([corpora("cremad"), corpora("tess"), calm, more], ignore_index=True)
    made = make_folds(clips, split("leave_one_speaker_out", val=0.0))
    assert len(made) == 93
    assert folds_lacking(clips, made) == {"train": {}, "val": {}, "test": {"calm": [93]}}


# Tested on other corpora


def cross(*test_corpora, **changes):
    return split("cross_corpus", test_corpora=list(test_corpora), **changes)


SHARED = ("angry", "disgust", "fear", "happy", "sad")
ACROSS = ("aesdd", "cremad", "ravdess", "savee", "tess")


def shared_clips(*names):
    clips = corpora(*(names or ACROSS))
    return clips[clips["emotion"].isin(SHARED)].reset_index(drop=True)


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("val", [0.0, 0.1, 0.5])
def test_across_corpora_all_clips_of_some_corpora_are_tested(number, val):
    clips = shared_clips()
    for tested in combinations(ACROSS, number):
        (fold,) = make_folds(clips, cross(*tested, val=val))
        assert set(fold) == set(clips["clip"])
        subset = clips["clip"].map(fold)
        assert ((subset == "test") == clips["corpus"].isin(tested)).all()
        assert subset.groupby(speaker_of(clips)).nunique().max() == 1
        others = {corpus: SIZES[corpus][0] for corpus in ACROSS if corpus not in tested}
        wanted = {corpus: min(round(val * n), n - 1) for corpus, n in others.items()}
        if val and not any(wanted.values()):
            wanted[max(others, key=others.get)] = 1
        counts = speakers_by_corpus(clips, fold)
        assert {corpus: counts[corpus] for corpus in others} == {
            corpus: (others[corpus] - wanted[corpus], wanted[corpus], 0) for corpus in others
        }


@pytest.mark.parametrize("seed", range(3))
def test_across_corpora_neither_the_order_of_the_table_nor_of_the_corpora_matters(seed):
    clips = shared_clips()
    once = make_folds(clips, cross("savee", "tess", seed=seed))
    shuffled = clips.sample(frac=1, random_state=seed)
    assert make_folds(shuffled, cross("tess", "savee", seed=seed)) == once


def test_across_corpora_the_seed_draws_the_val_speakers():
    clips = shared_clips()
    once = make_folds(clips, cross("savee"))
    assert make_folds(clips, cross("savee")) == once
    assert any(make_folds(clips, cross("savee", seed=seed)) != once for seed in (1, 2, 3))


def test_across_corpora_an_emotion_of_one_side_is_refused_with_its_corpora_and_what_both_have():
    clips = corpora()
    text = refusal(clips, cross("cremad", "own"))
    assert "only one side has calm (ravdess), surprise (ravdess, savee, tess). Set" in text
    assert "[angry, disgust, fear, happy, neutral, sad]" in text
    assert "clean.emotions" in text
    assert "clean.relabel" in text
    # The tested side may be the one that has more.
    text = refusal(corpora("own", "savee"), cross("savee"))
    lone = "disgust (savee), fear (savee), neutral (savee), surprise (savee). Set"
    assert f"only one side has {lone}" in text
    assert "[angry, happy, sad]" in text


def test_across_corpora_lone_emotions_of_both_sides_are_named_together():
    clips = pd.DataFrame(
        [
            row(corpus, emotion, n, speaker)
            for corpus, emotions in {"a": ("angry", "calm"), "b": ("angry", "fear")}.items()
            for emotion in emotions
            for n in (1, 2)
            for speaker in (1, 2, 3)
        ]
    )
    text = refusal(clips, cross("b"))
    assert "only one side has calm (a), fear (b). Set" in text
    assert "both have, [angry]" in text


@pytest.mark.parametrize("scheme", [*SCHEMES, "cross_corpus"])
def test_one_emotion_is_nothing_to_tell_apart(scheme):
    clips = pd.concat([table(corpus="a"), table(corpus="b")], ignore_index=True)
    settings = split(scheme, test_corpora=["b"] if scheme == "cross_corpus" else [])
    text = refusal(clips[clips["emotion"] == "angry"], settings)
    assert "all clips are angry: a recogniser needs at least two emotions" in text


def test_across_corpora_one_without_clips_is_refused_by_name():
    text = refusal(shared_clips("savee", "tess"), cross("savee", "emodb", "cremad"))
    assert "split.test_corpora names cremad, emodb, which has no clips" in text


def test_across_corpora_one_train_speaker_and_no_val():
    clips = pd.concat([corpora("own"), table(2, 2, ("angry", "happy", "sad"))], ignore_index=True)
    (fold,) = make_folds(clips, cross("aesdd", val=0.0))
    assert speakers_by_corpus(clips, fold) == {"aesdd": (0, 0, 2), "own": (1, 0, 0)}


@pytest.mark.parametrize("val", [0.0, 0.1])
def test_across_corpora_speakers_may_be_unknown(val):
    clips = pd.concat([shared_clips("cremad", "savee"), unknown()], ignore_index=True)
    for tested in (["own"], ["savee"], ["own", "savee"]):
        (fold,) = make_folds(clips, cross(*tested, val=val))
        assert column(clips, fold, "corpus")["test"] == set(tested)
        assert ("val" in fold.values()) == (val > 0)
        assert clips["clip"].map(fold).groupby(speaker_of(clips)).nunique().max() == 1


# Speakers that nobody knows


def unknown(emotions=SHARED, utterances=6):
    """Recordings without a speaker; each says something of its own."""
    clips = pd.DataFrame([row("own", e, n, "") for e in emotions for n in range(1, utterances + 1)])
    return clips.assign(utterance=clips["clip"])


def test_an_unknown_speaker_is_called_so_in_each_corpus():
    clips = pd.DataFrame([row("own", "sad", 1, ""), row("b", "sad", 1, ""), row("b", "sad", 1, 7)])
    assert speaker_of(clips).tolist() == ["own/unknown", "b/unknown", "b/7"]
    assert group_of(clips).tolist() == ["own/unknown/01/sad", "b/unknown/01/sad", "b/7/01/sad"]


@pytest.mark.parametrize("scheme", SPEAKER_SCHEMES)
def test_unknown_speakers_are_refused_with_their_number_where_speakers_are_kept_apart(scheme):
    alone = refusal(unknown(), split(scheme))
    assert f"split.scheme {scheme} keeps speakers apart" in alone
    assert "unknown for 30 clip(s) of own" in alone
    assert "scheme random, kfold or cross_corpus" in alone
    some = table().assign(speaker=lambda t: t["speaker"].replace("6", ""))
    both = pd.concat([unknown(utterances=2), some], ignore_index=True)
    assert "unknown for 50 clip(s) of aesdd, own" in refusal(both, split(scheme))


@pytest.mark.parametrize("scheme", ["random", "kfold"])
def test_unknown_speakers_do_not_matter_where_clips_are_drawn(scheme):
    clips = pd.concat([unknown(), table()], ignore_index=True)
    for names in (["own"], ["own", "aesdd"]):
        wanted = clips[clips["corpus"].isin(names)]
        for fold in make_folds(wanted, split(scheme, folds=3)):
            assert set(fold) == set(wanted["clip"])
            for same, largest in strata(wanted):
                share = 0.2 if scheme == "random" else 1 / 3
                assert abs((same.map(fold) == "test").sum() - share * len(same)) <= largest
            assert shared_groups(wanted, fold) == 0


def test_a_name_is_one_person_and_one_utterance_in_whatever_form_it_is_stored():
    clips = table(speakers=3, takes=False)
    forms = ["M\u00fcller", "Mu\u0308ller"]
    other = clips.index % 2
    clips["speaker"] = clips["speaker"].replace("1", forms[0])
    clips.loc[(clips["speaker"] == forms[0]) & (other == 1), "speaker"] = forms[1]
    assert set(clips["speaker"]) == {*forms, "2", "3"}
    assert len(make_folds(clips, split("leave_one_speaker_out", val=0.0))) == 3
    assert len(make_folds(clips, split("speaker_kfold", folds=3, val=0.0))) == 3
    clips["utterance"] += [forms[i % 2] for i in other]
    assert group_of(clips).nunique() == 3 * 8 * len(EMOTIONS)
