from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from ser.core.emotions import EMOTIONS, emotion_of
from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.corpora import (
    CORPORA,
    aesdd,
    clip_name,
    cremad,
    emodb,
    label_files,
    ravdess,
    savee,
    select_files,
    tess,
)
from ser.corpora.labels import Labels
from ser.decoding.suffixes import READ, SUFFIXES

REAL = Path(__file__).parents[3] / "shared" / "aesdd"

# Names of each corpus; demo's are the AESDD's.
NAMES = {
    "aesdd": ["a05 (3).wav", "S01 (12)b.WAV"],
    "ravdess": ["03-01-05-02-01-01-12.wav", "03-02-06-01-02-02-01.wav"],
    "cremad": ["1001_DFA_ANG_XX.wav", "1091_IEO_SAD_HI.wav"],
    "tess": ["OAF_back_angry.wav", "YAF_dog_ps.wav", "OA_bite_neutral.wav"],
    "savee": ["DC_a01.wav", "KL/su15.wav", "JE_n30.wav"],
    "emodb": ["03a01Fa.wav", "16b10Td.wav", "08b02Ff.wav"],
}


def refusal(parse, path):
    """Why a path is refused as a name."""
    with pytest.raises(Rejected) as caught:
        parse(path)
    assert caught.value.reason == "unknown_name"
    return str(caught.value)


# AESDD


def of_aesdd(name, emotion, speaker, utterance, take=""):
    return Labels(name, emotion, speaker, utterance, take, language="el")


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("a01 (1).wav", of_aesdd("a01 (1)", "angry", "1", "01")),
        ("d09 (2).wav", of_aesdd("d09 (2)", "disgust", "2", "09")),
        ("f10 (01).wav", of_aesdd("f10 (01)", "fear", "1", "10")),
        ("h20 (6).wav", of_aesdd("h20 (6)", "happy", "6", "20")),
        ("s01 (5)a.wav", of_aesdd("s01 (5)a", "sad", "5", "01", "a")),
        ("a06 (5)b.wav", of_aesdd("a06 (5)b", "angry", "5", "06", "b")),
        ("A06 (5)B.WAV", of_aesdd("A06 (5)B", "angry", "5", "06", "b")),
        ("S11 (12).Wav", of_aesdd("S11 (12)", "sad", "12", "11")),
        ("anger/a01 (1).wav", of_aesdd("a01 (1)", "angry", "1", "01")),
        ("x/sadness/a01 (1).wav", of_aesdd("a01 (1)", "angry", "1", "01")),
    ],
)
def test_a_name_gives_emotion_speaker_utterance_and_take(path, labels):
    assert aesdd.parse_aesdd(path) == labels


def test_speaker_01_is_speaker_1():
    assert aesdd.parse_aesdd("f10 (01).wav").speaker == aesdd.parse_aesdd("f10 (1).wav").speaker


@pytest.mark.parametrize("utterance", ["00", "21", "99"])
def test_an_utterance_that_does_not_exist_is_refused(utterance):
    text = refusal(aesdd.parse_aesdd, f"a{utterance} (1).wav")
    assert text == f"utterance {utterance} does not exist: expected 01 to 20"


def test_a_speaker_0_is_refused():
    assert "speaker 0" in refusal(aesdd.parse_aesdd, "a01 (0).wav")


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
        "a01 (1).wav/a.wav",
    ],
)
def test_other_names_are_refused_with_an_example(name):
    assert "expected a name like 'a05 (3).wav'" in refusal(aesdd.parse_aesdd, name)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real AESDD here")
def test_all_names_of_the_real_corpus_are_understood():
    files = sorted(REAL.glob("*/*.flac"))
    labels = [aesdd.parse_aesdd(f"{file.parent.name}/{file.stem}.wav") for file in files]
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


# RAVDESS


