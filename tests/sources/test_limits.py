"""Servers that send too much, too slowly or without end."""

import gzip
import json
import os
from pathlib import Path

import pytest
import yaml
from dagshub.common import config
from dagshub_server import REPO, DagsHubServer, Fault
from interrupted_pull import interrupted_pull

from ser.core.errors import UserError
from ser.sources import dagshub
from ser.sources.limits import Limits

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "anger/a01 (1).wav", "anger/a02 (1).wav"
CONTENT = {FIRST: b"RIFF" + bytes(1000), SECOND: b"RIFF" + bytes(2000)}
SOON = Limits(seconds=0.5, least=1000)


@pytest.fixture
def server(tmp_path, monkeypatch):
    for path, content in CONTENT.items():
        (tmp_path / "recordings" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "recordings" / path).write_bytes(content)
    monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
    with DagsHubServer(tmp_path / "recordings") as server:
        monkeypatch.setattr(config, "host", server.url)
        yield server


def fetch(folder, limits, verify="hash"):
    def select(seen, _source):
        return sorted(path for path in seen if path.endswith(".wav"))

    return dagshub.fetch(REPO, None, folder, select, verify, [], lambda _md5: None, limits)


def refused(folder, limits=Limits(), verify="hash"):  # noqa: B008
    """Why a download is refused; nothing may stay that is not whole."""
    with pytest.raises(UserError) as error:
        fetch(folder, limits, verify)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there <= {SECOND, ".source"}
    return str(error.value)


@pytest.mark.parametrize("fault", [Fault(drip=0.02), Fault(drip=0.02, drip_headers=True)])
def test_trickle_of_a_file_is_given_up(server, tmp_path, fault):
    server.faults[f"raw/{FIRST}"] = fault
    text = refused(tmp_path / "raw", SOON)
    assert f"{FIRST}: fewer than 1,000 bytes within 0.5 seconds" in text
    assert "run again to fetch only these" in text
    assert server.fetched().count(FIRST) == 1
    assert (tmp_path / "raw" / SECOND).read_bytes() == CONTENT[SECOND]


@pytest.mark.parametrize("key", ["branches/main", "content/", "content/anger"])
def test_trickle_of_a_listing_is_given_up(server, tmp_path, key):
    server.faults[key] = Fault(drip=0.02)
    assert "fewer than 1,000 bytes within 0.5 seconds" in refused(tmp_path / "raw", SOON)


def test_slow_server_that_sends_enough_is_waited_for(server, tmp_path):
    server.faults[f"raw/{FIRST}"] = Fault(drip=0.001)
    assert len(fetch(tmp_path / "raw", Limits(seconds=0.2, least=10)).files) == 2


def test_server_that_only_trickles_ends_the_run(server, tmp_path):
    for i in range(20):
        path = f"anger/a{i:02} (1).wav"
        server.files[path] = b"RIFF" * 100
        server.faults[f"raw/{path}"] = Fault(drip=0.02)
    assert "no longer answers (fewer than 1,000 bytes" in refused(tmp_path / "raw", SOON)


@pytest.mark.parametrize("verify", ["hash", "size"])
def test_file_that_is_longer_than_listed_is_not_received_to_its_end(server, tmp_path, verify):
    server.faults[f"raw/{FIRST}"] = Fault(body=bytes(2**20), times_body=10**6)
    text = refused(tmp_path / "raw", verify=verify)
    assert "1 invalid" in text
    assert f"{FIRST}: more than the listed 1004 bytes" in text


def test_file_without_a_size_has_a_limit(server, tmp_path):
    server.change_entry = lambda entry: entry | {"size": 0, "hash": ""}
    server.faults[f"raw/{FIRST}"] = Fault(body=bytes(2**20), times_body=10**6)
    text = refused(tmp_path / "raw", Limits(file=10**6), verify="size")
    assert f"{FIRST}: more than 1,000,000 bytes" in text


def test_file_with_a_size_beyond_the_limit_is_not_asked_for(server, tmp_path):
    text = refused(tmp_path / "raw", Limits(file=1999))
    assert f"lists {SECOND} with 2,004 bytes, over 1,999: refused" in text
    assert server.fetched() == []


