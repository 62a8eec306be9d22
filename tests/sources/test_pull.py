import hashlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from dagshub.common import config
from dagshub_server import REPO, DagsHubServer, Fault, redirect

from ser.core.errors import UserError
from ser.core.tables import parse_report
from ser.sources import addresses
from ser.sources.files import ORIGIN_FILE
from stages import pull

ROOT = Path(__file__).parents[2]
RAW, METRICS = Path("data/raw"), Path("metrics/pull.json")
DAGSHUB = f"dagshub:{REPO}"
TOKEN = "e3b0c44298fc1c149afbf4c8996fb924"
MD5 = "0123456789abcdef0123456789abcdef"
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
    """An empty project as current folder, without a token, and an empty cache."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
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
        if path.is_file() and path.name != ORIGIN_FILE
    }


def pulled():
    return files(RAW / "aesdd")


def report():
    return parse_report(METRICS.read_text())["aesdd"]


def audio(recordings):
    return {name: (recordings / name).read_bytes() for name in NAMES}


def test_repository_becomes_a_folder(server, recordings):
    set_pull(sources={"aesdd": DAGSHUB})
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "aesdd: 12 files" in output
    assert "(1 other files left out)" in output
    assert pulled() == audio(recordings)
    assert report() == {
        "source": DAGSHUB,
        "commit": server.commit,
        "files": 12,
        "other_files": 1,
        "bytes": sum(map(len, audio(recordings).values())),
        "verified_by_md5": 12,
        "verified_by_git_hash": 0,
        "verified_by_archive": 0,
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


@pytest.fixture
def dvc_cache(server, monkeypatch):
    """The cache of a DVC project that has tracked the recordings, which are gone."""
    for command in (["init", "--no-scm", "--quiet"], ["config", "cache.dir", "../cached"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], check=True)
    run()
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", str(RAW)], check=True)
    shutil.rmtree(RAW)
    monkeypatch.setattr(pull, "_dvc_cache", cache(pull._dvc_cache.__wrapped__))
    server.log.clear()
    return Path("../cached/files/md5")


def test_what_lies_in_dvcs_cache_is_not_fetched(server, recordings, dvc_cache):
    first = METRICS.read_bytes()
    run()
    assert server.fetched() == []
    assert pulled() == audio(recordings)
    assert METRICS.read_bytes() == first


def test_a_damaged_file_of_dvcs_cache_is_fetched(server, recordings, dvc_cache):
    md5 = hashlib.md5((recordings / FIRST).read_bytes(), usedforsecurity=False).hexdigest()
    damaged = dvc_cache / md5[:2] / md5[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"RIFF, but of another recording")
    run()
    assert server.fetched() == [FIRST]
    assert pulled() == audio(recordings)


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
    assert f"{FIRST}: more than the listed 7 bytes" in text
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
def test_listing_without_facts_is_trusted_only_on_request(server, recordings, size, capsys):
    server.change_entry = lambda entry: entry | {"size": size, "hash": None}
    assert "12 of 12 files without a hash" in refused()
    run(verify="size")
    assert pulled() == audio(recordings)
    assert report()["unverified"] == 12
    assert "aesdd: of 12 files, 12 were not verified at all" in capsys.readouterr().out
    server.log.clear()
    run(verify="size")
    assert server.fetched() == []


@pytest.mark.parametrize("hash", [None, "", "0123", "md5", 7])
def test_file_without_a_hash_is_refused(server, hash, capsys):
    def change(entry):
        return entry | {"hash": hash} if entry["path"] == FIRST else entry

    server.change_entry = change
    text = refused()
    assert f"1 of 12 files without a hash, such as {FIRST}" in text
    assert "pull.verify: size" in text
    assert server.fetched() == []
    run(verify="size")
    assert report()["verified_by_size"] == 12
    assert "aesdd: of 12 files, 12 were compared by their size alone" in capsys.readouterr().out


def test_files_of_another_source_are_not_trusted(server, recordings, tmp_path):
    server.change_entry = lambda entry: entry | {"size": None, "hash": None}
    other = tmp_path / "other"
    (other / FIRST).parent.mkdir(parents=True)
    (other / FIRST).write_bytes(b"RIFF of another source")
    (other / "only here.wav").write_bytes(b"RIFF")
    run(f"path:{other}")
    assert set(pulled()) == {FIRST, "only here.wav"}
    run(verify="size")
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
    assert "DAGSHUB_USER_TOKEN is not a token" in text
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
        assert "no audio files (.wav): 4 files seen, for example a.pdf, b.pdf, c.flac" in text


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
        "files": 12,
        "other_files": 1,
        "bytes": sum(map(len, audio(recordings).values())),
        "verified_by_md5": 0,
        "verified_by_git_hash": 0,
        "verified_by_archive": 0,
        "verified_by_size": 0,
        "unverified": 12,
    }
    before = (RAW / "aesdd" / FIRST).stat().st_mtime_ns
    run("path:../recordings")
    assert (RAW / "aesdd" / FIRST).stat().st_mtime_ns == before


@pytest.mark.parametrize("linked", [FIRST, "fear", "fear/deep er"])
def test_links_in_a_folder_are_refused(recordings, project, tmp_path, linked):
    (recordings / linked).rename(tmp_path / "elsewhere")
    (recordings / linked).symlink_to(tmp_path / "elsewhere")
    assert f"../recordings/{linked} is a link" in refused("path:../recordings")
    assert files(RAW) == {}


@pytest.mark.parametrize("target", ["a02 (1)b.WAV", "nothing"])
def test_links_to_a_neighbour_and_to_nothing_are_refused(recordings, project, target):
    (recordings / FIRST).unlink()
    (recordings / FIRST).symlink_to(target)
    assert f"../recordings/{FIRST} is a link" in refused("path:../recordings")


def test_linked_table_is_neither_copied_nor_shown(project, tmp_path):
    source = own_recordings(tmp_path / "mine", "a/1.wav")
    (tmp_path / "private").write_text("hunter2\n")
    (tmp_path / "mine/labels.csv").symlink_to(tmp_path / "private")
    text = refused_own(source)
    assert f"{tmp_path}/mine/labels.csv is a link" in text
    assert "hunter2" not in text
    assert files(RAW) == {}


def test_links_that_are_not_read_may_be_there(recordings, project):
    """Such as the one with which an editor marks a table that it has open."""
    (recordings / ".#labels.csv").symlink_to("somebody@somewhere.1234")
    (recordings / "notes.txt").symlink_to("README.md")
    run("path:../recordings")
    assert pulled() == audio(recordings)
    assert report()["other_files"] == 3


@pytest.mark.parametrize("name", ["recordings", "recordings.zip"])
def test_the_source_itself_may_be_a_link(recordings, project, tmp_path, name):
    pack(tmp_path / "recordings.zip", audio(recordings))
    (tmp_path / "link").symlink_to(name)
    run("path:../link")
    assert pulled() == audio(recordings)


def test_what_is_no_file_is_refused(recordings, project):
    (recordings / FIRST).unlink()
    os.mkfifo(recordings / FIRST)
    assert f"../recordings/{FIRST} is neither a file nor a folder" in refused("path:../recordings")
    assert files(RAW) == {}


def test_home_is_expanded(recordings, project, monkeypatch):
    monkeypatch.setenv("HOME", str(recordings.parent))
    run("path:~/recordings")
    assert pulled() == audio(recordings)


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return f"path:{path}"


def pack_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return f"path:{path}"


@pytest.mark.parametrize("pack", [pack, pack_tar])
def test_archive(recordings, project, tmp_path, pack):
    source = pack(tmp_path / "a", {f"./{k}": v for k, v in files(recordings).items()})
    run(source)
    assert pulled() == audio(recordings)
    assert report()["other_files"] == 1
    assert report()["unverified"] == 12
    first = METRICS.read_bytes()
    run(source)
    assert pulled() == audio(recordings)
    assert METRICS.read_bytes() == first


def test_files_of_a_zip_that_are_there_are_not_written_again(recordings, project, tmp_path):
    source = pack(tmp_path / "a.zip", audio(recordings))
    run(source)
    before = (RAW / "aesdd" / FIRST).stat().st_mtime_ns
    run(source)
    assert (RAW / "aesdd" / FIRST).stat().st_mtime_ns == before


@pytest.mark.parametrize("pack", [pack, pack_tar])
def test_what_a_killed_run_left_is_completed(recordings, project, tmp_path, pack):
    source = pack(tmp_path / "a", audio(recordings))
    run(source)
    first = METRICS.read_bytes()
    folder = RAW / "aesdd"
    (folder / ORIGIN_FILE).unlink()
    (folder / FIRST).unlink()
    (folder / f"{FIRST}.part").write_bytes(b"RI")
    (folder / NAMES[1]).write_bytes(b"RIFF" + bytes([9]) * 101)  # of the right size
    (folder / f"{NAMES[2]}.part").write_bytes(b"RI")
    shutil.rmtree(folder / "fear")
    run(source)
    assert pulled() == audio(recordings)
    assert METRICS.read_bytes() == first


def test_archive_is_refused_by_the_stage(recordings, project, tmp_path):
    source = pack_tar(tmp_path / "a", audio(recordings))
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:200])
    set_pull(sources={"aesdd": source})
    process = start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"error: {tmp_path / 'a'}" in output
    assert "cut off" in output
    assert "Traceback" not in output
    assert not RAW.exists()


@pytest.mark.parametrize(
    "source",
    [
        "ftp:x",
        "dagshub:onlyowner",
        "dagshub:a/b@",
        "dagshub:a/b@../x",
        "dagshub:../b",
        "kaggle:",
        "kaggle:dataset",
        "kaggle:owner/dataset/",
        "kaggle:owner/dataset/3",
        "kaggle:owner/dataset/versions/",
        "kaggle:owner/dataset/versions/0",
        "kaggle:owner/dataset/versions/latest",
        "kaggle:owner/dataset/versions/3/a.wav",
        "kaggle:../dataset",
        "kaggle:https://www.kaggle.com/datasets/owner/dataset",
        f"https:#md5={MD5}",
        f"https:///a.zip#md5={MD5}",
        f"https://host#md5={MD5}",
        f"https://host/#md5={MD5}",
        "path:",
        "builtin:x",
        "",
    ],
)
def test_malformed_sources_list_the_valid_forms(project, source):
    text = refused(source)
    for form in (
        "dagshub:<owner>/<repository>@",
        "kaggle:<owner>/<dataset>/versions/<number>",
        "https://<host>/<archive>#md5=<checksum>",
        "path:<folder, zip or tar>",
        "builtin:",
    ):
        assert form in text
    assert not RAW.exists()


def test_missing_folder(project):
    assert "path:nosuch does not exist" in refused("path:nosuch")


def test_recordings_inside_data_raw_are_refused(project, recordings):
    mine = RAW / "demo" / "mine"
    mine.mkdir(parents=True)
    for source in (f"path:{mine}", "path:.", f"path:{RAW}"):
        assert "must not contain each other" in refused(source)
    assert mine.is_dir()


def test_other_corpora_are_removed_and_named(project, recordings, capsys):
    old = RAW / "demo" / "a" / "a01 (1).wav"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"RIFF")
    (RAW / "stray.wav").write_bytes(b"RIFF")
    run("path:../recordings")
    output = capsys.readouterr().out
    assert "removed data/raw/demo with 1 files: not in pull.corpora" in output
    assert "removed data/raw/stray.wav: it belongs to no corpus" in output
    assert [path.name for path in RAW.iterdir()] == ["aesdd"]


def test_unknown_folders_are_never_removed(project, recordings):
    mine = RAW / "mine" / "x.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"RIFF")
    assert "data/raw/mine was not made by this stage" in refused("path:../recordings")
    assert mine.is_file()
    mine.parent.rename(RAW / "own")
    assert "data/raw/own was not made by this stage" in refused("path:../recordings")
    assert (RAW / "own" / "x.wav").is_file()


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


# One clip of each corpus, as its publishers call it.
CLIPS = {
    "aesdd": "anger/a01 (1).wav",
    "ravdess": "Actor_12/03-01-05-02-01-01-12.wav",
    "cremad": "AudioWAV/1001_DFA_ANG_XX.wav",
    "tess": "OAF_angry/OAF_back_angry.wav",
    "savee": "ALL/DC_a01.wav",
    "emodb": "wav/03a01Fa.wav",
    "own": "angry/0001.flac",
    "my-corpus_2": "a/b/happy/0001.mp3",
}


def write(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"RIFF" + path.encode())
    return f"path:{folder}"


def test_several_corpora_lie_beside_each_other(project, tmp_path, capsys):
    given = {corpus: write(tmp_path / corpus, path) for corpus, path in CLIPS.items()}
    set_pull(corpora=list(CLIPS), sources=given)
    pull.main(RAW, METRICS)
    assert set(files(RAW)) == {f"{corpus}/{path}" for corpus, path in CLIPS.items()}
    assert list(parse_report(METRICS.read_text())) == list(CLIPS)
    set_pull(corpora=["own"], sources=given)
    pull.main(RAW, METRICS)
    assert [path.name for path in RAW.iterdir()] == ["own"]
    output = capsys.readouterr().out
    assert "removed data/raw/my-corpus_2" in output
    assert "removed data/raw/savee" in output
    pull.main(RAW, METRICS)
    assert set(files(RAW)) == {"own/angry/0001.flac"}


@pytest.mark.parametrize(
    "corpus", ["Own", "1own", "my corpus", "my.corpus", "../own", "own/x", "-own", "_own", "", "é"]
)
def test_names_that_no_folder_should_have_are_refused(project, recordings, corpus):
    set_pull(corpora=[corpus], sources={corpus: "path:../recordings"})
    with pytest.raises(UserError, match=r"pull\.corpora\.0"):
        pull.main(RAW, METRICS)
    set_pull(corpora=["aesdd"], sources={"aesdd": "path:../recordings", corpus: "builtin:"})
    with pytest.raises(UserError, match=r"pull\.sources"):
        pull.main(RAW, METRICS)
    assert not RAW.exists()


def test_unused_sources_need_not_exist(project, recordings):
    set_pull(corpora=["aesdd"], sources={"aesdd": "path:../recordings", "own": "path:nosuch"})
    pull.main(RAW, METRICS)
    assert list(parse_report(METRICS.read_text())) == ["aesdd"]


@pytest.mark.parametrize("corpus", ["aesdd", "ravdess", "cremad", "tess", "savee", "emodb"])
def test_another_corpus_is_refused_with_what_it_looks_like(project, tmp_path, corpus):
    for other in ("aesdd", "ravdess", "cremad", "tess", "savee", "emodb"):
        if other == corpus:
            continue
        folder = tmp_path / other
        path = CLIPS[other]
        source = write(folder, path, "b/x2.wav", "b/x3.wav", "b/x4.wav", "notes.txt")
        set_pull(corpora=[corpus], sources={corpus: source})
        with pytest.raises(UserError) as error:
            pull.main(RAW, METRICS)
        text = str(error.value)
        assert f"{folder} has no clip of {corpus}, whose clips have names like" in text
        assert "5 files seen, for example " in text
        examples = ", ".join(sorted([path, "b/x2.wav", "b/x3.wav", "b/x4.wav"])[:3])
        assert f"for example {examples}" in text
        assert "named like clips of " in text
        assert other in text.partition("named like clips of ")[2]
        assert f"pull.sources.{corpus}" in text
        assert not RAW.exists()


def test_source_of_strange_names_is_refused_without_a_guess(project, tmp_path):
    text = refused(write(tmp_path / "strange", "x1.wav", "x2.wav"))
    assert "has no clip of aesdd" in text
    assert "2 files seen, for example x1.wav, x2.wav; " in text
    assert "named like clips of" not in text
    assert "`own`" in text


def test_one_right_name_is_enough(project, tmp_path):
    run(write(tmp_path / "some", "a01 (1).wav", "x1.wav", "notes.txt"))
    assert set(pulled()) == {"a01 (1).wav", "x1.wav"}
    assert report()["other_files"] == 1


def test_other_corpus_on_dagshub_is_refused_before_a_file_is_fetched(tmp_path, server):
    server.files = {"Actor_12/03-01-05-02-01-01-12.wav": b"RIFF", "README.md": b"x"}
    text = refused()
    assert f"{server.url}/{REPO} has no clip of aesdd" in text
    assert "2 files seen, for example Actor_12/03-01-05-02-01-01-12.wav" in text
    assert "named like clips of ravdess" in text
    assert server.fetched() == []


def test_hidden_files_and_those_of_macos_are_no_recordings(project, recordings):
    write(recordings, "anger/._a01 (1).wav", "__MACOSX/anger/a01 (1).wav", ".trash/a01 (1).wav")
    run("path:../recordings")
    assert pulled() == audio(recordings)
    assert report()["other_files"] == 4


def own_recordings(folder, *paths):
    """Audio, of no use but for its names, and a table of it if one is wanted."""
    source = write(folder, *paths)
    for path in paths:
        if path.lower() == "labels.csv":
            (folder / path).write_text("path,emotion\na/1.wav,sad\n")
    return source


def run_own(source):
    set_pull(corpora=["own"], sources={"own": source})
    pull.main(RAW, METRICS)
    return set(files(RAW / "own"))


def refused_own(source):
    with pytest.raises(UserError) as error:
        run_own(source)
    assert not METRICS.exists()
    return str(error.value)


def test_own_recordings_bring_all_kinds_of_audio_and_their_table(project, tmp_path):
    kept = {"a/1.wav", "a/2.FLAC", "b/3.ogg", "b/4.mp3", "Labels.csv"}
    others = {"b/labels.csv", "notes.txt", "a/6.wav.txt", ".labels.csv"}
    assert run_own(own_recordings(tmp_path / "mine", *kept, *others)) == kept
    facts = parse_report(METRICS.read_text())["own"]
    assert (facts["files"], facts["other_files"]) == (5, 4)


def test_damaged_table_is_refused_at_once_and_read_again_when_corrected(project, tmp_path):
    source = own_recordings(tmp_path / "mine", "a/1.wav", "labels.csv")
    (tmp_path / "mine/labels.csv").write_text("path,feeling\na/1.wav,sad\n")
    assert "labels.csv needs each of the columns path and emotion" in refused_own(source)
    (tmp_path / "mine/labels.csv").write_text("path,emotion\na/1.wav,sad\n")
    assert run_own(source) == {"a/1.wav", "labels.csv"}


def test_columns_of_the_table_that_are_not_used_are_told(project, tmp_path, capsys):
    source = own_recordings(tmp_path / "mine", "a/1.wav", "labels.csv")
    (tmp_path / "mine/labels.csv").write_text("path,emotion,speakers\na/1.wav,sad,anna\n")
    run_own(source)
    assert "own: columns of labels.csv that are not used: speakers" in capsys.readouterr().out


def test_names_with_blanks_of_other_kinds_are_names(project, tmp_path):
    name = "sad/Recording at 10.15.31\u202fPM.wav"
    assert run_own(own_recordings(tmp_path / "mine", name)) == {name}


@pytest.mark.parametrize("query", ["X-Amz-Signature=hunter2", "a=1&token=hunter2", "Key=hunter2"])
def test_secrets_in_a_query_are_refused_and_not_shown(query):
    with pytest.raises(UserError, match="looks like a secret") as caught:
        addresses.parse_source(f"https://host/a.zip?{query}#md5={'0' * 32}")
    assert "hunter2" not in str(caught.value)


def test_table_without_recordings_is_refused(project, tmp_path):
    text = refused_own(write(tmp_path / "mine", "labels.csv", "a.pdf"))
    assert "has no audio files (WAV, " in text
    assert "2 files seen, for example a.pdf, labels.csv" in text


def test_two_tables_equally_near_are_refused(project, tmp_path):
    source = write(tmp_path / "mine", "a/1.wav", "a/labels.csv", "b/Labels.csv")
    assert "has both a/labels.csv and b/Labels.csv" in refused_own(source)


def test_own_corpus_can_be_pulled_again_after_a_failure(project, tmp_path):
    members = {f"angry/{i}.wav": bytes([i]) * 1000 for i in range(5)}
    source = pack(tmp_path / "a.zip", members)
    right = (tmp_path / "a.zip").read_bytes()
    damaged = bytearray(right)
    damaged[right.rindex(b"angry/4.wav", 0, right.index(b"PK\1\2")) + 14] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(damaged)
    assert "damaged" in refused_own(source)
    (tmp_path / "a.zip").write_bytes(right)
    assert run_own(source) == set(members)


def test_files_of_a_failed_pull_are_not_trusted(server, recordings, tmp_path):
    server.change_entry = lambda entry: entry | {"size": None, "hash": None}
    run(verify="size")
    METRICS.unlink()
    source = pack(
        tmp_path / "a.zip", {FIRST: b"RIFF of another source", "s02 (1).wav": b"RIFF" * 9}
    )
    packed = bytearray((tmp_path / "a.zip").read_bytes())
    packed[packed.index(b"s02 (1).wav") + 12] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(packed)
    assert "damaged" in refused(source)
    run(verify="size")
    assert pulled() == audio(recordings)


DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
URL = "https://zenodo.org/records/1/files/a b%20(c)@2.zip?download=1"


def test_source_kinds():
    assert addresses.parse_source("dagshub:a/b") == addresses.Source("dagshub", "a/b")
    assert addresses.parse_source("dagshub:a/b@feature/x") == addresses.Source(
        "dagshub", "a/b", "feature/x"
    )
    assert addresses.parse_source("kaggle:a-1/b_2") == addresses.Source("kaggle", "a-1/b_2")
    versioned = "a/b/versions/12"
    assert addresses.parse_source(f"kaggle:{versioned}") == addresses.Source("kaggle", versioned)
    assert addresses.parse_source("path:C:/x@y") == addresses.Source("path", "C:/x@y")
    assert addresses.parse_source(" path:a b ") == addresses.Source("path", "a b")
    assert addresses.parse_source("builtin:") == addresses.Source("builtin", "")


@pytest.mark.parametrize("url", [URL, URL.replace("https", "http"), "https://h:8080/x.tgz"])
@pytest.mark.parametrize("algorithm", DIGITS)
@pytest.mark.parametrize("sign", "=:")
def test_addresses_with_a_checksum(url, algorithm, sign):
    digits = "0123456789abcdef" * (DIGITS[algorithm] // 8)
    digits = digits[: DIGITS[algorithm]]
    expected = addresses.Source(url.partition(":")[0], url, f"{algorithm}:{digits}")
    assert addresses.parse_source(f"{url}#{algorithm}{sign}{digits}") == expected
    assert addresses.parse_source(f" {url}#{algorithm.upper()}{sign}{digits.upper()}\n") == expected


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "#",
        "#md5",
        "#md5=",
        f"#{MD5}",
        f"#md5={MD5[1:]}",
        f"#md5={MD5}0",
        f"#md5={'x' * 32}",
        f"#md5={MD5[:-1]}\u0663",
        f"#md5 = {MD5}",
        f"#md5={MD5}#",
        f"#sha1={MD5}",
        f"#sha256={MD5}",
        f"#crc32={MD5}",
        f"?md5={MD5}",
    ],
)
def test_addresses_without_a_right_checksum_are_refused(project, fragment):
    text = refused(f"https://host/a.zip{fragment}")
    assert "checksum" in text
    assert "https://host/a.zip" in text
    assert "#md5=<32 digits>" in text
    assert not RAW.exists()


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter2@host/a.zip",
        "https://hunter2@host/a.zip",
        "https://user:hunter2@host:8080/a.zip",
        "https://user:hun#hunter2@host/a.zip",  # not quoted, as people paste it
        "https://user:hun/hunter2@host/a.zip",
        "https:/user:hunter2@host/a.zip",  # a slash is missing
        "ftp://user:hunter2@host/a.zip",
        "dagshub:https://user:hunter2@dagshub.com/a/b",
    ],
)
@pytest.mark.parametrize("fragment", ["", f"#md5={MD5}"])
def test_passwords_are_refused_and_not_shown(project, address, fragment):
    assert "hunter2" not in refused(f"{address}{fragment}")


@pytest.mark.parametrize("host", ["[::1", "[x]", "host]"])
def test_malformed_hosts_are_no_traceback(project, host):
    assert "pull.sources" in refused(f"https://{host}/a.zip#md5={MD5}")
