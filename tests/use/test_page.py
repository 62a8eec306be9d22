import base64
import copy
import io
import json
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

import av
import httpx
import numpy as np
import pytest
import soundfile
from browser import (
    CHROMIUM,
    DRIVER,
    MEDIA,
    PATIENCE,
    assert_fits,
    browse,
    choose,
    hosts_asked,
    look_like,
    serve,
    started,
    upload,
    wait_for,
)
from gradio_client import Client, handle_file
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from small_model import METRICS, encoded, make, ser, ser_here
from small_project import environment, make_small_project
from stage_metrics import metrics_of

from scripts.workspace import dvc
from ser import load
from ser.core.figures import Figures
from ser.core.tables import read_csv
from ser.decoding.signatures import LIBSNDFILE, SIGNATURES
from ser.decoding.suffixes import FILMS, SOUND
from ser.use.page.answering import bars, message
from ser.use.page.drawing import recording_html
from ser.use.page.figures import render_html
from ser.use.page.project import Mistake, open_project
from ser.use.prediction import Window

# Where the tests are run for a change to be merged, there is a browser.
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and not os.environ.get("CI"), reason="no Chromium here"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory, stage_results):
    """A small pipeline that has run, without the pictures of its dataset."""
    folder = make_small_project(tmp_path_factory.mktemp("page") / "project", stage_results)
    done = dvc(folder, "repro", "evaluate", env=environment(folder))
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
    said = wait_for(driver, "#answer .message").text
    assert "cannot be read as a recording" in said
    by_content = {kind.name for _, kind in SIGNATURES if kind.reader == LIBSNDFILE}
    named = re.findall(r"[\w -]+", said.partition(": ")[2])
    assert {*SOUND, *FILMS, *by_content} <= {name.strip().removeprefix("also ") for name in named}
    assert not driver.find_elements(By.CSS_SELECTOR, "#answer .downloads")
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


def wait_for_level(driver, is_wanted):
    """Wait until the meter shows a wanted level, in dB."""
    WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(
        lambda d: is_wanted(d.execute_script("return document.querySelector('#level meter').value"))
    )


def set_microphone(driver, setting):
    permission = {"permission": {"name": "microphone"}, "setting": setting}
    driver.execute_cdp_cmd("Browser.setPermission", permission)


def test_the_microphone_comes_first_and_is_heard_while_a_meter_shows_its_level(address, clip):
    with browse(microphone=clip[0], media=MEDIA[:1]) as driver:
        set_microphone(driver, "denied")
        driver.get(address)
        record = wait_for(driver, "#recording .record-button")
        assert record == wait_for(driver, ".tabitem button, .tabitem input")
        assert record.text == "Record"
        meter = driver.find_element(By.CSS_SELECTOR, "#level meter")
        record.click()
        problem = wait_for(driver, "#level .message")
        assert "may not be used: allow it" in problem.text
        assert not meter.is_displayed()
        set_microphone(driver, "granted")
        record.click()
        stop = wait_for(driver, "#recording .stop-button")
        # Chromium plays the clip to its microphone once, from anywhere in it; then it is silent.
        wait_for_level(driver, lambda level: level > -40)
        assert meter.is_displayed()
        assert not problem.is_displayed()
        wait_for_level(driver, lambda level: level == -60)
        stop.click()
        heard = wait_for(driver, "#answer .emotion, #answer .message").text
        assert "cannot be read" not in heard
        assert not meter.is_displayed()
        wait_for(driver, "#again").click()
        assert wait_for(driver, "#recording .record-button").text == "Record"


def saved(driver, name):
    """Return the content of a file that the page offers, once it offers it."""
    link = wait_for(driver, f"#answer .downloads a[download='{name}']")
    return base64.b64decode(link.get_attribute("href").partition("base64,")[2]).decode()


def test_examples_do_not_reveal_their_emotions_before_the_answer(driver, address, project):
    driver.get(address)
    wait_for(driver, "#examples button")
    assert not driver.find_elements(By.CSS_SELECTOR, "#answer .actual")
    buttons = driver.find_elements(By.CSS_SELECTOR, "#examples button")
    names = [button.text for button in buttons]
    examples = open_project(project / "data").examples
    assert {example.emotion for example in examples} == set(
        read_csv(project / "data/clips.csv")["emotion"]
    )
    assert names == [example.name for example in examples]
    for number, (button, example) in enumerate(zip(buttons, examples, strict=True), 1):
        assert re.fullmatch(rf"Example {number} \([\w/]+\)", button.text)
        button.click()
        (facts,) = json.loads(saved(driver, f"{example.path.stem}.json"))
        assert facts["file"] == example.path.name
        actual = driver.find_element(By.CSS_SELECTOR, "#answer .actual").text
        assert actual == f"Actual emotion: {example.emotion}"


