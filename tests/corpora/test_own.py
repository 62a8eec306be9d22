import tracemalloc
from pathlib import PurePosixPath

import pytest

from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.corpora import check_table, clip_name, label_files, own
from ser.corpora.labels import Labels
from ser.decoding.suffixes import READ


def labelled(folder, paths, table=None, at="labels.csv", relabel=None, emotions=()):
    """Path -> labels, or the reason and the detail of a rejection."""
    if table is not None:
        file = folder / at
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(table if isinstance(table, bytes) else table.encode())
        paths = [*paths, at]
    pairs = list(label_files("own", folder, sorted(paths), relabel or {}, emotions))
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


# The same table as spreadsheets write it: German Excel's "CSV UTF-8" and "Text (Tab delimited)",
# LibreOffice with a chosen separator and all fields in quotes, and with the line that tells Excel
# the separator; then as that comes back from LibreOffice.
@pytest.mark.parametrize(
    "table",
    [
        "\ufeffpath;emotion;speaker;remark;\r\ndeep/a, b.wav;Sad;Müller;so, so;\r\n;;;;\r\n",
        'path\temotion\tspeaker\tremark\r\n"deep/a, b.wav"\tSad\tMüller\t"so; so"\r\n',
        '"path";"emotion";"speaker";"remark"\n"deep/a, b.wav";"Sad";"Müller";"so ""so"""\n',
        '"path"\t"emotion"\t"speaker"\n"deep/a, b.wav"\t"Sad"\t"Müller"\n',
        "sep=;\r\npath;emotion;speaker\r\ndeep/a, b.wav;Sad;Müller\r\n",
        "\ufeffsep=\t\r\npath\temotion\tspeaker\r\ndeep/a, b.wav\tSad\tMüller\r\n",
        '"sep=,"\npath,emotion,speaker\n"deep/a, b.wav",Sad,Müller\n',
        '"sep=";""\n"path";"emotion";"speaker"\n"deep/a, b.wav";"Sad";"Müller"\n',
        "sep=;,,\npath;emotion;speaker\ndeep/a, b.wav;Sad;Müller\n",
        "sep=|\npath|emotion|speaker\ndeep/a, b.wav|Sad|Müller\n",
    ],
)
def test_a_table_of_a_spreadsheet_is_read_whatever_separates_its_columns(tmp_path, table):
    assert labelled(tmp_path, ["deep/a, b.wav"], table) == {
        "deep/a, b.wav": Labels(
            name="deep/a, b", emotion="Sad", speaker="Müller", utterance="deep/a, b"
        )
    }


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("path;label\na.wav;sad\n", "it has path, label, separated by semicolons"),
        ("sep=;\npath,emotion\na.wav,sad\n", "it has path,emotion, separated by semicolons"),
        ("path\tlabel\na.wav\tsad\n", "it has path, label, separated by tabs"),
        ("path,emotion;speaker\n", "it has path, emotion;speaker, separated by commas"),
        ("sep=|\npath|x\n", "it has path, x, separated by '|'"),
        ("sep=;\npath;emotion\nb.wav;sad\n../a.wav;sad\n", "line 4: '../a.wav' is not a file"),
        ("path;emotion;age\nb.wav;sad;34\na.wav;sad;34,5\n", "line 3: age '34,5': write 34.5"),
    ],
)
def test_of_a_wrong_table_the_separator_and_the_line_are_named(tmp_path, table, said):
    assert said in refusal(tmp_path, table)


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
        f"labels.csv lists it, but no recording ({READ}) has that name",
    )
    assert result["b.wav"].name == "b"


def test_a_table_says_any_word_for_an_emotion_and_is_no_recording_itself(tmp_path):
    result = labelled(tmp_path, ["a.wav"], "path,emotion\na.wav,bored\n", at="Labels.CSV")
    assert result == {"a.wav": Labels(name="a", emotion="bored", utterance="a")}