def ravdess_name(
    modality="03",
    channel="01",
    emotion="05",
    intensity="01",
    statement="01",
    repetition="01",
    actor="12",
):
    parts = (modality, channel, emotion, intensity, statement, repetition, actor)
    return "-".join(parts) + ".wav"


def test_a_name_of_ravdess_gives_every_field():
    path = "Audio_Speech_Actors_01-24/Actor_12/03-01-05-02-01-02-12.wav"
    assert ravdess.parse_ravdess(path) == Labels(
        name="03-01-05-02-01-02-12",
        emotion="angry",
        speaker="12",
        utterance="01",
        take="02",
        gender="female",
        intensity="strong",
        language="en",
        sung=False,
    )
    assert ravdess.parse_ravdess("03-02-01-01-02-01-07.WAV") == Labels(
        name="03-02-01-01-02-01-07",
        emotion="neutral",
        speaker="07",
        utterance="02",
        take="01",
        gender="male",
        intensity="normal",
        language="en",
        sung=True,
    )


@pytest.mark.parametrize(
    ("code", "emotion"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happy"),
        ("04", "sad"),
        ("05", "angry"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ],
)
def test_every_emotion_of_ravdess_is_spoken_and_six_are_sung(code, emotion):
    spoken = ravdess.parse_ravdess(ravdess_name(emotion=code))
    assert (spoken.emotion, spoken.sung) == (emotion, False)
    song = ravdess_name(channel="02", emotion=code)
    if code in ("07", "08"):
        text = refusal(ravdess.parse_ravdess, song)
        assert text == f"sung emotion {code} does not exist: expected 01 to 06"
    else:
        sung = ravdess.parse_ravdess(song)
        assert (sung.emotion, sung.sung) == (emotion, True)


def test_of_the_24_actors_of_ravdess_the_odd_are_men_and_the_even_women():
    for n in range(1, 25):
        labels = ravdess.parse_ravdess(ravdess_name(actor=f"{n:02}"))
        assert labels.speaker == f"{n:02}"
        assert labels.gender == ("male" if n % 2 == 1 else "female")


def test_the_sound_of_a_film_of_ravdess_is_a_clip_and_a_film_without_sound_is_none():
    assert ravdess.parse_ravdess(ravdess_name(modality="01")).emotion == "angry"
    for channel in ("01", "02"):
        with pytest.raises(Rejected, match="no sound") as caught:
            ravdess.parse_ravdess(ravdess_name(modality="02", channel=channel))
        assert caught.value.reason == "video_only"


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"modality": "00"}, "modality 00 does not exist: expected 01 to 03"),
        ({"modality": "04"}, "modality 04 does not exist: expected 01 to 03"),
        ({"channel": "03"}, "vocal channel 03 does not exist: expected 01 (speech) or 02 (song)"),
        ({"emotion": "00"}, "emotion 00 does not exist: expected 01 to 08"),
        ({"emotion": "09"}, "emotion 09 does not exist: expected 01 to 08"),
        (
            {"intensity": "03"},
            "intensity 03 does not exist: expected 01 (normal) or 02 (strong)",
        ),
        ({"statement": "03"}, "statement 03 does not exist: expected 01 or 02"),
        ({"repetition": "03"}, "repetition 03 does not exist: expected 01 or 02"),
        ({"actor": "00"}, "actor 00 does not exist: expected 01 to 24"),
        ({"actor": "25"}, "actor 25 does not exist: expected 01 to 24"),
    ],
)
@pytest.mark.parametrize("modality", ["02", "03"])
def test_a_number_of_ravdess_that_does_not_exist_is_refused(changed, text, modality):
    assert refusal(ravdess.parse_ravdess, ravdess_name(**{"modality": modality} | changed)) == text


@pytest.mark.parametrize("channel", ["01", "02"])
def test_strong_neutral_of_ravdess_is_refused(channel):
    name = ravdess_name(channel=channel, emotion="01", intensity="02")
    assert "strong neutral (01-02) does not exist" in refusal(ravdess.parse_ravdess, name)


