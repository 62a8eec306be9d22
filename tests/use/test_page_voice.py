"""The page adapted to a visitor's voice, with the real server."""

from contextlib import ExitStack

import httpx
import numpy as np
import pytest
import soxr
from browser import CAN_BROWSE, PATIENCE, assert_fits, browse, choose, look_like, serve, wait_for
from page_visitor import Visitor
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from small_model import RATE, encoded, make, speech

from ser import load
from ser.core.recording import Recording
from ser.decoding.decoding import decode
from ser.use.page.answering import explain_answer
from ser.use.page.app import make_page
from ser.use.page.project import Project
from ser.use.page.voices import SENTENCES, hear

pytestmark = pytest.mark.usefixtures("one_thread")
MINE, YOURS = ("10", "60", "110"), ("17", "30")
CONVERSATION = np.concatenate([speech(0, 2.0), np.zeros(2 * RATE, np.float32), speech(60, 2.0)])
RECORDINGS = {
    **{str(n): speech(n) for n in (3, 10, 17, 30, 60, 110)},
    "long": CONVERSATION,
    "phone": soxr.resample(soxr.resample(speech(3), RATE, 8000), 8000, RATE),
    "silent": np.zeros(2 * RATE),
    "short": speech(3)[:400],
    "noise": np.random.default_rng(0).normal(0, 0.1, 2 * RATE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two folds that adapts to voices, and recordings."""
    folder = tmp_path_factory.mktemp("voices")
    make(folder / "model", "statpool", (1, 2))
    for name, samples in RECORDINGS.items():
        (folder / f"{name}.wav").write_bytes(encoded(samples, RATE, ".wav"))
    (folder / "text.wav").write_text("no recording at all")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with serve(folder, "--model", "model") as url:
        yield url


@pytest.fixture
def visitors(address):
    """Make visitors."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Visitor(f"{address}/gradio_api"))


@pytest.fixture(scope="module")
def adapted(folder):
    """Return a recogniser that is adapted to recordings as `ser predict --voice` does it."""

    def make_adapted(*names):
        recogniser = load(folder / "model")
        if names:
            recogniser.adapt(decode(folder / f"{name}.wav") for name in names)
        return recogniser

    return make_adapted


@pytest.fixture(scope="module")
def shares(folder, adapted):
    """Return the expected probabilities of a recording after adapting to others."""

    def predict(name, *voice):
        return adapted(*voice).predict_file(folder / f"{name}.wav").probabilities

    return predict


def enrol(visitor, folder, *names):
    """Upload recordings of a voice, one after the other."""
    for name in names:
        visitor.choose(folder / f"{name}.wav", "voice-recording")
        visitor.do(visitor.on("voice-recording", "change"))


def facts(visitor, folder, name):
    """Return the answer about a recording."""
    visitor.choose(folder / f"{name}.wav")
    return visitor.answer()


def test_the_answers_of_a_visit_are_for_its_voice_and_no_other_visits_are(visitors, folder, shares):
    mine, yours, nobodys = visitors(), visitors(), visitors()
    for number, (my, your) in enumerate(zip(MINE, (*YOURS, None), strict=True), 1):
        enrol(mine, folder, my)
        assert f"Adapted to {number} recording" in mine.shown("sentence")
        enrol(yours, folder, *([your] if your else []))
    expected = [shares("3", *MINE), shares("3", *YOURS), shares("3")]
    assert len({tuple(each.values()) for each in expected}) == 3
    for visitor, wanted in zip((mine, yours, nobodys), expected, strict=True):
        assert facts(visitor, folder, "3")["probabilities"] == pytest.approx(wanted, abs=1e-6)
    assert "adapted to 3 recordings" in mine.shown("answer")
    assert "adapted" not in nobodys.shown("answer")
    mine.do(mine.on("forget", "click"))
    assert "Adapted" not in mine.shown("sentence")
    assert facts(mine, folder, "3")["probabilities"] == pytest.approx(expected[2], abs=1e-6)
    assert facts(yours, folder, "3")["probabilities"] == pytest.approx(expected[1], abs=1e-6)


def test_the_windows_and_the_explanation_are_of_the_adapted_model(visitors, folder, adapted):
    visitor, path = visitors(), folder / "long.wav"
    enrol(visitor, folder, *MINE)
    found = facts(visitor, folder, "long")
    recogniser = adapted(*MINE)
    prediction = recogniser.predict_file(path)
    assert len(found["windows"]) == len(prediction.windows) > 1
    for window, wanted in zip(found["windows"], prediction.windows, strict=True):
        assert (window["probabilities"] is None) == (wanted.probabilities is None)
        if wanted.probabilities:
            assert window["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-6)
    assert visitor.shown("looked") == explain_answer(recogniser, path, prediction)
    plain = adapted()
    assert visitor.shown("looked") != explain_answer(plain, path, plain.predict_file(path))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("silent", "is silent"),
        ("short", "is too short"),
        ("noise", "Nobody seems to speak"),
        ("text", "cannot be read as a recording"),
    ],
)
def test_what_is_of_no_use_is_refused_and_does_not_count(visitors, folder, shares, name, why):
    visitor = visitors()
    enrol(visitor, folder, "10", name)
    said = visitor.shown("sentence")
    assert why in said
    assert "Adapted to 1 recording." in said
    assert f"Sentence 2 of {len(SENTENCES)}" in said
    assert visitor.shown("voice-recording") is None
    found = facts(visitor, folder, "3")["probabilities"]
    assert found == pytest.approx(shares("3", "10"), abs=1e-6)
    visitor.choose(folder / f"{name}.wav")
    visitor.answer()
    assert why in visitor.shown("answer")


def test_a_voice_is_no_more_than_three_sets_of_numbers(folder, visitors, shares):
    recogniser = load(folder / "model")
    voice = ()
    for name in ("long", "10", "60", "110"):
        voice, html = hear(recogniser, folder / f"{name}.wav", voice)
    sizes = {each.values.shape for each in voice}
    assert len(voice) == len(SENTENCES)
    assert sizes == {(2, recogniser.enrol(decode(folder / "3.wav")).values.shape[1])}
    assert "Sentence" not in html
    visitor = visitors()
    enrol(visitor, folder, *MINE, "30")
    found = facts(visitor, folder, "3")["probabilities"]
    assert found == pytest.approx(shares("3", *MINE), abs=1e-6)


def test_a_long_recording_of_a_voice_counts_as_one_by_its_windows_with_speech(folder, adapted):
    recogniser = adapted()
    ((enrolled,), _) = hear(recogniser, folder / "long.wav", ())
    parts = []
    for window in recogniser.predict_file(folder / "long.wav").windows:
        first, end = (round(second * RATE) for second in (window.start, window.end))
        if window.probabilities:
            samples = decode(folder / "long.wav").samples[first:end]
            parts.append(recogniser.enrol(Recording(samples, RATE, "")).values)
    assert len(parts) > 1
    np.testing.assert_allclose(enrolled.values, np.mean(parts, axis=0), rtol=1e-5, atol=1e-6)


def test_a_recording_of_another_band_than_the_voice_is_answered_with_a_warning(visitors, folder):
    visitor = visitors()
    enrol(visitor, folder, "10")
    facts(visitor, folder, "3")
    assert "band" not in visitor.shown("answer")
    facts(visitor, folder, "phone")
    assert "adapted to another band" in visitor.shown("answer")


def test_a_model_that_does_not_adapt_offers_nothing(tmp_path):
    make(tmp_path / "model", "cnn")
    config = make_page(load(tmp_path / "model"), Project([], [], [])).config
    names = {component["props"].get("elem_id") for component in config["components"]}
    assert "recording" in names
    assert not {name for name in names if name and "voice" in name}


def test_what_the_server_keeps_is_not_taken_from_a_call(address):
    with httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE) as client:
        for data, status in (([None], 200), ([None, None], 200), ([None, []], 400), ([], 400)):
            assert client.post("run/recognise", json={"data": data}).status_code == status


