from pathlib import PurePosixPath

import pytest

from ser.corpora import check_table, label_files, own
from ser.corpora.labels import Labels
from ser.errors import UserError
from ser.formats import READ
from ser.rejection import Rejected


def labelled(folder, paths, table=None, at="labels.csv", relabel=None):
    """Path -> labels, or the reason and the detail of a rejection."""
    if table is not None:
        file = folder / at
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(table if isinstance(table, bytes) else table.encode())
        paths = [*paths, at]
    pairs = label_files("own", folder, sorted(paths), relabel or {})
    assert [path for path, _ in pairs] == sorted({path for path, _ in pairs})
    return {
        path: (labels.reason, str(labels)) if isinstance(labels, Rejected) else labels
        for path, labels in pairs
    }


def refusal(folder, table):
    """Why a table is refused; the text names it."""
    with pytest.raises(UserError) as caught:
        labelled(folder, ["a.wav"], table)
    assert str(folder / "labels.csv") in str(caught.value)
    return str(caught.value)


# A table


def test_a_table_needs_path_and_emotion_only(tmp_path):
    result = labelled(tmp_path, ["a.wav", "b/c.flac"], "path,emotion\na.wav,happy\nb/c.flac,sad\n")
    assert result == {
        "a.wav": Labels(name="a", emotion="happy", utterance="a"),
        "b/c.flac": Labels(name="b/c", emotion="sad", utterance="b/c"),
    }


def test_a_table_may_say_all_that_is_known(tmp_path):
    table = (
        "language,path,gender,emotion,utterance,speaker,take,intensity,remark,age\n"
        "en,a.wav,female,Anger,07,anna,2,strong,loud,34\n"
        "de,b.wav,,sad,,,,,,\n"
    )
    assert labelled(tmp_path, ["a.wav", "b.wav"], table) == {
        "a.wav": Labels(
            name="a",
            emotion="Anger",
            speaker="anna",
            utterance="07",
            take="2",
            gender="female",
            age="34",
            intensity="strong",
            language="en",
        ),
        "b.wav": Labels(name="b", emotion="sad", utterance="b", language="de"),
    }


@pytest.mark.parametrize("column", ["name", "sung"])
def test_a_table_does_not_decide_what_a_clip_is_called_or_whether_it_is_sung(tmp_path, column):
    table = f"path,emotion,{column}\na.wav,sad,true\n"
    assert labelled(tmp_path, ["a.wav"], table) == {
        "a.wav": Labels(name="a", emotion="sad", utterance="a")
    }


@pytest.mark.parametrize("value", ["007", "NA", "null", "1e3", "True", "ψ"])
def test_what_a_table_says_stays_text(tmp_path, value):
    table = f"path,emotion,speaker\na.wav,sad,{value}\n"
    assert labelled(tmp_path, ["a.wav"], table)["a.wav"].speaker == value


@pytest.mark.parametrize(
    "table",
    [
        b"\xef\xbb\xbfpath,emotion\na.wav,sad\n",
        b"path,emotion\r\na.wav,sad\r\n",
        b"path,emotion\na.wav,sad",
        b" Path ,EMOTION\n a.wav , sad \n",
        b'"path","emotion"\n"a.wav","sad"\n',
        b"emotion,path\nsad,./a.wav\n",
        b"path,emotion\n\na.wav,sad\n\n",
        b"path,emotion,speaker\na.wav,sad\n",
    ],
    ids=["BOM", "CRLF", "no end", "spaces", "quotes", "./", "empty lines", "short row"],
)
def test_other_ways_of_writing_a_table_are_read_alike(tmp_path, table):
    assert labelled(tmp_path, ["a.wav"], table) == {
        "a.wav": Labels(name="a", emotion="sad", utterance="a")
    }


@pytest.mark.parametrize("listed", ["x\\y\\a.wav", "./x/y/a.wav", ".\\x\\y\\a.wav", "x//y/./a.wav"])
def test_other_ways_of_writing_a_path_mean_the_same_file(tmp_path, listed):
    assert list(labelled(tmp_path, ["x/y/a.wav"], f"path,emotion\n{listed},sad\n").values()) == [
        Labels(name="x/y/a", emotion="sad", utterance="x/y/a")
    ]


def test_a_path_may_hold_a_comma_spaces_and_other_scripts(tmp_path):
    table = 'path,emotion\n"take 1, καλά.wav",sad\n'
    assert labelled(tmp_path, ["take 1, καλά.wav"], table)["take 1, καλά.wav"].emotion == "sad"


def test_folders_that_are_called_like_emotions_do_not_matter_beside_a_table(tmp_path):
    table = "path,emotion\nhappy/a.wav,sad\n"
    result = labelled(tmp_path, ["happy/a.wav", "happy/b.wav"], table)
    assert result["happy/a.wav"].emotion == "sad"
    assert result["happy/b.wav"] == ("unlisted", "not in labels.csv")


