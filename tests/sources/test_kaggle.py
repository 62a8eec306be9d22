import json
import os
import random
import socket
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from interrupted_pull import interrupted_pull
from kaggle_server import DATASET, PORT, Fault, KaggleServer, pack, refusal

from ser.core.errors import UserError
from ser.core.tables import parse_report
from ser.sources import kaggle
from ser.sources.files import ORIGIN_FILE
from ser.sources.limits import Limits
from stages import pull

ROOT = Path(__file__).parents[2]
RAW, METRICS = Path("data/raw"), Path("metrics/pull.json")
KAGGLE = f"kaggle:{DATASET}"
TOKEN = "KGAT_e3b0c44298fc1c149afbf4c8996fb924"
AUDIO = {
    "OAF_angry/OAF_back_angry.wav": b"RIFF" + bytes(100),
    "OAF_angry/OAF_bar_angry.WAV": b"RIFF" + bytes(200),
    "YAF sad/YAF_dog_sad.wav": b"RIFF" + bytes(300),
}


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    for path, content in AUDIO.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "README.md").write_text("not a recording")
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as current folder, an empty home, and nothing known of Kaggle."""
    for name in ("project", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in list(os.environ):
        if name.startswith(("KAGGLE", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # kagglehub knows the home of when it was imported.
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home" / ".kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    return tmp_path / "project"


@pytest.fixture
def server(recordings, project, monkeypatch):
    """Reached as a proxy, where kagglehub prints neither requests nor answers."""
    with KaggleServer(recordings) as server:
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server
        assert None not in server.asked()


def set_pull(source, corpus="tess"):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["pull"].update(corpora=[corpus], sources={corpus: source})
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def run(source=KAGGLE):
    set_pull(source)
    pull.main(RAW, METRICS)


def refused(source=KAGGLE, corpus="tess"):
    """Why a source is refused, in one line; nothing may be kept of it in the project."""
    set_pull(source, corpus)
    with pytest.raises(UserError) as error:
        pull.main(RAW, METRICS)
    assert "\n" not in str(error.value)
    assert not METRICS.exists()
    assert not RAW.exists()
    return str(error.value)


def run_apart(source=KAGGLE, **environ):
    """Run the stage as its users do, where kagglehub is imported only then.

    Gives its exit status, the last lines that it printed as errors, and all that it printed.
    """
    set_pull(source)
    process = subprocess.run(
        [sys.executable, "-m", "stages.pull", str(RAW), str(METRICS)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in process.stderr
    return process.returncode, process.stderr.splitlines()[-3:], process.stdout + process.stderr


def pulled():
    folder = RAW / "tess"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ORIGIN_FILE
    }


def report():
    return parse_report(METRICS.read_text())["tess"]


def written(tmp_path):
    return [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]


def write_credentials(tmp_path, name, content):
    path = tmp_path / "home" / ".kaggle" / name
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def test_dataset_becomes_a_folder(server, tmp_path):
    status, _, output = run_apart()
    assert status == 0, output
    assert "tess: 3 files" in output
    assert pulled() == AUDIO
    assert report() == {
        "source": KAGGLE,
        "commit": "versions/2",
        "files": 3,
        "other_files": 1,
        "bytes": sum(map(len, AUDIO.values())),
        "verified_by_md5": 0,
        "verified_by_git_hash": 0,
        "verified_by_archive": 0,
        "verified_by_size": 0,
        "unverified": 3,
    }
    assert server.asked() == ["GetDataset", "DownloadDataset", "storage"]
    assert {request.authorization for request in server.log} == {None}
    assert server.log[0].asked == {"ownerSlug": "ejlok1", "datasetSlug": "recordings"}
    assert (tmp_path / "kagglehub" / "datasets" / DATASET / "versions" / "2").is_dir()
    assert list((tmp_path / "home").iterdir()) == []


def test_second_run_only_asks_for_the_version(server):
    run()
    first = METRICS.read_bytes()
    server.log.clear()
    (RAW / "tess" / "YAF sad").rename("elsewhere")
    run()
    assert server.asked() == ["GetDataset"]
    assert METRICS.read_bytes() == first
    assert pulled() == AUDIO


def test_newer_version_is_pulled(server, recordings):
    run()
    (recordings / "YAF sad" / "YAF_dog_sad.wav").unlink()
    server.versions[3] = pack(recordings)
    run()
    assert report()["commit"] == "versions/3"
    assert set(pulled()) == set(AUDIO) - {"YAF sad/YAF_dog_sad.wav"}


def test_version_that_is_named_is_pulled_and_asked_for_once(server):
    server.versions[1] = server.versions.pop(2)
    server.versions[3] = b"a later one"
    source = f"{KAGGLE}/versions/1"
    run(source)
    assert pulled() == AUDIO
    assert report()["commit"] == "versions/1"
    assert report()["source"] == source
    assert server.asked() == ["DownloadDataset", "storage"]
    run(source)
    assert server.asked() == ["DownloadDataset", "storage"]


def test_port_of_kaggles_own_tests(recordings, project, monkeypatch):
    """As tests/helpers/kaggle_server.py says; kagglehub prints a lot then."""
    try:
        server = KaggleServer(recordings, port=PORT)
    except OSError:
        pytest.skip(f"port {PORT} is taken")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    with server:
        status, errors, _ = run_apart()
        assert status == 0, errors
        assert pulled() == AUDIO
        assert report()["commit"] == "versions/2"
    # The server has gone now: the dataset is cached, but its version cannot be asked for.
    status, errors, _ = run_apart()
    assert status == 1
    assert errors[0].startswith(f"error: {KAGGLE}: no usable answer from Kaggle (ConnectionError)")
    assert "path:" in errors[0]
    run(f"{KAGGLE}/versions/2")
    assert pulled() == AUDIO


def test_no_network(project, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
        text = refused()
    assert f"{KAGGLE}: no usable answer from Kaggle (ProxyError)" in text
    assert "path:" in text


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("key", ["GetDataset", "DownloadDataset"])
def test_refusal_says_what_to_do_and_where_credentials_are_looked_for(server, status, key):
    server.faults[key] = refusal(status)
    text = refused()
    assert f"{KAGGLE} needs credentials (HTTP {status})" in text
    assert "KAGGLE_API_TOKEN" in text
    assert "~/.kaggle/access_token" in text
    assert "kaggle.com/settings" in text


def test_refusal_ends_the_stage_with_a_sentence(server):
    server.faults["GetDataset"] = refusal(403)
    status, errors, _ = run_apart()
    assert status == 1
    assert errors[0].startswith(f"error: {KAGGLE} needs credentials (HTTP 403)")
    assert errors[1].startswith("Nothing is lost")
    assert not RAW.exists()


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_that_is_no_json(server, status):
    server.faults["GetDataset"] = Fault(status=status, body=b"<html>", headers={"Content-Type": ""})
    assert f"needs credentials (HTTP {status})" in refused()


def test_token_in_the_environment_is_sent_to_kaggle_alone(server, tmp_path):
    server.token = TOKEN
    status, _, output = run_apart(KAGGLE_API_TOKEN=TOKEN)
    assert status == 0, output
    assert pulled() == AUDIO
    bearer = f"Bearer {TOKEN}"
    assert [(request.key, request.authorization) for request in server.log] == [
        ("GetDataset", bearer),
        ("DownloadDataset", bearer),
        ("storage", None),
    ]
    assert TOKEN not in output
    assert all(TOKEN.encode() not in content for content in written(tmp_path))


def test_token_in_a_file_is_sent(server, tmp_path):
    server.token = TOKEN
    file = write_credentials(tmp_path, "access_token", f"{TOKEN}\n".encode())
    run()
    assert pulled() == AUDIO
    file.unlink()
    assert all(TOKEN.encode() not in content for content in written(tmp_path))


def test_wrong_token_is_not_printed(server, tmp_path):
    server.token = "another"
    status, errors, output = run_apart(KAGGLE_API_TOKEN=TOKEN)
    assert status == 1
    assert errors[0].startswith(f"error: {KAGGLE}")
    assert TOKEN not in output
    assert all(TOKEN.encode() not in content for content in written(tmp_path))


@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        json.dumps({"username": "somebody", "key": TOKEN}),
        f"{TOKEN}\n",
        f"{TOKEN}\u20ac",
        "/".join([TOKEN] * 3),
        TOKEN * 20,
    ],
    ids=["another", "kaggle.json", "line break", "unprintable", "slashes", "longer than a name"],
)
def test_wrong_token_is_told_and_not_shown(server, monkeypatch, token):
    server.token = "another"
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    text = refused()
    assert "KAGGLE_API_TOKEN" in text
    assert TOKEN not in text


def test_wrong_token_is_not_called_a_missing_one(server, monkeypatch):
    """As for DagsHub."""
    server.token = "another"
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    text = refused()
    assert "needs credentials" not in text
    assert "KAGGLE_API_TOKEN" in text


@pytest.mark.parametrize("key", ["GetDataset", "DownloadDataset", "storage"])
def test_token_is_not_shown_by_other_errors(server, monkeypatch, key):
    server.token = TOKEN
    server.faults[key] = Fault(status=500, body=b"oops", headers={"Content-Type": "text/plain"})
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    text = refused()
    assert f"{KAGGLE}: Kaggle answered HTTP 500" in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"{}",
        b"[]",
        b'{"username": "somebody"}',
        f'{{"username": "somebody", "key": "{TOKEN}"'.encode(),
        f'{{"username": "somebody", "key": "{TOKEN}"}}'.encode("utf-16"),  # as PowerShell writes
    ],
    ids=["nothing", "text", "empty", "list", "no key", "cut off", "utf-16"],
)
def test_damaged_credentials_are_explained(server, tmp_path, content):
    file = write_credentials(tmp_path, "kaggle.json", content)
    text = refused()
    assert str(file) in text
    assert TOKEN not in text
    assert server.log == []


def test_damaged_credentials_in_the_home_end_the_stage_with_a_sentence(
    server, tmp_path, monkeypatch
):
    monkeypatch.delenv("KAGGLE_CONFIG_DIR")
    file = write_credentials(tmp_path, "kaggle.json", f'{{"key": "{TOKEN}"'.encode())
    status, errors, output = run_apart()
    assert status == 1
    assert errors[0].startswith(f"error: Kaggle's credentials cannot be read: {file}")
    assert TOKEN not in output


def test_no_such_dataset(server):
    text = refused("kaggle:ejlok1/nosuch")
    assert "kaggle:ejlok1/nosuch does not exist (HTTP 404)" in text
    assert "pull.sources" in text
    assert f"{KAGGLE}/versions/7 does not exist (HTTP 404)" in refused(f"{KAGGLE}/versions/7")


def test_dataset_of_another_corpus(server):
    text = refused(corpus="savee")
    assert f"{KAGGLE} has no clip of savee" in text
    assert "4 files seen, for example OAF_angry/OAF_back_angry.wav" in text
    assert "named like clips of tess" in text
    assert "pull.sources.savee" in text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(headers={"X-Goog-Hash": "crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="}),
        Fault(body=b"of another archive"),
    ],
    ids=["hash", "bytes"],
)
def test_wrong_checksum_is_refused_and_can_be_fetched_again(server, tmp_path, fault):
    server.faults["storage"] = fault
    assert f"{KAGGLE} arrived damaged" in refused()
    assert written(tmp_path / "kagglehub") == []
    server.faults.clear()
    run()
    assert pulled() == AUDIO


def test_what_was_cut_off_is_resumed(server):
    # kagglehub writes only whole MiB.
    noise = random.Random(0).randbytes(2 * 2**20)
    server.versions[2] = zipped({"OAF_back_angry.wav": noise})
    server.faults["storage"] = Fault(times=1, cut=3 * 2**19)
    text = refused()
    assert f"{KAGGLE}: no usable answer from Kaggle (" in text
    assert "Run again" in text
    run()
    assert pulled() == {"OAF_back_angry.wav": noise}
    ranges = [request.range for request in server.log if request.key == "storage"]
    assert ranges == [None, None, f"bytes={2**20}-"]  # cut off; what is there; the rest


def zipped(members):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return packed.getvalue()


def damaged():
    """A zip with a wrong byte in a file, whose checksum it knows."""
    content = bytearray(zipped(AUDIO))
    content[content.index(b"RIFF") + 20] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize("body", [damaged(), b"<html>Sign in</html>"], ids=["zip", "page"])
def test_damaged_archive_without_a_checksum_is_no_traceback(server, body):
    server.faults["storage"] = Fault(body=body, headers={"X-Goog-Hash": ""})
    assert KAGGLE in refused()


@pytest.mark.parametrize("body", [b"not json", b"[3]", b"null", b"{}"])
def test_strange_answers_are_no_traceback(server, body):
    server.faults["GetDataset"] = Fault(body=body)
    assert KAGGLE in refused()


def test_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "kagglehub").write_text("a file where the folder belongs")
    assert str(tmp_path / "kagglehub") in refused()


@pytest.mark.parametrize("key", ["GetDataset", "storage"])
def test_trickle_is_given_up(server, key):
    server.faults[key] = Fault(body=b" " * 1000, drip=0.02)
    with pytest.raises(UserError, match=r"fewer than 1,000 bytes within 0\.5 seconds. Run again"):
        kaggle.download(DATASET, Limits(seconds=0.5, least=1000))


def test_archive_has_a_limit(server, tmp_path):
    server.faults["storage"] = Fault(body=bytes(2**20), times_body=100, pause=0.02)
    with pytest.raises(UserError) as error:
        kaggle.download(DATASET, Limits(archive=10**6))
    archive = tmp_path / "kagglehub/datasets" / DATASET / "2.archive"
    assert f"{KAGGLE} is larger than 1,000,000 bytes: refused. Remove {archive}" in str(error.value)


def test_archive_that_grows_too_much_is_refused(server):
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(20):
            archive.writestr(f"OAF_back_angry{i}.wav", bytes(20 * 2**20))
    server.versions[2] = content.getvalue()
    status, errors, _ = run_apart()  # where kagglehub ends with the stage
    assert status == 1
    assert "2.archive would grow from 0.4 MB" in errors[0]
    assert not RAW.exists()


def test_what_an_earlier_try_unpacked_does_not_count_as_growth(server, tmp_path):
    left = tmp_path / "kagglehub/datasets" / DATASET / "versions/2/OAF_angry/OAF_back_angry.wav"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(100 * 2**20))
    run()
    assert pulled() == AUDIO


@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("key", ["GetDataset", "storage"])
def test_interruption_ends_the_stage(server, key, whole_group):
    set_pull(KAGGLE)
    fault = server.faults[key] = Fault(body=b" " * 1000, drip=1)
    output, _ = interrupted_pull(fault.reached, whole_group)
    # Not always at the end: kagglehub's thread may print where it downloads to at the same moment.
    assert "interrupted: `dvc repro` continues from here" in output
    assert "Traceback" not in output
    assert not RAW.exists()
    server.faults.clear()
    run()
    assert pulled() == AUDIO