def test_a_voice_is_of_uploads_alone(address, folder, visitors):
    call = {"fn_index": visitors().on("voice-recording", "change"), "session_hash": "odd"}
    elsewhere = {"path": str(folder / "3.wav"), "meta": {"_type": "gradio.FileData"}}
    with httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE) as client:
        for given, status in ((elsewhere, 403), (1, 400), ("a", 400), ({"path": None}, 400)):
            for data in ([given], [given, None]):
                answer = client.post("queue/join", json={**call, "data": data})
                assert answer.status_code == status


# In a browser


@pytest.fixture(scope="module")
def driver():
    with browse() as driver:
        yield driver


def text_of(driver, css):
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return driver.execute_script(script, css)


def wait_for_text(driver, css, text):
    WebDriverWait(driver, PATIENCE).until(lambda d: text in text_of(d, css))


def say(driver, file, told):
    """Upload a recording of a sentence; wait for what is told then."""
    choose(driver, file, "#voice-upload")
    wait_for_text(driver, "#sentence", told)


def press(driver, css):
    """Go to a button by the Tab key alone, and press it."""
    wanted = wait_for(driver, css)
    for _ in range(40):
        if driver.switch_to.active_element == wanted:
            wanted.send_keys(Keys.ENTER)
            return
        ActionChains(driver).send_keys(Keys.TAB).perform()
    raise AssertionError(f"no Tab key leads to {css}")