def test_a_file_that_is_listed_and_not_there_is_rejected_and_the_others_are_not(tmp_path):
    result = labelled(tmp_path, ["b.wav"], "path,emotion\na.wav,sad\nb.wav,sad\n")
    assert result["a.wav"] == (
        "missing_file",
        f"labels.csv lists it, and no recording ({READ}) is called so",
    )
    assert result["b.wav"].name == "b"


def test_a_table_says_any_word_for_an_emotion_and_is_no_recording_itself(tmp_path):
    result = labelled(tmp_path, ["a.wav"], "path,emotion\na.wav,bored\n", at="Labels.CSV")
    assert result == {"a.wav": Labels(name="a", emotion="bored", utterance="a")}


# Which table


def test_paths_in_the_table_of_a_sub_folder_start_there(tmp_path):
    table = "path,emotion\na.wav,sad\nx/b.wav,happy\n"
    paths = ["set/a.wav", "set/x/b.wav", "a.wav"]
    result = labelled(tmp_path, paths, table, at="set/labels.csv")
    assert result == {
        "a.wav": ("unlisted", "not in labels.csv"),
        "set/a.wav": Labels(name="set/a", emotion="sad", utterance="set/a"),
        "set/x/b.wav": Labels(name="set/x/b", emotion="happy", utterance="set/x/b"),
    }


@pytest.mark.parametrize(
    ("paths", "table"),
    [
        ([], None),
        (["a.wav", "my labels.csv", "labels.csv.wav", "labels.txt"], None),
        (["b/labels.csv", "a/x/labels.csv", "a/y/labels.csv"], "b/labels.csv"),
        (["a/labels.csv", "labels.csv", "b/labels.csv"], "labels.csv"),
        (["a/LABELS.csv"], "a/LABELS.csv"),
    ],
)
def test_the_table_nearest_to_the_root_is_taken(paths, table):
    assert own.find_table(paths, "x.zip") == table


@pytest.mark.parametrize(
    "tables", [("a/labels.csv", "b/labels.csv"), ("a/x/labels.csv", "b/y/Labels.csv")]
)
def test_two_tables_that_are_equally_near_are_refused(tables):
    with pytest.raises(UserError) as caught:
        own.find_table([*tables, "c/d/e/labels.csv"], "x.zip")
    assert str(caught.value).startswith(f"x.zip has both {tables[0]} and {tables[1]}: ")


def test_a_table_further_down_is_no_recording_and_says_nothing(tmp_path):
    result = labelled(tmp_path, ["a.wav", "x/labels.csv"], "path,emotion\na.wav,sad\n")
    assert list(result) == ["a.wav"]


# Damaged tables


@pytest.mark.parametrize("line", ["a.wav,sad", "./a.wav,happy", ".\\a.wav,sad"])
def test_a_path_that_is_listed_twice_is_refused_with_its_line(tmp_path, line):
    text = refusal(tmp_path, f"path,emotion\na.wav,sad\n{line}\n")
    assert f"labels.csv, line 3: {line.split(',')[0]!r} stands in a line before" in text


@pytest.mark.parametrize("path", ["/a.wav", "\\a.wav", "../a.wav", "x/../a.wav", "..\\a.wav", "."])
def test_a_path_that_is_not_below_the_folder_is_refused_with_its_line(tmp_path, path):
    text = refusal(tmp_path, f"path,emotion\nb.wav,sad\n{path},sad\n")
    assert f"labels.csv, line 3: {path!r} is no file below its folder" in text


def test_an_empty_path_is_refused(tmp_path):
    assert "line 2: '' is no file" in refusal(tmp_path, "path,emotion\n,sad\n")


@pytest.mark.parametrize(
    "start", ["path,emotion\n\n", 'path,emotion,remark\nb.wav,sad,"two\nlines"\n']
)
def test_lines_are_counted_as_an_editor_counts_them(tmp_path, start):
    table = f"{start}../a.wav,sad\n"
    assert f"line {table.count(chr(10))}: '../a.wav'" in refusal(tmp_path, table)


@pytest.mark.parametrize("header", ["file,emotion", "path,label", "path;emotion", "x"])
def test_a_missing_column_is_refused_with_those_there_and_those_expected(tmp_path, header):
    text = refusal(tmp_path, f"{header}\n")
    assert "needs each of the columns path and emotion, and may have each of speaker" in text
    assert f"it has {header.replace(',', ', ')}" in text


@pytest.mark.parametrize(
    "header", ["path,path,emotion", "path,emotion,emotion", "path,emotion,Emotion"]
)
def test_a_column_that_is_there_twice_is_refused(tmp_path, header):
    assert "once; it has path" in refusal(tmp_path, f"{header}\na.wav,sad,happy\n")


