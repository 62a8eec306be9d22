import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ser.core import tables
from ser.core.clips import group_of
from ser.core.errors import UserError
from ser.core.sections import Split
from ser.core.tables import parse_report
from ser.corpora import aesdd, label_files
from ser.splits.emobox import fold_folders, read_fold, read_list
from ser.splits.schemes import folds_lacking, make_folds, read_published, shared_groups
from stages import split as stage

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "aesdd"
EMOBOX = ROOT.parent / "shared" / "emobox" / "aesdd"
LETTERS = {"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "s": "sad"}


def emobox(path, **changes):
    values = {"folds": 5, "test": 0.2, "val": 0.1, "seed": 0, "test_corpora": []}
    values["train_corpora"] = {}
    return Split(scheme="emobox", emobox=str(path), **values | changes)


def clips_of(corpus, paths):
    """The rows of clips.csv of some files of a corpus, as far as a split needs them."""
    rows = [
        {
            "clip": f"{corpus}/{labels.name}",
            "corpus": corpus,
            "path": f"{corpus}/{path}",
            "emotion": labels.emotion,
            "speaker": labels.speaker,
            "utterance": labels.utterance,
            "take": labels.take,
        }
        for path, labels in label_files(corpus, Path(), paths, {})
    ]
    return pd.DataFrame(rows).sort_values("clip", ignore_index=True)


def aesdd_paths(speakers=6, utterances=8):
    """Speaker 5 says everything in two takes."""
    return [
        f"{emotion}/{letter}{utterance:02} ({speaker}){take}.wav"
        for letter, emotion in LETTERS.items()
        for utterance in range(1, utterances + 1)
        for speaker in range(1, speakers + 1)
        for take in (("a", "b") if speaker == 5 else ("",))
    ]


def ravdess_paths():
    return [
        f"Actor_{actor:02}/03-01-{emotion:02}-01-{statement:02}-{take:02}-{actor:02}.wav"
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for statement in (1, 2)
        for take in (1, 2)
    ]


def cremad_paths():
    return [
        f"AudioWAV/{actor}_{sentence}_{code}_{level}.wav"
        for actor in range(1001, 1011)
        for sentence, levels in {"DFA": ["XX"], "IEO": ["LO", "MD", "HI"], "ITS": ["XX"]}.items()
        for level in levels
        for code in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    ]


def tess_paths():
    """One file lacks the F of its speaker."""
    paths = [
        f"{speaker}_{code}/{speaker}_{word}_{code}.wav"
        for speaker in ("OAF", "YAF")
        for word in ("back", "bite", "dog", "food", "young")
        for code in ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
    ]
    where = paths.index("OAF_neutral/OAF_bite_neutral.wav")
    paths[where] = "OAF_neutral/OA_bite_neutral.wav"
    return paths


def savee_paths(form):
    return [
        form.format(speaker=speaker, name=f"{code}{sentence:02}")
        for speaker in ("DC", "JE", "JK", "KL")
        for code in ("a", "d", "f", "h", "n", "sa", "su")
        for sentence in (1, 2, 3)
    ]


def table(speakers=6, utterances=8, corpus="aesdd"):
    return clips_of(corpus, aesdd_paths(speakers, utterances))


def real_table():
    return clips_of("aesdd", [f"{f.parent.name}/{f.stem}.wav" for f in sorted(REAL.glob("*/*"))])


def write_fold(folder, number=1, corpus="aesdd", older=False, **subsets):
    fold = folder / f"fold_{number}"
    fold.mkdir(parents=True, exist_ok=True)
    for subset, paths in subsets.items():
        key = "audio" if older else "wav"
        lines = [json.dumps({"key": str(i), key: path}) for i, path in enumerate(paths)]
        file = fold / f"{corpus}_{subset}_fold{'' if older else '_'}{number}.jsonl"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return fold


def published(clips, which):
    return [f"downloads/{path}" for path in clips["path"][which]]


def publish(folder, clips, *tests):
    """Write one fold for each choice of test clips."""
    for number, test in enumerate(tests, start=1):
        lists = {"train": published(clips, ~test), "test": published(clips, test)}
        write_fold(folder / clips["corpus"][0], number, clips["corpus"][0], **lists)
    return folder


def column(clips, fold, name):
    return clips[name].groupby(clips["clip"].map(fold)).agg(set).to_dict()


def refusal(clips, settings):
    with pytest.raises(UserError) as caught:
        make_folds(clips, settings)
    return str(caught.value)


@pytest.fixture
def one_fold(tmp_path):
    """A corpus folder with one fold: speaker 6 is tested."""
    clips = table()
    return publish(tmp_path / "data", clips, clips["speaker"] == "6") / "aesdd"


# One corpus


def test_published_folds_are_kept_and_val_is_drawn_from_train_only(one_fold):
    clips = table()
    (fold,) = make_folds(clips, emobox(one_fold))
    speakers = column(clips, fold, "speaker")
    assert speakers["test"] == {"6"}
    assert "6" not in speakers["train"] | speakers["val"]
    val = list(fold.values()).count("val")
    assert abs(val - 0.1 * len(clips)) <= 2 * len(LETTERS)
    assert column(clips, fold, "emotion")["val"] == set(LETTERS.values())
    taken = clips["clip"].map(fold)
    assert taken.groupby(group_of(clips)).nunique().max() == 1


def test_without_val_the_published_train_is_whole(one_fold):
    (fold,) = make_folds(table(), emobox(one_fold, val=0.0))
    assert Counter(fold.values()) == {"train": 240, "test": 40}


def test_the_folder_may_be_the_corpus_its_parent_or_the_fold(one_fold):
    whole = make_folds(table(), emobox(one_fold))
    for path in (one_fold.parent, one_fold / "fold_1", f"{one_fold}/"):
        assert make_folds(table(), emobox(path)) == whole


def test_the_order_of_the_table_and_of_the_lines_does_not_matter(one_fold):
    whole = make_folds(table(), emobox(one_fold))
    for file in one_fold.rglob("*.jsonl"):
        file.write_text("\n".join(file.read_text().splitlines()[::-1]))
    shuffled = table().sample(frac=1, random_state=0)
    assert make_folds(shuffled, emobox(one_fold)) == whole


def test_the_seed_draws_val(one_fold):
    whole = make_folds(table(), emobox(one_fold))
    assert make_folds(table(), emobox(one_fold)) == whole
    assert make_folds(table(), emobox(one_fold, seed=1)) != whole


def test_a_published_val_is_kept(tmp_path):
    clips = table()
    test, val = clips["speaker"] == "6", clips["speaker"] == "2"
    write_fold(
        tmp_path,
        train=published(clips, ~test & ~val),
        valid=published(clips, val),
        test=published(clips, test),
    )
    (fold,) = make_folds(clips, emobox(tmp_path))
    assert column(clips, fold, "speaker")["val"] == {"2"}


def test_published_folds_come_in_the_order_of_their_numbers(tmp_path):
    clips = table(speakers=11, utterances=2)
    for number in (10, 2, 1, 11, 3, 9, 4, 8, 5, 7, 6):
        test = clips["speaker"] == str(number)
        write_fold(tmp_path, number, train=published(clips, ~test), test=published(clips, test))
    assert [folder.name for folder in fold_folders(tmp_path, "aesdd")] == [
        f"fold_{number}" for number in range(1, 12)
    ]
    made = make_folds(clips, emobox(tmp_path))
    tested = [column(clips, fold, "speaker")["test"] for fold in made]
    assert tested == [{str(number)} for number in range(1, 12)]


def test_a_fold_that_lacks_is_missed(tmp_path):
    clips = table(speakers=4)
    publish(tmp_path, clips, *(clips["speaker"] == name for name in "1234"))
    shutil.rmtree(tmp_path / "aesdd/fold_2")
    assert "has the folds 1, 3, 4 of aesdd: expected 1, 2, 3" in refusal(clips, emobox(tmp_path))


def test_a_list_that_lacks_in_the_older_form_is_missed(tmp_path):
    fold = write_fold(tmp_path, older=True, test=["x/a01 (1).wav"])
    text = refusal(table(), emobox(tmp_path))
    assert text == f"{fold} has no aesdd_train_fold1.jsonl, but a list of test"


def test_two_copies_of_the_lists_are_refused(tmp_path):
    clips = table(speakers=4)
    for copy in "ab":
        publish(tmp_path / copy, clips, clips["speaker"] == "1")
    assert "has the folds 1, 1 of aesdd" in refusal(clips, emobox(tmp_path))


@pytest.mark.parametrize("subset", ["train", "test"])
def test_a_list_that_lacks_is_missed(tmp_path, subset):
    clips = table(speakers=4)
    publish(tmp_path, clips, clips["speaker"] == "1", clips["speaker"] == "2")
    (tmp_path / f"aesdd/fold_2/aesdd_{subset}_fold_2.jsonl").unlink()
    assert f"fold_2 has no aesdd_{subset}_fold_2.jsonl" in refusal(clips, emobox(tmp_path))


@pytest.mark.parametrize("line", [b"\xff\xfe", b'{"wav": null}', b'{"wav": 3}'])
def test_a_list_of_other_bytes_or_values_is_refused_with_the_line(tmp_path, line):
    file = tmp_path / "aesdd_test_fold_1.jsonl"
    file.write_bytes(b'{"wav": "a.wav"}\n' + line)
    with pytest.raises(UserError, match=r"fold_1\.jsonl, line 2: expected a JSON object"):
        read_list(file)


def test_takes_that_are_published_on_both_sides_stay_there_and_are_counted(tmp_path):
    clips = table()
    test = (clips["speaker"] == "6") | (clips["take"] == "b") & (clips["utterance"] == "03")
    publish(tmp_path, clips, test)
    (fold,) = make_folds(clips, emobox(tmp_path))
    assert {clip for clip, subset in fold.items() if subset == "test"} == set(clips["clip"][test])
    assert shared_groups(clips, fold) == len(LETTERS)


def test_lines_that_name_no_clip_are_left_out_and_so_are_clips_in_no_line(one_fold):
    clips = table()
    fewer = clips[(clips["utterance"] != "07")]
    (fold,) = make_folds(fewer, emobox(one_fold))
    assert set(fold) == set(fewer["clip"])
    more = pd.concat([clips, clips_of("aesdd", ["sad/s20 (1).wav"])], ignore_index=True)
    (fold,) = make_folds(more, emobox(one_fold))
    assert set(fold) == set(clips["clip"])


def test_lines_that_name_no_clip_are_told(tmp_path):
    strange = ["downloads/aesdd/angry/a20 (1).wav", "downloads/aesdd/notes.txt", "", "x/03-01.wav"]
    train, test = ["downloads/aesdd/angry/a01 (1).wav"], ["downloads/aesdd/sad/s02 (5)b.wav"]
    folder = write_fold(tmp_path, train=[*train, *strange[:2]], test=[*strange[2:], *test])
    fold, absent, _ = read_fold(folder, "aesdd", list(table()["clip"]))
    assert fold == {"aesdd/a01 (1)": "train", "aesdd/s02 (5)b": "test"}
    assert absent == strange


def test_a_line_twice_in_one_list_is_one_clip(tmp_path):
    folder = write_fold(tmp_path, train=["x/a01 (1).wav", "y/a01 (1).wav"], test=["s01 (1).wav"])
    fold, absent, _ = read_fold(folder, "aesdd", ["aesdd/a01 (1)", "aesdd/s01 (1)"])
    assert fold == {"aesdd/a01 (1)": "train", "aesdd/s01 (1)": "test"}
    assert absent == []


def test_a_clip_in_train_and_in_test_is_refused_with_its_name(tmp_path):
    clips = table()
    test = clips["speaker"] == "6"
    twice = [*published(clips, ~test), "downloads/aesdd/angry/a01 (6).wav"]
    write_fold(tmp_path, train=twice, test=published(clips, test))
    text = refusal(clips, emobox(tmp_path))
    assert "aesdd_test_fold_1.jsonl: aesdd/a01 (6) is in train as well" in text


def test_lines_of_another_corpus_only_are_refused(tmp_path):
    write_fold(tmp_path, train=["x/03-01.wav"], test=["x/03-02.wav"])
    assert "no line names a clip of aesdd" in refusal(table(), emobox(tmp_path))


def test_a_folder_without_folds_is_refused_with_what_is_expected(tmp_path):
    (tmp_path / "fold_2").mkdir()
    write_fold(tmp_path, corpus="savee", test=["x"])
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "fold_1", tmp_path / "fold_2"):
        text = refusal(table(), emobox(path))
        assert repr(str(path)) in text
        assert "no fold_<n>/aesdd_test_fold_<n>.jsonl below it" in text


