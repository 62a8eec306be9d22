"""The page's explanations, requested from the real server as a browser does."""

import numpy as np
import pytest
from browser import serve
from page_visitor import Visitor
from small_model import RATE, encoded, make, speech

from ser import load
from ser.use.page.answering import explain_answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_thread):
    """A model, a short clip, another, and a recording that is cut into windows."""
    folder = tmp_path_factory.mktemp("explained")
    make(folder / "model", "cnn")
    long = np.concatenate([speech(0, 2.0), speech(60, 2.0)])
    for name, samples in (("short", speech(3)), ("other", speech(17)), ("long", long)):
        (folder / f"{name}.wav").write_bytes(encoded(samples, RATE, ".wav"))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with serve(folder, "--model", "model") as url:
        yield f"{url}/gradio_api"


@pytest.fixture
def visitor(address):
    with Visitor(address) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def explained(folder):
    """Return the expected explanation below the answer."""
    recogniser = load(folder / "model")

    def explain(name):
        path = folder / f"{name}.wav"
        return explain_answer(recogniser, path, recogniser.predict_file(path))

    return explain


@pytest.mark.parametrize(("first", "second"), [("long", "short"), ("short", "other")])
def test_a_recording_chosen_before_the_answer_does_not_change_the_explanation(
    visitor, folder, explained, first, second
):
    assert explained(first) != explained(second)
    visitor.choose(folder / f"{first}.wav")
    visitor.do(visitor.first)
    visitor.choose(folder / f"{second}.wav")
    for step in visitor.after(visitor.first):
        visitor.do(step)
    assert visitor.shown("looked") == explained(first)
    visitor.answer()
    assert visitor.shown("looked") == explained(second)


def test_an_explanation_that_comes_after_the_next_answer_is_not_shown(visitor, folder, explained):
    visitor.choose(folder / "short.wav")
    visitor.do(visitor.first)
    *steps, last = visitor.after(visitor.first)
    for step in steps:
        visitor.do(step)
    visitor.choose(folder / "other.wav")
    visitor.do(visitor.first)
    visitor.do(last)
    assert visitor.shown("looked") == ""
    for step in (*steps, last):
        visitor.do(step)
    assert visitor.shown("looked") == explained("other")


def test_the_old_explanation_goes_when_the_next_answer_is_there(visitor, folder):
    visitor.choose(folder / "short.wav")
    visitor.answer()
    assert visitor.shown("looked")
    visitor.choose(None)
    visitor.answer()
    assert not visitor.shown("looked")