@pytest.mark.parametrize(
    "name",
    [
        "03-01-05-02-01-12.wav",
        "03-01-05-02-01-01-01-12.wav",
        "3-1-5-2-1-1-12.wav",
        "03-01-05-02-01-01-012.wav",
        "03_01_05_02_01_01_12.wav",
        "03-01-05-02-01-01-12.mp4",
        "03-01-05-02-01-01-12 (1).wav",
        "03-01-05-02-01-01-1x.wav",
    ],
)
def test_other_names_are_refused_with_an_example_of_ravdess(name):
    text = refusal(ravdess.parse_ravdess, f"Actor_12/{name}")
    assert text == "expected a name like '03-01-05-02-01-01-12.wav'"


# CREMA-D


def test_a_name_of_cremad_gives_every_field():
    assert cremad.parse_cremad("AudioWAV/1002_IEO_FEA_MD.wav") == Labels(
        name="1002_IEO_FEA_MD",
        emotion="fear",
        speaker="1002",
        utterance="IEO",
        gender="female",
        age="21",
        intensity="medium",
        language="en",
    )


@pytest.mark.parametrize(
    "sentence",
    ["IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"],
)
def test_every_sentence_of_cremad_is_known(sentence):
    assert cremad.parse_cremad(f"1001_{sentence}_ANG_XX.wav").utterance == sentence


@pytest.mark.parametrize(
    ("code", "emotion"),
    [
        ("ANG", "angry"),
        ("DIS", "disgust"),
        ("FEA", "fear"),
        ("HAP", "happy"),
        ("NEU", "neutral"),
        ("SAD", "sad"),
    ],
)
def test_every_emotion_of_cremad_is_known(code, emotion):
    assert cremad.parse_cremad(f"1001_DFA_{code}_XX.wav").emotion == emotion


@pytest.mark.parametrize(
    ("code", "intensity"), [("LO", "low"), ("MD", "medium"), ("HI", "high"), ("XX", "")]
)
def test_every_level_of_cremad_is_known(code, intensity):
    assert cremad.parse_cremad(f"1001_IEO_ANG_{code}.wav").intensity == intensity


def test_the_one_name_of_cremad_with_a_short_level_is_understood():
    labels = cremad.parse_cremad("AudioWAV/1040_ITH_SAD_X.wav")
    assert (labels.name, labels.emotion, labels.intensity) == ("1040_ITH_SAD_X", "sad", "")


def test_43_of_the_91_actors_of_cremad_are_women():
    genders = {n: cremad.parse_cremad(f"{n}_DFA_ANG_XX.wav").gender for n in range(1001, 1092)}
    assert Counter(genders.values()) == {"female": 43, "male": 48}
    expected = {1001: "male", 1002: "female", 1040: "male", 1090: "male", 1091: "female"}
    assert expected.items() <= genders.items()


def test_the_actors_of_cremad_are_20_to_74_years_old():
    ages = {n: int(cremad.parse_cremad(f"{n}_DFA_ANG_XX.wav").age) for n in range(1001, 1092)}
    assert (min(ages.values()), max(ages.values())) == (20, 74)
    assert sum(ages.values()) == 3315
    expected = {1001: 51, 1034: 74, 1050: 62, 1071: 41, 1077: 20, 1091: 29}
    assert expected.items() <= ages.items()


