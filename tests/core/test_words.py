import pytest

from ser.core.words import composed, folded, lookalike, tidied

MUELLER = ("M\u00fcller", "Mu\u0308ller")


@pytest.mark.parametrize("make", [composed, tidied, folded, lookalike])
def test_both_ways_of_storing_an_accent_become_one(make):
    assert len(set(map(make, MUELLER))) == 1
    assert make(make(MUELLER[1])) == make(MUELLER[1])


def test_composing_changes_nothing_that_can_be_seen():
    for text in ("", " a  b ", "\uff11", "\ufb01", "x\u00b2", "ANNA", "a\u200bb"):
        assert composed(text) == text


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  Anna ", "Anna"),
        ("Anna\u00a0M.", "Anna M."),
        ("Anna \t\u3000 M.", "Anna M."),
        ("\ufeffAnna", "Anna"),
        ("An\u200bna\u00ad\u200e", "Anna"),
        ("u\u200b\u0308", "\u00fc"),
        ("\u200b \u200b", ""),
        ("\u0646\u200c\u0645", "\u0646\u200c\u0645"),
        ("\uff11", "\uff11"),
        ("anna-1_x.y/z", "anna-1_x.y/z"),
    ],
)
def test_blanks_and_what_cannot_be_seen_are_tidied_and_the_rest_stays(text, tidy):
    assert tidied(text) == tidy
    assert tidied(tidy) == tidy


@pytest.mark.parametrize(
    "words",
    [
        ("Colère", "COLÈRE", "cole\u0300re", "COLE\u0300RE"),
        ("Λύπης", "ΛΎΠΗΣ"),
        ("I\u0307", "\u0130"),
        ("Pleasant Surprise", " pleasant\u00a0surprise"),
    ],
)
def test_words_are_folded_alike(words):
    assert len(set(map(folded, words))) == 1
    assert folded(folded(words[0])) == folded(words[0])


def test_words_that_differ_stay_apart():
    words = ("1", "01", "\uff11", "colere", "colère", "pleasantsurprise", "pleasant surprise")
    assert len(set(map(folded, words))) == len(words)


@pytest.mark.parametrize(
    "names", [("Anna", "anna"), ("1", "01", "001", "\uff11"), ("sub-07", "Sub-7")]
)
def test_names_that_may_mean_one_person_look_alike(names):
    assert len(set(map(lookalike, names))) == 1


def test_other_names_do_not_look_alike():
    names = ("0", "00x", "1", "10", "100", "101", "0100x", "anna", "annä")
    assert len(set(map(lookalike, names))) == len(names)
