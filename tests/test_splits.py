import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser.corpora import aesdd
from ser.errors import UserError
from ser.params import Split
from ser.splits import (
    SUBSETS,
    emobox_fold_folders,
    group_of,
    make_folds,
    read_emobox_list,
    shared_groups,
    speaker_of,
    subset_sizes,
)

SHARED = Path(__file__).parents[2] / "shared"
REAL = SHARED / "aesdd"
EMOBOX = SHARED / "emobox" / "aesdd"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad")
SPEAKER_SCHEMES = ("speaker", "speaker_kfold", "leave_one_speaker_out")
SCHEMES = ("random", "kfold", *SPEAKER_SCHEMES)


def split(scheme, **changes):
    values = {"folds": 5, "test": 0.2, "val": 0.1, "seed": 0, "emobox": ""}
    return Split(scheme=scheme, **values | changes)


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
        labels = aesdd.parse(f"{file.stem}.wav")
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


def test_speaker_1_of_two_corpora_is_two_people():
    clips = pd.concat([table(3, 2), table(3, 2, corpus="demo")], ignore_index=True)
    made = make_folds(clips, split("leave_one_speaker_out"))
    assert len(made) == 6
    for fold in made:
        speakers = speaker_of(clips).groupby(clips["clip"].map(fold)).agg(set)
        assert len(speakers["test"]) == 1
        assert sum(map(len, speakers)) == 6


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
    [("random", {}, 3), ("random", {"val": 0.0}, 2), ("kfold", {"folds": 4}, 4)],
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
    assert "1 speaker(s)" in text
    assert "leave none to train on" in text


def test_two_speakers_leave_none_for_train_beside_val_and_test():
    text = refusal(table(speakers=2), split("leave_one_speaker_out"))
    assert "2 speaker(s), of which 1 for test and 1 for val" in text
    assert len(make_folds(table(speakers=2), split("leave_one_speaker_out", val=0.0))) == 2


@pytest.mark.parametrize("scheme", SPEAKER_SCHEMES)
def test_a_test_fold_without_an_emotion_is_refused_with_its_name(scheme):
    clips = table()
    lacking = clips[(clips["emotion"] != "fear") | (clips["speaker"] == "1")]
    text = refusal(lacking, split(scheme, folds=6))
    assert f"of split.scheme {scheme}" in text
    assert "none of fear" in text


@pytest.mark.parametrize("scheme", ["kfold", "speaker_kfold"])
def test_a_val_that_leaves_nothing_to_train_on_is_refused(scheme):
    refusal(table(), split(scheme, folds=2, val=0.9))


# EmoBox's published folds


def write_fold(folder, number=1, corpus="aesdd", **subsets):
    fold = folder / f"fold_{number}"
    fold.mkdir(parents=True)
    for subset, paths in subsets.items():
        lines = [json.dumps({"key": str(i), "wav": path}) for i, path in enumerate(paths)]
        file = fold / f"{corpus}_{subset}_fold_{number}.jsonl"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return fold


def published(clips, which):
    return [f"downloads/{path}" for path in clips["path"][which]]


@pytest.fixture
def emobox(tmp_path):
    """A corpus folder with one fold: speaker 6 is tested."""
    clips = table()
    test = clips["speaker"] == "6"
    write_fold(
        tmp_path / "data" / "aesdd", train=published(clips, ~test), test=published(clips, test)
    )
    return tmp_path / "data" / "aesdd"


def test_published_folds_are_kept_and_val_is_drawn_from_train_only(emobox):
    clips = table()
    (fold,) = make_folds(clips, split("emobox", emobox=str(emobox)))
    speakers = column(clips, fold, "speaker")
    assert speakers["test"] == {"6"}
    assert "6" not in speakers["train"] | speakers["val"]
    val = list(fold.values()).count("val")
    assert abs(val - 0.1 * len(clips)) <= 2 * len(EMOTIONS)
    assert column(clips, fold, "emotion")["val"] == set(EMOTIONS)
    taken = clips["clip"].map(fold)
    assert taken.groupby(group_of(clips)).nunique().max() == 1


def test_without_val_the_published_train_is_whole(emobox):
    (fold,) = make_folds(table(), split("emobox", emobox=str(emobox), val=0.0))
    assert Counter(fold.values()) == {"train": 240, "test": 40}


def test_the_folder_may_be_the_corpus_its_parent_or_the_fold(emobox):
    whole = make_folds(table(), split("emobox", emobox=str(emobox)))
    for path in (emobox.parent, emobox / "fold_1", f"{emobox}/"):
        assert make_folds(table(), split("emobox", emobox=str(path))) == whole


def test_the_order_of_the_table_and_of_the_lines_does_not_matter(emobox):
    whole = make_folds(table(), split("emobox", emobox=str(emobox)))
    for file in emobox.rglob("*.jsonl"):
        file.write_text("\n".join(file.read_text().splitlines()[::-1]))
    shuffled = table().sample(frac=1, random_state=0)
    assert make_folds(shuffled, split("emobox", emobox=str(emobox))) == whole


def test_a_published_val_is_kept(tmp_path):
    clips = table()
    test, val = clips["speaker"] == "6", clips["speaker"] == "2"
    write_fold(
        tmp_path,
        train=published(clips, ~test & ~val),
        valid=published(clips, val),
        test=published(clips, test),
    )
    (fold,) = make_folds(clips, split("emobox", emobox=str(tmp_path)))
    assert column(clips, fold, "speaker")["val"] == {"2"}