@pytest.mark.parametrize(
    "line", ["{", '{"key": "a"}', "[1]", "3", "null", '"text"', "{'wav': 'a'}"]
)
def test_a_malformed_line_is_refused_with_its_number(tmp_path, line):
    file = tmp_path / "aesdd_test_fold_1.jsonl"
    file.write_text(f'{{"wav": "a.wav"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"fold_1\.jsonl, line 3: expected a JSON object"):
        read_list(file)


def test_blank_lines_and_line_ends_of_windows_do_not_matter(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"wav": "a.wav"}\r\n\r\n  \n{"wav": "b.wav"}')
    assert read_list(file) == ["a.wav", "b.wav"]


@pytest.mark.skipif(not (REAL.is_dir() and EMOBOX.is_dir()), reason="no real AESDD here")
@pytest.mark.parametrize("path", [EMOBOX, EMOBOX.parent, EMOBOX / "fold_1"])
def test_the_real_fold_of_emobox_has_455_and_149_clips(path):
    clips = real_table()
    (plain,) = make_folds(clips, emobox(path, val=0.0))
    assert Counter(plain.values()) == {"train": 455, "test": 149}
    (fold,) = make_folds(clips, emobox(path))
    counts = Counter(fold.values())
    assert counts["test"] == 149
    assert counts["train"] + counts["val"] == 455
    assert abs(counts["val"] - 0.1 * 604) <= 5
    assert {c for c, s in fold.items() if s == "test"} == {
        c for c, s in plain.items() if s == "test"
    }
    emotions = dict(zip(clips["path"], clips["emotion"], strict=True))
    for file in (EMOBOX / "fold_1").glob("*.jsonl"):
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            stem = Path(line["wav"]).stem
            assert aesdd.parse_aesdd(f"{stem}.wav").emotion == LETTERS[line["emo"]]
            assert emotions[line["wav"].removeprefix("downloads/")] == LETTERS[line["emo"]]


def test_a_published_fold_may_lack_an_emotion_that_another_tests(tmp_path):
    clips = table(speakers=4)
    clips = clips[(clips["emotion"] != "fear") | ~clips["speaker"].isin(["2", "3"])]
    publish(tmp_path, clips, *by_speaker(clips))
    made = make_folds(clips, emobox(tmp_path, val=0.0))
    assert folds_lacking(clips, made) == {"train": {}, "val": {}, "test": {"fear": [2, 3]}}


def test_an_emotion_that_a_published_fold_neither_tests_nor_trains_on_is_told(tmp_path):
    clips = table(speakers=3)
    clips = clips[(clips["emotion"] != "fear") | (clips["speaker"] != "2")]
    for number, (test, val) in enumerate((("1", ""), ("2", "fear"), ("3", "")), start=1):
        tested = clips["speaker"] == test
        valued = ~tested & (clips["emotion"] == val)
        write_fold(
            tmp_path,
            number,
            train=published(clips, ~tested & ~valued),
            valid=published(clips, valued),
            test=published(clips, tested),
        )
    made = make_folds(clips, emobox(tmp_path, val=0.0))
    lacking = folds_lacking(clips, made)
    assert (lacking["train"], lacking["test"]) == ({"fear": [2]}, {"fear": [2]})
    others = {emotion: [2] for emotion in LETTERS.values() if emotion != "fear"}
    assert lacking["val"] == others


def test_a_published_fold_that_trains_on_one_emotion_is_refused(tmp_path):
    clips = emovo(("f1", "f2", "m1"))
    clips = clips[(clips["speaker"] != "f2") | (clips["emotion"] == "sad")]
    f1, f2, m1 = (clips["speaker"] == speaker for speaker in ("f1", "f2", "m1"))
    sad = clips["emotion"] == "sad"
    write_fold(tmp_path, 1, "emovo", train=published(clips, f1), test=published(clips, m1))
    lists = {"train": f1 & sad, "valid": f1 & ~sad, "test": f2}
    write_fold(tmp_path, 2, "emovo", **{name: published(clips, p) for name, p in lists.items()})
    text = refusal(clips, emobox(tmp_path, val=0.0))
    assert "fold 2 of split.scheme emobox: its train clips hold sad, but none of happy: " in text
    assert "nothing to distinguish" in text


def test_a_published_fold_of_which_no_test_clip_is_here_is_refused(tmp_path):
    clips = table(speakers=3)
    publish(tmp_path, clips, *by_speaker(clips))
    text = refusal(clips[clips["speaker"] != "2"], emobox(tmp_path))
    assert "fold 2 of split.scheme emobox: its test clips hold nothing, but none of angry" in text


# Published paths of the corpora that are known by name


@pytest.mark.parametrize(
    ("corpus", "here", "path", "clip"),
    [
        ("aesdd", "x/anger/a06 (5)b.wav", "downloads/aesdd/anger/a06 (5)b.wav", "aesdd/a06 (5)b"),
        ("aesdd", "a06 (5)b.wav", "elsewhere/a06 (5)b.wav", "aesdd/a06 (5)b"),
        ("demo", "sad/s01 (1).wav", "downloads/demo/s01 (1).wav", "demo/s01 (1)"),
        (
            "ravdess",
            "Actor_11/03-01-07-02-02-02-11.wav",
            "downloads/ravdess/audio/Audio_Speech_Actors_01-24/Actor_11/03-01-07-02-02-02-11.wav",
            "ravdess/03-01-07-02-02-02-11",
        ),
        (
            "cremad",
            "AudioWAV/1052_WSI_ANG_XX.wav",
            "downloads/cremad/AudioWAV/1052_WSI_ANG_XX.wav",
            "cremad/1052_WSI_ANG_XX",
        ),
        (
            "cremad",
            "AudioWAV/1040_ITH_SAD_X.wav",
            "downloads/cremad/AudioWAV/1040_ITH_SAD_X.wav",
            "cremad/1040_ITH_SAD_X",
        ),
        (
            "tess",
            "TESS data/OAF_neutral/OA_bite_neutral.wav",
            "downloads/tess/OA_bite_neutral.wav",
            "tess/OA_bite_neutral",
        ),
        ("tess", "YAF_fear/YAF_raid_fear.wav", "downloads/tess/YAF_raid_fear.wav", None),
        ("savee", "AudioData/JE/n23.wav", "downloads/savee/JE_n23.wav", "savee/JE_n23"),
        ("savee", "ALL/JE_n23.wav", "downloads/savee/JE_n23.wav", "savee/JE_n23"),
        ("savee", "ALL/JE_n23.wav", "downloads/savee/AudioData/JE/n23.wav", "savee/JE_n23"),
        ("savee", "JE/n23.wav", "elsewhere/JE/n23.wav", "savee/JE_n23"),
        ("emodb", "wav/03a01Fa.wav", "downloads/emodb/wav/03a01Fa.wav", "emodb/03a01Fa"),
        ("emodb", "happy/03a01Fa.wav", "downloads/emodb/wav/03a01Fa.wav", "emodb/03a01Fa"),
    ],
)
def test_a_published_path_is_read_like_the_corpus_own_files(tmp_path, corpus, here, path, clip):
    (name,) = clips_of(corpus, [here])["clip"]
    folder = write_fold(tmp_path, corpus=corpus, test=[path])
    assert read_fold(folder, corpus, [name]) == (
        {clip or f"{corpus}/{Path(here).stem}": "test"},
        [],
        [],
    )


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        ("ravdess", "downloads/ravdess/Actor_11/03-01-07-02-02-02-25.wav"),
        ("ravdess", "downloads/ravdess/Actor_12/03-01-07-02-02-02-12.wav"),
        ("cremad", "downloads/cremad/AudioWAV/1092_WSI_ANG_XX.wav"),
        ("tess", "downloads/tess/OAF_bite_bored.wav"),
        ("tess", "downloads/tess/YAF_bite_neutral.wav"),
        ("savee", "downloads/savee/n23.wav"),
        ("savee", "downloads/savee/DC_n23.wav"),
        ("savee", "downloads/savee/JE_a16.wav"),
        ("emodb", "downloads/emodb/wav/03a03Fa.wav"),
        ("emodb", "downloads/emodb/wav/03a01Fb.wav"),
    ],
)
def test_a_published_path_that_names_no_clip_is_told(tmp_path, corpus, path):
    """Neither what no clip of the corpus is called nor another one's name."""
    here = {
        "ravdess": ["Actor_11/03-01-07-02-02-02-11.wav"],
        "cremad": ["AudioWAV/1052_WSI_ANG_XX.wav"],
        "tess": ["OAF_neutral/OA_bite_neutral.wav"],
        "savee": ["JE/n23.wav"],
        "emodb": ["wav/03a01Fa.wav"],
    }[corpus]
    clips = clips_of(corpus, here)
    lists = {"train": [path], "test": published(clips, clips["corpus"] == corpus)}
    folder = write_fold(tmp_path, corpus=corpus, **lists)
    fold, absent, _ = read_fold(folder, corpus, list(clips["clip"]))
    assert fold == {clips["clip"][0]: "test"}
    assert absent == [path]