NEAR = (
    "labels.csv lists it, but the file is {}: write each path relative to the folder of "
    "labels.csv, "
)


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        ("clip01", "clip01.wav"),
        ("x/1.2", "x/1.2.flac"),
        ("clip01.wav", "Clip01.WAV"),
        ("clip01.wav", "clip01.flac"),
        ("clip01.wav", "wavs/clip01.wav"),
        ("clip01", "wavs/a/Clip01.wav"),
        ("old/clip01.wav", "clip01.wav"),
        ("clip\u00a001.wav", "clip 01.wav"),
        ("clip\u200b01.wav", "clip01.wav"),
    ],
)
def test_a_path_that_is_written_otherwise_than_its_file_is_told_which_it_may_be(
    tmp_path, listed, there
):
    result = labelled(tmp_path, [there, "b.wav"], f"path,emotion\n{listed},sad\nb.wav,sad\n")
    reason, detail = result[listed]
    assert reason == "missing_file"
    assert detail.startswith(NEAR.format(there) + "with its suffix")
    assert result[there] == ("unlisted", "not in labels.csv")
    assert result["b.wav"].emotion == "sad"


def test_of_several_recordings_that_may_be_meant_the_one_of_the_same_folder_is_named(tmp_path):
    paths = ["a/1.wav", "b/1.flac", "b/1.wav", "c/1.wav"]
    detail = labelled(tmp_path, paths, "path,emotion\nb/1,sad\n")["b/1"][1]
    assert detail.startswith(NEAR.format("b/1.flac"))
    detail = labelled(tmp_path, paths, "path,emotion\nx/1,sad\n")["x/1"][1]
    assert detail.startswith(NEAR.format("a/1.wav"))


@pytest.mark.parametrize("there", ["clip01.wav", "x/clip1.wav", "clip1.txt", "xclip1.wav"])
def test_a_recording_that_is_listed_or_called_otherwise_is_not_meant(tmp_path, there):
    table = "path,emotion\nclip1.wav,sad\nclip01.wav,sad\nx/clip1.wav,sad\n"
    detail = labelled(tmp_path, [there], table)["clip1.wav"][1]
    assert "has that name" in detail


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
    assert f"labels.csv, line 3: {line.split(',')[0]!r} is already listed" in text


@pytest.mark.parametrize("path", ["/a.wav", "\\a.wav", "../a.wav", "x/../a.wav", "..\\a.wav", "."])
def test_a_path_that_is_not_below_the_folder_is_refused_with_its_line(tmp_path, path):
    text = refusal(tmp_path, f"path,emotion\nb.wav,sad\n{path},sad\n")
    assert f"labels.csv, line 3: {path!r} is not a file below its folder" in text


def test_an_empty_path_is_refused(tmp_path):
    assert "line 2: '' is not a file" in refusal(tmp_path, "path,emotion\n,sad\n")


@pytest.mark.parametrize(
    "start", ["path,emotion\n\n", 'path,emotion,remark\nb.wav,sad,"two\nlines"\n']
)
def test_lines_are_counted_as_an_editor_counts_them(tmp_path, start):
    table = f"{start}../a.wav,sad\n"
    assert f"line {table.count(chr(10))}: '../a.wav'" in refusal(tmp_path, table)


@pytest.mark.parametrize("header", ["file,emotion", "path,label", "x"])
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
    assert "is not a csv table in UTF-8" in refusal(tmp_path, table)


def test_what_is_no_text_is_told_with_its_line(tmp_path):
    rows = b"".join(b"%d.wav,sad\n" % i for i in range(5000))
    text = refusal(tmp_path, b"path,emotion\n" + rows + "café.wav,sad\n".encode("latin-1"))
    assert "invalid continuation byte, in or after line 4" in text


def test_a_long_table_takes_little_memory(tmp_path):
    rows = 20_000
    table = "path,emotion,speaker,utterance,age\n" + "".join(
        f"speaker{i % 8}/clip{i:07}.wav,sad,speaker{i % 8},sentence{i % 50},{20 + i % 50}\n"
        for i in range(rows)
    )
    labelled(tmp_path, ["a.wav"], table)  # what is loaded once
    tracemalloc.start()
    try:
        n = sum(1 for _ in label_files("own", tmp_path, ["a.wav", "labels.csv"], {}))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == rows + 1
    assert most < 1000 * rows  # bytes; 500 to 900 were seen


