import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from dagshub.common import config
from dagshub_server import REPO, DagsHubServer, Fault, redirect

from ser.corpora import sources
from ser.corpora.files import MARK
from ser.errors import UserError
from stages import pull

ROOT = Path(__file__).parents[1]
RAW, METRICS = Path("data/raw"), Path("metrics/pull.json")
DAGSHUB = f"dagshub:{REPO}"
TOKEN = "e3b0c44298fc1c149afbf4c8996fb924"
FIRST = "anger/a01 (1).wav"
NAMES = [
    FIRST,
    "anger/a02 (1)b.WAV",
    "anger/100% #1?.wav",
    "fear/deep er/f01 (01).wav",
    *(f"sadness/s{i:02} (2).wav" for i in range(1, 9)),
]


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    for i, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"RIFF" + bytes([i]) * (100 + i))
    (folder / "README.md").write_text("not a recording")
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as current folder, without a token."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
    return folder


@pytest.fixture
def server(recordings, project, monkeypatch):
    with DagsHubServer(recordings) as server:
        monkeypatch.setattr(config, "host", server.url)
        monkeypatch.setenv("DAGSHUB_CLIENT_HOST", server.url)
        yield server
        assert server.strange_requests() == []


def set_pull(**values):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["pull"].update(values)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def run(source=DAGSHUB, **values):
    set_pull(sources={"aesdd": source}, **values)
    pull.main(RAW, METRICS)


def refused(source=DAGSHUB, **values):
    with pytest.raises(UserError) as error:
        run(source, **values)
    assert not METRICS.exists()
    return str(error.value)


def start(**environ):
    return subprocess.Popen(
        [sys.executable, "-m", "stages.pull", str(RAW), str(METRICS)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARK
    }


def pulled():
    return files(RAW / "aesdd")


def report():
    return yaml.safe_load(METRICS.read_text())["aesdd"]


def audio(recordings):
    return {name: (recordings / name).read_bytes() for name in NAMES}


def test_repository_becomes_a_folder(server, recordings):
    set_pull(sources={"aesdd": DAGSHUB})
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "aesdd: 12 files" in output
    assert pulled() == audio(recordings)
    assert report() == {
        "source": DAGSHUB,
        "commit": server.commit,
        "files": 12,
        "bytes": sum(map(len, audio(recordings).values())),
        "verified_by_md5": 12,
        "verified_by_git_hash": 0,
        "verified_by_size": 0,
        "unverified": 0,
    }
    assert all(r.authorization is None for r in server.log)


def test_second_run_fetches_nothing(server):
    run()
    first = METRICS.read_bytes()
    server.log.clear()
    run()
    assert server.fetched() == []
    assert METRICS.read_bytes() == first


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (Fault(times=2, status=503), 3),
        (Fault(times=1, status=429, headers={"Retry-After": "1"}), 2),
        (Fault(times=1, cut=50), 2),
        (Fault(times=1, cut=0), 2),
        (Fault(times=1, body=b"RIFF of another file"), 2),
        (Fault(drip=0.001), 1),
    ],
    ids=["503", "429", "cut off", "dropped", "other bytes", "drip"],
)
def test_passing_faults_are_overcome(server, recordings, fault, requests):
    server.faults[f"raw/{FIRST}"] = fault
    run()
    assert pulled() == audio(recordings)
    assert server.fetched().count(FIRST) == requests
    assert len(server.fetched()) == len(NAMES) - 1 + requests


def test_retry_after_is_honoured(server):
    server.faults["branches/main"] = Fault(times=1, status=429, headers={"Retry-After": "1"})
    run()
    first, second = (r.seconds for r in server.log if r.key == "branches/main")
    assert second - first >= 1


def test_faults_of_the_listing_are_overcome(server, recordings):
    server.faults["content/anger"] = Fault(times=1, status=502)
    server.faults[""] = Fault(times=1, cut=3)
    run()
    assert pulled() == audio(recordings)


def test_lasting_faults_are_listed_apart(server, recordings):
    server.faults[f"raw/{NAMES[1]}"] = Fault(status=404)
    server.faults[f"raw/{NAMES[2]}"] = Fault(body=b"wrong")
    server.faults[f"raw/{NAMES[3]}"] = Fault(cut=50)
    text = refused()
    assert "3 of 12 files" in text
    missing, invalid = text.split("1 invalid:")
    assert "2 missing:" in missing
    assert f"{NAMES[1]}: HTTP 404" in missing
    assert f"{NAMES[3]}: RemoteProtocolError" in missing
    assert f"{NAMES[2]}: 5 bytes, expected 102" not in missing
    assert NAMES[2] in invalid
    assert "pull.verify: size" in invalid
    assert server.fetched().count(NAMES[1]) == 1
    assert server.fetched().count(NAMES[3]) == 5
    assert pulled() == {k: v for k, v in audio(recordings).items() if k not in NAMES[1:4]}