def test_the_six_folds_of_ravdess_test_every_actor_once(tmp_path):
    clips = clips_of("ravdess", ravdess_paths())
    actors = clips["speaker"].astype(int)
    publish(tmp_path, clips, *(actors % 6 == k for k in range(6)))
    made = make_folds(clips, emobox(tmp_path))
    assert len(made) == 6
    for k, fold in enumerate(made):
        speakers = column(clips, fold, "speaker")
        assert speakers["test"] == {f"{n:02}" for n in range(1, 25) if n % 6 == k}
        assert set(fold) == set(clips["clip"])
        assert not speakers["test"] & (speakers["train"] | speakers["val"])
        assert abs(list(fold.values()).count("val") - 0.1 * len(clips)) <= 2 * 8
        assert shared_groups(clips, fold) == 0
    tested = [clip for fold in made for clip, subset in fold.items() if subset == "test"]
    assert sorted(tested) == sorted(clips["clip"])


@pytest.mark.parametrize(("corpus", "shared"), [("cremad", 60), ("tess", 0)])
def test_clips_that_are_drawn_one_by_one_stay_where_they_are_published(tmp_path, corpus, shared):
    """Of CREMA-D, one of a sentence's three levels may be tested and another trained on."""
    clips = clips_of(corpus, {"cremad": cremad_paths(), "tess": tess_paths()}[corpus])
    test = clips["path"].str.contains("IEO.*LO|ITS" if corpus == "cremad" else "bite|dog")
    publish(tmp_path, clips, test)
    (fold,) = make_folds(clips, emobox(tmp_path))
    assert set(fold) == set(clips["clip"])
    assert {clip for clip, subset in fold.items() if subset == "test"} == set(clips["clip"][test])
    assert shared_groups(clips, fold) == shared