@pytest.mark.parametrize("table", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_table_is_refused(tmp_path, table):
    assert "it has none" in refusal(tmp_path, table)


def test_an_empty_field_at_the_end_of_a_row_is_none(tmp_path):
    assert labelled(tmp_path, ["a.wav"], "path,emotion\na.wav,sad,\n")["a.wav"].emotion == "sad"


def test_columns_that_say_nothing_known_are_told(tmp_path):
    (tmp_path / "labels.csv").write_text("path,emotion,Speaker ID,gender,\na.wav,sad,1,male,\n")
    assert check_table("own", tmp_path, ["a.wav", "labels.csv"]) == ["speaker id"]


def test_a_windows_drive_is_refused(tmp_path):
    assert "line 2: 'C:\\\\x.wav' is not a file below" in refusal(
        tmp_path, "path,emotion\nC:\\x.wav,sad\n"
    )


def test_two_ways_of_typing_an_accent_name_one_file(tmp_path):
    result = labelled(tmp_path, ["cafe\u0301.wav"], "path,emotion\ncaf\u00e9.wav,sad\n")
    assert result["cafe\u0301.wav"].emotion == "sad"


@pytest.mark.parametrize("value", ["Mu\u0308ller", " Müller\u00a0", "\u200bMüller"])
@pytest.mark.parametrize(
    "column", ["speaker", "utterance", "take", "gender", "intensity", "language", "emotion"]
)
def test_what_a_table_says_is_one_text_in_whatever_form_it_is_typed(tmp_path, column, value):
    rest = "" if column == "emotion" else ",emotion"
    table = f"path,{column}{rest}\na.wav,{value},sad\n".replace(
        ",sad", "" if column == "emotion" else ",sad"
    )
    assert getattr(labelled(tmp_path, ["a.wav"], table)["a.wav"], column) == "Müller"


def test_a_column_may_be_typed_in_other_forms(tmp_path):
    table = "\u200bpath,Emotion\u00a0,speaker \na.wav,sad,anna\n"
    assert labelled(tmp_path, ["a.wav"], table)["a.wav"].speaker == "anna"


def test_two_files_may_differ_in_the_form_of_an_accent_alone(tmp_path):
    paths = ["caf\u00e9.wav", "cafe\u0301.wav"]
    for result in (
        labelled(tmp_path, [f"sad/{path}" for path in paths]),
        labelled(tmp_path, paths, "path,emotion\ncaf\u00e9.wav,sad\n"),
    ):
        names = {labels.name for labels in result.values()}
        assert (len(result), len(names)) == (2, 1)


@pytest.mark.parametrize("path", ["x/cafe\u0301.wav", "x/caf\u00e9.wav"])
def test_a_published_path_names_a_clip_in_whatever_form_it_is_stored(path):
    assert clip_name("own", path) == "x/caf\u00e9"


def test_a_table_without_rows_is_refused(tmp_path):
    assert "lists no recordings" in refusal(tmp_path, "path,emotion\n")


def test_a_table_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"labels\.csv is not a csv table"):
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
    assert detail.startswith("of its folders, none is named for an emotion: expected <emotion>/")
    assert "labels.csv with the columns path and emotion" in detail


def test_a_recording_in_the_folders_of_two_emotions_is_rejected_with_both(tmp_path):
    result = labelled(tmp_path, ["Happy/x/sadness/1.wav", "happy/1.wav"])
    reason, detail = result["Happy/x/sadness/1.wav"]
    assert reason == "unknown_emotion"
    assert "both Happy and sadness are named for an emotion" in detail
    assert result["happy/1.wav"].emotion == "happy"


def test_files_of_one_name_in_several_folders_are_clips_of_their_own(tmp_path):
    result = labelled(tmp_path, ["happy/001.wav", "sad/001.wav", "sad/x/001.wav", "sad/1.2.wav"])
    names = {path: labels.name for path, labels in result.items()}
    assert names == {path: path.removesuffix(".wav") for path in result}
    assert len({labels.utterance for labels in result.values()}) == 4