def test_only_the_first_twenty_are_named(server, recordings):
    for i in range(25):
        server.files[f"more/{i:02}.wav"] = b"RIFF"
        server.faults[f"raw/more/{i:02}.wav"] = Fault(status=404)
    text = refused()
    assert "25 missing:" in text
    assert "more/19.wav" in text
    assert "more/20.wav" not in text
    assert "and 5 more" in text


def test_server_that_stops_answering_ends_the_run(server):
    for name in NAMES:
        server.faults[f"raw/{name}"] = Fault(status=503)
    assert "no longer answers (HTTP 503)" in refused()


def test_wrong_hash_is_refused_and_can_be_switched_off(server, recordings):
    server.change_entry = lambda entry: entry | {"hash": entry["hash"] and "0" * 32}
    text = refused()
    assert "12 invalid:" in text
    assert "pull.verify: size" in text
    assert pulled() == {}
    run(verify="size")
    assert pulled() == audio(recordings)
    assert report()["verified_by_size"] == 12


def test_wrong_size_is_refused(server):
    server.change_entry = lambda entry: entry | {"size": 7}
    text = refused()
    assert f"{FIRST}: 104 bytes, expected 7" in text
    assert "path:" in text


def test_git_hashes_are_verified(server):
    server.git = True
    server.wrapped = False
    run()
    assert report()["verified_by_git_hash"] == 12
    assert report()["commit"] == server.commit
    server.faults[f"raw/{FIRST}"] = Fault(body=b"RIFF" + bytes([1]) * 100)
    (RAW / "aesdd" / FIRST).unlink()
    METRICS.unlink()
    assert "git_hash" in refused()


@pytest.mark.parametrize("size", [None, 0, -1])
def test_listing_without_facts_is_trusted(server, recordings, size):
    server.change_entry = lambda entry: entry | {"size": size, "hash": None}
    run()
    assert pulled() == audio(recordings)
    assert report()["unverified"] == 12
    server.log.clear()
    run()
    assert server.fetched() == []


def test_files_of_another_source_are_not_trusted(server, recordings, tmp_path):
    server.change_entry = lambda entry: entry | {"size": None, "hash": None}
    other = tmp_path / "other"
    (other / FIRST).parent.mkdir(parents=True)
    (other / FIRST).write_bytes(b"RIFF of another source")
    (other / "only here.wav").write_bytes(b"RIFF")
    run(f"path:{other}")
    assert set(pulled()) == {FIRST, "only here.wav"}
    run()
    assert pulled() == audio(recordings)
    run(f"path:{other}")
    assert pulled() == files(other)
    assert [path.name for path in (RAW / "aesdd").iterdir() if path.is_dir()] == ["anger"]


def test_damaged_file_is_fetched_again(server, recordings):
    run()
    server.log.clear()
    target = RAW / "aesdd" / FIRST
    target.write_bytes(b"RIFF" + bytes([7]) * 100)
    run()
    assert server.fetched() == [FIRST]
    assert pulled() == audio(recordings)


def test_killed_run_is_resumed(server, recordings):
    go_on = threading.Event()
    held = [Fault(times=1, hold=go_on) for _ in range(2)]
    for name, fault in zip(sorted(NAMES)[-2:], held, strict=True):
        server.faults[f"raw/{name}"] = fault
    set_pull(sources={"aesdd": DAGSHUB})
    process = start()
    assert all(fault.reached.wait(60) for fault in held)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    go_on.set()
    finished = {name for name in pulled() if not name.endswith(".part")}
    assert finished
    assert finished < set(NAMES)

    server.log.clear()
    stale = RAW / "aesdd" / "gone" / "x.wav.part"
    stale.parent.mkdir()
    stale.write_bytes(b"RI")
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "removed 1 files that the source does not have" in output
    assert finished.isdisjoint(server.fetched())
    assert pulled() == audio(recordings)
    assert not stale.parent.exists()

    resumed = METRICS.read_bytes()
    (RAW / "aesdd" / FIRST).parent.rename("elsewhere")
    run()
    assert METRICS.read_bytes() == resumed


