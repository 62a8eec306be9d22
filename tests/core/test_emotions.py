import io
import unicodedata

import pytest

from ser.core.emotions import EMOTIONS, emotion_of, problem_of_name
from ser.core.rejection import Rejected
from ser.use.answers import Answer, as_csv, as_table
from ser.use.prediction import Prediction


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
    assert "clean.emotions" in text


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


FORMS = ("NFC", "NFD")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key_form", FORMS)
@pytest.mark.parametrize("key", ["colère", "Colère"])
def test_a_word_is_one_word_in_either_form_of_its_accents(form, key_form, key):
    relabel = {unicodedata.normalize(key_form, key): "angry"}
    assert emotion_of(unicodedata.normalize(form, "Colère"), relabel) == "angry"
    refusal("Colere", relabel)


@pytest.mark.parametrize("word", ["\u00a0angry", "\ufeffAngry", "an\u200bgry "])
def test_what_cannot_be_seen_makes_no_other_word(word):
    assert emotion_of(word, {}) == "angry"


def test_words_of_several_parts_may_have_any_blanks_between_them():
    relabel = {"pleasant surprise": "surprise"}
    assert emotion_of("Pleasant\u00a0 surprise", relabel) == "surprise"


@pytest.mark.parametrize("word", ["0", " 0", "0 "])
def test_a_number_may_be_a_word(word):
    assert emotion_of(word, {"0": "neutral", "00": "sad"}) == "neutral"
    refusal("1", {"0": "neutral"})
    refusal("0.0", {"0": "neutral"})


@pytest.mark.parametrize("word", ["boredom", " Boredom", "BOREDOM"])
def test_an_emotion_of_ones_own_is_known_where_it_is_listed(word):
    assert emotion_of(word, {}, ["boredom"]) == "boredom"
    refusal(word)
    with pytest.raises(Rejected, match="surprise, contempt, a word that"):
        emotion_of(word, {}, ["contempt"])


def test_words_are_taken_for_an_emotion_of_ones_own_and_it_for_others():
    own = ["boredom"]
    assert emotion_of("Langeweile", {"langeweile": "boredom"}, own) == "boredom"
    assert emotion_of("boredom", {"boredom": "neutral"}, own) == "neutral"


@pytest.mark.parametrize(
    "name", [*EMOTIONS, "boredom", "x", "mixed_feelings-2", "no", "true", "null", "nan"]
)
def test_an_emotion_may_be_called_by_any_plain_word(name):
    assert problem_of_name(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Boredom", "a letter first"),
        ("a b", "a letter first"),
        ("a.b", "a letter first"),
        ("_a", "a letter first"),
        ("mixed_feelings-22", "at most 16"),
        ("1", "a letter first"),
        ("ennui\n", "a letter first"),
        ("dégoût", "clean.relabel can map any word to it"),
        ("sadness", "write it as sad"),
        ("all", "reserved"),
        (1, "in quotes"),
        (True, "in quotes"),
        (None, "in quotes"),
        (["sad"], "in quotes"),
    ],
)
def test_a_name_that_no_emotion_can_have_is_refused(name, said):
    assert said in problem_of_name(name)


@pytest.mark.parametrize("form", [as_table, as_csv])
def test_no_emotion_is_called_like_another_column_of_an_answer(form):
    head = io.StringIO()
    with form(head, ["EMOTION"]):
        pass
    columns = head.getvalue().replace(",", " ").split()
    assert "EMOTION" in columns
    for column in set(columns) - {"EMOTION"}:
        assert "reserved" in problem_of_name(column), column


def test_the_columns_of_a_table_are_as_wide_as_the_names_of_emotions():
    head = io.StringIO()
    with as_table(head, ["angry", "mixed_feelings-2"]) as write:
        write(Answer("a.wav", None, "silent", "nothing"))
        write(Answer("b.wav", Prediction(1.0, {"angry": 0.25, "mixed_feelings-2": 0.75})))
    first, second, third = head.getvalue().splitlines()
    assert first.split() == ["emotion", "angry", "mixed_feelings-2", "seconds", "file"]
    assert third.split() == ["mixed_feelings-2", "25.0%", "75.0%", "1.0", "b.wav"]
    assert first.index("file") == second.index("a.wav") == third.index("b.wav")
    assert first.index("seconds") == third.index("1.0")