def test_a_folder_may_be_called_by_a_word_in_either_form_of_its_accents(tmp_path):
    result = labelled(tmp_path, ["Cole\u0300re/1.wav"], relabel={"col\u00e8re": "angry"})
    assert result["Cole\u0300re/1.wav"].name == "Col\u00e8re/1"


def test_a_folder_may_be_called_like_an_emotion_of_ones_own(tmp_path):
    assert labelled(tmp_path, ["Boredom/1.wav"], emotions=["boredom"])["Boredom/1.wav"] == Labels(
        name="Boredom/1", emotion="Boredom", utterance="Boredom/1"
    )
    reason, detail = labelled(tmp_path, ["Boredom/1.wav"])["Boredom/1.wav"]
    assert reason == "unknown_emotion"
    assert "clean.emotions can list emotions of your own" in detail


# Folders of speakers

PEOPLE, WORDS = ("0011", "0012"), ("Angry", "Boredom", "sadness")


def grid(path, people=PEOPLE, words=WORDS):
    return [path.format(who=who, word=word) for who in people for word in words]


def speakers(folder, paths):
    """Path -> speaker, and what is said of the folders."""
    result = labelled(folder, paths, emotions=["boredom"])
    note = own.make_labeller(folder, paths, {}, ["boredom"]).note
    return {path: labels.speaker for path, labels in result.items()}, note


@pytest.mark.parametrize(
    ("path", "where"), [("{who}/{word}/1.wav", "above"), ("{word}/{who}/1.wav", "below")]
)
def test_the_folders_beside_those_of_emotions_are_called_like_speakers(tmp_path, path, where):
    found, note = speakers(tmp_path, grid(path))
    assert found == {path.format(who=who, word=word): who for who in PEOPLE for word in WORDS}
    assert note == f"speaker from the folder {where} the emotion, 2 speakers: 0011, 0012"


PARTS = [
    ("train", "Test"),
    ("evaluation", "test", "train"),
    ("dev", "eval"),
    ("seen", "unseen"),
    ("Held-out", "training data"),
    ("heldOut", "trainSet"),
    ("fold_1", "Fold 2"),
    ("fold A", "fold B"),
    ("wav", "wavs"),
    ("all", "clean"),
    ("strong", "weak"),
    ("take I", "take II"),
]


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize(
    "path",
    [
        "corpus/{who}/{word}/{part}/1.wav",
        "{who}/{word}/{part}/1.wav",
        "{part}/{who}/{word}/1.wav",
        "a/b/{word}/{who}/{part}/c/1.wav",
    ],
)
def test_folders_that_hold_everything_and_those_of_parts_are_passed_over(tmp_path, path, parts):
    paths = [p for part in parts for p in grid(path.replace("{part}", part))]
    found, note = speakers(tmp_path, paths)
    assert all(who in path.split("/") for path, who in found.items())
    assert set(found.values()) == set(PEOPLE)
    assert note.endswith(f"2 speakers: 0011, 0012; skipped: {', '.join(sorted(parts))}")


def test_a_few_recordings_in_folders_of_parts_are_of_their_speaker(tmp_path):
    paths = [*grid("{who}/{word}/1.wav"), "0011/Angry/take2/1.wav", "0012/wav/sadness/2.wav"]
    found, note = speakers(tmp_path, paths)
    assert found == {path: path.split("/")[0] for path in paths}
    assert note.endswith("2 speakers: 0011, 0012; skipped: take2, wav")


@pytest.mark.parametrize(
    "stray", ["room_tone.wav", "0011/room.wav", "x/y/z/tone.wav", "0011/ennui/1.wav", "ennui/1.wav"]
)
@pytest.mark.parametrize("path", ["{who}/{word}/1.wav", "{word}/{who}/1.wav"])
def test_recordings_in_no_emotions_folder_do_not_hide_the_speakers(tmp_path, path, stray):
    paths = grid(path)
    result = labelled(tmp_path, [*paths, stray], emotions=["boredom"])
    assert result.pop(stray)[0] == "unknown_emotion"
    assert {path: labels.speaker for path, labels in result.items()} == {
        path: who for path in paths for who in PEOPLE if who in path
    }
    note = own.make_labeller(tmp_path, [*paths, stray], {}, ["boredom"]).note
    assert note.endswith(
        f"2 speakers: 0011, 0012; without 1 outside the folders of emotions, such as {stray}"
    )