def test_capitals_do_not_matter_to_cremad():
    labels = cremad.parse_cremad("1002_ieo_Fea_md.WAV")
    assert (labels.utterance, labels.emotion, labels.intensity) == ("IEO", "fear", "medium")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1000_DFA_ANG_XX.wav", "actor 1000 does not exist: expected 1001 to 1091"),
        ("1092_DFA_ANG_XX.wav", "actor 1092 does not exist: expected 1001 to 1091"),
        ("1001_ABC_ANG_XX.wav", "sentence ABC does not exist: expected one of IEO, TIE, "),
        ("1001_DFA_SUR_XX.wav", "emotion SUR does not exist: expected one of ANG, DIS, "),
        ("1001_DFA_ANG_LL.wav", "level LL does not exist: expected LO, MD, HI or XX"),
        ("1001_DFA_ANG_L.wav", "level L does not exist: expected LO, MD, HI or XX"),
    ],
)
def test_a_part_of_cremad_that_does_not_exist_is_refused(name, text):
    assert refusal(cremad.parse_cremad, name).startswith(text)


@pytest.mark.parametrize(
    "name",
    [
        "1001_DFA_ANG.wav",
        "1001_DFA_ANG_.wav",
        "1001_DFA_ANG_XXX.wav",
        "01001_DFA_ANG_XX.wav",
        "1001-DFA-ANG-XX.wav",
        "1001_DFA_ANG_XX.flv",
        "1001_DFA_ANG_XX_1.wav",
    ],
)
def test_other_names_are_refused_with_an_example_of_cremad(name):
    assert refusal(cremad.parse_cremad, name) == "expected a name like '1001_DFA_ANG_XX.wav'"


# TESS


@pytest.mark.parametrize(
    ("name", "speaker", "word", "emotion"),
    [
        ("OAF_back_angry", "OAF", "back", "angry"),
        ("YAF_bar_disgust", "YAF", "bar", "disgust"),
        ("OAF_base_fear", "OAF", "base", "fear"),
        ("YAF_bath_happy", "YAF", "bath", "happy"),
        ("OAF_youth_neutral", "OAF", "youth", "neutral"),
        ("YAF_dog_ps", "YAF", "dog", "surprise"),
        ("OAF_goose_sad", "OAF", "goose", "sad"),
        ("OA_bite_neutral", "OAF", "bite", "neutral"),
    ],
)
def test_a_name_of_tess_gives_every_field(name, speaker, word, emotion):
    assert tess.parse_tess(f"{name}.wav") == Labels(
        name=name,
        emotion=emotion,
        speaker=speaker,
        utterance=word,
        gender="female",
        age="64" if speaker == "OAF" else "26",
        language="en",
    )


@pytest.mark.parametrize(
    "folder",
    [
        "OAF_Fear",
        "YAF_fear",
        "OAF_Pleasant_surprise",
        "YAF_pleasant_surprised",
        "TESS Toronto emotional speech set data/YAF_sad",
        "DC",
    ],
)
def test_folders_do_not_matter_to_tess(folder):
    assert tess.parse_tess(f"{folder}/YAF_dog_ps.wav") == tess.parse_tess("YAF_dog_ps.wav")


@pytest.mark.parametrize("name", ["yaf_dog_ps.wav", "YAF_DOG_PS.WAV", "Yaf_Dog_Ps.Wav"])
def test_capitals_do_not_matter_to_tess(name):
    labels = tess.parse_tess(name)
    assert (labels.speaker, labels.utterance, labels.emotion) == ("YAF", "dog", "surprise")


@pytest.mark.parametrize(
    "name",
    [
        "MAF_dog_ps.wav",
        "YA_dog_ps.wav",
        "OAF_angry.wav",
        "OAF__angry.wav",
        "OAF_back_angry_1.wav",
        "OAF-back-angry.wav",
        "OAF_back2_angry.wav",
        "back_angry.wav",
        "OAF_back_angry.mp3",
    ],
)
def test_other_names_are_refused_with_an_example_of_tess(name):
    text = refusal(tess.parse_tess, f"OAF_angry/{name}")
    assert text == "expected a name like 'OAF_back_angry.wav' or 'YAF_dog_ps.wav'"


