"""Run a real headless Chromium, and the real server of the page."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
# Where the tests are run for a change to be merged, there is a browser.
CAN_BROWSE = bool(CHROMIUM and DRIVER) or bool(os.environ.get("CI"))
PATIENCE = 60  # seconds, enough on a busy machine
# A fake microphone, whose use is always allowed.
MEDIA = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")


@contextmanager
def serve(project, *arguments, temporary=None, stderr=None):
    """Start `ser serve` in a project; yield the page's address.

    `temporary` is the folder below which it keeps uploads, `stderr` the file that it writes to.
    """
    with started(project, *arguments, temporary=temporary, stderr=stderr) as (_, address):
        yield address


@contextmanager
def started(project, *arguments, temporary=None, stderr=None):
    """Start `ser serve` as `serve` does; yield the address and the process."""
    ser = Path(sys.executable).with_name("ser")
    command = [ser, "serve", "--port", "0", *arguments]
    environment = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    server = subprocess.Popen(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=environment,
    )
    try:
        first = server.stdout.readline()
        yield server, re.search(r"http://\S+", first)[0]
    finally:
        server.terminate()
        server.wait(PATIENCE)
        server.stdout.close()


@contextmanager
def browse(microphone=None, media=MEDIA):
    """Open a browser; `microphone` is a WAV file that its microphone plays."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    switches = [
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *media,
    ]
    if microphone:
        switches.append(f"use-file-for-fake-audio-capture={microphone}%noloop")
    for switch in switches:
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def look_like(driver, width, height, dark=False, colours="none"):
    """Set the window's size and colour scheme; colours "active": forced colours."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    looks = {"prefers-color-scheme": "dark" if dark else "light", "forced-colors": colours}
    features = [{"name": name, "value": value} for name, value in looks.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def assert_fits(driver, width, dark, css):
    """Check that nothing is wider than the page, and that an element is legible on it."""
    size = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert size[0] <= size[1] == width
    ink, paper = driver.execute_script(
        "const of = (e, k) => getComputedStyle(e)[k];"
        "return [of(document.querySelector(arguments[0]), 'color'),"
        " of(document.body, 'backgroundColor')]",
        css,
    )
    light = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) for colour in (ink, paper)]
    assert (light[0] > light[1]) == dark
    assert abs(light[0] - light[1]) > 400


def contrast(driver, css, part):
    """Compute the contrast (WCAG 2.2) of an element's colour with the page's background, 1..21."""
    colours = driver.execute_script(
        "const of = (css, part) => getComputedStyle(document.querySelector(css))[part];"
        "return [of(arguments[0], arguments[1]), of('body', 'backgroundColor')]",
        css, part,
    )  # fmt: skip
    darker, lighter = sorted(_luminance(colour) for colour in colours)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def wait_for(driver, css):
    """Wait until an element is visible; return it."""
    return WebDriverWait(driver, PATIENCE).until(
        lambda d: next((e for e in d.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None)
    )


def upload(driver, address, file):
    """Open the page and upload a recording."""
    driver.get(address)
    choose(driver, file)


def choose(driver, file, css="#upload"):
    """Upload a recording to a field of the open page."""
    field = WebDriverWait(driver, PATIENCE).until(
        lambda d: next(iter(d.find_elements(By.CSS_SELECTOR, f"{css} input[type=file]")), None)
    )
    field.send_keys(str(file))


def hosts_asked(driver):
    """Return the hosts of all requests so far."""
    return {urlsplit(url).hostname for url in addresses_asked(driver)} - {None}


def addresses_asked(driver):
    """Return the addresses of all requests so far."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
        and "request" in message["params"]
    }