RECORD = """
const [content, done] = arguments, context = new AudioContext(), parts = [];
const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
context.decodeAudioData(bytes.buffer).then((sound) => {
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  const microphone = context.createMediaStreamDestination();
  source.connect(microphone);
  const recorder = new MediaRecorder(microphone.stream);
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.onstop = () => {
    const reader = new FileReader();
    reader.onload = () => done([recorder.mimeType, reader.result.split(",")[1]]);
    reader.readAsDataURL(new Blob(parts));
  };
  source.onended = () => recorder.stop();
  recorder.start(100);
  source.start();
});
"""


@pytest.fixture(scope="module")
def browsers_files(driver, address, clip, tmp_path_factory):
    """Files as the recorders of Chromium, Firefox and Safari write them, and one of a studio."""
    folder = tmp_path_factory.mktemp("browsers")
    driver.get(address)
    driver.set_script_timeout(PATIENCE)
    wait_for(driver, "h1").click()  # before that, Chromium plays no sound
    content = base64.b64encode(clip[0].read_bytes()).decode()
    kind, recorded = driver.execute_async_script(RECORD, content)
    assert kind == "audio/webm;codecs=opus"
    for name in ("chrome.webm", "chromium.weba"):
        (folder / name).write_bytes(base64.b64decode(recorded))
    samples, rate = soundfile.read(clip[0], dtype="float32")
    (folder / "firefox.ogg").write_bytes(encoded(samples, rate, ".opus"))
    with av.open(folder / "safari.mp4", "w", options={"movflags": "frag_keyframe+empty_moov"}) as m:
        track = m.add_stream("aac", rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        frame.rate = rate
        m.mux([*track.encode(frame), *track.encode(None)])
    (folder / "studio.caf").write_bytes(encoded(samples, rate, ".caf"))
    return folder


def test_recordings_of_browsers_are_answered_and_saved_as_by_ser_predict(
    driver, address, project, browsers_files, long_recording, tmp_path
):
    files = [*sorted(browsers_files.iterdir()), long_recording]
    done = ser("predict", *files, "--csv", cwd=project)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.decode().splitlines(keepends=True)
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    driver.get(address)
    for file in files:
        own = [row.removeprefix(f"{file.parent}/") for row in rows if row.startswith(str(file))]
        choose(driver, file)
        assert saved(driver, f"{file.stem}.csv") == "".join([head, *own])
    wait_for(driver, "#answer .downloads a[download='long.csv']").click()
    file = tmp_path / "long.csv"
    WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(lambda _: file.exists())
    assert file.read_text() == "".join([head, *own])
    assert len(own) > 10


CURSOR = """
const audio = document.querySelector("#recording audio"), done = arguments[1];
const measure = () => done([...document.querySelectorAll(".played .plot")].map((plot) => {
  const { start, seconds } = plot.parentElement.dataset, line = getComputedStyle(plot, "::after");
  const width = plot.getBoundingClientRect().width;
  return [parseFloat(line.left) / width, (audio.currentTime - start) / seconds];
}));
if (arguments[0] === "play") {
  audio.onpause = () => requestAnimationFrame(measure);
  audio.ontimeupdate = () => audio.currentTime > audio.from + 0.5 && audio.pause();
  audio.from = audio.currentTime;
  audio.play();
} else measure();
"""


def test_a_line_on_the_timeline_follows_the_player_and_a_click_moves_both(
    driver, address, long_recording
):
    upload(driver, address, long_recording)
    wait_for(driver, "#looked .looked, #looked .note")
    assert not driver.execute_async_script(CURSOR, "measure")
    lane = driver.find_element(By.CSS_SELECTOR, "#answer .plot:has(.lane)")
    place = ActionChains(driver).move_to_element_with_offset(lane, lane.size["width"] // 4, 0)
    place.click().perform()
    seconds = soundfile.info(long_recording).duration
    WebDriverWait(driver, PATIENCE).until(
        lambda d: d.find_elements(By.CSS_SELECTOR, "#answer .played")
    )
    audio = driver.find_element(By.CSS_SELECTOR, "#recording audio")
    assert audio.get_property("currentTime") == pytest.approx(0.75 * seconds, rel=0.01)
    drawn, played = np.transpose(driver.execute_async_script(CURSOR, "measure"))
    np.testing.assert_allclose(drawn, played, atol=0.001)
    drawn, later = np.transpose(driver.execute_async_script(CURSOR, "play"))
    np.testing.assert_allclose(drawn, later, atol=0.001)
    assert later.max() > played.max()


def test_the_evaluation_is_shown_with_the_mistakes(driver, address, project):
    driver.get(address)
    wait_for(driver, "button[role=tab]:nth-of-type(2)").click()
    wait_for(driver, ".figures h2")
    evaluated = metrics_of(project, "evaluate")
    accuracy = f"{evaluated['accuracy']:.1%}"
    assert accuracy in driver.find_element(By.CSS_SELECTOR, ".figures").text
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


MEASURE = """
arguments[0].scrollIntoView({ block: "center" });
const places = (root, css) => [...root.querySelectorAll(css)].map((e) => {
  const { left, right, top, bottom } = e.getBoundingClientRect();
  return [left, right, top, bottom];
});
const drawing = arguments[0].closest(".drawing");
return {
  inputs: places(document, ".intro h1, #recording, #upload"),
  answers: places(document, "#answer .answer, #answer .bars, #facts"),
  plots: places(drawing, ".plot, .times"),
  picture: places(drawing, ".mel"),
  frequencies: places(drawing, ".label:has(+ .plot > .mel) span"),
  times: places(drawing.querySelector(".times"), "span"),
}
"""


def ink(pixels):
    """Return the middle of each run of pixels of another colour than the first one."""
    inked = np.flatnonzero((pixels != pixels[0]).any(axis=-1))
    return [run.mean() for run in np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_a_desktop(driver, address, long_recording, width, dark):
    look_like(driver, width, 900, dark)
    upload(driver, address, long_recording)
    picture = wait_for(driver, "#answer .mel")
    assert_fits(driver, width, dark, "#answer .emotion")
    places = {k: np.array(v) for k, v in driver.execute_script(MEASURE, picture).items()}
    for kind, sides in (("inputs", [0]), ("answers", [0, 1]), ("plots", [0, 1])):
        edges = places[kind][:, sides]
        np.testing.assert_allclose(edges, np.broadcast_to(edges[0], edges.shape), atol=0.5)
    # Next to the picture there is nothing but its ticks.
    screen = np.array(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB"))
    left, right, top, bottom = places["picture"][0].round().astype(int)
    rows = top + np.array(ink(screen[top:bottom, left - 3]))
    frequencies = places["frequencies"][::-1, 2:].mean(axis=1)
    np.testing.assert_allclose(rows, frequencies, atol=1)
    columns = left - 9 + np.array(ink(screen[bottom + 5, left - 9 : right + 9]))
    np.testing.assert_allclose(columns, places["times"][:, :2].mean(axis=1), atol=1)


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
    grouping = metrics["by_group"].pop("gender")
    grouping["accuracy_gap"]["best"] = HOSTILE
    grouping["groups"][HOSTILE] = grouping["groups"].pop("male")
    metrics["by_group"][HOSTILE] = grouping
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


def pixels_of(page):
    """Return the spectrogram on a page as grey levels [rows, columns]."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', page)[1]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), float)


def test_a_tone_is_drawn_at_the_ticks_of_its_frequency_and_its_start(recogniser):
    made = recogniser.description.preprocessing
    time = np.arange(2 * 16000) / 16000
    for number, hertz in enumerate((250, 500, 1000, 2000, 4000)):
        tone = np.where(time < 1, 0, np.sin(2 * np.pi * hertz * time)).astype(np.float32)
        page = recording_html(tone, 16000, made.features, made.banks, [], [])
        pixels = pixels_of(page)
        top, text = re.findall(r'top:([\d.]+)%">(.*?)<', page)[number]
        assert text in (f"{hertz} Hz", "")
        row = (pixels.mean(axis=1).argmax() + 0.5) / len(pixels)
        assert row == pytest.approx(float(top) / 100, abs=1.1 / len(pixels))
        loud = pixels.max(axis=0) > pixels.max() / 2
        left = float(re.search(r'left:([\d.]+)%">1<', page)[1]) / 100
        assert loud.argmax() / loud.size == pytest.approx(left, abs=4 / loud.size)


def test_high_sounds_stand_at_the_top_of_the_picture(recogniser):
    made = recogniser.description.preprocessing
    time = np.arange(16000) / 16000
    heights = []
    for hertz in (300, 3000):
        tone = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        page = recording_html(tone, 16000, made.features, made.banks, [], [])
        heights.append(pixels_of(page).mean(axis=1).argmax())
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
    done = ser_here("serve", "--model", tmp_path / "model", "--port", "0")
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
    left = open_project(tmp_path)
    assert (left.examples, left.mistakes) == ([], [])
    assert "clips.csv" in left.problems[0]


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
