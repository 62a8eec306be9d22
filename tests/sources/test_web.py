import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event

import pooch
import pytest
import yaml
from interrupted_pull import interrupted_pull
from loopback import LoopbackServer

from ser.core.errors import UserError
from ser.core.tables import parse_report
from ser.sources.files import ORIGIN_FILE
from ser.sources.limits import Limits
from ser.sources.web import Advice, download
from stages import pull

ROOT = Path(__file__).parents[2]
RAW, METRICS = Path("data/raw"), Path("metrics/pull.json")
AUDIO = {f"anger/a{i:02} (1).wav": b"RIFF" + bytes([i]) * (100 + i) for i in range(1, 5)}
OTHERS = {"README.md": b"not a recording", "__MACOSX/anger/._a01 (1).wav": b"x"}


@dataclass
class Answer:
    """What is answered to one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # bytes sent before the connection is dropped
    times: int = 1  # how often the body is sent, as one
    drip: float = 0.0  # seconds before each byte
    chunked: bool = False  # each byte, or each body, is a chunk of an answer of unknown length


def redirect(location):
    return Answer(status=302, headers={"Location": location})


class FileServer(LoopbackServer):
    def __init__(self):
        super().__init__(_Handler)
        self.answers = {}  # path -> its answers, of which the last is given again and again
        self.log = []
        self.asked = Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self):
        self.server.log.append(self.path)
        self.server.asked.set()
        answers = self.server.answers.get(self.path, [Answer(status=404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(answer.body) * answer.times))
        self.end_headers()
        try:
            self.send_body(answer)
        except OSError:  # the client has disconnected
            self.close_connection = True
        else:
            self.close_connection = answer.cut is not None

    def send_body(self, answer):
        body = answer.body[: answer.cut]
        for _ in range(answer.times):
            for part in (bytes([byte]) for byte in body) if answer.drip else [body]:
                time.sleep(answer.drip)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if answer.chunked else part)
        if answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format, *args):
        """Stay silent: the log is in `FileServer.log`."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as current folder, and an empty cache."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert pooch.os_cache("ser") == tmp_path / "cache" / "ser"
    return folder


@pytest.fixture
def server(project):
    with FileServer() as server:
        yield server


def zipped(members=AUDIO | OTHERS):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # of no time: always the same bytes
    return packed.getvalue()


def tarred(members=AUDIO | OTHERS):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def offer(server, *answers, path="/files/Audio.zip", body=None, algorithm="md5"):
    """Let a server answer so, and at last with an archive; gives the source of the archive."""
    body = zipped() if body is None else body
    server.answers[path] = [*answers, Answer(body)]
    return f"{server.url}{path}#{algorithm}={hashlib.new(algorithm, body).hexdigest()}"


def run(source, **values):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["pull"].update(corpora=["aesdd"], sources={"aesdd": source}, **values)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    pull.main(RAW, METRICS)


def refused(source, **values):
    """Why a source is refused; nothing may be kept of it."""
    with pytest.raises(UserError) as error:
        run(source, **values)
    assert not METRICS.exists()
    assert not RAW.exists()
    return str(error.value)


def pulled():
    folder = RAW / "aesdd"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ORIGIN_FILE
    }


def report():
    return parse_report(METRICS.read_text())["aesdd"]


