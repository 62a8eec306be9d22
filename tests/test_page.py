import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import CHROMIUM, DRIVER, browse, hosts_asked, look_like, serve, upload, wait_for
from selenium.webdriver.common.by import By

from scripts import experiments
from scripts.workspace import dvc, make_workspace
from ser import load
from ser.tables import read_csv

# Where the tests are run for a change to be merged, there is a browser.
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and not os.environ.get("CI"), reason="no Chromium here"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The demo, run to its end."""
    folder = tmp_path_factory.mktemp("page") / "project"
    make_workspace(folder, experiments.read("demo"))
    done = dvc(folder, "repro", env={"SER_WORKERS": "1"})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def recogniser(project):
    return load(project / "data/model")


@pytest.fixture(scope="module")
def address(project):
    with serve(project) as url:
        yield url


@pytest.fixture(scope="module")
def driver():
    with browse() as driver:
        yield driver


@pytest.fixture(scope="module")
def clip(project, recogniser):
    """A test clip that is recognised, with its emotion."""
    table = read_csv(project / "data/predictions.csv")
    row = table[table["emotion"] == table["predicted"]].iloc[0]
    clips = read_csv(project / "data/clips.csv").set_index("clip")
    return project / "data/raw" / clips.loc[row["clip"], "path"], row["emotion"]


@pytest.fixture(scope="module")
def long_recording(project, tmp_path_factory):
    """Clips one after the other, silence in their middle."""
    files = sorted((project / "data/raw").rglob("*.wav"))
    clips = [soundfile.read(file)[0] for file in files if file.stat().st_size > 1000][:16]
    rate = soundfile.info(files[0]).samplerate if files[0].stat().st_size > 1000 else 16000
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.concatenate([*clips[:8], np.zeros(12 * rate), *clips[8:]]), rate)
    return path


def test_a_recording_is_recognised(driver, address, recogniser, clip):
    path, emotion = clip
    upload(driver, address, path)
    assert wait_for(driver, "#answer .emotion").text == emotion
    expected = recogniser.predict_file(path).probabilities
    names = [e.text for e in driver.find_elements(By.CSS_SELECTOR, "#answer .bars .name")]
    shares = [e.text for e in driver.find_elements(By.CSS_SELECTOR, "#answer .bars .share")]
    assert dict(zip(names, shares, strict=True)) == {k: f"{v:.1%}" for k, v in expected.items()}
    picture = driver.find_element(By.CSS_SELECTOR, "#answer .drawing")
    assert picture.find_elements(By.CSS_SELECTOR, ".wave path")
    assert picture.find_elements(By.CSS_SELECTOR, "img.mel")
    assert not picture.find_elements(By.CSS_SELECTOR, ".heard")


def test_rubbish_gets_a_sentence_and_the_page_goes_on(driver, address, clip, tmp_path):
    rubbish = tmp_path / "rubbish.wav"
    rubbish.write_bytes(b"no recording at all " * 100)
    upload(driver, address, rubbish)
    assert "cannot be read as a recording" in wait_for(driver, "#answer .message").text
    assert not driver.find_elements(By.CSS_SELECTOR, "#answer .emotion")
    upload(driver, address, clip[0])
    assert wait_for(driver, "#answer .emotion").text == clip[1]


def test_silence_is_not_guessed(driver, address, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(32000), 16000)
    upload(driver, address, tmp_path / "silence.wav")
    assert "silent" in wait_for(driver, "#answer .message").text


def test_a_recording_beyond_the_limit_is_refused(driver, address, tmp_path):
    soundfile.write(tmp_path / "hours.flac", np.zeros(8000 * 700, np.int16), 8000)
    upload(driver, address, tmp_path / "hours.flac")
    assert "too long" in wait_for(driver, "#answer .message").text


def test_a_long_recording_has_a_timeline(driver, address, long_recording):
    upload(driver, address, long_recording)
    wait_for(driver, "#answer .emotion")
    assert "windows with speech" in driver.find_element(By.CSS_SELECTOR, "#answer .note").text
    assert driver.find_elements(By.CSS_SELECTOR, "#answer .heard")
    hatched = driver.find_elements(By.CSS_SELECTOR, "#answer .untold")
    assert {e.get_attribute("title").split(": ")[1] for e in hatched} == {"silent"}


def test_the_microphone_is_heard(address, clip):
    with browse(microphone=clip[0]) as driver:
        driver.get(address)
        wait_for(driver, "#recording button[aria-label='Record audio']").click()
        wait_for(driver, "#recording .record-button").click()
        stop = wait_for(driver, "#recording .stop-button")
        driver.execute_async_script("setTimeout(arguments[0], 2500)")
        stop.click()
        # What Chromium plays to its microphone begins anywhere in the clip.
        wait_for(driver, "#answer .emotion, #answer .message")


def test_an_example_can_be_picked(driver, address):
    driver.get(address)
    wait_for(driver, ".gallery-item, .gallery button").click()
    wait_for(driver, "#answer .emotion")


def test_the_evaluation_is_shown_with_what_it_got_wrong(driver, address, project):
    driver.get(address)
    wait_for(driver, "button[role=tab]:nth-of-type(2)").click()
    heading = wait_for(driver, ".figures h2").text
    evaluated = json.loads((project / "metrics/evaluate.json").read_text())
    assert f"{evaluated['accuracy']:.1%}" in heading
    cells = driver.find_elements(By.CSS_SELECTOR, ".figures .confusion td")
    counts = [int(cell.text.split()[0]) for cell in cells]
    assert sum(counts) == evaluated["n_test"]
    mistakes = read_csv(project / "data/mistakes.csv")
    players = driver.find_elements(By.CSS_SELECTOR, ".figures audio")
    assert len(players) == len(mistakes) > 0
    seconds = driver.execute_async_script(
        "const a = arguments[0], done = arguments[1];"
        "a.addEventListener('loadedmetadata', () => done(a.duration));"
        "a.addEventListener('error', () => done(-1)); a.load(); a.preload = 'metadata'",
        players[0],
    )
    clips = read_csv(project / "data/clips.csv").set_index("clip")
    assert seconds == pytest.approx(clips.loc[mistakes["clip"][0], "seconds"], abs=0.01)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_a_desktop(driver, address, long_recording, width, dark):
    look_like(driver, width, 900, dark)
    upload(driver, address, long_recording)
    wait_for(driver, "#answer .emotion")
    size = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert size[0] <= size[1] == width
    ink, paper = driver.execute_script(
        "const of = (e, k) => getComputedStyle(e)[k];"
        "return [of(document.querySelector('#answer .emotion'), 'color'),"
        " of(document.body, 'backgroundColor')]"
    )
    light = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) for colour in (ink, paper)]
    assert (light[0] > light[1]) == dark
    assert abs(light[0] - light[1]) > 400


def test_nothing_comes_from_elsewhere(driver, address, clip):
    hosts_asked(driver)
    upload(driver, address, clip[0])
    wait_for(driver, "#answer .emotion")
    assert hosts_asked(driver) == {"127.0.0.1"}
    policy = urllib.request.urlopen(address).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_a_taken_port_is_a_sentence(project, address):
    port = address.rsplit(":", 1)[1]
    done = subprocess.run(
        [Path(sys.executable).with_name("ser"), "serve", "--port", port],
        cwd=project, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen at 127.0.0.1:{port}")
    assert "Traceback" not in done.stderr


def test_without_recordings_beside_it_a_model_can_be_served(project, tmp_path):
    shutil.copytree(project / "data/model", tmp_path / "model")
    with serve(tmp_path, "--model", "model") as url:
        page = urllib.request.urlopen(url).read().decode()
    assert "are known here" in page