@pytest.mark.parametrize("path", ["{who}/{word}/1.wav", "{word}/{who}/1.wav"])
def test_an_emotion_that_is_not_listed_does_not_hide_the_speakers(tmp_path, path):
    paths = grid(path)
    result = labelled(tmp_path, paths)
    kept = {path: labels.speaker for path, labels in result.items() if isinstance(labels, Labels)}
    assert set(kept.values()) == set(PEOPLE)
    assert len(kept) == 4
    assert (
        ": 0011, 0012; without 2 outside the folders of emotions"
        in own.make_labeller(tmp_path, paths, {}).note
    )


# Folders of several people


@pytest.mark.parametrize(
    "groups", [("female", "male"), ("M", "F"), ("female voices", "male voices"), ("old", "young")]
)
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("{group}/{who}/{word}/1.wav", "{group}/{who}"),
        ("{word}/{group}/{who}/1.wav", "{group}/{who}"),
        ("{group}/{word}/{who}/1.wav", "{group}/{who}"),
        ("x/{who}/{group}/{word}/train/1.wav", "{who}/{group}"),
    ],
)
def test_one_name_below_two_genders_is_two_people(tmp_path, path, names, groups):
    wanted = {
        place: names.format(group=group, who=who)
        for group in groups
        for who in PEOPLE
        for place in grid(path.replace("{group}", group), [who])
    }
    found, note = speakers(tmp_path, list(wanted))
    assert found == wanted
    assert f", 4 speakers: {', '.join(sorted(set(wanted.values()))[:3])} and 1 more" in note


@pytest.mark.parametrize(
    "path",
    ["{group}/{who}/{word}/1.wav", "{word}/{group}/{who}/1.wav", "{group}/{word}/{who}/1.wav"],
)
@pytest.mark.parametrize(
    "groups",
    [("session1", "session2"), ("set_a", "set_b"), ("Part I", "Part II"), ("day1", "day2")],
)
def test_one_name_below_two_sessions_is_not_guessed_to_be_one_person_or_two(tmp_path, path, groups):
    paths = [p for group in groups for p in grid(path.replace("{group}", group))]
    found, note = speakers(tmp_path, paths)
    assert set(found.values()) == {""}
    assert note.startswith(
        f"the folders do not name the speakers: 0011 is in both {' and '.join(groups)}, "
        "which may be one person or several"
    )


@pytest.mark.parametrize("path", ["{who}/{word}/{group}/1.wav", "{who}/{group}/{word}/1.wav"])
def test_sessions_in_a_speakers_folder_are_of_one_person(tmp_path, path):
    groups = ("session1", "session2")
    paths = [p for group in groups for p in grid(path.replace("{group}", group))]
    found, note = speakers(tmp_path, paths)
    assert found == {path: path.split("/")[0] for path in paths}
    assert note.endswith("2 speakers: 0011, 0012; skipped: session1, session2")


def test_speakers_of_sessions_are_called_by_their_own_names(tmp_path):
    paths = [*grid("session1/{who}/{word}/1.wav", "ab"), *grid("session2/{who}/{word}/1.wav", "c")]
    found, note = speakers(tmp_path, paths)
    assert found == {path: path.split("/")[1] for path in paths}
    assert note.endswith("3 speakers: a, b, c; skipped: session1, session2")


def test_genders_tell_the_speakers_of_sessions_apart(tmp_path):
    paths = [
        *grid("session1/{who}/1/{word}/1.wav", ["female", "male"]),
        *grid("session2/{who}/2/{word}/1.wav", ["female", "male"]),
    ]
    found, _ = speakers(tmp_path, paths)
    assert set(found.values()) == {"female/1", "male/1", "female/2", "male/2"}


def test_one_emotion_of_several_speakers_is_enough(tmp_path):
    found, _ = speakers(tmp_path, grid("{who}/{word}/1.wav", words=["Angry"]))
    assert set(found.values()) == set(PEOPLE)