def test_published_folds_come_in_the_order_of_their_numbers(tmp_path):
    clips = table(speakers=11, utterances=2)
    for number in (10, 2, 1, 11, 3):
        test = clips["speaker"] == str(number)
        write_fold(tmp_path, number, train=published(clips, ~test), test=published(clips, test))
    assert [f.name for f in emobox_fold_folders(tmp_path, ["aesdd"])] == [
        f"fold_{number}" for number in (1, 2, 3, 10, 11)
    ]
    made = make_folds(clips, split("emobox", emobox=str(tmp_path)))
    tested = [column(clips, fold, "speaker")["test"] for fold in made]
    assert tested == [{"1"}, {"2"}, {"3"}, {"10"}, {"11"}]


def test_takes_that_are_published_on_both_sides_stay_there_and_are_counted(tmp_path):
    clips = table()
    test = (clips["speaker"] == "6") | (clips["take"] == "b") & (clips["utterance"] == "03")
    write_fold(tmp_path, train=published(clips, ~test), test=published(clips, test))
    (fold,) = make_folds(clips, split("emobox", emobox=str(tmp_path)))
    assert {clip for clip, subset in fold.items() if subset == "test"} == set(clips["clip"][test])
    assert shared_groups(clips, fold) == len(EMOTIONS)


def test_lines_that_name_no_clip_are_left_out_and_so_are_clips_in_no_line(emobox):
    clips = table()
    fewer = clips[(clips["utterance"] != "07")]
    (fold,) = make_folds(fewer, split("emobox", emobox=str(emobox)))
    assert set(fold) == set(fewer["clip"])
    more = pd.concat([clips, pd.DataFrame([row("aesdd", "sad", 21, 1)])], ignore_index=True)
    (fold,) = make_folds(more, split("emobox", emobox=str(emobox)))
    assert set(fold) == set(clips["clip"])


def test_a_clip_is_found_by_the_end_of_its_path_where_two_share_a_name(tmp_path):
    clips = pd.concat([table(), table(corpus="demo")], ignore_index=True)
    own = clips["corpus"] == "aesdd"
    test = clips["speaker"] == "6"
    write_fold(tmp_path, train=published(clips, own & ~test), test=published(clips, own & test))
    (fold,) = make_folds(clips, split("emobox", emobox=str(tmp_path)))
    assert set(fold) == set(clips["clip"][own])


def test_a_line_that_may_be_either_of_two_clips_is_refused_with_both(tmp_path):
    clips = pd.concat([table(), table(corpus="demo")], ignore_index=True)
    write_fold(tmp_path, train=["elsewhere/a01 (1).wav"], test=["elsewhere/s01 (1).wav"])
    text = refusal(clips, split("emobox", emobox=str(tmp_path)))
    assert "aesdd/a01 (1), demo/a01 (1)" in text


def test_a_clip_in_train_and_in_test_is_refused_with_its_name(tmp_path):
    clips = table()
    test = clips["speaker"] == "6"
    twice = [*published(clips, ~test), "downloads/aesdd/angry/a01 (6).wav"]
    write_fold(tmp_path, train=twice, test=published(clips, test))
    text = refusal(clips, split("emobox", emobox=str(tmp_path)))
    assert "aesdd_test_fold_1.jsonl: aesdd/a01 (6) is in train as well" in text


def test_lines_of_another_corpus_only_are_refused(tmp_path):
    write_fold(tmp_path, train=["x/03-01.wav"], test=["x/03-02.wav"])
    text = refusal(table(), split("emobox", emobox=str(tmp_path)))
    assert "none of its lines names a clip" in text


def test_a_folder_without_folds_is_refused_with_what_is_expected(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "fold_1"):
        text = refusal(table(), split("emobox", emobox=str(path)))
        assert repr(str(path)) in text
        assert "fold_<n>/<corpus>_test_fold_<n>.jsonl of aesdd" in text


@pytest.mark.parametrize(
    "line", ["{", '{"key": "a"}', "[1]", "3", "null", '"text"', "{'wav': 'a'}"]
)
def test_a_malformed_line_is_refused_with_its_number(tmp_path, line):
    file = tmp_path / "aesdd_test_fold_1.jsonl"
    file.write_text(f'{{"wav": "a.wav"}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"fold_1\.jsonl, line 3: expected a JSON object"):
        read_emobox_list(file)


def test_blank_lines_and_line_ends_of_windows_do_not_matter(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"wav": "a.wav"}\r\n\r\n  \n{"wav": "b.wav"}')
    assert read_emobox_list(file) == ["a.wav", "b.wav"]


@pytest.mark.skipif(not (REAL.is_dir() and EMOBOX.is_dir()), reason="no real AESDD here")
@pytest.mark.parametrize("path", [EMOBOX, EMOBOX.parent, EMOBOX / "fold_1"])
def test_the_real_fold_of_emobox_has_455_and_149_clips(path):
    clips = real_table()
    (plain,) = make_folds(clips, split("emobox", emobox=str(path), val=0.0))
    assert Counter(plain.values()) == {"train": 455, "test": 149}
    (fold,) = make_folds(clips, split("emobox", emobox=str(path)))
    counts = Counter(fold.values())
    assert counts["test"] == 149
    assert counts["train"] + counts["val"] == 455
    assert abs(counts["val"] - 0.1 * 604) <= 5
    assert {c for c, s in fold.items() if s == "test"} == {
        c for c, s in plain.items() if s == "test"
    }
    letters = {"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "s": "sad"}
    emotions = dict(zip(clips["path"], clips["emotion"], strict=True))
    for file in (EMOBOX / "fold_1").glob("*.jsonl"):
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            assert emotions[line["wav"].removeprefix("downloads/")] == letters[line["emo"]]