@pytest.mark.parametrize("key", ["", "branches/main", "content/anger", f"raw/{FIRST}"])
def test_compressed_answers_are_refused_unread(server, tmp_path, key):
    packed = gzip.compress(bytes(50 * 2**20))
    server.faults[key] = Fault(body=packed, headers={"Content-Encoding": "gzip"})
    assert "in the encoding 'gzip', although none was asked for: refused" in refused(
        tmp_path / "raw"
    )


@pytest.mark.parametrize("key", ["", "branches/main", "content/anger"])
def test_listing_has_a_limit(server, tmp_path, key):
    server.faults[key] = Fault(body=b" " * 2**20, times_body=10**6)
    text = refused(tmp_path / "raw", Limits(listing=10**6))
    assert f"{server.url}/" in text
    assert "answers with more than 1,000,000 bytes: refused" in text


def test_body_of_a_redirection_is_not_read(server, tmp_path):
    key = f"/api/v1/repos/{REPO}/raw/{server.commit}/anger/a02%20%281%29.wav"
    server.faults[f"raw/{SECOND}"] = Fault(
        status=302, times=1, headers={"Location": key}, body=b" " * 2**20, times_body=10**6
    )
    assert len(fetch(tmp_path / "raw", Limits()).files) == 2


def folders(path, names):
    return json.dumps([{"path": f"{path}{name}", "type": "dir"} for name in names]).encode()


def endless(server, monkeypatch, listing):
    """Let every folder have other folders."""
    right = server.answer

    def answer(key, sized):
        kind, _, path = key.partition("/")
        return listing(f"{path}/" if path else "") if kind == "content" else right(key, sized)

    monkeypatch.setattr(server, "answer", answer)


def test_folders_within_folders_have_a_limit(server, tmp_path, monkeypatch):
    endless(server, monkeypatch, lambda path: folders(path, ["x"]))
    assert "lists folders that are more than 32 deep: refused" in refused(tmp_path / "raw")
    assert len(server.log) < 50


def test_folders_have_a_limit(server, tmp_path, monkeypatch):
    endless(server, monkeypatch, lambda path: folders(path, "abc"))
    text = refused(tmp_path / "raw", Limits(folders=20))
    assert "lists more than 20 folders: refused" in text
    assert "path:" in text


def test_entries_have_a_limit(server, tmp_path, monkeypatch):
    endless(server, monkeypatch, lambda path: folders(path, map(str, range(1000))))
    assert "lists more than 5,000 files and folders: refused" in refused(
        tmp_path / "raw", Limits(entries=5000)
    )


def test_one_listing_has_a_limit_of_entries(server, tmp_path, monkeypatch):
    endless(server, monkeypatch, lambda path: folders(path, map(str, range(1000))))
    assert "at most 500 items" in refused(tmp_path / "raw", Limits(entries=500))


def test_a_folder_that_lists_itself_is_asked_for_once(server, tmp_path, monkeypatch):
    endless(server, monkeypatch, lambda _path: folders("", ["anger"]))
    with pytest.raises(ValueError, match="no files"):
        dagshub.fetch(REPO, None, tmp_path, no_files, "hash", [], lambda _md5: None)
    assert len([r for r in server.log if r.key.startswith("content/")]) == 2


def no_files(_seen, _source):
    raise ValueError("no files")


@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("key", ["", "content/anger", f"raw/{FIRST}"])
def test_interruption_ends_the_stage(server, tmp_path, key, whole_group):
    fault = server.faults[key] = Fault(drip=1)
    project = tmp_path / "project"
    project.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["pull"]["sources"]["aesdd"] = f"dagshub:{REPO}"
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    environment = {"DAGSHUB_CLIENT_HOST": server.url}
    output, group = interrupted_pull(fault.reached, whole_group, project, environment)
    assert output == "interrupted: `dvc repro` continues from here\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)  # nothing is left of the group
    there = {path.name for path in project.rglob("*") if path.is_file()}
    assert there <= {"params.yaml", ".source", Path(SECOND).name}