@pytest.mark.parametrize("emotion", ["surprise", "calm", "anger"])
def test_an_emotion_of_tess_that_does_not_exist_is_refused(emotion):
    text = refusal(tess.parse_tess, f"OAF_back_{emotion}.wav")
    assert text.startswith(f"emotion {emotion} does not exist: expected one of angry, ")


# SAVEE


@pytest.mark.parametrize(
    "path",
    [
        "DC_a01.wav",
        "ALL/DC_a01.wav",
        "DC/a01.wav",
        "AudioData/DC/a01.wav",
        "DC/DC_a01.wav",
        "JE/DC_a01.wav",
        "dc/a01.wav",
        "dc_A01.WAV",
        "Dc/A01.Wav",
    ],
)
def test_a_clip_of_savee_is_the_same_wherever_its_speaker_stands(path):
    assert savee.parse_savee(path) == Labels(
        name="DC_a01",
        emotion="angry",
        speaker="DC",
        utterance="01",
        gender="male",
        language="en",
    )


@pytest.mark.parametrize("speaker", ["DC", "JE", "JK", "KL"])
@pytest.mark.parametrize(
    ("code", "emotion", "last"),
    [
        ("a", "angry", 15),
        ("d", "disgust", 15),
        ("f", "fear", 15),
        ("h", "happy", 15),
        ("n", "neutral", 30),
        ("sa", "sad", 15),
        ("su", "surprise", 15),
    ],
)
def test_every_emotion_of_savee_has_its_sentences(speaker, code, emotion, last):
    for n in (1, last):
        labels = savee.parse_savee(f"{speaker}/{code}{n:02}.wav")
        assert (labels.speaker, labels.emotion) == (speaker, emotion)
        assert (labels.name, labels.utterance) == (f"{speaker}_{code}{n:02}", f"{n:02}")
    for n in (0, last + 1):
        text = refusal(savee.parse_savee, f"{speaker}_{code}{n:02}.wav")
        assert text == f"{emotion} sentence {n:02} does not exist: expected 01 to {last}"


@pytest.mark.parametrize(
    "path",
    [
        "a01.wav",
        "ALL/a01.wav",
        "DC/x/a01.wav",
        "XX/a01.wav",
        "XX_a01.wav",
        "DC_s01.wav",
        "DC_x01.wav",
        "DC_a1.wav",
        "DC_a001.wav",
        "DCa01.wav",
        "DC-a01.wav",
        "DC_a01.avi",
        "DC_a01 (1).wav",
    ],
)
def test_other_names_are_refused_with_an_example_of_savee(path):
    text = refusal(savee.parse_savee, path)
    assert text == "expected a name like 'DC_a01.wav', or 'DC/a01.wav' with its folder"


# Emo-DB


def test_a_name_of_emodb_gives_every_field():
    assert emodb.parse_emodb("wav/03a01Fa.wav") == Labels(
        name="03a01Fa",
        emotion="happy",
        speaker="03",
        utterance="a01",
        take="a",
        gender="male",
        age="31",
        language="de",
    )


