"""Malicious visitors of the page, with the real server."""

import io
import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from browser import PATIENCE, started
from raw_http import exchange
from small_model import RATE, encoded, speech

from ser.use.page.uploads import MAX_BYTES, is_upload

META = {"meta": {"_type": "gradio.FileData"}}
ONLY_UPLOADS = "Only uploads are accepted"


pytestmark = pytest.mark.usefixtures("nothing_is_said")


@pytest.fixture(scope="module")
def upload(client):
    """The name of an upload."""
    return upload_of(client, "a.wav")


def upload_of(client, name):
    content = encoded(speech(3), RATE, ".wav")
    return client.post("upload", files={"files": (name, content)}).json()[0]


# What is there, is answered


@pytest.mark.parametrize("name", ["a.wav", "50% sure? #1 & a+b.wav", "a%20b.wav", "ψυχή (2).wav"])
@pytest.mark.parametrize("encode", [quote, lambda path: quote(path, safe="/()'!*~")])
def test_an_upload_is_answered_and_played(client, address, name, encode):
    path = upload_of(client, name)
    url = f"{address}/gradio_api/file={encode(path)}"
    recording = {"path": path, "url": url, "orig_name": name, **META}
    answer = client.post("run/recognise", json={"data": [recording]})
    assert answer.status_code == 200
    assert answer.json()["data"][1]["file"] == Path(path).name
    assert httpx.get(url).content == encoded(speech(3), RATE, ".wav")


def test_an_emptied_field_is_answered(client):
    assert client.post("run/recognise", json={"data": [None]}).status_code == 200


# Files and URLs that are not uploads


def detour(folder, temporary):
    """A name that leads into the uploads only if links are followed before `..` is read."""
    link = folder / "link"
    (uploads,) = temporary.iterdir()
    (uploads / "deep").mkdir(exist_ok=True)
    (uploads / "secret.wav").touch()
    if not link.is_symlink():
        link.symlink_to(uploads / "deep")
    return f"{link}/../secret.wav"


def link_out(folder, temporary):
    (uploads,) = temporary.iterdir()
    link = uploads / "link.wav"
    if not link.is_symlink():
        link.symlink_to(folder / "secret.wav")
    return str(link)


def climbing(folder, temporary):
    (uploads,) = temporary.iterdir()
    return os.path.relpath(folder / "secret.wav", uploads)


FORBIDDEN = {
    "absolute": lambda folder, temporary: str(folder / "secret.wav"),
    "relative": lambda folder, temporary: "secret.wav",
    "climbing": climbing,
    "from the uploads": lambda folder, temporary: (
        f"{next(temporary.iterdir())}/{climbing(folder, temporary)}"
    ),
    "double slash": lambda folder, temporary: f"/{folder / 'secret.wav'}",
    "trailing slash": lambda folder, temporary: f"{folder / 'secret.wav'}/",
    "link out of the uploads": link_out,
    "detour": detour,
    "file URL": lambda folder, temporary: f"file://{folder / 'secret.wav'}",
    "the folder of uploads": lambda folder, temporary: str(next(temporary.iterdir())),
    "not there": lambda folder, temporary: f"{next(temporary.iterdir())}/a.wav",
    "not of text": lambda folder, temporary: f"{next(temporary.iterdir())}/\udc80",
    "with a zero": lambda folder, temporary: f"{next(temporary.iterdir())}/\0",
    "very long": lambda folder, temporary: f"{next(temporary.iterdir())}/{'a' * 5000}",
    "empty": lambda folder, temporary: "",
    "a process's root": lambda folder, temporary: f"/proc/self/root{folder / 'secret.wav'}",
}


def recordings(forbidden, upload, address):
    """Every place in a call that may hold a file's name."""
    ours = f"{address}/gradio_api/file={quote(upload)}"
    theirs = f"{address}/gradio_api/file={quote(forbidden, errors='surrogatepass')}"
    yield {"path": forbidden}
    yield {"path": forbidden, **META}
    yield {"path": forbidden, "is_stream": True, **META}
    yield {"path": forbidden, "url": ours, **META}
    yield {"path": upload, "url": theirs, **META}
    yield {"path": upload, "url": forbidden, **META}
    yield {"path": upload, "x": {"path": forbidden, **META}, **META}
    yield {"x": [[{"path": forbidden, **META}]]}
    yield [[{"path": forbidden, **META}]]
    yield {"path": {"path": forbidden, **META}, **META}
    yield {"path": [forbidden], **META}


def assert_refused(answer):
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith(ONLY_UPLOADS)


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_other_file_is_read(client, address, folder, temporary, upload, kind):
    forbidden = FORBIDDEN[kind](folder, temporary)
    for recording in recordings(forbidden, upload, address):
        assert_refused(client.post("run/recognise", content=json.dumps({"data": [recording]})))
    copies = [path for path in temporary.rglob("secret.wav") if path.stat().st_size]
    assert copies == []


