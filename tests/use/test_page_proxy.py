"""The pages behind a real nginx with a password, as docs/sharing.md says how."""

import re
from base64 import b64encode
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from browser import CAN_BROWSE, PATIENCE, browse, choose, hosts_asked, wait_for
from gradio_client import Client, handle_file
from proxy import CONFIGURATION, HOST, NGINX, OPENSSL, PASSWORD, USER, behind_nginx
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from small_model import EMOTIONS, METRICS, RATE, encoded, make, ser, speech

from scripts.workspace import ROOT
from ser.core.store import StoreWriter
from ser.core.tables import write_csv
from ser.use.page.uploads import MAX_BYTES

pytestmark = [
    pytest.mark.skipif(not NGINX, reason="no nginx here"),
    pytest.mark.skipif(not OPENSSL, reason="no openssl here"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a model and the recordings of its run."""
    folder = tmp_path_factory.mktemp("proxied")
    make(folder / "model", "statpool", metrics=METRICS)
    clips = [{"clip": name, "path": f"{name}.wav"} for name in EMOTIONS]
    write_csv(folder / "clips.csv", clips, ["clip", "path"])
    rows = [
        {
            "clip": name,
            "speaker": "A",
            "emotion": name,
            "predicted": EMOTIONS[0],
            "confidence": 0.5,
        }
        for name in EMOTIONS
    ]
    for table in ("predictions", "mistakes"):
        write_csv(folder / f"{table}.csv", rows, list(rows[0]))
    (folder / "raw").mkdir()
    with StoreWriter(folder / "clean", (), {"sample_rate": RATE}) as store:
        for number, clip in enumerate(clips):
            (folder / "raw" / clip["path"]).write_bytes(encoded(speech(number), RATE, ".wav"))
            store.add(clip["path"], np.zeros(RATE, np.float32))
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The folder of nginx's configuration and logs, and of what the page says."""
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def public(project, logs):
    with (
        (logs / "page.log").open("w") as said,
        behind_nginx(project, logs, stderr=said) as site,
    ):
        yield f"{site}/voice"


@pytest.fixture(scope="module")
def port(public):
    return public.removeprefix(f"https://{HOST}:").removesuffix("/voice")


@contextmanager
def calling(port, auth):
    """Call the page by its public name, which no name server knows."""
    with httpx.Client(
        base_url=f"https://127.0.0.1:{port}/voice/",
        headers={"Host": f"{HOST}:{port}"},
        auth=auth,
        verify=False,
        timeout=PATIENCE,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def client(port):
    with calling(port, (USER, PASSWORD)) as client:
        yield client


@pytest.mark.parametrize("auth", [None, (USER, "wrong"), ("nobody", PASSWORD), (USER, "")])
def test_nothing_of_the_page_is_shown_without_the_password(port, auth):
    with calling(port, auth) as client:
        for path in ("", "config", "mistakes/0.wav", "gradio_api/info"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert "nginx" in answer.text
        assert client.post("gradio_api/upload", files={"files": ("a.wav", b"a")}).status_code == 401


@pytest.mark.skipif(not CAN_BROWSE, reason="no Chromium here")
def test_all_of_the_page_works_in_a_browser(public, project):
    switches = ("ignore-certificate-errors", f"host-resolver-rules=MAP {HOST} 127.0.0.1")
    with browse(media=switches) as driver:
        # The browser keeps the password for the site.
        driver.get(f"{public.replace('//', f'//{USER}:{quote(PASSWORD)}@')}/")
        driver.get(f"{public}/")
        choose(driver, project / "raw" / "happy.wav")
        wait_for(driver, "#answer .emotion")
        wait_for(driver, "#answer .drawing img.mel")
        wait_for(driver, "#looked .looked")
        wait_for(driver, "#examples button").click()
        wait_for(driver, "#answer .actual")
        sound = driver.find_element(By.CSS_SELECTOR, "#recording audio")
        assert seconds_of(driver, sound) > 0
        wait_for(driver, "#voice button").click()
        choose(driver, project / "raw" / "sad.wav", "#voice-upload")
        wait_for(driver, "#sentence .adapted")
        WebDriverWait(driver, PATIENCE).until(
            lambda d: "adapted to 1" in d.find_element(By.CSS_SELECTOR, "#answer").text
        )
        wait_for(driver, "button[role=tab]:nth-of-type(2)").click()
        player = wait_for(driver, ".figures audio")
        assert seconds_of(driver, player) == pytest.approx(1, abs=0.01)
        assert hosts_asked(driver) == {HOST}


def seconds_of(driver, audio):
    """Return the duration of a player's sound, -1 if it cannot be loaded."""
    driver.set_script_timeout(PATIENCE)
    return driver.execute_async_script(
        "const a = arguments[0], done = arguments[1];"
        "a.addEventListener('loadedmetadata', () => done(a.duration));"
        "a.addEventListener('error', () => done(-1)); a.preload = 'metadata'; a.load()",
        audio,
    )


def test_the_real_client_is_answered(project, tmp_path):
    with behind_nginx(project, tmp_path, host="127.0.0.1") as site:
        client = Client(
            f"{site}/voice/",
            verbose=False,
            ssl_verify=False,
            headers={"Authorization": f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"},
        )
        path = project / "raw" / "sad.wav"
        _, facts = client.predict(handle_file(path), api_name="/recognise")
    assert facts["file"] == "sad.wav"
    assert facts["emotion"] in EMOTIONS


def test_streams_are_not_held_back(client):
    with client.stream("GET", "gradio_api/heartbeat/a") as stream:
        assert next(stream.iter_text()).startswith("data: ALIVE")


def test_all_links_of_the_page_lead_to_the_proxy(client, public):
    config = client.get("config").json()
    assert config["root"] == public
    content = encoded(speech(3), RATE, ".wav")
    path = client.post("gradio_api/upload", files={"files": ("a.wav", content)}).json()[0]
    url = f"{public}/gradio_api/file={path}"
    recording = {"path": path, "url": url, "meta": {"_type": "gradio.FileData"}}
    call = {"data": [recording]}
    assert client.post("gradio_api/run/recognise", json=call).status_code == 200
    assert client.get(f"gradio_api/file={path}").content == content
    for other in ("https://evil.example", f"http://{HOST}", f"https://{HOST}:1"):
        recording["url"] = f"{other}/voice/gradio_api/file={path}"
        assert client.post("gradio_api/run/recognise", json=call).status_code == 403


def test_only_its_own_pages_and_names_are_answered(client, public, port):
    for origin, status in (
        (f"https://{HOST}:{port}", 200),
        (f"http://{HOST}:{port}", 403),
        (f"https://{HOST}", 403),
        (f"https://a.{HOST}:{port}", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ):
        assert client.get("gradio_api/info", headers={"Origin": origin}).status_code == status
    for host, status in ((HOST, 200), ("evil.example", 400)):
        assert client.get("gradio_api/info", headers={"Host": host}).status_code == status


def test_a_visit_without_tls_is_sent_to_the_page_with_it(port, logs):
    (plain,) = re.findall(r"listen 127.0.0.1:(\d+);", (logs / "site.conf").read_text())
    for host in (HOST, "evil.example"):
        answer = httpx.get(f"http://127.0.0.1:{plain}/voice/?a", headers={"Host": host})
        assert answer.status_code == 301
        assert answer.headers["Location"] == f"https://{HOST}:{port}/voice/?a"


@pytest.mark.parametrize("path", ["/voice", "/browser"])
def test_an_address_without_its_last_slash_leads_to_the_page(client, port, path):
    answer = client.get(f"https://127.0.0.1:{port}{path}")
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{path}/"


def test_the_recipe_makes_all_files_of_the_configuration_before_nginx_reads_them():
    needed = set(re.findall(r"/etc/nginx/ser/[\w.]+", CONFIGURATION.read_text("utf-8")))
    assert len(needed) == 3
    recipe, _, _ = (ROOT / "docs/sharing.md").read_text("utf-8").partition("sudo nginx -t")
    assert needed <= set(re.findall(r"/etc/nginx/ser/[\w.]+", recipe.rpartition("```bash")[2]))


def test_uploads_have_the_same_limit(client):
    for size, status in ((MAX_BYTES - 1000, 200), (MAX_BYTES + (2 << 20), 413)):
        answer = client.post("gradio_api/upload", files={"files": ("a.wav", bytes(size))})
        assert answer.status_code == status


def test_the_password_is_in_no_file(client, logs, project):
    assert client.get("").status_code == 200
    hidden = (PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    files = [path for path in (*logs.rglob("*"), *project.rglob("*")) if path.is_file()]
    assert {"access.log", "error.log", "page.log", "passwords"} <= {path.name for path in files}
    for path in files:
        assert not any(secret.encode() in path.read_bytes() for secret in hidden), path


@pytest.mark.parametrize(
    "url",
    [
        "example.org", "ftp://example.org", "https://", "https://a:b@example.org/",
        "https://example.org/?a", "https://example.org:port/", "https://example.org:0/", "",
        "https://exa mple.org", "https://[::1/",
    ],
)  # fmt: skip
def test_a_public_address_that_is_none_is_a_sentence(url):
    done = ser("serve", "--public-url", url)
    assert done.returncode == 2
    assert b"an address like https://example.org/voice is expected" in done.stderr
    assert b"Traceback" not in done.stderr
