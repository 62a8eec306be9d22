"""Classifiers for unknown voices are chosen without the voice that they are tested on."""

import itertools

import numpy as np

from benchmarks.heads import Choice, Voices, hits, measure, nested, summarise

LOW, HIGH = (Choice("x", "ridge regression", (("alpha", alpha),)) for alpha in (30.0, 1000.0))


def made_up(shares):
    """Make measurements from (choice, speaker, whether alone) -> share."""
    people = ("ann", "bob", "cem")
    return {
        choice: {
            left_out: {s: shares(choice, s, len(left_out) == 1) for s in left_out}
            for count in (1, 2)
            for left_out in itertools.combinations(people, count)
        }
        for choice in (LOW, HIGH)
    }


def test_a_choice_is_made_by_the_other_speakers_alone():
    # HIGH is better for ann alone, LOW for both others.
    measured = made_up(lambda choice, speaker, _: float((choice is HIGH) == (speaker == "ann")))

    assert nested(measured, "ann") is LOW

    # Without ann it is undecided for bob (1 for cem by LOW, 1 for ann by HIGH): the first one.
    assert nested(measured, "bob") is LOW


def test_what_was_measured_with_one_speaker_left_out_is_not_looked_at():
    measured = made_up(lambda choice, _, alone: float((choice is HIGH) == alone))

    assert nested(measured, "ann") is LOW


def test_nobody_who_is_left_out_is_trained_on():
    # Of each speaker, one feature tells the emotion, and it is another speaker's noise.
    emotions = np.tile([0, 1], 30)
    speakers = np.repeat(["ann", "bob", "cem"], 20)
    x = np.zeros((60, 3), np.float32)
    for column, speaker in enumerate(("ann", "bob", "cem")):
        own = speakers == speaker
        x[own, column] = emotions[own]
    voices = Voices({"x": x}, emotions, speakers)

    assert hits(LOW, voices, ("ann",))["ann"] == 0.5  # one answer for all of them
    assert hits(LOW, voices, ()) == {}
    assert set(measure(LOW, voices)) == {
        ("ann",), ("bob",), ("cem",), ("ann", "bob"), ("ann", "cem"), ("bob", "cem")
    }  # fmt: skip


def test_the_accuracy_is_over_all_clips_with_the_settings_chosen_for_each_speaker():
    emotions = np.tile([0, 1], 30)
    speakers = np.repeat(["ann", "bob", "cem"], [10, 20, 30])
    rng = np.random.default_rng(0)
    x = (emotions[:, None] + 0.01 * rng.standard_normal((60, 4))).astype(np.float32)
    voices = Voices({"x": x}, emotions, speakers)

    rows = summarise({choice: measure(choice, voices) for choice in (LOW, HIGH)}, voices)

    assert [row["accuracy"] for row in rows] == [1.0, 1.0]
    assert rows[0] == {
        "features": "x",
        "classifier": "ridge regression",
        "settings": 2,
        "accuracy": 1.0,
        "speaker ann": 1.0,
        "speaker bob": 1.0,
        "speaker cem": 1.0,
    }
    assert rows[1]["features"] == "any"