def test_no_address_is_fetched(client, address, upload):
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        port = elsewhere.getsockname()[1]
        for url in (
            f"http://127.0.0.1:{port}/a.wav",
            f"//127.0.0.1:{port}/a.wav",
            f"http://evil.example:{port}/gradio_api/file={upload}",
            f"http://[evil:{port}/gradio_api/file={upload}",
            f"{address}@127.0.0.1:{port}/gradio_api/file=/a.wav",
        ):
            for recording in recordings(url, upload, address):
                assert_refused(client.post("run/recognise", json={"data": [recording]}))
            assert client.get(f"file={url}").status_code == 403
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize(
    "path",
    [
        "run/recognise", "run/recognise/", "run/recognise_too", "run/recognise/../recognise",
        "run/recognis%65", "r%75n/recognise", "call/recognise", "call/recognise/", "queue/join",
        "queue/join/", "queue/join?session_hash=a", "queue/status", "info", "startup-events",
        "upload/", "heartbeat/a", "file=a",
    ],
)  # fmt: skip
def test_every_call_is_looked_at(client, address, folder, upload, path):
    for more in ({}, {"fn_index": 0, "session_hash": "a"}, {"event_data": {}, "trigger_id": 0}):
        for recording in recordings(str(folder / "secret.wav"), upload, address):
            assert_refused(client.post(path, json={"data": [recording], **more}))
    hidden = {"data": [None], "event_data": {"path": str(folder / "secret.wav"), **META}}
    assert_refused(client.post(path, json=hidden))


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/api/recognise", "/gradio_api/call/v2/recognise", "//gradio_api/run/recognise",
        "/gradio_api//run/recognise", "/GRADIO_API/run/recognise", "/gradio_api/RUN/recognise",
        "/./gradio_api/run/recognise", "/gradio_api/run//recognise", "/run/recognise",
        "/gradio_api%2Frun/recognise/..", "/gradio_api/stream/a", "/gradio_api/reset",
        "/gradio_api/run-history/connect",
    ],
)  # fmt: skip
def test_other_paths_to_the_same_call_are_refused(address, folder, upload, path):
    """Sent without a client library, because those normalise such paths."""
    body = json.dumps({"data": [{"path": upload, **META}]}).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    answer = exchange(address, *lines, "Content-Type: application/json", body=body)
    assert b" 404 " in answer.split(b"\r\n")[0]


def test_a_key_that_is_there_twice_hides_nothing(client, folder, upload):
    one, other = (json.dumps(path) for path in (str(folder / "secret.wav"), upload))
    for first, second in ((one, other), (other, one)):
        body = f'{{"data": [{{"path": {first}, "path": {second}, "meta": {json.dumps(META)}}}]}}'
        assert_refused(client.post("run/recognise", content=body))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_no_encoding_hides_a_name(client, folder, encoding):
    body = json.dumps({"data": [{"path": str(folder / "secret.wav"), **META}]}).encode(encoding)
    answer = client.post("run/recognise", content=body)
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "a/b+json"])
def test_no_type_hides_a_name(client, folder, type_):
    body = json.dumps({"data": [{"path": str(folder / "secret.wav"), **META}]})
    assert_refused(client.post("run/recognise", content=body, headers={"Content-Type": type_}))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b"1" * 60_000])
def test_a_body_that_is_not_json_gets_a_sentence(client, body):
    answer = client.post("run/recognise", content=body)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "The body of this request must be JSON.",
    )


@pytest.mark.parametrize("kind", FORBIDDEN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_other_file_is_sent(client, folder, temporary, kind, method):
    forbidden = FORBIDDEN[kind](folder, temporary)
    answer = client.request(method, f"file={quote(forbidden, '', errors='surrogatepass')}")
    assert answer.status_code == 403


def test_gradios_own_copies_in_the_folder_that_is_served_from_are_not_sent(client, folder):
    secret = folder / ".gradio/cached_examples/secret.wav"
    assert_refused(client.get(f"file={secret}"))


def test_names_of_uploads(tmp_path):
    uploads, other = tmp_path / "uploads", tmp_path / "other"
    for folder in (uploads, other):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep/a.wav").touch()
    (uploads / "out").symlink_to(other)
    assert is_upload(f"{uploads}/deep/a.wav", uploads)
    for name in (
        f"{uploads}/out/deep/a.wav", f"{uploads}/deep/../deep/a.wav", f"{uploads}/deep",
        f"{other}/deep/a.wav", f"{uploads}2/a.wav", "deep/a.wav", "", None, 5, ["a"], {},
    ):  # fmt: skip
        assert not is_upload(name, uploads), name


def test_a_folder_that_is_itself_reached_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.wav").touch()
    (tmp_path / "link").symlink_to("real")
    assert is_upload(f"{tmp_path}/link/a.wav", tmp_path / "link")


# Bodies without end


MEBIBYTE = b"100000\r\n" + b"a" * (1 << 20) + b"\r\n"  # as a chunk


@pytest.mark.parametrize("path", ["run/recognise", "call/recognise", "queue/join"])
@pytest.mark.parametrize(
    ("length", "body"),
    [
        (["Transfer-Encoding: chunked"], MEBIBYTE),
        ([f"Content-Length: {1 << 40}"], MEBIBYTE),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], MEBIBYTE),
    ],
)
def test_a_call_without_end_is_refused(address, path, length, body):
    lines = (f"POST /gradio_api/{path} HTTP/1.1", "Host: localhost", *length)
    answer = exchange(address, *lines, body=body, again=300)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"This request is too large: at most 65,536 bytes, please." in answer