def cached():
    folder = pooch.os_cache("ser")
    return sorted(folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_archive_is_verified_and_unpacked(server, pack, algorithm):
    source = offer(server, body=pack(), algorithm=algorithm)
    run(source)
    assert pulled() == AUDIO
    assert report() == {
        "source": source,
        "files": 4,
        "other_files": 2,
        "bytes": sum(map(len, AUDIO.values())),
        "verified_by_md5": 0,
        "verified_by_git_hash": 0,
        "verified_by_archive": 4,
        "verified_by_size": 0,
        "unverified": 0,
    }
    assert server.log == ["/files/Audio.zip"]
    assert [path.read_bytes() for path in cached()] == [pack()]


def test_checksum_in_capitals(server):
    address, checksum = offer(server).split("#")
    run(f"{address}#{checksum.upper().replace('=', ':')}")
    assert pulled() == AUDIO


def test_address_is_quoted_and_its_query_kept(server):
    source = offer(server, path="/%C3%A4%20b.zip?download=1")
    run(source.replace("%C3%A4%20", "ä "))
    assert server.log == ["/%C3%A4%20b.zip?download=1"]
    assert pulled() == AUDIO


def test_second_run_asks_nobody(server):
    source = offer(server)
    run(source)
    first = METRICS.read_bytes()
    server.answers.clear()
    run(source)
    (RAW / "aesdd").rename("elsewhere")
    run(source)
    assert server.log == ["/files/Audio.zip"]
    assert METRICS.read_bytes() == first
    assert pulled() == AUDIO


def test_damaged_cache_is_fetched_again(server):
    source = offer(server)
    run(source)
    (archive,) = cached()
    archive.write_bytes(archive.read_bytes()[:-1])
    run(source)
    assert len(server.log) == 2
    assert pulled() == AUDIO
    assert cached() == [archive]


def test_what_a_killed_download_left_is_removed(server):
    run(offer(server))
    old, new = (cached()[0].parent / f"tmp{name}" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    run(offer(server))
    assert not old.exists()
    assert new.exists()  # somebody may be writing it


def test_archives_of_one_name_are_kept_apart(server):
    first = offer(server, path="/1/Audio.zip")
    other = {"s01 (1).wav": b"RIFF"}
    second = offer(server, path="/2/Audio.zip", body=zipped(other))
    run(first)
    run(second)
    assert pulled() == other
    run(first)
    assert pulled() == AUDIO
    assert server.log == ["/1/Audio.zip", "/2/Audio.zip"]


def test_wrong_checksum_is_refused_and_nothing_kept(server):
    source = offer(server)
    server.answers["/files/Audio.zip"] = [Answer(zipped({"a01 (1).wav": b"RIFF of another"}))]
    text = refused(source)
    assert f"{server.url}/files/Audio.zip is not the file with the checksum md5:" in text
    assert "pull.sources" in text
    assert cached() == []
    assert len(server.log) == 1
    assert "is not the file" in refused(source)
    assert len(server.log) == 2


def test_new_checksum_is_not_answered_from_the_cache(server):
    run(offer(server))
    changed = {"s01 (1).wav": b"RIFF"}
    run(offer(server, body=zipped(changed)))
    assert pulled() == changed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_refusals_are_told_at_once(server, status):
    source = offer(server, Answer(b"no", status))
    text = refused(source)
    assert f"{server.url}/files/Audio.zip cannot be downloaded: HTTP {status}" in text
    assert "pull.sources" in text
    assert len(server.log) == 1
    assert cached() == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"busy", 503),
        Answer(b"too many", 429, {"Retry-After": "1"}),
        Answer(zipped(), cut=100),
        Answer(zipped(), cut=0),
    ],
    ids=["503", "429", "cut off", "dropped"],
)
def test_passing_faults_are_overcome(server, answer):
    run(offer(server, answer))
    assert pulled() == AUDIO
    assert len(server.log) == 2
    assert len(cached()) == 1


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Answer(b"busy", 503), "HTTP 503"),
        (Answer(b"too many", 429), "HTTP 429"),
        (Answer(zipped(), cut=100), "Error"),
    ],
    ids=["503", "429", "cut off"],
)
def test_lasting_faults_are_told(server, answer, what):
    source = offer(server, *[answer] * 10)
    text = refused(source)
    assert f"no usable answer from {server.url}/files/Audio.zip" in text
    assert what in text
    assert "path:" in text
    assert len(server.log) == 3
    assert cached() == []


def test_refused_connection_is_told(project):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/Audio.zip"
        text = refused(f"{url}#md5={'0' * 32}")
    assert f"no usable answer from {url} (ConnectionError)" in text
    assert "path:" in text


@pytest.mark.parametrize("form", ["http://{}{}", "//{}{}"])
def test_redirection_to_another_host_is_refused_unless_it_is_named(server, form):
    with FileServer() as storage:
        offer(storage, path="/1/a.zip")
        host = f"localhost:{storage.server_port}"
        source = offer(server, *[redirect(form.format(host, "/1/a.zip"))] * 3)
        text = refused(source)
        assert f"{server.url}/files/Audio.zip is redirected to localhost" in text
        assert "pull.redirect_hosts" in text
        assert storage.log == []
        assert len(server.log) == 1
        assert cached() == []
        assert "is redirected to localhost" in refused(source, redirect_hosts=["example.org"])
        run(source, redirect_hosts=["example.org", "localhost"])
        assert storage.log == ["/1/a.zip"]
    assert pulled() == AUDIO
    assert report()["verified_by_archive"] == 4


def test_hosts_may_be_named_with_their_port(server):
    """As for DagsHub, whose refusal names them so."""
    with FileServer() as storage:
        offer(storage, path="/1/a.zip")
        host = f"localhost:{storage.server_port}"
        run(offer(server, redirect(f"http://{host}/1/a.zip")), redirect_hosts=[host])
    assert pulled() == AUDIO


def test_every_redirection_is_checked(server):
    with FileServer() as storage:
        source = offer(server, redirect("/1"))
        server.answers["/1"] = [redirect(f"http://localhost:{server.server_port}/2")]
        server.answers["/2"] = [redirect(f"http://127.0.0.2:{storage.server_port}/3")]
        assert "redirected to 127.0.0.2" in refused(source, redirect_hosts=["localhost"])
        assert server.log == ["/files/Audio.zip", "/1", "/2"]
        assert storage.log == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirection_on_the_same_host_is_followed(server, status):
    source = offer(server, Answer(status=status, headers={"Location": "../other/a.zip"}))
    server.answers["/other/a.zip"] = [Answer(zipped())]
    run(source)
    assert pulled() == AUDIO
    assert server.log == ["/files/Audio.zip", "/other/a.zip"]


def test_what_is_redirected_is_verified(server):
    source = offer(server, redirect("/other.zip"))
    server.answers["/other.zip"] = [Answer(zipped({"a01 (1).wav": b"RIFF"}))]
    assert "is not the file with the checksum" in refused(source)
    assert cached() == []


