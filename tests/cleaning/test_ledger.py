import resource

import pytest

from ser.cleaning.ledger import REJECTED_COLUMNS, Tally, open_ledger
from ser.core.errors import UserError
from ser.core.tables import CLIP_COLUMNS


def row(path, clip=None, emotion="sad", **others):
    corpus = path.split("/")[0]
    clip = clip or path.removesuffix(".wav")
    return {
        "path": path,
        "corpus": corpus,
        "clip": clip,
        "emotion": emotion,
        "identity": clip,
    } | others


def bad(path, reason="silent", detail="no sound"):
    return {"path": path, "corpus": path.split("/")[0], "reason": reason, "detail": detail}


@pytest.fixture
def ledger():
    with open_ledger() as opened:
        yield opened


def paths(rows):
    return [one["path"] for one in rows]


def test_an_empty_ledger_has_nothing(ledger):
    assert len(ledger) == 0
    assert list(ledger.names()) == list(ledger.clips()) == list(ledger.rejected()) == []
    assert ledger.corpora() == ledger.emotions() == {}
    assert ledger.reasons() == []
    assert ledger.words() == set()
    assert ledger.seconds() == 0


def test_rows_come_back_with_their_columns_sorted_as_python_sorts(ledger):
    names = ["a b/x", "a/x", "a/é", "a/z", "a/𝄞", "a/\uffff", "a/10", "a/9"]
    ledger.insert(row(f"{name}.wav", clip=f"c/{name[::-1]}") for name in names)
    ledger.insert(bad(f"{name}.txt") for name in names)
    assert [path for _, path in ledger.names()] == sorted(f"{name}.wav" for name in names)
    assert paths(ledger.rejected()) == sorted(f"{name}.txt" for name in names)
    clips = [one["clip"] for one in ledger.clips()]
    assert clips == sorted(f"c/{name[::-1]}" for name in names)
    assert tuple(next(ledger.clips())) == CLIP_COLUMNS
    assert tuple(next(ledger.rejected())) == REJECTED_COLUMNS


def test_what_is_found_out_is_noted_while_the_names_are_read(ledger):
    ledger.insert(row(f"a/{i:04}.wav") for i in range(3000))
    seen = []
    for _, path in ledger.names():
        seen.append(path)
        if path.endswith("7.wav"):
            ledger.update({"path": path, "reason": "silent", "detail": "no sound"})
        else:
            ledger.update({"path": path, "seconds": 0.1, "digest": path.encode()})
    assert seen == [f"a/{i:04}.wav" for i in range(3000)]
    assert len(ledger) == 2700
    assert ledger.seconds() == pytest.approx(270)
    assert ledger.reasons() == [Tally("silent", 300, "a/0007.wav", "no sound")]


def test_a_verdict_stands(ledger):
    ledger.insert([bad("a/x.wav", "unlisted", "not in labels.csv")])
    ledger.update({"path": "a/x.wav", "reason": "silent", "detail": "no sound"})
    assert ledger.reasons() == [Tally("unlisted", 1, "a/x.wav", "not in labels.csv")]


def test_a_name_and_a_sound_are_known_once_they_are_noted_together(ledger):
    ledger.insert([row("a/x.wav", "a/x"), row("a/b/x.wav", "a/x"), row("a/y.wav", "a/y")])
    ledger.update({"path": "a/x.wav", "digest": b"1"})
    ledger.update({"path": "a/y.wav", "digest": b"2"})
    assert ledger.has("a/x", b"1")
    assert not ledger.has("a/x", b"2")
    assert not ledger.has("a/z", b"1")


def test_duplicates_are_set_apart_and_the_known_corpus_is_kept(ledger):
    ledger.insert(
        [
            row("aown/x.wav", digest=b"1"),
            row("savee/x.wav", digest=b"1"),
            row("savee/y.wav", digest=b"2"),
            row("tess/a.wav", "tess/a", digest=b"3"),
            row("tess/b/a.wav", "tess/a", digest=b"4"),
            row("tess/c.wav", digest=b"5"),
            row("tess/d.wav", digest=b"5", emotion="happy"),
            bad("tess/e.wav"),
        ]
    )
    ledger.reject_duplicates()
    assert paths(ledger.clips()) == ["savee/x.wav", "savee/y.wav", "tess/a.wav"]
    reasons = {one["path"]: (one["reason"], one["detail"]) for one in ledger.rejected()}
    assert reasons == {
        "aown/x.wav": ("duplicate_audio", "same audio as savee/x.wav"),
        "tess/b/a.wav": ("duplicate_name", "names the same clip as tess/a.wav"),
        "tess/c.wav": ("duplicate_audio", "same audio under another emotion: tess/d.wav"),
        "tess/d.wav": ("duplicate_audio", "same audio under another emotion: tess/c.wav"),
        "tess/e.wav": ("silent", "no sound"),
    }
    assert ledger.corpora() == {"aown": (0, 1), "savee": (2, 0), "tess": (1, 4)}


def test_of_the_same_audio_the_one_in_a_tested_corpus_is_kept(ledger):
    ledger.insert(
        [
            row("aown/x.wav", digest=b"1"),
            row("savee/x.wav", digest=b"1"),
            row("zown/x.wav", digest=b"1"),
        ]
    )
    ledger.reject_duplicates(["savee", "aown"])
    assert paths(ledger.clips()) == ["zown/x.wav"]


def test_reasons_are_counted_with_their_first_recording_the_commonest_first(ledger):
    ledger.insert(
        [
            bad("b/2.wav", "silent", "two"),
            bad("b/1.wav", "silent", "one"),
            bad("b/3.wav", "clipped", "three"),
            bad("a/4.wav", "too_short", "four"),
        ]
    )
    expected = [Tally("silent", 2, "b/1.wav", "one"), Tally("too_short", 1, "a/4.wav", "four")]
    assert ledger.reasons() == [*expected, Tally("clipped", 1, "b/3.wav", "three")]
    assert ledger.reasons("a") == [Tally("too_short", 1, "a/4.wav", "four")]
    assert ledger.reasons("c") == []


def test_emotions_are_those_of_what_is_kept_and_words_those_of_all(ledger):
    ledger.insert(
        [
            row("b/1.wav", emotion="sad", word="sadness"),
            row("a/1.wav", emotion="sad", word="sad"),
            row("a/2.wav", emotion="angry", word="anger"),
            bad("a/3.wav") | {"word": "bored"},
            bad("a/4.wav"),
        ]
    )
    assert ledger.emotions() == {"angry": ["a"], "sad": ["a", "b"]}
    assert ledger.words() == {"sadness", "sad", "anger", "bored"}


def test_a_table_for_which_there_is_no_room_is_a_users_error():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # as a full disk
    try:
        with (
            pytest.raises(UserError, match=r"cannot be written.*SQLITE_TMPDIR"),
            open_ledger() as ledger,
        ):
            ledger.insert(row(f"a/{number}.wav") for number in range(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