def test_a_speakers_folder_is_one_speaker_in_whatever_form_its_name_is_stored(tmp_path):
    paths = ["sad/Mu\u0308ller/1.wav", "angry/M\u00fcller\u00a0/1.wav", "sad/Anna/1.wav"]
    found, note = speakers(tmp_path, paths)
    assert set(found.values()) == {"M\u00fcller", "Anna"}
    assert note.endswith("2 speakers: Anna, M\u00fcller")


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (
            [*grid("{who}/{word}/x/1.wav"), *grid("{who}/{word}/y/1.wav")],
            "either 0011, 0012 or x, y may be the speakers",
        ),
        (
            [*grid("{who}/{word}/1.wav"), "sad/2.wav"],
            "recordings are at different depths: 1, such as sad/2.wav; 2, such as 0011/Angry/1.wav",
        ),
        (
            [*grid("{who}/{word}/1.wav"), "2/sad/x/2.wav", "3/sad/x/take1/3.wav"],
            "without the folders take1, recordings are at different depths: 2, such as "
            "0011/Angry/1.wav; 3, such as 2/sad/x/2.wav",
        ),
        (
            grid("{word}/{who}/1.wav", ["train", "test"]),
            "test, train would not be a speaker's name",
        ),
        (grid("{word}/{who}/1.wav", ["train", "x"]), "without the folders train, recordings are"),
        (grid("{word}/{who}/1.wav", ["Male", "x"]), "Male would not be a speaker's name"),
        (grid("{who}/{word}/1.wav", ["m", "f"]), "f, m would not be a speaker's name"),
        (
            grid("{word}/{who}/1.wav", ["Faible", "Fort"]),
            "Faible, Fort would not be a speaker's name",
        ),
        (
            grid("{who}/{word}/1.wav", ["fold_1", "Fold 2"]),
            "Fold 2, fold_1 would not be a speaker's",
        ),
        (grid("{who}/{word}/1.wav", ["set_a", "set_b"]), "set_a, set_b would not be a speaker's"),
        (grid("{who}/{word}/1.wav", ["setA", "2nd set"]), "2nd set, setA would not be a speaker's"),
        (
            grid("{who}/{word}/1.wav", ["session 1", "session II"]),
            "session 1, session II would not be",
        ),
        (
            grid("session1/{who}/{word}/1.wav", ["male", "female"]),
            "female, male would not be a spea",
        ),
        (grid("{who}/{word}/1.wav", ["wavs"]), "wavs would not be a speaker's name"),
        (grid("{who}/{word}/1.wav", ["mine"]), "all recordings are in mine"),
        (["sad/mine/1.wav", "sad/mine/2.wav"], "all recordings are in mine"),
        (["sad/fearful/1.wav", "x/angry/2.wav"], "2 levels of folders are named for emotions"),
        (["sad/sadness/1.wav", "fear/Fearful/2.wav"], "2 levels of folders are named for emo"),
        (["sad/sadness/1.wav", "fear/anna/2.wav"], "2 levels of folders are named for emo"),
        (["sad/anna/1.wav", "bo/sad/2.wav"], "2 levels of folders are named for emotions"),
    ],
)
def test_other_trees_do_not_name_the_speakers_and_say_why(tmp_path, paths, why):
    result = labelled(tmp_path, paths, emotions=["boredom"])
    assert all(isinstance(labels, tuple) or not labels.speaker for labels in result.values())
    note = own.make_labeller(tmp_path, paths, {}, ["boredom"]).note
    assert note.startswith(f"the folders do not name the speakers: {why}")
    assert note.endswith("or a labels.csv with the column speaker")


@pytest.mark.parametrize("people", [["1", "2"], ["Actor_01", "Actor_02"], ["Testa", "Manfred"]])
def test_speakers_may_be_called_by_numbers_and_by_names_that_begin_like_other_words(
    tmp_path, people
):
    found, _ = speakers(tmp_path, grid("{who}/{word}/1.wav", people))
    assert set(found.values()) == set(people)


def test_of_many_speakers_the_first_are_named(tmp_path):
    _, note = speakers(tmp_path, grid("{who}/{word}/1.wav", "abcde"))
    assert note.endswith("5 speakers: a, b, c and 2 more")