@pytest.mark.parametrize(
    ("letter", "emotion"),
    [
        ("W", "angry"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
        ("F", "happy"),
        ("T", "sad"),
        ("N", "neutral"),
    ],
)
def test_every_emotion_of_emodb_is_known_by_its_german_letter(letter, emotion):
    assert emodb.parse_emodb(f"13b09{letter}c.wav").emotion == emotion


@pytest.mark.parametrize(
    ("speaker", "gender", "age"),
    [
        ("03", "male", 31),
        ("08", "female", 34),
        ("09", "female", 21),
        ("10", "male", 32),
        ("11", "male", 26),
        ("12", "male", 30),
        ("13", "female", 32),
        ("14", "female", 35),
        ("15", "male", 25),
        ("16", "female", 31),
    ],
)
def test_every_speaker_of_emodb_has_a_gender_and_an_age(speaker, gender, age):
    labels = emodb.parse_emodb(f"{speaker}a01Na.wav")
    assert (labels.speaker, labels.gender, labels.age) == (speaker, gender, str(age))


@pytest.mark.parametrize(
    "text", ["a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10"]
)
def test_every_text_of_emodb_is_known(text):
    assert emodb.parse_emodb(f"16{text}Ea.wav").utterance == text


def test_boredom_is_none_of_the_eight_emotions():
    with pytest.raises(Rejected, match="'boredom'") as caught:
        emotion_of(emodb.parse_emodb("03a04Lc.wav").emotion, {})
    assert caught.value.reason == "unknown_emotion"


def test_the_versions_of_a_sentence_of_emodb_are_its_takes():
    takes = [emodb.parse_emodb(f"08a04F{take}.wav") for take in ("d", "f", "")]
    assert [labels.take for labels in takes] == ["d", "f", ""]
    assert len({(labels.speaker, labels.utterance, labels.emotion) for labels in takes}) == 1


@pytest.mark.parametrize("name", ["03A01FA.WAV", "03a01fa.wav", "emodb/anger/03a01Fa.Wav"])
def test_neither_capitals_nor_folders_matter_to_emodb(name):
    labels = emodb.parse_emodb(name)
    assert (labels.utterance, labels.emotion, labels.take) == ("a01", "happy", "a")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("01a01Fa.wav", "speaker 01 does not exist: expected one of 03, 08, 09, 10, "),
        ("17a01Fa.wav", "speaker 17 does not exist: expected one of 03, 08, 09, 10, "),
        ("03a03Fa.wav", "text a03 does not exist: expected one of a01, a02, a04, a05, "),
        ("03c01Fa.wav", "text c01 does not exist: expected one of a01, a02, a04, a05, "),
        ("03a01Sa.wav", "emotion S does not exist: expected one of W, L, E, A, F, T, N"),
    ],
)
def test_a_part_of_emodb_that_does_not_exist_is_refused(name, text):
    assert refusal(emodb.parse_emodb, name).startswith(text)


@pytest.mark.parametrize(
    "name",
    ["3a01Fa.wav", "03a1Fa.wav", "03a01.wav", "03a01Faa.wav", "03a01F1.wav", "03a01Fa.lablaut"],
)
def test_other_names_are_refused_with_an_example_of_emodb(name):
    assert refusal(emodb.parse_emodb, name) == "expected a name like '03a01Fa.wav'"


@pytest.mark.parametrize("folder", ["laryngo", "emodb/Laryngo"])
def test_what_was_measured_at_the_throat_is_no_speech(folder):
    assert "not speech" in refusal(emodb.parse_emodb, f"{folder}/03a01Fa.wav")


# All of them


def test_every_corpus_is_tested_here():
    assert CORPORA.keys() == {*NAMES, "demo"}


def test_the_synthesised_corpus_is_called_like_the_aesdd_and_speaks_no_language():
    assert CORPORA["aesdd"].parse("h01 (2)a.wav").language == "el"
    assert CORPORA["demo"].parse("happy/h01 (2)a.wav") == Labels(
        "h01 (2)a", "happy", "2", "01", "a", language=""
    )


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_corpus_understands_its_own_example(corpus):
    assert CORPORA[corpus].parse(CORPORA[corpus].example).emotion in EMOTIONS


@pytest.mark.parametrize(("corpus", "other"), [p for p in product(NAMES, NAMES) if p[0] != p[1]])
def test_names_of_other_corpora_are_refused(corpus, other):
    for name in NAMES[other]:
        refusal(CORPORA[corpus].parse, name)
        refusal(CORPORA[corpus].parse, f"DC/{name.split('/')[-1]}")