def test_revisions(server):
    for revision in ("main", "feature/x", server.commit):
        run(f"{DAGSHUB}@{revision}")
        assert report()["commit"] == server.commit
    assert all(r.key or f"/{REPO}" in r.path for r in server.log)
    METRICS.unlink()
    assert "'nosuch' is neither a branch nor a commit" in refused(f"{DAGSHUB}@nosuch")


def test_files_are_read_at_the_commit(server):
    run(f"{DAGSHUB}@main")
    reading = [r for r in server.log if r.key and r.key.startswith(("raw/", "content/"))]
    assert reading
    assert all(f"/{server.commit}" in r.path for r in reading)


def test_no_such_repository(server):
    server.faults[""] = Fault(status=404, body=b"{}")
    text = refused()
    assert f"{server.url}/{REPO} does not exist, or is private" in text
    assert "DAGSHUB_USER_TOKEN" in text


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("key", ["", "content/anger", f"raw/{FIRST}"])
def test_refusal_asks_for_a_token(server, status, key):
    server.faults[key] = Fault(status=status, body=b"{}")
    text = refused()
    assert f"HTTP {status}" in text
    assert "set the environment variable DAGSHUB_USER_TOKEN" in text


@pytest.mark.parametrize(
    "fault",
    [
        redirect("/user/login?redirect_to=x"),
        redirect("https://accounts.example/oauth/authorize"),
        Fault(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>Sign in"),
    ],
    ids=["login", "oauth elsewhere", "web page"],
)
@pytest.mark.parametrize("key", ["", f"raw/{FIRST}"])
def test_login_page_asks_for_a_token(server, fault, key):
    server.faults[key] = fault
    assert "set the environment variable DAGSHUB_USER_TOKEN" in refused()


def test_token_is_sent_and_not_shown(server, recordings):
    server.token = TOKEN
    set_pull(sources={"aesdd": DAGSHUB})
    process = start(DAGSHUB_USER_TOKEN=TOKEN)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert {r.authorization for r in server.log} == {f"Bearer {TOKEN}"}
    assert TOKEN not in output

    server.token = "another"
    process = start(DAGSHUB_USER_TOKEN=TOKEN)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the token in DAGSHUB_USER_TOKEN does not give access" in output
    assert TOKEN not in output
    assert "Traceback" not in output
    assert all(TOKEN.encode() not in content for content in files(Path()).values())


@pytest.mark.parametrize("token", [f"{TOKEN}\n{TOKEN}", f"{TOKEN}é", f"{TOKEN} x"])
def test_token_that_cannot_be_sent_is_not_shown(server, monkeypatch, token):
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", token)
    text = refused()
    assert "DAGSHUB_USER_TOKEN is no token" in text
    assert TOKEN not in text
    assert server.log == []


def test_redirection_to_another_host(server, recordings, monkeypatch):
    monkeypatch.setenv("DAGSHUB_USER_TOKEN", TOKEN)
    with DagsHubServer(recordings) as storage:
        there = f"localhost:{storage.server_port}"
        path = f"/api/v1/repos/{REPO}/raw/{server.commit}/anger/a01%20%281%29.wav"
        server.faults[f"raw/{FIRST}"] = redirect(f"http://{there}{path}")
        text = refused()
        assert there in text
        assert "pull.redirect_hosts" in text
        assert storage.log == []
        run(redirect_hosts=[there])
        assert storage.fetched() == [FIRST]
        assert [r.authorization for r in storage.log] == [None]
    assert pulled() == audio(recordings)


def test_redirection_on_the_same_host(server, recordings):
    path = f"/api/v1/repos/{REPO}/raw/main/anger/a01%20%281%29.wav"
    server.faults[f"raw/{FIRST}"] = redirect(path)
    server.faults[f"raw/{FIRST}"].times = 1
    run()
    assert pulled() == audio(recordings)


def test_redirection_without_end(server):
    server.faults[""] = redirect(f"/api/v1/repos/{REPO}")
    assert "redirects more than" in refused()


@pytest.mark.parametrize("path", ["/etc/x.wav", "../x.wav", "anger/../../x.wav"])
def test_listing_that_leaves_its_folder_is_refused(server, path):
    server.change_entry = lambda entry: entry | {"path": path}
    assert f"{path!r} outside" in refused()
    assert server.fetched() == []


@pytest.mark.parametrize("body", [b"not json", b"[3]", b'{"error": 1}', b"null"])
def test_strange_answers_are_no_traceback(server, body):
    for key in ("", "branches/main", "content/"):
        server.faults = {key: Fault(body=body)}
        assert server.url in refused()


def test_repository_without_audio(tmp_path, project, monkeypatch):
    folder = tmp_path / "papers"
    folder.mkdir()
    for name in ("a.pdf", "b.pdf", "c.flac", "d.mp3"):
        (folder / name).write_bytes(b"x")
    with DagsHubServer(folder) as server:
        monkeypatch.setattr(config, "host", server.url)
        texts = [refused(), refused(f"path:{folder}")]
    for text in texts:
        assert "no audio files (*.wav): 4 files seen, for example a.pdf, b.pdf, c.flac" in text


def test_no_network(server):
    closed, silent = socket.socket(), socket.socket()
    closed.bind(("127.0.0.1", 0))
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    server.faults[""] = Fault(drip=0.5)
    hosts = [f"http://127.0.0.1:{s.getsockname()[1]}" for s in (closed, silent)]
    hosts += ["http://nosuch.invalid", server.url]
    set_pull(sources={"aesdd": DAGSHUB})
    started = time.monotonic()
    processes = [start(DAGSHUB_CLIENT_HOST=host) for host in hosts]
    for process, host in zip(processes, hosts, strict=True):
        output, _ = process.communicate(timeout=60)
        assert time.monotonic() - started < 30
        assert process.returncode == 1
        assert host in output
        assert "make demo" in output
        assert "path:" in output
        assert "Traceback" not in output
    closed.close()
    silent.close()


def test_refused_connection_is_told_soon(project, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(config, "host", f"http://127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()
        assert "refused" in refused()
        assert time.monotonic() - started < 3


def test_folder(recordings, project):
    run("path:../recordings")
    assert pulled() == audio(recordings)
    assert report() == {
        "source": "path:../recordings",
        "commit": None,
        "files": 12,
        "bytes": sum(map(len, audio(recordings).values())),
        "verified_by_md5": 0,
        "verified_by_git_hash": 0,
        "verified_by_size": 0,
        "unverified": 12,
    }
    before = (RAW / "aesdd" / FIRST).stat()
    run("path:../recordings")
    assert (RAW / "aesdd" / FIRST).stat() == before


def test_linked_files_are_read_and_linked_folders_refused(recordings, project, tmp_path):
    (recordings / FIRST).rename(tmp_path / "a.wav")
    (recordings / FIRST).symlink_to(tmp_path / "a.wav")
    run("path:../recordings")
    assert pulled() == audio(recordings)
    METRICS.unlink()
    (recordings / "fear").rename(tmp_path / "elsewhere")
    (recordings / "fear").symlink_to(tmp_path / "elsewhere")
    assert "../recordings/fear is a link to a folder" in refused("path:../recordings")


def test_home_is_expanded(recordings, project, monkeypatch):
    monkeypatch.setenv("HOME", str(recordings.parent))
    run("path:~/recordings")
    assert pulled() == audio(recordings)


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return f"path:{path}"


def test_zip(recordings, project, tmp_path):
    source = pack(tmp_path / "a.zip", {f"./{k}": v for k, v in files(recordings).items()})
    run(source)
    assert pulled() == audio(recordings)
    before = (RAW / "aesdd" / FIRST).stat()
    run(source)
    assert (RAW / "aesdd" / FIRST).stat() == before


@pytest.mark.parametrize("name", ["../x.wav", "/x.wav", "a/../../x.wav"])
def test_zip_that_leaves_its_folder_is_refused(project, tmp_path, name):
    source = pack(tmp_path / "a.zip", {"a01 (1).wav": b"RIFF", name: b"RIFF"})
    assert f"{name!r} outside" in refused(source)
    assert not RAW.exists()
    assert not (RAW.parent / "x.wav").exists()


def test_zip_with_a_link_is_refused(project, tmp_path):
    link = zipfile.ZipInfo("a01 (1).wav")
    link.external_attr = 0o120777 << 16
    assert "is a link" in refused(pack(tmp_path / "a.zip", {link: b"/etc/passwd"}))


def test_zip_that_says_less_than_it_holds_is_refused(project, tmp_path):
    source = pack(tmp_path / "a.zip", {"a01 (1).wav": bytes(1_000_000)})
    packed = (tmp_path / "a.zip").read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(packed.replace(size, (10).to_bytes(4, "little")))
    assert "damaged" in refused(source)
    assert pulled() == {}


def test_damaged_zips_are_refused(project, tmp_path, recordings):
    source = pack(tmp_path / "a.zip", audio(recordings))
    packed = (tmp_path / "a.zip").read_bytes()
    flipped = bytearray(packed)
    flipped[packed.index(FIRST.encode()) + len(FIRST) + 4] ^= 0xFF
    for content in (packed[: len(packed) // 2], bytes(flipped), b"", b"no zip"):
        (tmp_path / "a.zip").write_bytes(content)
        assert "damaged" in refused(source)
    assert not [name for name in pulled() if name.endswith(".part")]


@pytest.mark.parametrize(
    "source",
    [
        "ftp:x",
        "dagshub:onlyowner",
        "dagshub:a/b@",
        "dagshub:a/b@../x",
        "dagshub:../b",
        "path:",
        "builtin:x",
        "",
    ],
)
def test_malformed_sources_list_the_valid_forms(project, source):
    text = refused(source)
    for form in ("dagshub:<owner>/<repository>@", "path:<folder or zip>", "builtin:"):
        assert form in text
    assert not RAW.exists()


def test_missing_folder(project):
    assert "path:nosuch does not exist" in refused("path:nosuch")


def test_recordings_inside_data_raw_are_refused(project, recordings):
    mine = RAW / "demo" / "mine"
    mine.mkdir(parents=True)
    for source in (f"path:{mine}", "path:.", f"path:{RAW}"):
        assert "lie in each other" in refused(source)
    assert mine.is_dir()


def test_other_corpora_are_removed_and_named(project, recordings, capsys):
    old = RAW / "demo" / "a" / "a01 (1).wav"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"RIFF")
    (RAW / "stray.wav").write_bytes(b"RIFF")
    run("path:../recordings")
    output = capsys.readouterr().out
    assert "removed data/raw/demo with 1 files: not in pull.corpora" in output
    assert "removed data/raw/stray.wav: of no corpus" in output
    assert [path.name for path in RAW.iterdir()] == ["aesdd"]


def test_unknown_folders_are_never_removed(project, recordings):
    mine = RAW / "mine" / "x.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"RIFF")
    assert "data/raw/mine is no corpus that is known" in refused("path:../recordings")
    assert mine.is_file()


def test_links_are_never_followed(project, recordings, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.wav").write_bytes(b"RIFF")
    (RAW / "aesdd").mkdir(parents=True)
    (RAW / "aesdd" / "anger").symlink_to(outside)
    assert "is a link that leaves" in refused("path:../recordings")
    (RAW / "aesdd" / "anger").rename(RAW / "aesdd" / "elsewhere")
    run("path:../recordings")
    assert pulled() == audio(recordings)
    assert files(outside) == {"keep.wav": b"RIFF"}
    METRICS.unlink()

    (RAW / "aesdd").rename(tmp_path / "moved")
    (RAW / "aesdd").symlink_to(outside)
    assert "is a link" in refused("path:../recordings")
    assert files(outside) == {"keep.wav": b"RIFF"}


def test_linked_files_are_replaced_not_written_into(project, recordings, tmp_path):
    cached = tmp_path / "cached"
    cached.write_bytes(b"of the cache")
    cached.chmod(0o444)
    (RAW / "aesdd" / FIRST).parent.mkdir(parents=True)
    (RAW / "aesdd" / FIRST).symlink_to(cached)
    run("path:../recordings")
    assert pulled() == audio(recordings)
    assert cached.read_bytes() == b"of the cache"


def test_builtin(project):
    set_pull(corpora=["demo"], sources={"demo": "builtin:"})
    pull.main(RAW, METRICS)
    first = files(RAW)
    assert len(first) > 100
    pull.main(RAW, METRICS)
    assert files(RAW) == first


def test_unwritable_folder(project, recordings):
    RAW.parent.mkdir()
    RAW.write_text("a file where the folder belongs")
    assert str(RAW) in refused("path:../recordings")


def test_source_kinds():
    assert sources.parse("dagshub:a/b") == sources.Source("dagshub", "a/b")
    assert sources.parse("dagshub:a/b@feature/x") == sources.Source("dagshub", "a/b", "feature/x")
    assert sources.parse("path:C:/x@y") == sources.Source("path", "C:/x@y")
    assert sources.parse("builtin:") == sources.Source("builtin", "")
