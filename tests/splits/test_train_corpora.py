"""Corpora that are trained on only."""

import json

import pandas as pd
import pytest

from ser.core.errors import UserError
from ser.core.sections import Split
from ser.splits.schemes import make_folds
from ser.splits.train_corpora import count_clips, weights

EMOTIONS = ("angry", "happy", "sad")
SCHEMES = ("random", "kfold", "speaker", "speaker_kfold", "leave_one_speaker_out", "emobox")


def split(scheme="leave_one_speaker_out", **changes):
    values = {"folds": 3, "test": 0.2, "val": 0.2, "seed": 0, "test_corpora": [], "emobox": ""}
    return Split(scheme=scheme, **values | {"train_corpora": {}} | changes)


def corpus(name, speakers="123456", emotions=EMOTIONS):
    """Every speaker says five sentences with every emotion."""
    return pd.DataFrame(
        {
            "clip": f"{name}/{emotion[0]}{sentence:02} ({speaker})",
            "corpus": name,
            "emotion": emotion,
            "speaker": speaker,
            "utterance": f"{sentence:02}",
        }
        for emotion in emotions
        for sentence in range(1, 6)
        for speaker in speakers
    )


def joined(*corpora):
    return pd.concat(corpora, ignore_index=True)


@pytest.fixture
def published(tmp_path):
    """EmoBox's lists of the AESDD: speaker 1 is tested."""
    paths = [f"x/{clip.split('/')[1]}.wav" for clip in corpus("aesdd")["clip"]]
    (tmp_path / "fold_1").mkdir()
    for subset in ("train", "test"):
        lines = [json.dumps({"wav": p}) for p in paths if ("(1)" in p) == (subset == "test")]
        (tmp_path / f"fold_1/aesdd_{subset}_fold_1.jsonl").write_text("\n".join(lines))
    return str(tmp_path)


@pytest.mark.parametrize("val", [0.0, 0.2])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_tested_corpus_is_split_as_if_the_others_did_not_exist(scheme, val, published):
    path = published if scheme == "emobox" else ""
    aesdd, others = corpus("aesdd"), joined(corpus("savee"), corpus("own", "ab"))
    alone = make_folds(aesdd, split(scheme, val=val, emobox=path))
    settings = split(scheme, val=val, emobox=path, train_corpora={"own": 0.5, "savee": 2})
    made = make_folds(joined(others, aesdd), settings)
    assert len(made) == len(alone)
    for fold, expected in zip(made, alone, strict=True):
        added = {clip: subset for clip, subset in fold.items() if not clip.startswith("aesdd/")}
        assert added == dict.fromkeys(others["clip"], "train")
        assert {clip: s for clip, s in fold.items() if clip not in added} == expected


def test_across_corpora_they_are_added_to_those_that_are_trained_and_validated_on():
    three = joined(corpus("aesdd"), corpus("savee"), corpus("tess", "12"))
    cross = split("cross_corpus", test_corpora=["aesdd"])
    (expected,) = make_folds(three[three["corpus"] != "tess"], cross)
    settings = split("cross_corpus", test_corpora=["aesdd"], train_corpora={"tess": 0.5})
    (fold,) = make_folds(three, settings)
    tess = dict.fromkeys(corpus("tess", "12")["clip"], "train")
    assert fold == expected | tess
    assert "val" in expected.values()


def test_clips_weigh_what_their_corpus_does():
    clips = joined(corpus("aesdd", "1"), corpus("savee", "1"), corpus("tess", "1"))
    settings = split(train_corpora={"tess": 0.25, "savee": 10})
    found = weights(clips, settings)
    assert {(clip.split("/")[0], weight) for clip, weight in found.items()} == {
        ("aesdd", 1),
        ("savee", 10),
        ("tess", 0.25),
    }
    assert count_clips(clips, settings) == {"tess": 15, "savee": 15}


def test_they_need_not_have_every_emotion_or_speakers_names():
    few = corpus("own", [""], emotions=("sad",))
    made = make_folds(joined(corpus("aesdd"), few), split(train_corpora={"own": 1}))
    assert all(fold[clip] == "train" for fold in made for clip in few["clip"])


def refusal(clips, settings):
    with pytest.raises(UserError) as caught:
        make_folds(clips, settings)
    return str(caught.value)


def test_without_clips_one_is_refused():
    text = refusal(corpus("aesdd"), split(train_corpora={"tess": 1}))
    assert text == "split.train_corpora names tess, which has no clips"
    assert "no clips to split" in refusal(corpus("tess"), split(train_corpora={"tess": 1}))


@pytest.mark.parametrize("scheme", ["random", "leave_one_speaker_out"])
def test_an_emotion_that_is_never_tested_is_refused_with_the_way_out(scheme):
    more = joined(corpus("tess", emotions=("sad", "calm")), corpus("own", emotions=("boredom",)))
    settings = split(scheme, train_corpora={"tess": 1, "own": 1})
    text = refusal(joined(corpus("aesdd"), more), settings)
    assert "they alone have boredom (own), calm (tess)" in text
    assert "Set clean.emotions to what is tested, [angry, happy, sad]" in text
    assert "clean.relabel" in text


KEPT_APART = ["speaker", "speaker_kfold", "leave_one_speaker_out"]


@pytest.mark.parametrize("scheme", KEPT_APART)
@pytest.mark.parametrize("accent", ["zoë", "zoe\u0308"])
def test_a_speaker_of_ones_own_corpora_is_not_on_both_sides(scheme, accent):
    clips = joined(corpus("own", ["ann", "zoë", "max"]), corpus("own2", ["eve", accent]))
    text = refusal(clips, split(scheme, train_corpora={"own2": 1}))
    assert f"split.scheme {scheme} keeps speakers apart, but own2 (split.train_corpora)" in text
    assert "and own both have a speaker zoë: if that is one person, leave" in text
    renamed = joined(corpus("own", ["ann", "zoë", "max"]), corpus("own2", ["eve", "zoe"]))
    assert make_folds(renamed, split(scheme, train_corpora={"own2": 1}))


def test_a_tested_speaker_across_corpora_is_refused_too():
    clips = joined(corpus("own", ["ann"]), corpus("own2", ["ann"]), corpus("aesdd"))
    settings = split("cross_corpus", test_corpora=["own"], train_corpora={"own2": 1})
    assert "own2 (split.train_corpora) and own both have a speaker ann" in refusal(clips, settings)


@pytest.mark.parametrize("scheme", ["random", "kfold"])
def test_where_the_split_hears_every_speaker_the_same_may_be_added(scheme):
    clips = joined(corpus("own", "abc"), corpus("own2", ["a", ""]))
    assert make_folds(clips, split(scheme, train_corpora={"own2": 1}))


def test_numbers_of_actors_are_no_names():
    """Speaker 1 of the AESDD is not speaker 1 of SAVEE, nor whom a user calls 1."""
    clips = joined(corpus("aesdd"), corpus("savee"), corpus("own"))
    assert make_folds(clips, split(train_corpora={"savee": 1, "own": 1}))
    assert make_folds(clips, split(train_corpora={"aesdd": 1, "savee": 1}))


def test_an_unknown_speaker_who_may_be_tested_is_refused():
    clips = joined(corpus("own", ["ann", "max"]), corpus("own2", ["eve", ""]))
    text = refusal(clips, split(train_corpora={"own2": 1}))
    assert "speaker is unknown for 15 clip(s) of own2 (split.train_corpora)" in text
    assert "may be one of own: give labels.csv a column speaker" in text