@pytest.mark.parametrize("here", ["{speaker}/{name}.wav", "ALL/{speaker}_{name}.wav"])
@pytest.mark.parametrize("there", ["{speaker}_{name}.wav", "AudioData/{speaker}/{name}.wav"])
def test_either_layout_of_savee_is_found_by_either(tmp_path, here, there):
    clips = clips_of("savee", savee_paths(here))
    for number, speaker in enumerate(("JE", "DC", "KL", "JK"), start=1):
        lists = {"train": [], "test": []}
        for path in savee_paths(f"downloads/savee/{there}"):
            lists["test" if speaker in path.removeprefix("downloads/savee/") else "train"] += [path]
        write_fold(tmp_path / "savee", number, "savee", **lists)
    made = make_folds(clips, emobox(tmp_path))
    assert [column(clips, fold, "speaker")["test"] for fold in made] == [
        {"JE"},
        {"DC"},
        {"KL"},
        {"JK"},
    ]
    for fold in made:
        assert set(fold) == set(clips["clip"])


# Corpora of one's own


def test_own_clips_are_found_by_the_ends_of_their_paths(tmp_path):
    paths = [
        f"{day}/{emotion}/{n}.wav" for day in "ab" for emotion in ("sad", "happy") for n in "123"
    ]
    clips = clips_of("own", paths)
    assert clips["clip"].is_unique
    test = clips["path"].str.endswith("3.wav")
    for lists in (
        [published(clips, ~test), published(clips, test)],
        [[f"/home/me/{p}" for p in clips["path"][side]] for side in (~test, test)],
        [[p.removeprefix("own/") for p in clips["path"][side]] for side in (~test, test)],
        [[p.replace(".wav", ".flac") for p in clips["path"][side]] for side in (~test, test)],
        [[p.replace("own/", "own/raw/") for p in clips["path"][side]] for side in (~test, test)],
    ):
        write_fold(tmp_path, corpus="own", train=lists[0], test=lists[1])
        (fold,) = make_folds(clips, emobox(tmp_path, val=0.0))
        assert fold == {
            clip: "test" if tested else "train"
            for clip, tested in zip(clips["clip"], test, strict=True)
        }


