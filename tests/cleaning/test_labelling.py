import os
from pathlib import Path

import pytest
import yaml

from ser.cleaning.labelling import find_corpora, find_files, label_recordings
from ser.core.errors import UserError
from ser.core.sections import Clean

COMMITTED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
CLEAN = Clean(**COMMITTED["clean"])


def put(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


def test_files_of_all_depths_are_found_but_hidden_ones(tmp_path):
    put(tmp_path, "a.wav", "b/c.wav", "b/d/e.wav", ".f", "b/.g/h.wav", "b/d/.i")
    assert sorted(find_files(tmp_path)) == ["a.wav", "b/c.wav", "b/d/e.wav"]
    assert sorted(find_files(tmp_path, "b/")) == ["b/c.wav", "b/d/e.wav"]


def test_links_are_files_and_lead_nowhere_else(tmp_path):
    put(tmp_path, "here/a.wav", "there/b.wav")
    (tmp_path / "here/file").symlink_to("a.wav")
    (tmp_path / "here/gone").symlink_to("nothing")
    (tmp_path / "here/folder").symlink_to(tmp_path / "there")
    assert sorted(find_files(tmp_path / "here")) == ["a.wav", "file", "folder", "gone"]


def test_what_is_no_file_is_not_listed(tmp_path):
    put(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe")
    assert list(find_files(tmp_path)) == ["a.wav"]


def test_corpora_are_the_folders_that_are_not_hidden(tmp_path):
    put(tmp_path, "b/x.wav", "a b/x.wav", ".cache/x.wav", ".gitignore")
    assert find_corpora(tmp_path) == ["a b", "b"]


def test_folders_without_files_are_no_recordings(tmp_path):
    (tmp_path / "aesdd/anger").mkdir(parents=True)
    put(tmp_path, "aesdd/.DS_Store")
    with pytest.raises(UserError, match="holds no files"):
        find_corpora(tmp_path)


def test_more_files_than_are_labelled_at_once_are_all_labelled(tmp_path):
    names = {f"aesdd/a01 ({speaker}).wav" for speaker in range(1, 2502)}
    put(tmp_path, *names)
    rows = list(label_recordings(tmp_path, CLEAN))
    assert {row["path"] for row in rows} == names
    assert {row["clip"] for row in rows} == {name.removesuffix(".wav") for name in names}
    assert len(rows) == len({row["identity"] for row in rows}) == len(names)


def test_a_table_is_about_all_files_however_many(tmp_path):
    lines = [f"{i:04}.wav,sad" for i in range(1500)]
    put(tmp_path, *(f"own/{i:04}.wav" for i in range(1, 1500)))
    (tmp_path / "own/labels.csv").write_text("\n".join(["path,emotion", *lines]))
    rows = list(label_recordings(tmp_path, CLEAN))
    assert len(rows) == 1500
    assert [row["path"] for row in rows if "reason" in row] == ["own/0000.wav"]


def test_a_row_has_what_its_labels_say_or_why_it_is_rejected(tmp_path):
    put(tmp_path, "aesdd/x/s05 (3)b.wav", "aesdd/y.wav")
    good, bad = sorted(label_recordings(tmp_path, CLEAN), key=lambda row: row["path"])
    assert good.pop("identity")
    assert good == {
        "path": "aesdd/x/s05 (3)b.wav",
        "corpus": "aesdd",
        "word": "sad",
        "clip": "aesdd/s05 (3)b",
        "emotion": "sad",
        "speaker": "3",
        "utterance": "05",
        "take": "b",
        "gender": "",
        "age": "",
        "intensity": "",
        "language": "el",
        "arousal": "",
        "valence": "",
        "more": {},
    }
    assert bad.pop("detail")
    assert bad == {"path": "aesdd/y.wav", "corpus": "aesdd", "reason": "unknown_name"}


def test_a_name_that_would_break_a_table_is_rejected(tmp_path):
    put(tmp_path, "aesdd/x/s05 (3).wav", "aesdd/x\r/s06 (3).wav")
    rows = sorted(label_recordings(tmp_path, CLEAN), key=lambda row: row["path"])
    assert [row.get("reason") for row in rows] == ["unknown_name", None]
    assert "carriage return" in rows[0]["detail"]