def test_a_folder_per_emotion_says_nothing_of_speakers_and_is_not_remarked_on(tmp_path):
    paths = ["sad/1.wav", "angry/1.wav"]
    assert speakers(tmp_path, paths) == (dict.fromkeys(paths, ""), "")
    assert own.make_labeller(tmp_path, [], {}).note == ""


def test_other_files_do_not_decide_how_a_tree_is_understood(tmp_path):
    paths = [*grid("{who}/{word}/1.wav"), "readme.txt", "0011/Angry/x/notes.txt"]
    assert own.make_labeller(tmp_path, paths, {}, ["boredom"]).note.endswith(
        "2 speakers: 0011, 0012"
    )


def test_a_file_that_is_no_recording_may_lie_above_the_speakers(tmp_path):
    result = labelled(tmp_path, [*grid("{word}/{who}/1.wav"), "Angry/readme.txt"])
    assert result["Angry/readme.txt"].speaker == ""


def test_folders_of_no_emotion_at_all_are_not_remarked_on(tmp_path):
    assert own.make_labeller(tmp_path, grid("{who}/{word}/1.wav", "ab", "cd"), {}).note == ""


def test_a_table_decides_alone_who_speaks(tmp_path):
    table = "path,emotion,speaker\n0011/Angry/1.wav,sad,\n0012/Angry/1.wav,sad,anna\n"
    result = labelled(tmp_path, ["0011/Angry/1.wav", "0012/Angry/1.wav"], table)
    assert [labels.speaker for labels in result.values()] == ["", "anna"]
    assert own.make_labeller(tmp_path, [*result, "labels.csv"], {}).note == ""


def test_further_columns_are_read_if_they_are_wanted_and_there(tmp_path):
    (tmp_path / "labels.csv").write_text("path,emotion,Accent,device\na.wav,sad,Nord  West,x\n")
    paths = ["a.wav", "labels.csv"]
    assert check_table("own", tmp_path, paths) == ["accent", "device"]
    ((_, labels),) = label_files("own", tmp_path, paths, {}, columns=["accent", "mood"])
    assert labels == Labels("a", "sad", utterance="a", more={"accent": "Nord West"})
    (tmp_path / "labels.csv").write_text("path,emotion,accent,accent\na.wav,sad,x,y\n")
    with pytest.raises(UserError, match=r"valence, accent, once; it has"):
        label_files("own", tmp_path, paths, {}, columns=["accent"])
    assert [path for path, _ in label_files("own", tmp_path, paths, {})] == ["a.wav"]


# Ratings


def test_a_table_may_rate_some_clips_in_arousal_and_valence(tmp_path):
    table = "path;emotion;Valence;arousal\na.wav;sad;0.25;.5\nb.wav;sad;;1e-1\nc.wav;sad;;\n"
    result = labelled(tmp_path, ["a.wav", "b.wav", "c.wav"], table)
    assert {path: (labels.arousal, labels.valence) for path, labels in result.items()} == {
        "a.wav": (".5", "0.25"),
        "b.wav": ("1e-1", ""),
        "c.wav": ("", ""),
    }
    assert check_table("own", tmp_path, ["labels.csv"]) == []


@pytest.mark.parametrize(
    "cell", ["1.01", "7", "-0.1", "high", "0,5", "nan", "inf", "0_1", "\u0660", "1e9", "0.5.1"]
)
def test_a_rating_that_is_not_in_0_to_1_is_refused_with_its_line(tmp_path, cell):
    table = f"path\temotion\tarousal\nb.wav\tsad\t0.5\na.wav\tsad\t{cell}\n"
    assert f"line 3: arousal {cell!r}: a number from 0 to 1" in refusal(tmp_path, table)
    with pytest.raises(UserError, match="line 3"):  # already when it is pulled
        check_table("own", tmp_path, ["labels.csv"])


def test_a_column_of_ratings_without_any_is_refused(tmp_path):
    table = "path,emotion,arousal,valence\na.wav,sad,0.5,\n"
    assert "has the column valence, but no number in it" in refusal(tmp_path, table)
