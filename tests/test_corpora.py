from collections import Counter
from pathlib import Path

import pytest

from ser.corpora import EMOTIONS, LANGUAGES, PARSERS, Labels, UnknownNameError, aesdd

REAL = Path(__file__).parents[2] / "shared" / "aesdd"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a01 (1).wav", Labels("angry", "1", "01")),
        ("d09 (2).wav", Labels("disgust", "2", "09")),
        ("f10 (01).wav", Labels("fear", "1", "10")),
        ("h20 (6).wav", Labels("happy", "6", "20")),
        ("s01 (5)a.wav", Labels("sad", "5", "01", "a")),
        ("a06 (5)b.wav", Labels("angry", "5", "06", "b")),
        ("A06 (5)B.WAV", Labels("angry", "5", "06", "b")),
        ("S11 (12).Wav", Labels("sad", "12", "11")),
    ],
)
def test_a_name_gives_emotion_speaker_utterance_and_take(name, labels):
    assert aesdd.parse(name) == labels


def test_speaker_01_is_speaker_1():
    assert aesdd.parse("f10 (01).wav") == aesdd.parse("f10 (1).wav")


@pytest.mark.parametrize("utterance", ["00", "21", "99"])
def test_an_utterance_that_does_not_exist_is_refused(utterance):
    with pytest.raises(UnknownNameError, match=f"utterance {utterance} .* 01 to 20"):
        aesdd.parse(f"a{utterance} (1).wav")


def test_a_speaker_0_is_refused():
    with pytest.raises(UnknownNameError, match="speaker 0"):
        aesdd.parse("a01 (0).wav")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a01 (1)",
        "a01 (1).flac",
        "a01(1).wav",
        "a1 (1).wav",
        "a001 (1).wav",
        "n01 (1).wav",
        "a01 (1)c.wav",
        "a01 (1)ab.wav",
        "a01 (x).wav",
        "a01 (-1).wav",
        "xa01 (1).wav",
        "a01 (1).wav\n",
        "a01 (1).wav.part",
        "anger/a01 (1).wav",
        "03-01-05-01-01-01-01.wav",
    ],
)
def test_other_names_are_refused_with_an_example(name):
    with pytest.raises(UnknownNameError, match=r"expected a name like 'a05 \(3\)\.wav'"):
        aesdd.parse(name)


# A long s folds to s, and digits of other scripts count as digits, unless the pattern is ASCII.
@pytest.mark.parametrize("name", ["\u017f01 (1).wav", "a\u0660\u0661 (1).wav", "a01 (\u0663).wav"])
def test_letters_and_digits_of_other_scripts_are_refused(name):
    with pytest.raises(UnknownNameError):
        aesdd.parse(name)


def test_every_corpus_has_a_parser_and_a_language_and_the_projects_emotion_names():
    assert PARSERS.keys() == LANGUAGES.keys()
    for letter in "adfhs":
        assert PARSERS["demo"](f"{letter}01 (1).wav").emotion in EMOTIONS


@pytest.mark.skipif(not REAL.is_dir(), reason="no real AESDD here")
def test_all_names_of_the_real_corpus_are_understood():
    files = sorted(REAL.glob("*/*.flac"))
    labels = [aesdd.parse(f"{file.stem}.wav") for file in files]
    assert len(labels) == 604
    assert Counter(label.emotion for label in labels) == {
        "angry": 121,
        "disgust": 122,
        "fear": 120,
        "happy": 119,
        "sad": 122,
    }
    speakers = Counter(label.speaker for label in labels)
    assert speakers == {"1": 100, "2": 100, "3": 98, "4": 99, "5": 107, "6": 100}
    assert {label.utterance for label in labels} == {f"{n:02}" for n in range(1, 21)}
    assert Counter(label.take for label in labels) == {"": 595, "a": 1, "b": 8}
    folders = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    for file, label in zip(files, labels, strict=True):
        assert file.parent.name == folders.get(label.emotion, label.emotion)