def test_a_line_that_names_a_folder_of_no_clip_is_none_of_two_clips_alike(tmp_path):
    clips = ["own/a/sad/1", "own/b/sad/1", "own/b/sad/2"]
    lists = {"train": ["elsewhere/sad/1.wav"], "test": ["b/sad/2.wav"]}
    folder = write_fold(tmp_path, corpus="own", **lists)
    fold, absent, _ = read_fold(folder, "own", clips)
    assert fold == {"own/b/sad/2": "test"}
    assert absent == ["elsewhere/sad/1.wav"]


def test_a_line_of_a_clip_that_was_rejected_is_not_another_clip_of_that_name(tmp_path):
    """Of b/sad/1 and a/sad/1 only the latter is here: the line of the former names no clip."""
    clips = clips_of("own", ["a/sad/1.wav", "b/sad/2.wav"])
    lists = {"train": ["downloads/own/a/sad/1.wav"], "test": ["downloads/own/b/sad/1.wav"]}
    folder = write_fold(tmp_path, corpus="own", **lists)
    fold, absent, _ = read_fold(folder, "own", list(clips["clip"]))
    assert fold == {"own/a/sad/1": "train"}
    assert absent == ["downloads/own/b/sad/1.wav"]


# Lists in an older form: named without an underscore, the paths under another key


def emovo(speakers=("f1", "m1"), emotions=("sad", "happy")):
    """An own corpus that EmoBox has lists of; no sentence in two takes."""
    names = [(s, e, n) for s in speakers for e in emotions for n in "123"]
    rows = [
        {
            "clip": f"emovo/wav/{s}{e[0]}{n}",
            "corpus": "emovo",
            "path": f"emovo/wav/{s}{e[0]}{n}.wav",
            "emotion": e,
            "speaker": s,
            "utterance": n,
            "take": "",
        }
        for s, e, n in names
    ]
    return pd.DataFrame(rows).sort_values("clip", ignore_index=True)