@pytest.mark.skipif(not CAN_BROWSE, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_voice_is_adapted_to_and_left_in_a_browser(driver, address, folder, width):
    look_like(driver, width, 900)
    driver.get(address)
    choose(driver, folder / "3.wav")
    wait_for(driver, "#answer .emotion")
    before = text_of(driver, "#answer")
    assert "adapted" not in before
    press(driver, "#voice button")
    wait_for(driver, "#voice-recording .record-button")
    assert SENTENCES[0][1] in text_of(driver, "#sentence")
    assert_fits(driver, width, False, "#sentence .say")
    say(driver, folder / "silent.wav", "This recording is silent")
    say(driver, folder / "10.wav", SENTENCES[1][1])
    assert "silent" not in text_of(driver, "#sentence")
    wait_for_text(driver, "#answer", "adapted to 1 recording")  # the answer that is there, too
    say(driver, folder / "60.wav", SENTENCES[2][1])
    say(driver, folder / "110.wav", "Adapted to 3 recordings.")
    assert not driver.find_element(By.CSS_SELECTOR, "#voice-recording").is_displayed()
    wait_for_text(driver, "#answer", "adapted to 3 recordings")
    assert_fits(driver, width, False, "#sentence .adapted")
    press(driver, "#forget")
    wait_for_text(driver, "#sentence", SENTENCES[0][1])
    WebDriverWait(driver, PATIENCE).until(lambda d: text_of(d, "#answer") == before)


@pytest.mark.skipif(not CAN_BROWSE, reason="no Chromium here")
def test_each_recorder_shows_its_own_level(address, folder):
    with browse(microphone=folder / "3.wav") as driver:
        driver.get(address)
        wait_for(driver, "#voice button").click()
        meters = [driver.find_element(By.CSS_SELECTOR, f"#{p}level meter") for p in ("", "voice-")]
        for prefix, shown in (("voice-", [False, True]), ("", [True, False])):
            wait_for(driver, f"#{prefix}recording .record-button").click()
            stop = wait_for(driver, f"#{prefix}recording .stop-button")
            wait_for(driver, f"#{prefix}level meter")
            assert [meter.is_displayed() for meter in meters] == shown
            stop.click()
            WebDriverWait(driver, PATIENCE).until(
                lambda _: not any(m.is_displayed() for m in meters)
            )
        assert wait_for(driver, "#answer .emotion, #answer .message")