def test_a_call_up_to_the_limit_is_answered(client):
    body = json.dumps({"data": [None]}).encode()
    for size, status in ((1 << 16, 200), ((1 << 16) + 1, 413)):
        answer = client.post(
            "run/recognise",
            content=iter([body, b" " * (size - len(body))]),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == status


def test_a_client_may_disconnect_during_a_call(address, client):
    lines = ("POST /gradio_api/run/recognise HTTP/1.1", "Host: localhost", "Content-Length: 50")
    exchange(address, *lines, body=b"{")
    assert client.post("run/recognise", json={"data": [None]}).status_code == 200


def test_a_file_over_the_limit_is_refused(client, temporary):
    before = len(list(temporary.rglob("*")))
    large = io.BytesIO(bytes(MAX_BYTES + 1))
    assert client.post("upload", files={"files": ("large.wav", large)}).status_code == 413
    assert len(list(temporary.rglob("*"))) <= before + 1  # an empty folder at most


@pytest.mark.parametrize("part", ['name="files"; filename="{}.wav"', 'name="{}"'])
def test_no_upload_holds_more_by_its_number_of_parts(client, part):
    def body():
        for number in range(3 * MAX_BYTES >> 20):
            yield f"--b\r\nContent-Disposition: form-data; {part.format(number)}\r\n\r\n".encode()
            yield bytes(1 << 20) + b"\r\n"
        yield b"--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("upload", content=body(), headers=headers).status_code == 413


# Other sites, and what the page does not need


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403), ("null", 403), ("", 403), ("http://[evil", 403),
        ("http://localhost.evil.example", 403), ("http://localhost@evil.example", 403),
        ("http://]", 403), ("http://localhost:7860", 200), ("HTTP://LOCALHOST", 200),
        ("http://[::1]:7860", 200),
    ],
)  # fmt: skip
def test_pages_of_other_sites_get_no_answer(client, origin, status):
    for answer in (
        client.post("upload", files={"files": ("a.wav", b"a")}, headers={"Origin": origin}),
        client.post("run/recognise", json={"data": [None]}, headers={"Origin": origin}),
        client.get("info", headers={"Origin": origin}),
    ):
        assert answer.status_code == status


def test_behind_a_proxy_only_its_names_are_answered_and_its_visitors_counted(folder):
    arguments = ("--model", "model", "--host", "0.0.0.0", "--public-url", "https://voice.example")
    with (
        started(folder, *arguments) as (_, address),
        httpx.Client(
            base_url=f"http://127.0.0.1:{urlsplit(address).port}/gradio_api/", timeout=PATIENCE
        ) as client,
    ):
        for name, value, status in (
            ("Origin", "https://voice.example", 200), ("Origin", "http://localhost", 200),
            ("Origin", "http://evil.example", 403), ("Host", "voice.example", 200),
            ("Host", "evil.example", 400),
        ):  # fmt: skip
            assert client.get("info", headers={name: value}).status_code == status
        files = [("files", (f"{i}.wav", b"a")) for i in range(900)]
        for visitor, status in (("2001:db8::1", 200), ("2001:db8::2", 503), ("192.0.2.7", 200)):
            client.headers["X-Forwarded-For"] = visitor
            assert client.post("upload", files=files).status_code == status


def test_it_is_called_by_its_own_names_alone(address):
    for host, status in (("localhost", 200), ("evil.example", 400)):
        request = urllib.request.Request(address, headers={"Host": host})
        try:
            found = urllib.request.urlopen(request).status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/process_recording", "gradio_api/component_server", "gradio_api/deep_link",
        "gradio_api/stream/a/b/c/playlist-file", "gradio_api/proxy=http://127.0.0.1:1/",
        "gradio_api/openapi.json", "openapi.json", "docs", "monitoring", "login",
    ],
)  # fmt: skip
def test_gradios_other_paths_do_not_exist(address, path):
    playlist = b"#EXTM3U\n#EXTINF:5.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    for answer in (
        httpx.get(f"{address}/{path}"),
        httpx.post(f"{address}/{path}", files={"video": ("a.webm", playlist)}),
    ):
        assert answer.status_code == 404
