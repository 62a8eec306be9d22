import base64
import copy
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from browser import (
    CHROMIUM,
    DRIVER,
    assert_fits,
    browse,
    hosts_asked,
    look_like,
    serve,
    started,
    upload,
    wait_for,
)
from gradio_client import Client, handle_file
from PIL import Image
from selenium.webdriver.common.by import By
from small_model import METRICS, make, ser

from scripts import experiments
from scripts.workspace import dvc, make_workspace
from ser import load
from ser.core.figures import Figures
from ser.core.tables import parse_report, read_csv
from ser.use.page.answering import bars, message
from ser.use.page.drawing import recording_html
from ser.use.page.figures import render_html
from ser.use.page.project import Mistake, Project, open_project
from ser.use.recogniser import Window

# Where the tests are run for a change to be merged, there is a browser.
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and not os.environ.get("CI"), reason="no Chromium here"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The finished demo."""
    folder = tmp_path_factory.mktemp("page") / "project"
    make_workspace(folder, experiments.read_experiment("demo"))
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
    """A correctly recognised test clip, with its emotion."""
    table = read_csv(project / "data/predictions.csv")
    row = table[table["emotion"] == table["predicted"]].iloc[0]
    clips = read_csv(project / "data/clips.csv").set_index("clip")
    return project / "data/raw" / clips.loc[row["clip"], "path"], row["emotion"]


@pytest.fixture(scope="module")
def long_recording(project, tmp_path_factory):
    """Concatenated clips with silence in the middle."""
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
    # A picture, or why there is none.
    wait_for(driver, "#looked .looked, #looked .note")


def test_unreadable_files_get_a_sentence_and_the_page_keeps_working(
    driver, address, clip, tmp_path
):
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
    assert {e.get_attribute("title").split(": ")[1] for e in hatched} == {"silence"}


def test_the_microphone_is_heard(address, clip):
    with browse(microphone=clip[0]) as driver:
        driver.get(address)
        wait_for(driver, "#recording button[aria-label='Record audio']").click()
        wait_for(driver, "#recording .record-button").click()
        stop = wait_for(driver, "#recording .stop-button")
        driver.execute_async_script("setTimeout(arguments[0], 2500)")
        stop.click()
        # What Chromium plays to its microphone begins anywhere in the clip.
        heard = wait_for(driver, "#answer .emotion, #answer .message").text
        assert "cannot be read" not in heard


def test_an_example_can_be_picked(driver, address, project, recogniser):
    driver.get(address)
    button = wait_for(driver, "#examples button")
    emotion, speaker = button.text.split(", by ")
    button.click()
    wait_for(driver, "#answer .emotion")
    clips = read_csv(project / "data/clips.csv").set_index("clip")
    table = read_csv(project / "data/predictions.csv")
    row = table[table["emotion"] == emotion].iloc[0]
    assert row["speaker"] == speaker
    shown = [e.text for e in driver.find_elements(By.CSS_SELECTOR, "#answer .bars .share")]
    path = project / "data/raw" / clips.loc[row["clip"], "path"]
    shares = sorted(recogniser.predict_file(path).probabilities.values(), reverse=True)
    assert shown == [f"{share:.1%}" for share in shares]


def test_the_evaluation_is_shown_with_the_mistakes(driver, address, project):
    driver.get(address)
    wait_for(driver, "button[role=tab]:nth-of-type(2)").click()
    heading = wait_for(driver, ".figures h2").text
    evaluated = parse_report((project / "metrics/evaluate.json").read_text())
    assert f"{evaluated['accuracy']:.1%}" in heading
    cells = driver.find_elements(By.CSS_SELECTOR, ".figures .confusion td")
    counts = [int(cell.text.split()[0]) for cell in cells]
    table = read_csv(project / "data/predictions.csv")
    emotions = sorted(set(table["emotion"]))
    pairs = list(zip(table["emotion"], table["predicted"], strict=True))
    # Rows are what the clips are.
    assert counts == [pairs.count((is_, taken)) for is_ in emotions for taken in emotions]
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
    assert_fits(driver, width, dark, "#answer .emotion")


def test_nothing_comes_from_elsewhere(driver, address, clip):
    hosts_asked(driver)
    upload(driver, address, clip[0])
    wait_for(driver, "#answer .emotion")
    assert hosts_asked(driver) == {"127.0.0.1"}
    policy = urllib.request.urlopen(address).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_nothing_is_kept_in_the_browser(driver, address, clip):
    upload(driver, address, clip[0])
    wait_for(driver, "#looked .looked, #looked .note")
    kept = driver.execute_async_script(
        "indexedDB.databases().then((d) => arguments[0]([d.length, Object.keys(localStorage)]))"
    )
    assert kept == [0, []]


@pytest.mark.parametrize("name", ["50% sure? #1 & a+b.wav", "a%20b.wav", "ψυχή (2).wav"])
def test_names_of_files_are_taken_as_they_are(driver, address, clip, tmp_path, name):
    shutil.copy(clip[0], tmp_path / name)
    upload(driver, address, tmp_path / name)
    assert wait_for(driver, "#answer .emotion").text == clip[1]


@pytest.fixture(scope="module")
def guarded(project, tmp_path_factory):
    """A separate server, and the folder that holds its uploads."""
    folder = tmp_path_factory.mktemp("uploads")
    with serve(project, temporary=folder) as url:
        yield url, folder


def test_examples_are_there_after_uploads_were_deleted(guarded, driver):
    address, folder = guarded
    for wanted in range(2):
        driver.get(address)
        wait_for(driver, "#examples button").click()
        wait_for(driver, "#answer .emotion")
        copies = [path for path in folder.rglob("*.wav") if path.is_file()]
        assert copies, wanted
        for path in copies:
            path.unlink()


def test_users_at_once_get_their_own_answers(guarded, project, recogniser):
    address, _ = guarded
    files = [f for f in sorted((project / "data/raw").rglob("*.wav")) if f.stat().st_size > 1000]

    def visit(file):
        _, facts = Client(address, verbose=False).predict(handle_file(file), api_name="/recognise")
        return facts

    with ThreadPoolExecutor(8) as users:
        answers = list(users.map(visit, files[:24]))
    for file, facts in zip(files, answers, strict=False):
        assert facts["file"] == file.name
        expected = recogniser.predict_file(file).probabilities
        assert facts["probabilities"] == pytest.approx(expected, abs=1e-6)


HOSTILE = "<img src=x onerror=alert(1)>"


def test_names_are_text_on_the_page(recogniser):
    metrics = copy.deepcopy(METRICS) | {"split_scheme": HOSTILE}
    metrics["per_class"] = {HOSTILE: metrics["per_class"]["angry"]}
    metrics["confusion"] = [[7]]
    metrics["per_speaker"] = {HOSTILE: {"accuracy": 0.5, "n": 2}}
    described = recogniser.description.model_copy(
        update={"metrics": Figures.from_values(metrics), "emotions": [HOSTILE, "b", "c"]}
    )
    wave = np.zeros(1600, np.float32)
    mistake = Mistake(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.9, wave, 16000)
    made = described.preprocessing
    window = Window(0.0, 0.1, {HOSTILE: 1.0})
    for page in (
        render_html(described, [mistake]),
        bars({HOSTILE: 1.0}),
        message(HOSTILE),
        recording_html(wave + 0.1, 16000, made.features, made.banks, [window], [HOSTILE]),
    ):
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


def test_high_sounds_stand_at_the_top_of_the_picture(recogniser):
    made = recogniser.description.preprocessing
    time = np.arange(16000) / 16000
    heights = []
    for hertz in (300, 3000):
        tone = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        page = recording_html(tone, 16000, made.features, made.banks, [], [])
        data = re.search(r'src="data:image/png;base64,([^"]+)"', page)[1]
        pixels = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), float)
        heights.append(pixels.mean(axis=1).argmax())
    assert heights[0] > heights[1]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_asked_to_and_takes_the_uploads_with_it(project, clip, tmp_path, ending):
    uploads, said = tmp_path / "uploads", tmp_path / "stderr"
    uploads.mkdir()
    with (
        said.open("w") as stderr,
        started(project, temporary=uploads, stderr=stderr) as (server, address),
    ):
        upload = {"files": ("a.wav", clip[0].read_bytes())}
        assert httpx.post(f"{address}/gradio_api/upload", files=upload).status_code == 200
        assert list(uploads.rglob("a.wav"))
        # A page that stays open holds such a stream.
        with httpx.stream("GET", f"{address}/gradio_api/heartbeat/abc", timeout=60) as stream:
            assert stream.status_code == 200
            server.send_signal(ending)
            assert server.wait(60) == 0
    assert said.read_text() == ""
    assert list(uploads.iterdir()) == []


def test_it_listens_at_an_address_of_ipv6(project):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serve(project, "--host", "::1") as url:
        assert url.startswith("http://[::1]:")
        assert urllib.request.urlopen(url).status == 200


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--port", "65536"], 2, "from 0 to 65535"),
        (["--host", "nowhere.invalid"], 1, "error: cannot listen at nowhere.invalid:"),
        (["--model", "params.yaml"], 1, "error: params.yaml is not a model"),
    ],
)
def test_a_model_that_cannot_be_served_is_reported_in_a_sentence(project, arguments, status, said):
    done = ser("serve", *arguments, cwd=project)
    assert done.returncode == status
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_model_that_wants_a_speaker_is_not_served(tmp_path):
    make(tmp_path / "model", normalisation="speaker")
    done = ser("serve", "--model", tmp_path / "model", "--port", "0")
    assert done.returncode == 1
    assert b"the page does not know the speaker" in done.stderr


def test_a_half_updated_folder_shows_what_still_matches(project, tmp_path):
    for name in ("clips.csv", "predictions.csv", "mistakes.csv"):
        shutil.copy(project / "data" / name, tmp_path / name)
    shutil.copytree(project / "data/clean", tmp_path / "clean")
    (tmp_path / "raw").symlink_to(project / "data/raw")
    whole = open_project(tmp_path)
    lines = (tmp_path / "clips.csv").read_text().splitlines(keepends=True)
    (tmp_path / "clips.csv").write_text("".join(lines[: len(lines) // 2]))
    left = open_project(tmp_path)
    assert 0 < len(left.mistakes) < len(whole.mistakes)
    (tmp_path / "clips.csv").write_text("clip\na\n")
    assert open_project(tmp_path) == Project({}, [])


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
    assert "the recordings of the run are not in" in page