def publish_both(folder, clips, test, older_test):
    """Write one fold in both forms."""
    corpus = clips["corpus"][0]
    for tested, older in ((test, False), (older_test, True)):
        lists = {"train": published(clips, ~tested), "test": published(clips, tested)}
        write_fold(folder / corpus, corpus=corpus, older=older, **lists)


@pytest.mark.parametrize("own", [table(speakers=3), emovo()], ids=["named", "own"])
def test_of_two_forms_of_the_lists_the_newer_is_taken(tmp_path, own):
    speaker = own["speaker"].iloc[-1]
    test, older = own["speaker"] == speaker, own["speaker"] != speaker
    publish_both(tmp_path, own, test, older)
    for path in (tmp_path, tmp_path / own["corpus"][0], tmp_path / own["corpus"][0] / "fold_1"):
        (fold,) = make_folds(own, emobox(path, val=0.0))
        assert column(own, fold, "speaker")["test"] == {speaker}
    ((read,),) = read_published(own, tmp_path).values()
    corpus = own["corpus"][0]
    assert read.absent == []
    assert read.passed_over == [f"{corpus}_{s}_fold1.jsonl" for s in ("train", "test")]


@pytest.mark.parametrize("own", [table(speakers=3), emovo()], ids=["named", "own"])
@pytest.mark.parametrize("key", ["audio", "wav"])
def test_lists_in_the_older_form_alone_are_read(tmp_path, own, key):
    test = own["speaker"] == own["speaker"].iloc[-1]
    lists = {"train": published(own, ~test), "test": published(own, test)}
    fold = write_fold(tmp_path, corpus=own["corpus"][0], older=True, **lists)
    for file in fold.iterdir():
        file.write_text(file.read_text().replace('"audio"', f'"{key}"'))
    (read,) = read_published(own, tmp_path)[own["corpus"][0]]
    assert read.passed_over == []
    (made,) = make_folds(own, emobox(tmp_path, val=0.0))
    assert {clip for clip, subset in made.items() if subset == "test"} == set(own["clip"][test])
    assert set(made) == set(own["clip"])


def test_lists_of_both_forms_are_not_mixed(tmp_path):
    """What was val in the older form may be in train in the newer."""
    clips = table(speakers=3)
    test, val = clips["speaker"] == "3", clips["speaker"] == "2"
    write_fold(tmp_path, train=published(clips, ~test), test=published(clips, test))
    write_fold(tmp_path, older=True, valid=published(clips, val))
    ((read,),) = read_published(clips, tmp_path).values()
    assert read.passed_over == ["aesdd_valid_fold1.jsonl"]
    (fold,) = make_folds(clips, emobox(tmp_path, val=0.0))
    assert column(clips, fold, "speaker") == {"train": {"1", "2"}, "test": {"3"}}
    (tmp_path / "fold_1/aesdd_test_fold_1.jsonl").unlink()
    write_fold(tmp_path, older=True, test=published(clips, test))
    assert "fold_1 has no aesdd_test_fold_1.jsonl" in refusal(clips, emobox(tmp_path))


def test_a_corpus_may_be_called_like_the_beginning_of_another(tmp_path):
    mine, other = emovo().replace({"corpus": {"emovo": "my"}}), emovo(("f1", "f2"))
    mine = mine.assign(clip=mine["clip"].str.replace("emovo/", "my/"))
    for older in (False, True):
        folder = tmp_path / str(older)
        for clips, corpus, tested in ((mine, "my", "m1"), (other, "my_b", "f2")):
            test = clips["speaker"] == tested
            lists = {"train": published(clips, ~test), "test": published(clips, test)}
            write_fold(folder, corpus=corpus, older=older, **lists)
        write_fold(folder, 2, "my_test", older=older, train=["x.wav"], test=["y.wav"])
        assert [f.name for f in fold_folders(folder, "my")] == ["fold_1"]
        ((read,),) = read_published(mine, folder).values()
        assert (set(read.fold), read.absent) == (set(mine["clip"]), [])


@pytest.mark.parametrize("number", [1, 2])
def test_folds_in_unlike_forms_are_refused_with_their_numbers(tmp_path, number):
    """What is published in the older form may be another split."""
    clips = table(speakers=3)
    publish(tmp_path, clips, *by_speaker(clips))
    for file in (tmp_path / f"aesdd/fold_{number}").iterdir():
        file.rename(file.with_name(file.name.replace("fold_", "fold")))
    others = ", ".join(str(n) for n in (1, 2, 3) if n != number)
    assert (
        f"has lists of aesdd in the newer form (…_fold_<n>.jsonl) of the folds {others}, and in "
        f"the older (…_fold<n>.jsonl) alone of {number}: "
    ) in refusal(clips, emobox(tmp_path))
    (fold,) = make_folds(clips, emobox(tmp_path / f"aesdd/fold_{number}", val=0.0))
    assert column(clips, fold, "speaker")["test"] == {str(number)}


def test_of_two_forms_the_newer_is_taken_in_every_fold(tmp_path):
    clips = table(speakers=3)
    tests = by_speaker(clips)
    publish(tmp_path, clips, *tests)
    for number, test in enumerate(tests[1:], start=2):
        lists = {"train": published(clips, test), "test": published(clips, ~test)}
        write_fold(tmp_path / "aesdd", number, older=True, **lists)
    made = make_folds(clips, emobox(tmp_path, val=0.0))
    assert [column(clips, fold, "speaker")["test"] for fold in made] == [{"1"}, {"2"}, {"3"}]
    assert [len(read.passed_over) for read in read_published(clips, tmp_path)["aesdd"]] == [0, 2, 2]


