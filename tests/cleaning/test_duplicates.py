import copy

import pytest

from ser.cleaning.duplicates import find_duplicates


def row(path, clip, digest, emotion="angry"):
    labels = {"emotion": emotion, "speaker": "1", "identity": clip}
    return {"path": path, "clip": clip, "digest": digest, **labels}


def set_apart(*rows):
    """Paths kept, and path -> (reason, detail) of the others."""
    given = copy.deepcopy(rows)
    rejected = find_duplicates(rows)
    assert rows == given
    assert all(one.keys() == {"path", "reason", "detail"} for one in rejected)
    verdicts = {one["path"]: (one["reason"], one["detail"]) for one in rejected}
    assert len(verdicts) == len(rejected)
    paths = [one["path"] for one in rows]
    assert verdicts.keys() <= set(paths)
    return [path for path in paths if path not in verdicts], verdicts


def test_without_rows_nothing_is_kept_and_nothing_rejected():
    assert set_apart() == ([], {})


def test_other_names_and_other_audio_are_all_kept_in_their_order():
    rows = [row("a/1", "c/x", "A"), row("a/2", "c/y", "B", "sad"), row("b/1", "c/w", "C")]
    assert set_apart(*rows) == (["a/1", "a/2", "b/1"], {})


def test_of_the_same_audio_the_first_is_kept_and_the_others_name_it():
    kept, rejected = set_apart(
        row("a/1", "c/x", "A"), row("a/2", "c/y", "A"), row("b/1", "d/x", "A")
    )
    assert kept == ["a/1"]
    assert rejected == dict.fromkeys(("a/2", "b/1"), ("duplicate_audio", "same audio as a/1"))


def test_of_the_same_audio_under_several_emotions_none_is_kept():
    kept, rejected = set_apart(
        row("a/1", "c/x", "A"),
        row("a/2", "c/y", "A", "sad"),
        row("a/3", "c/z", "A"),
        row("a/4", "c/w", "B"),
    )
    assert kept == ["a/4"]
    text = "same audio under another emotion: "
    assert rejected == {
        "a/1": ("duplicate_audio", f"{text}a/2, a/3"),
        "a/2": ("duplicate_audio", f"{text}a/1, a/3"),
        "a/3": ("duplicate_audio", f"{text}a/1, a/2"),
    }


@pytest.mark.parametrize("emotion", ["angry", "sad"])
def test_of_the_same_name_with_other_audio_the_first_is_kept(emotion):
    kept, rejected = set_apart(row("a/1", "c/x", "A"), row("b/1", "c/x", "B", emotion))
    assert kept == ["a/1"]
    assert rejected == {"b/1": ("duplicate_name", "names the same clip as a/1")}


def test_the_same_file_in_two_folders_is_the_same_audio():
    kept, rejected = set_apart(row("a/x", "c/x", "A"), row("b/a/x", "c/x", "A"))
    assert kept == ["a/x"]
    assert rejected == {"b/a/x": ("duplicate_audio", "same audio as a/x")}


def test_a_name_is_free_whose_first_file_was_the_same_audio_as_another():
    rows = [row("a", "c/x", "A"), row("b", "c/y", "A"), row("c", "c/y", "B")]
    assert set_apart(*rows)[0] == ["a", "c"]


def test_a_name_is_free_whose_first_file_bore_two_emotions():
    rows = [row("a", "c/x", "A"), row("b", "c/y", "A", "sad"), row("c", "c/x", "B")]
    assert set_apart(*rows)[0] == ["c"]


def test_audio_is_not_lost_whose_first_file_bore_a_name_twice():
    rows = [row("a", "c/x", "A"), row("b", "c/x", "B"), row("c", "c/y", "B")]
    kept, rejected = set_apart(*rows)
    assert kept == ["a", "c"]
    assert rejected == {"b": ("duplicate_name", "names the same clip as a")}


def test_of_many_files_of_one_sound_under_two_emotions_each_names_a_few_others():
    rows = [row(f"a/{i:04}", f"c/{i}", "A", "sad" if i else "angry") for i in range(2000)]
    kept, rejected = set_apart(*rows)
    assert kept == []
    named = ", ".join(f"a/{i:04}" for i in range(1, 11))
    text = f"same audio under another emotion: {named} and 1989 more"
    assert rejected["a/0000"] == ("duplicate_audio", text)
    assert max(len(detail) for _, detail in rejected.values()) == len(text)