@pytest.mark.parametrize(
    ("corpus", "name"), [(corpus, name) for corpus in NAMES for name in NAMES[corpus]]
)
@pytest.mark.parametrize(
    "change",
    ["{}.part", "{}.zip", "{}.wav.txt", "{} ", "{}\n", "{}/x.wav", "{}~", "{} (copy).wav", "x{}"],
)
def test_a_name_with_something_around_it_is_refused(corpus, name, change):
    folder, slash, file = name.rpartition("/")
    refusal(CORPORA[corpus].parse, folder + slash + change.format(file))


# A long s folds to s, a Kelvin sign to k, and digits of other scripts count as digits, unless the
# pattern is ASCII.
FOREIGN = {"s": "\u017f", "k": "\u212a"} | {str(n): chr(0x660 + n) for n in range(10)}


@pytest.mark.parametrize("corpus", NAMES)
def test_letters_and_digits_of_other_scripts_are_refused(corpus):
    foreign = [
        name[:i] + FOREIGN[char.lower()] + name[i + 1 :]
        for name in NAMES[corpus]
        for i, char in enumerate(name)
        if char.lower() in FOREIGN
    ]
    assert foreign
    for name in foreign:
        refusal(CORPORA[corpus].parse, name)


@pytest.mark.parametrize(
    ("corpus", "path", "name"),
    [
        ("aesdd", "downloads/aesdd/anger/a05 (3)b.wav", "a05 (3)b"),
        ("ravdess", "x/Actor_12/03-01-05-02-01-01-12.wav", "03-01-05-02-01-01-12"),
        ("savee", "x/DC/a01.wav", "DC_a01"),
        ("savee", "x/a01.wav", None),
        ("emodb", "downloads/emodb/wav/03a01Fa.wav", "03a01Fa"),
        ("tess", "03-01-05-02-01-01-12.wav", None),
        ("ravdess", "02-01-05-02-01-01-12.wav", None),
        ("mine", "happy/1.2.flac", "happy/1.2"),
    ],
)
def test_a_clip_has_its_name_wherever_it_lies(corpus, path, name):
    assert clip_name(corpus, path) == name


# Which files of a source a corpus consists of


@pytest.mark.parametrize("corpus", NAMES)
def test_the_recordings_of_a_corpus_are_selected_and_sorted(corpus):
    clips = [f"x/{name}" for name in NAMES[corpus]]
    others = ["readme.txt", "x/labels.csv", "x/a.flac", "x/a.mp3", "x/a.wav.txt", "x/wav"]
    # What is called like no clip is listed as rejected, not dropped in silence.
    assert select_files(corpus, [*others, "x/b.wav", *clips], "x.zip") == sorted(
        ["x/b.wav", *clips]
    )


def test_hidden_files_and_what_macos_adds_are_left_out():
    clip = "Actor_12/03-01-05-02-01-01-12.wav"
    hidden = [
        "Actor_12/._03-01-05-02-01-01-12.wav",
        "__MACOSX/Actor_12/._03-01-05-02-01-01-12.wav",
        f"__MACOSX/{clip}",
        f".cache/{clip}",
        f"x/.cache/y/{clip}",
        ".DS_Store",
    ]
    assert select_files("ravdess", [clip, *hidden], "x.zip") == [clip]
    with pytest.raises(UserError, match=r"x\.zip has no audio files \(\.wav\): 6 files seen"):
        select_files("ravdess", hidden, "x.zip")


def test_a_source_without_files_is_refused():
    with pytest.raises(UserError) as caught:
        select_files("tess", [], "x.zip")
    assert str(caught.value) == "x.zip has no audio files (.wav): 0 files seen"


def test_a_source_without_recordings_is_refused_with_three_of_its_files():
    with pytest.raises(UserError) as caught:
        select_files("tess", ["d.flac", "b.txt", "c.md", "a.mp3"], "x.zip")
    text = "x.zip has no audio files (.wav): 4 files seen, for example a.mp3, b.txt, c.md"
    assert str(caught.value) == text