# Several corpora


@pytest.fixture
def several():
    """Clips of AESDD and SAVEE, four speakers each."""
    return table(4, 3), clips_of("savee", savee_paths("{speaker}/{name}.wav"))


def by_speaker(clips):
    return [clips["speaker"] == speaker for speaker in sorted(clips["speaker"].unique())]


def test_folds_of_several_corpora_are_joined_one_by_one(tmp_path, several):
    clips = pd.concat(several, ignore_index=True)
    for own in several:
        publish(tmp_path, own, *by_speaker(own))
    made = make_folds(clips, emobox(tmp_path))
    tested = [column(clips, fold, "speaker")["test"] for fold in made]
    assert tested == [{"1", "DC"}, {"2", "JE"}, {"3", "JK"}, {"4", "KL"}]
    for fold in made:
        assert set(fold) == set(clips["clip"])
        assert column(clips, fold, "corpus")["val"] == {"aesdd", "savee"}
        assert set(column(clips, fold, "emotion")["train"]) == set(clips["emotion"])
    shuffled = clips.sample(frac=1, random_state=0)
    assert make_folds(shuffled, emobox(tmp_path)) == made


def test_corpora_with_unlike_numbers_of_folds_are_refused_with_the_numbers(tmp_path, several):
    aesdd_clips, savee_clips = several
    publish(tmp_path, aesdd_clips, *by_speaker(aesdd_clips)[:1])
    publish(tmp_path, savee_clips, *by_speaker(savee_clips))
    text = refusal(pd.concat(several, ignore_index=True), emobox(tmp_path))
    assert "their numbers differ: 1 of aesdd, 4 of savee" in text
    for own, number in zip(several, (1, 4), strict=True):
        assert len(make_folds(own, emobox(tmp_path))) == number


def test_a_corpus_without_lists_is_refused_by_name(tmp_path, several):
    publish(tmp_path, several[0], *by_speaker(several[0]))
    text = refusal(pd.concat(several, ignore_index=True), emobox(tmp_path))
    assert "no fold_<n>/savee_test_fold_<n>.jsonl below it" in text
    assert repr(str(tmp_path)) in text


def test_lists_of_further_corpora_are_not_read(tmp_path, several):
    publish(tmp_path, several[1], *by_speaker(several[1]))
    alone = make_folds(several[1], emobox(tmp_path))
    publish(tmp_path, several[0], *by_speaker(several[0]))
    for file in ("aesdd/fold_1/aesdd_train_fold_1.jsonl", "savee/fold_1/tess_test_fold_1.jsonl"):
        (tmp_path / file).write_text("no JSON")
    assert make_folds(several[1], emobox(tmp_path)) == alone


def test_a_name_that_two_corpora_share_is_found_in_each(tmp_path):
    corpora = [table(3, 2), table(3, 2, corpus="demo")]
    clips = pd.concat(corpora, ignore_index=True)
    publish(tmp_path, corpora[0], corpora[0]["speaker"] == "1")
    publish(tmp_path, corpora[1], corpora[1]["speaker"] == "2")
    (fold,) = make_folds(clips, emobox(tmp_path))
    assert set(fold) == set(clips["clip"])
    speakers = clips["corpus"] + clips["speaker"]
    assert set(speakers[clips["clip"].map(fold) == "test"]) == {"aesdd1", "demo2"}


def test_val_is_drawn_of_the_corpus_that_publishes_none(tmp_path, several):
    aesdd_clips, savee_clips = several
    clips = pd.concat(several, ignore_index=True)
    val, test = (aesdd_clips["speaker"] == name for name in "12")
    write_fold(
        tmp_path / "aesdd",
        train=published(aesdd_clips, ~test & ~val),
        valid=published(aesdd_clips, val),
        test=published(aesdd_clips, test),
    )
    publish(tmp_path, savee_clips, savee_clips["speaker"] == "JE")
    (fold,) = make_folds(clips, emobox(tmp_path))
    valued = clips[clips["clip"].map(fold) == "val"]
    assert set(valued["speaker"][valued["corpus"] == "aesdd"]) == {"1"}
    of_savee = valued[valued["corpus"] == "savee"]
    assert set(of_savee["emotion"]) == set(savee_clips["emotion"])
    assert "JE" not in set(of_savee["speaker"])


def test_what_is_published_is_told_corpus_by_corpus(tmp_path, several):
    for own in several:
        publish(tmp_path, own, *by_speaker(own))
    fewer = [own[~own["clip"].str.contains("/a02|_n03")] for own in several]
    told = read_published(pd.concat(fewer, ignore_index=True), tmp_path)
    assert list(told) == ["aesdd", "savee"]
    for clips, left, folds in zip(several, fewer, told.values(), strict=True):
        gone = clips[~clips["clip"].isin(left["clip"])]
        assert len(folds) == 4
        for fold, absent, _ in folds:
            assert set(fold) == set(left["clip"])
            assert sorted(absent) == sorted(f"downloads/{path}" for path in gone["path"])