def test_redirection_without_end(server):
    source = offer(server, *[redirect("/files/Audio.zip")] * 200)
    assert f"{server.url}/files/Audio.zip" in refused(source)


@pytest.mark.parametrize("location", ["http://[::1/a.zip", "http://127.0.0.1:x/a.zip"])
def test_redirection_to_no_address_is_no_wrong_checksum(server, location):
    source = offer(server, *[redirect(location)] * 10)
    text = refused(source)
    assert f"{server.url}/files/Audio.zip" in text
    assert "checksum" not in text


def test_right_file_that_is_no_archive(server):
    text = refused(offer(server, body=b"<html>Sign in</html>"))
    assert "is neither a zip nor a tar" in text
    assert "Audio.zip" in text


def test_archive_of_another_corpus(server):
    text = refused(offer(server, body=zipped({"03-01-05-02-01-01-12.wav": b"RIFF"})))
    assert "has no clip of aesdd" in text
    assert "named like clips of ravdess" in text
    assert "Audio.zip" in text


def test_archive_that_leaves_its_folder(server):
    text = refused(offer(server, body=tarred(AUDIO | {"../x.wav": b"RIFF"})))
    assert "'../x.wav' outside" in text


def test_archive_whose_compression_the_server_mentions(server):
    """As Apache does of a tar.gz: what is asked for, and has the checksum, is the tar.gz."""
    body = tarred()
    source = offer(server, body=body)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-tar"}
    server.answers["/files/Audio.zip"] = [Answer(body, headers=headers)]
    run(source)
    assert pulled() == AUDIO
    assert cached()[0].read_bytes() == body


def test_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("where the cache belongs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    assert str(tmp_path / "a file") in refused(offer(server))


def limited(server, answer, limits):
    """Why a download with limits is refused; nothing may be kept of it."""
    address, _, checksum = offer(server, *[answer] * 10).partition("#")
    advice = Advice("the hosts", "correct it", "look", "use a file")
    with pytest.raises(UserError) as error:
        download(address, checksum.replace("=", ":"), [], advice, limits)
    assert cached() == []
    assert str(error.value).startswith((f"{address} ", f"no usable answer from {address} "))
    return str(error.value)


@pytest.mark.parametrize("chunked", [False, True])
def test_trickle_is_given_up(server, chunked):
    answer = Answer(bytes(1000), drip=0.02, chunked=chunked)
    text = limited(server, answer, Limits(seconds=0.5, least=1000))
    assert "(fewer than 1,000 bytes within 0.5 seconds)" in text
    assert "use a file" in text
    assert len(server.log) == 1


def test_slow_server_that_sends_enough_is_waited_for(server):
    body = zipped()
    source = offer(server, Answer(body, drip=0.001, chunked=True), body=body)
    address, _, checksum = source.partition("#")
    advice = Advice("", "", "", "")
    limits = Limits(seconds=0.2, least=10)
    path = download(address, checksum.replace("=", ":"), [], advice, limits)
    assert path.read_bytes() == body


@pytest.mark.parametrize("chunked", [False, True])
def test_archive_has_a_limit(server, chunked):
    answer = Answer(bytes(2**20), times=10**6, chunked=chunked)
    text = limited(server, answer, Limits(archive=5 * 10**6))
    assert "sends more than 5,000,000 bytes: refused; use a file" in text


@pytest.mark.parametrize("chunked", [False, True])
def test_page_of_a_redirection_has_a_limit(server, chunked):
    headers = {"Location": "/other.zip", "Content-Encoding": "gzip"}
    answer = Answer(gzip.compress(bytes(2**20)), 302, headers, times=10**6, chunked=chunked)
    assert "redirected with a page of more than" in limited(server, answer, Limits())


@pytest.mark.parametrize("chunked", [False, True])
def test_page_of_a_redirection_is_left_unread(server, chunked):
    body = b"<html>It is elsewhere"
    source = offer(server, Answer(body, 302, {"Location": "/other.zip"}, chunked=chunked))
    server.answers["/other.zip"] = [Answer(zipped())]
    run(source)
    assert pulled() == AUDIO


@pytest.mark.parametrize("whole_group", [False, True])
def test_interruption_ends_the_stage(server, whole_group):
    refused(offer(server, *[Answer(b"no", 403)] * 2))
    server.answers["/files/Audio.zip"] = [Answer(bytes(1000), drip=1)]
    server.asked.clear()
    output, _ = interrupted_pull(server.asked, whole_group)
    assert output.endswith("interrupted: `dvc repro` continues from here\n")
    assert "Traceback" not in output
    assert cached() == []
    assert not RAW.exists()


def test_stage_ends_with_a_sentence(server):
    refused(offer(server, *[Answer(b"no", 403)] * 2))
    process = subprocess.run(
        [sys.executable, "-m", "stages.pull", str(RAW), str(METRICS)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 1
    assert f"error: {server.url}/files/Audio.zip cannot be downloaded: HTTP 403" in process.stderr
    assert "Traceback" not in process.stderr