def test_a_source_of_no_clips_is_refused_with_the_number_of_its_files_and_three_of_them():
    seen = ["readme.txt", "4.wav", "1.wav", "3.wav", "2.wav"]
    with pytest.raises(UserError) as caught:
        select_files("savee", seen, "kaggle:x/y")
    assert str(caught.value).startswith(
        "kaggle:x/y has no clip of savee, whose clips have names like 'DC/a01.wav': 5 files seen, "
        "for example 1.wav, 2.wav, 3.wav; recordings of your own need a corpus name of their own, "
    )
    assert str(caught.value).endswith(". Correct pull.sources.savee in params.yaml")


@pytest.mark.parametrize(("corpus", "other"), [p for p in product(NAMES, NAMES) if p[0] != p[1]])
def test_a_source_of_another_corpus_is_refused_with_its_name(corpus, other):
    guess = "aesdd or demo" if other == "aesdd" else other
    with pytest.raises(UserError) as caught:
        select_files(corpus, ["a.wav", *NAMES[other]], "x.zip")
    assert f"; they are named like clips of {guess}. Correct" in str(caught.value)
    assert f"has no clip of {corpus}, " in str(caught.value)
    assert f"{len(NAMES[other]) + 1} files seen" in str(caught.value)


def test_of_ones_own_corpus_the_table_and_audio_of_any_kind_are_selected():
    audio = [f"x/{n:02}{suffix}" for n, suffix in enumerate(SUFFIXES)]
    audio += ["x/98.Wav", "x/99.FLAC"]
    others = ["readme.txt", "x/a.jpg", "x/labels.txt", "mp3", ".labels.csv", "__MACOSX/labels.csv"]
    assert select_files("mine", others + audio, "x.zip") == audio
    for table in ("labels.csv", "x/Labels.CSV"):
        wanted = sorted([table, *audio])
        assert select_files("mine", [*others, *audio, table], "x.zip") == wanted


def test_of_the_tables_of_ones_own_corpus_only_the_nearest_is_selected():
    seen = ["a/b/labels.csv", "a/1.wav", "a/labels.csv", "c/d/labels.csv"]
    assert select_files("mine", seen, "x.zip") == ["a/1.wav", "a/labels.csv"]
    with pytest.raises(UserError, match=r"x\.zip has both a/labels\.csv and b/labels\.csv"):
        select_files("mine", ["b/labels.csv", "a/1.wav", "a/labels.csv"], "x.zip")


def test_ones_own_corpus_without_audio_is_refused_with_the_kinds_that_can_be_read():
    with pytest.raises(UserError) as caught:
        select_files("mine", ["labels.csv", "1.jpg"], "recordings")
    assert str(caught.value) == (
        f"recordings has no audio files ({READ}): 2 files seen, for example 1.jpg, labels.csv"
    )


# What each file is


def test_every_file_gets_its_labels_or_a_verdict_in_the_order_of_the_paths(tmp_path):
    paths = ["b/03-01-05-02-01-01-12.wav", "a/x.wav", "02-01-05-02-01-01-12.wav"]
    labelled = list(label_files("ravdess", tmp_path, paths, {}))
    assert [path for path, _ in labelled] == sorted(paths)
    film, unknown, clip = (labels for _, labels in labelled)
    assert isinstance(film, Rejected)
    assert film.reason == "video_only"
    assert isinstance(unknown, Rejected)
    assert unknown.reason == "unknown_name"
    assert clip == ravdess.parse_ravdess("03-01-05-02-01-01-12.wav")


def test_a_table_beside_a_known_corpus_says_nothing(tmp_path):
    (tmp_path / "labels.csv").write_text("path,emotion\nOAF_back_angry.wav,sad\n")
    labelled = dict(label_files("tess", tmp_path, ["OAF_back_angry.wav", "labels.csv"], {}))
    assert labelled["OAF_back_angry.wav"] == tess.parse_tess("OAF_back_angry.wav")
    assert isinstance(labelled["labels.csv"], Rejected)
