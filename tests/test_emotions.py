import pytest

from ser.emotions import EMOTIONS, emotion_of
from ser.rejection import Rejected


def refusal(word, relabel=None):
    with pytest.raises(Rejected) as caught:
        emotion_of(word, relabel or {})
    assert caught.value.reason == "unknown_emotion"
    return str(caught.value)


def test_the_emotions_are_eight_in_alphabetical_order():
    assert len(set(EMOTIONS)) == 8
    assert list(EMOTIONS) == sorted(EMOTIONS)


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("write", [str, str.upper, str.title, "  {}\t".format])
def test_an_emotion_is_known_whatever_its_case_and_the_space_around_it(emotion, write):
    assert emotion_of(write(emotion), {}) == emotion


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("anger", "angry"),
        ("calmness", "calm"),
        ("disgusted", "disgust"),
        ("fearful", "fear"),
        ("happiness", "happy"),
        ("neutrality", "neutral"),
        ("sadness", "sad"),
        ("surprised", "surprise"),
        ("Sadness", "sad"),
        (" FEARFUL ", "fear"),
    ],
)
def test_other_forms_of_the_same_word_mean_the_same_emotion(word, emotion):
    assert emotion_of(word, {}) == emotion


@pytest.mark.parametrize("word", ["", " ", "joy", "bored", "ps", "happyy", "not happy", "1"])
def test_an_unknown_word_is_refused_with_the_emotions_and_the_way_out(word):
    text = refusal(word)
    assert text.startswith(f"{word!r}: ")
    assert ", ".join(EMOTIONS) in text
    assert "clean.relabel" in text


@pytest.mark.parametrize("word", ["joy", "Joy", " JOY "])
def test_a_word_that_is_not_known_otherwise_can_be_given_an_emotion(word):
    assert emotion_of(word, {"joy": "happy"}) == "happy"


def test_what_is_relabelled_leaves_other_words_as_they_are():
    relabel = {"joy": "happy", "calm": "neutral"}
    assert emotion_of("sadness", relabel) == "sad"
    refusal("bored", relabel)


@pytest.mark.parametrize("word", ["calm", "Calm", "calmness"])
def test_an_emotion_can_be_taken_for_another_by_whatever_word_it_is_named(word):
    assert emotion_of(word, {"calm": "neutral"}) == "neutral"


def test_a_synonym_can_be_taken_for_another_emotion_than_its_own():
    relabel = {"surprised": "happy"}
    assert emotion_of("surprised", relabel) == "happy"
    assert emotion_of("surprise", relabel) == "surprise"


@pytest.mark.parametrize(
    ("word", "emotion"),
    [("calm", "neutral"), ("neutral", "calm"), ("calmness", "neutral"), ("serene", "calm")],
)
def test_what_was_relabelled_once_is_not_relabelled_again(word, emotion):
    relabel = {"calm": "neutral", "neutral": "calm", "serene": "calm"}
    assert emotion_of(word, relabel) == emotion