# The stage


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder to run the stage in; a function writes its params.yaml and clips.csv."""
    monkeypatch.chdir(tmp_path)

    def prepare(clips, **split):
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        values["split"] |= {"scheme": "emobox", "emobox": "lists"} | split
        values["pull"]["corpora"] = list(clips["corpus"].unique())
        Path("params.yaml").write_text(yaml.safe_dump(values))
        rows = clips.reindex(columns=list(tables.CLIP_COLUMNS), fill_value="")
        rows = rows.assign(seconds=1.0, sample_rate=16000, channels=1)
        tables.write_csv(Path("clips.csv"), rows.to_dict("records"), tables.CLIP_COLUMNS)

    return prepare


def run_stage():
    stage.main(Path("clips.csv"), Path("splits.csv"), Path("split.json"))
    return tables.read_csv(Path("splits.csv")), parse_report(Path("split.json").read_text())


def test_the_stage_counts_what_is_published_and_not_here_once(project, several, capsys):
    for own in several:
        publish(Path("lists"), own, *by_speaker(own))
    clips = pd.concat(several, ignore_index=True)
    here = clips[~clips["clip"].str.contains("/a02|_n03")]
    extra = clips_of("aesdd", ["sad/s19 (1).wav", "sad/s20 (1).wav"])
    project(pd.concat([here, extra], ignore_index=True))
    rows, facts = run_stage()
    assert facts["scheme"] == "emobox"
    assert facts["folds"] == 4
    # In each of four folds 4 clips of AESDD and 4 of SAVEE are not here, and 2 are in no list.
    assert len(clips) - len(here) == 8
    assert facts["published_clips_not_here"] == 8
    assert facts["clips_in_no_fold"] == 2
    assert facts["groups_on_both_sides"] == 0
    assert sum(facts["clips_per_fold"].values()) == len(here)
    assert len(rows) == 4 * len(here)
    assert set(rows["clip"]) == set(here["clip"])
    out = capsys.readouterr().out
    assert "note: 8 published clip(s) are not among those kept\n" in out
    assert "note: 2 clip(s) in no fold: neither trained on nor tested\n" in out


def test_the_stage_says_nothing_of_what_is_all_here(project, several, capsys):
    publish(Path("lists"), several[1], *by_speaker(several[1]))
    project(several[1], val=0.0)
    _, facts = run_stage()
    assert facts["published_clips_not_here"] == 0
    assert facts["clips_per_fold"] == {"train": 63.0, "val": 0.0, "test": 21.0}
    assert "note" not in capsys.readouterr().out


def test_the_stage_says_which_lists_it_passed_over(project, capsys):
    clips = emovo()
    test = clips["speaker"] == "f1"
    publish_both(Path("lists"), clips, test, ~test)
    project(clips, val=0.0)
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["pull"]["sources"]["emovo"] = "path:x"
    Path("params.yaml").write_text(yaml.safe_dump(values))
    _, facts = run_stage()
    assert facts["older_lists_passed_over"] == 2
    assert facts["clips_per_fold"] == {"train": 6.0, "val": 0.0, "test": 6.0}
    out = capsys.readouterr().out
    assert "note: 2 list(s) in the older format skipped: the folds have newer ones\n" in out


def test_the_stage_says_which_fold_lacks_what(project, capsys):
    clips = table(speakers=4)
    clips = clips[~clips["emotion"].isin(["fear", "sad"]) | ~clips["speaker"].isin(["2", "3"])]
    project(clips, scheme="leave_one_speaker_out", emobox="", val=0.0)
    _, facts = run_stage()
    assert facts["folds"] == 4
    assert facts["folds_lacking_an_emotion"] == {"train": 0, "val": 0, "test": 2}
    assert facts["folds_validated_on_train_speakers"] == 0
    out = capsys.readouterr().out
    assert "note: no test clip is fear in fold 2, 3\n" in out
    assert "note: no test clip is sad in fold 2, 3\n" in out
    assert out.count("note") == 2


def test_the_stage_says_who_validates_where_one_speaker_is_left(project, capsys):
    project(table(speakers=2), scheme="leave_one_speaker_out", emobox="")
    rows, facts = run_stage()
    assert facts["folds_validated_on_train_speakers"] == 2
    assert set(rows["subset"]) == {"train", "val", "test"}
    assert (
        "note: in 2 of 2 fold(s), val has clips of speakers that are trained on: its figures say "
        "nothing about unheard voices\n"
    ) in capsys.readouterr().out


def test_the_stage_says_that_takes_are_on_both_sides(project, capsys):
    clips = table()
    publish(Path("lists"), clips, (clips["speaker"] == "6") | (clips["take"] == "b"))
    project(clips, val=0.0)
    _, facts = run_stage()
    shared = facts["groups_on_both_sides"]
    assert shared == 8 * len(LETTERS)
    assert (
        f"note: {shared} group(s) of takes (same speaker, sentence and emotion) are in both "
        "training and test: tested sentences were heard in training\n"
    ) in capsys.readouterr().out


def test_other_schemes_know_of_no_published_clips(project, several):
    clips = pd.concat(several, ignore_index=True)
    project(clips, scheme="speaker")
    rows, facts = run_stage()
    assert "published_clips_not_here" not in facts
    assert facts["clips_in_no_fold"] == 0
    assert set(rows["clip"]) == set(clips["clip"])


def test_published_paths_name_clips_in_whatever_form_their_accents_are_stored(tmp_path):
    paths = [f"{emotion}/{name}.wav" for emotion in ("angry", "sad") for name in ("fu\u0308r", "x")]
    clips = clips_of("own", paths)
    write_fold(
        tmp_path / "own",
        corpus="own",
        train=["downloads/own/angry/fu\u0308r.wav", "downloads/own/sad/f\u00fcr.wav"],
        test=["downloads/own/angry/x.wav", "downloads/own/sad/x.wav"],
    )
    (folds,) = read_published(clips, tmp_path).values()
    ((fold, absent, passed_over),) = folds
    assert absent == []
    assert passed_over == []
    assert sorted(fold) == sorted(clips["clip"])
    assert not any("\u0308" in clip for clip in fold)