@pytest.mark.parametrize("header", ["path,emotion,speaker,speaker", "path,emotion,Speaker,speaker"])
def test_of_two_columns_of_one_name_none_is_dropped_in_silence(tmp_path, header):
    assert "speaker" in refusal(tmp_path, f"{header}\na.wav,sad,anna,berta\n")


# Were its first column taken for the names of the rows, the emotion would be taken for the path.
@pytest.mark.parametrize("rows", ["a.wav,sad,x\n", "a.wav,sad,x,y\n", "b.wav,sad\na.wav,sad,x,y\n"])
def test_rows_that_are_longer_than_the_header_are_refused(tmp_path, rows):
    assert "fields under 2 columns" in refusal(tmp_path, f"path,emotion\n{rows}")


@pytest.mark.parametrize(
    "table",
    [
        "path,emotion\ncafé.wav,sad\n".encode("latin-1"),
        "path,emotion\na.wav,sad\n".encode("utf-16"),
        b'path,emotion\na.wav,"sad\n',
    ],
    ids=["Latin-1", "UTF-16", "open quote"],
)
def test_what_is_no_table_is_refused(tmp_path, table):
    assert "is no csv table in UTF-8" in refusal(tmp_path, table)


@pytest.mark.parametrize("table", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_table_is_refused(tmp_path, table):
    assert "it has none" in refusal(tmp_path, table)


def test_an_empty_field_at_the_end_of_a_row_is_none(tmp_path):
    assert labelled(tmp_path, ["a.wav"], "path,emotion\na.wav,sad,\n")["a.wav"].emotion == "sad"


def test_columns_that_say_nothing_known_are_told(tmp_path):
    (tmp_path / "labels.csv").write_text("path,emotion,Speaker ID,gender,\na.wav,sad,1,male,\n")
    assert check_table("own", tmp_path, ["a.wav", "labels.csv"]) == ["speaker id"]


def test_a_windows_drive_is_refused(tmp_path):
    assert "line 2: 'C:\\\\x.wav' is no file below" in refusal(
        tmp_path, "path,emotion\nC:\\x.wav,sad\n"
    )


def test_two_ways_of_typing_an_accent_name_one_file(tmp_path):
    result = labelled(tmp_path, ["cafe\u0301.wav"], "path,emotion\ncaf\u00e9.wav,sad\n")
    assert result["cafe\u0301.wav"].emotion == "sad"


def test_a_table_without_rows_is_refused(tmp_path):
    assert "lists no recordings" in refusal(tmp_path, "path,emotion\n")


def test_a_table_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"labels\.csv is no csv table"):
        label_files("own", tmp_path, ["a.wav", "labels.csv"], {})


# A folder per emotion


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("happy/001.wav", "happy"),
        ("HAPPY/001.wav", "HAPPY"),
        ("Happiness/001.flac", "Happiness"),
        ("anna/sadness/take 2/001.wav", "sadness"),
        ("sad/anna/001.wav", "sad"),
        ("Fear/fearful/001.wav", "fearful"),
        ("joy/001.wav", "joy"),
        ("calm/neutral/001.wav", "neutral"),
    ],
)
def test_the_folder_says_the_emotion(tmp_path, path, word):
    name = PurePosixPath(path).with_suffix("").as_posix()
    labels = Labels(name=name, emotion=word, utterance=name)
    relabel = {"joy": "happy", "calm": "neutral"}
    assert labelled(tmp_path, [path], relabel=relabel) == {path: labels}


@pytest.mark.parametrize("path", ["001.wav", "x/001.wav", "happy.wav", "x/sad.wav", "so sad/1.wav"])
def test_a_recording_in_no_emotions_folder_is_rejected(tmp_path, path):
    reason, detail = labelled(tmp_path, [path])[path]
    assert reason == "unknown_emotion"
    assert detail.startswith("of its folders, none is called like an emotion: expected <emotion>/")
    assert "labels.csv with the columns path and emotion" in detail


def test_a_recording_in_the_folders_of_two_emotions_is_rejected_with_both(tmp_path):
    result = labelled(tmp_path, ["Happy/x/sadness/1.wav", "happy/1.wav"])
    reason, detail = result["Happy/x/sadness/1.wav"]
    assert reason == "unknown_emotion"
    assert "both Happy and sadness are called like an emotion" in detail
    assert result["happy/1.wav"].emotion == "happy"


def test_files_of_one_name_in_several_folders_are_clips_of_their_own(tmp_path):
    result = labelled(tmp_path, ["happy/001.wav", "sad/001.wav", "sad/x/001.wav", "sad/1.2.wav"])
    names = {path: labels.name for path, labels in result.items()}
    assert names == {path: path.removesuffix(".wav") for path in result}
    assert len({labels.utterance for labels in result.values()}) == 4
