"""Visitors of the page who want more than their share, or send what makes no sense."""

import io
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import gradio as gr
import httpx
import numpy as np
import pytest
import soundfile
from browser import PATIENCE, started
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.routes import file_upload_statuses
from raw_http import exchange
from small_model import RATE, encoded, release, speech
from starlette.exceptions import HTTPException

from ser import load
from ser.core.store import StoreWriter
from ser.use.page import connections, forms, room, unread
from ser.use.page.answering import answer, explain_answer
from ser.use.page.app import make_page
from ser.use.page.project import Project, open_project
from ser.use.page.uploads import KEPT, MAX_BYTES, delete_old

META = {"meta": {"_type": "gradio.FileData"}}
FORM = "Content-Type: multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\nabc'

pytestmark = pytest.mark.usefixtures("nothing_is_said")


@pytest.fixture(scope="module")
def upload(client):
    """The name of an upload."""
    content = encoded(speech(3), RATE, ".wav")
    return client.post("upload", files={"files": ("a.wav", content)}).json()[0]


def sentence(answer, status):
    """Check an answer's status; return its sentence."""
    assert answer.status_code == status, answer.text
    said = answer.json()["detail"]
    assert said.endswith(".")
    return said


# The room for uploads


def send_new(client, size, count=1):
    """Upload files whose content was never uploaded before; return the answer."""
    files = [("files", (f"{i}.wav", os.urandom(16) + bytes(size))) for i in range(count)]
    return client.post("upload", files=files)


@contextmanager
def visitor(address, number):
    """A client with an address of its own."""
    way = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
    with httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE, transport=way) as client:
        yield client


@pytest.mark.parametrize(("size", "count"), [(45 << 20, 1), (1, 900)])
def test_uploads_together_take_a_bounded_room(address, temporary, size, count):
    (uploads,) = temporary.iterdir()
    delete_old(uploads, -1)
    statuses = []
    for number in range(2, 22):
        with visitor(address, number) as client:
            answer = send_new(client, size, count)
        statuses.append(answer.status_code)
        held, files = room.measure(uploads)
        assert held <= room.MOST_BYTES
        assert files <= room.MOST_FILES
        if answer.status_code != 200:
            break
    assert statuses[:-1] == [200] * (len(statuses) - 1)
    assert "as many recordings as it can" in sentence(answer, 503)
    assert len(statuses) > 2
    delete_old(uploads, -1)
    assert room.measure(uploads) == (0, 0)
    with visitor(address, 99) as client:
        assert send_new(client, size).status_code == 200


def test_one_visitor_takes_half_of_the_room(address, temporary):
    (uploads,) = temporary.iterdir()
    delete_old(uploads, -1)
    with visitor(address, 100) as client:
        large = {"files": ("large.wav", io.BytesIO(bytes(MAX_BYTES + 1)))}
        for _ in range(2):  # what is refused takes no room
            assert client.post("upload", files=large).status_code == 413
        statuses = [send_new(client, 45 << 20).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [503]
        assert "uploaded enough" in sentence(send_new(client, 45 << 20), 503)
    with visitor(address, 101) as client:
        assert send_new(client, 45 << 20).status_code == 200
    delete_old(uploads, -1)


def test_one_visitor_takes_half_of_the_number_of_files(address, temporary):
    (uploads,) = temporary.iterdir()
    delete_old(uploads, -1)
    with visitor(address, 102) as client:
        statuses = [send_new(client, 1, 900).status_code for _ in range(2)]
        assert statuses == [200, 503]
        client.headers["X-Forwarded-For"] = "192.0.2.7"  # nobody's proxy
        assert "uploaded enough" in sentence(send_new(client, 1, 900), 503)
        assert send_new(client, 1).status_code == 200
    with visitor(address, 103) as client:
        assert send_new(client, 1, 900).status_code == 200
    delete_old(uploads, -1)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_parts_of_a_form_are_counted_however_it_arrives(size):
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n--b\n--bc\r\n\r\n--\r\n'
    body = part * 3 + b"--b--\r\n"
    for kind in ("multipart/form-data; boundary=b", 'Multipart/Form-Data;boundary="b"'):
        parts = forms.Parts(kind)
        blocks = [body[i : i + size] for i in range(0, len(body), size)]
        assert sum(map(parts.count, blocks)) == 3


def test_old_files_and_folders_are_deleted_whoever_left_them(tmp_path):
    for name in ("deep/deeper/old", "older", "new", "young/new", "mixed/old", "mixed/new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "young")
    past = time.time() - KEPT - 1
    old = ("deep/deeper/old", "deep/deeper", "deep", "older", "mixed/old", "mixed", "empty", "link")
    for name in old:
        os.utime(tmp_path / name, (past, past), follow_symlinks=False)
    delete_old(tmp_path, KEPT)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"new", "young", "young/new", "mixed", "mixed/new"}


def test_a_recording_that_was_deleted_while_it_waited_gets_a_sentence(folder, tmp_path):
    recogniser, path = load(folder / "model"), tmp_path / "a.wav"
    path.write_bytes(encoded(speech(3), RATE, ".wav"))
    _, _, prediction = answer(recogniser, path, None)
    path.unlink()
    html, facts, none = answer(recogniser, path, None)
    assert "was deleted" in html
    assert (facts["emotion"], none) == (None, None)
    assert "was deleted" in explain_answer(recogniser, path, prediction)


# Requests that come slowly, or never

LAZY = {
    "nothing": [],
    "half a line": [b"GET / HT"],
    "half a head": [b"GET / HTTP/1.1\r\nHost: localhost\r\n"],
    "half a call": [
        b"POST /gradio_api/run/recognise HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 999\r\n\r\n{"
    ],
    "half a chunk": [
        b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nfff\r\nab"
    ],
    "half an upload": [
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n",
        FORM.encode() + b"\r\n\r\n" + PART,
    ],
    "half of what nobody reads": [
        b"POST /gradio_api/no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"
    ],
    "a second request": [
        b"GET /gradio_api/no HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: loc"
    ],
}
ANSWERED = {
    "half a line": b" 408 ", "half a head": b" 408 ", "half a call": b" 408 ",
    "half a chunk": b" 408 ", "half an upload": b" 408 ", "half of what nobody reads": b" 404 ",
    "a second request": b" 404 ", "nothing": b"",
}  # fmt: skip


def wait_for_the_end(address, parts, drip):
    """Send parts of a request, then a byte again and again; return what came until the end."""
    where = urlsplit(address)
    came = b""
    with socket.create_connection((where.hostname, where.port), 1) as connection:
        connection.sendall(b"".join(parts))
        end = time.monotonic() + 3 * PATIENCE
        while time.monotonic() < end:
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                if drip:
                    connection.sendall(b"a")
                continue
            except OSError:
                return came
            if not part:
                return came
            came += part
    raise AssertionError("the connection is still open")


def test_connections_that_send_next_to_nothing_are_closed(address):
    cases = [
        (name, drip) for name in LAZY for drip in (False, True) if name != "nothing" or not drip
    ]
    with ThreadPoolExecutor(len(cases)) as visitors:
        ends = list(visitors.map(lambda c: wait_for_the_end(address, LAZY[c[0]], c[1]), cases))
    for case, end in zip(cases, ends, strict=True):
        assert ANSWERED[case[0]] in end.partition(b"\r\n")[0], case
        if ANSWERED[case[0]] == b" 408 ":
            assert b"too slowly" in end, case


def test_there_are_not_more_connections_than_files_can_be_open(address):
    where = urlsplit(address)

    def connect(stack, number):
        return stack.enter_context(
            socket.create_connection(
                (where.hostname, where.port), PATIENCE, (f"127.0.0.{number}", 0)
            )
        )

    def get(connection):
        connection.sendall(b"GET /config HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return connection.recv(1000).partition(b"\r\n")[0]

    with ExitStack() as stack:
        for _ in range(connections.MOST_OF_VISITOR):
            connect(stack, 2)
        assert b" 503 " in connect(stack, 2).recv(1000).partition(b"\r\n")[0]
        assert b" 200 " in get(connect(stack, 3))
        for number in range(connections.MOST):
            last = connect(stack, 3 + number // connections.MOST_OF_VISITOR)
        assert b" 503 " in last.recv(1000).partition(b"\r\n")[0]
    for _ in range(100):  # until the server has seen that they are closed
        with ExitStack() as stack:
            if b" 200 " in get(connect(stack, 2)):
                return
    raise AssertionError("nobody gets in any more")


def test_a_long_address_is_refused(client):
    for path in ("heartbeat/a", "upload_progress"):
        sentence(client.get(f"{path}?upload_id={'a' * 5000}"), 414)


# Calls that make no sense


def odd_calls(upload):
    """Calls that no page of ours makes, without those that pydantic knows as such."""
    good = {"path": upload, **META}
    for data in (
        [], [None] * 3, [1], [True], ["a"], [[]], [{}], [{"path": None}], [good, good], None, {},
        [{"x": 1}], [{"path": upload}], [{**good, "meta": 1}], [{**good, "size": "x"}],
        [{**good, "orig_name": 5}], [{**good, "mime_type": 5}], [[good]],
        [{**good, "is_stream": "maybe"}],
    ):  # fmt: skip
        yield {"data": data}
    yield {}
    yield []
    yield 1
    yield None
    yield "x"
    yield {"data": [good], "session_hash": 5}
    yield {"data": [good], "session_hash": "a" * 65}
    yield {"data": [good], "session_hash": ""}
    yield {"data": [good], "trigger_id": "x"}
    yield {"data": [good], "fn_index": "x"}
    yield {"data": [good], "fn_index": True}


@pytest.mark.parametrize("path", ["run/recognise", "call/recognise", "queue/join"])
def test_a_call_that_makes_no_sense_gets_a_sentence(client, upload, path):
    numbers = [fn["id"] for fn in httpx.get(client.base_url.join("/config")).json()["dependencies"]]
    for call in odd_calls(upload):
        calls = [call]
        if path == "queue/join" and isinstance(call, dict):
            calls = [{"session_hash": "odd", "fn_index": number, **call} for number in numbers]
        statuses = [client.post(path, json=each).status_code for each in calls]
        # The values of gr.State come from the server, whatever a call has in their place.
        assert set(statuses) <= {400, 404} or (path == "queue/join" and 400 in statuses), call
    for number in (-1, 99):
        call = {"data": [None], "fn_index": number, "session_hash": "odd"}
        status = client.post(path, json=call).status_code
        assert status == (200 if path == "call/recognise" else 404)
    sentence(client.post("queue/join", json={"data": [None], "fn_index": numbers[0]}), 400)
    assert client.post("run/recognise_too", json={"data": [None]}).status_code == 404
    answer = client.post("run/recognise", json={"data": [{"path": upload, **META}]})
    assert answer.json()["data"][1]["emotion"]


@pytest.mark.parametrize("path", ["run/recognise", "call/recognise", "queue/join"])
@pytest.mark.parametrize("kind", [{}, {"Content-Type": "text/plain"}])
def test_a_call_without_the_type_of_json_gets_a_sentence(client, path, kind):
    number = next(
        fn["id"] for fn in httpx.get(client.base_url.join("/config")).json()["dependencies"]
        if fn["api_name"] == "recognise"
    )  # fmt: skip
    call = json.dumps({"data": [None], "fn_index": number, "session_hash": "a"}).encode()
    assert "application/json" in sentence(client.post(path, content=call, headers=kind), 400)


ODD_FORMS = {
    "a field": {"files": {"x": (None, b"a")}},
    "no name": {"files": {"files": ("", b"a")}},
    "a folder's name": {"files": {"files": ("..", b"a")}},
    "no boundary": {"content": b"a", "headers": {"Content-Type": "multipart/form-data"}},
    "no form": {"content": b"a" * 99},
    "no parts": {
        "content": b"rubbish", "headers": {"Content-Type": "multipart/form-data; boundary=b"}
    },
}  # fmt: skip


@pytest.mark.parametrize("query", ["", "?upload_id=a"])
@pytest.mark.parametrize("form", ODD_FORMS.values(), ids=ODD_FORMS)
def test_an_upload_that_is_none_is_refused(client, query, form):
    answer = client.post(f"upload{query}", **form)
    assert answer.status_code == 400 or answer.json() == []


def test_what_breaks_off_leaves_no_trace_in_the_log(address, client):
    head = ("POST /gradio_api/upload HTTP/1.1", "Host: localhost", FORM)
    exchange(address, *head, "Content-Length: 5000", body=PART)
    chunked = "Transfer-Encoding: chunked"
    assert b" 400 " in exchange(address, *head, chunked, body=b"5\r\n--b\r\n\r\nzz\r\n")
    exchange(address, "GET /gradio_api/heartbeat/a HTTP/1.1", "Host: localhost", chunked,
             body=b"zz\r\nzz\r\n")  # fmt: skip
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as connection:
        lines = ["POST /gradio_api/no HTTP/1.1", "Host: localhost", chunked, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        assert b" 404 " in connection.recv(1 << 16)
        connection.sendall(b"zz\r\n")
        try:
            while connection.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
    assert client.post("run/recognise", json={"data": [None]}).status_code == 200


def test_answers_that_are_not_there_are_not_awaited(client):
    for path in ("queue/data?session_hash=nobody", "call/recognise/nobody"):
        sentence(client.get(path), 404)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_no_header_moves_the_page(address, name):
    for value in ("[::1", "localhost:abc", "evil.example", "evil.example, localhost"):
        answer = httpx.get(f"{address}/config", headers={name: value})
        if name == "X-Forwarded-Host":
            assert "--public-url" in sentence(answer, 400)
        else:
            assert answer.json()["root"] == address


# Work and answers that wait


def test_calls_past_the_queue_wait_in_a_queue_too(address, client):
    samples = np.concatenate([speech(n) for n in range(8)])
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, "PCM_16", format="WAV")
    path = client.post("upload", files={"files": ("a.wav", file.getvalue())}).json()[0]
    call = {"data": [{"path": path, **META}]}

    def recognise(number):
        with visitor(address, number) as client:
            return client.post("run/recognise", json=call)

    with ThreadPoolExecutor(150) as visitors:
        alone = list(visitors.map(recognise, [110] * 80 + [111]))
        together = list(visitors.map(recognise, [112, 113, 114] * 50))
    statuses = [answer.status_code for answer in alone]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= unread.MAX_WAITING_OF_VISITOR
    assert "Too many of your" in sentence(alone[statuses.index(503)], 503)
    assert statuses[-1] == 200  # another visitor
    refused = [sentence(answer, 503) for answer in together if answer.status_code != 200]
    assert any(text.startswith("Too many recordings are waiting") for text in refused)
    assert len(together) - len(refused) >= unread.MAX_WAITING


def test_calls_in_the_queue_are_shared_out_among_visitors(folder):
    kept = unread.Unread(make_page(load(folder / "model"), Project([], [], [])))

    def refusal(number):
        with pytest.raises(HTTPException) as refused, kept.join(number, "one more"):
            pass
        return refused.value.detail

    with ExitStack() as stack:
        for who in ("a", "b"):
            for n in range(unread.MAX_WAITING_OF_VISITOR):
                stack.enter_context(kept.join(who, f"{who}{n}"))
            assert refusal(who).startswith("Too many of your")
        assert refusal("c").startswith("Too many recordings")
    with kept.join("a", "one more"):
        pass


def test_answers_that_nobody_fetches_have_a_bound(client, address):
    number = next(
        fn["id"] for fn in httpx.get(client.base_url.join("/config")).json()["dependencies"]
        if fn["api_name"] == "recognise"
    )  # fmt: skip
    call = {"data": [None], "fn_index": number}
    held = []
    for _ in range(2 * unread.MOST_OF_VISIT):
        held.append(client.post("queue/join", json={**call, "session_hash": "lazy"}).status_code)
    assert held.count(200) == unread.MOST_OF_VISIT
    assert "fetch the answers" in sentence(
        client.post("queue/join", json={**call, "session_hash": "lazy"}), 503
    )
    with client.stream("GET", "queue/data?session_hash=lazy") as answers:
        text = answers.read().decode()
    assert text.count("process_completed") == unread.MOST_OF_VISIT
    with visitor(address, 120) as client:
        assert join_until_full(client, call, "a") == unread.MOST_OF_VISITOR
        for path in ("queue/join", "call/recognise"):
            said = sentence(client.post(path, json={**call, "session_hash": "more"}), 503)
            assert said.startswith("Too many of your")
    with visitor(address, 121) as client:
        assert 0 < join_until_full(client, call, "b") <= unread.MOST_OF_VISITOR
    with visitor(address, 122) as client:
        assert "Too many recordings" in sentence(client.post("call/recognise", json=call), 503)


def join_until_full(client, call, name):
    """Make calls whose answers nobody fetches, each of a new visit; return how many there are."""
    held, end = 0, time.monotonic() + PATIENCE
    while held < unread.MOST_OF_VISITOR and time.monotonic() < end:
        path = ("queue/join", "call/recognise")[held % 2]
        session = {"session_hash": f"{name} {held}"} if path == "queue/join" else {}
        answer = client.post(path, json={**call, **session})
        held += answer.status_code == 200
        if "Too many recordings" in answer.text:
            break
    return held


def test_what_nobody_fetched_is_forgotten_after_a_while(folder):
    page = make_page(load(folder / "model"), Project([], [], []))
    kept = unread.Unread(page)
    with TestClient(gr.mount_gradio_app(FastAPI(), page, path="")) as client:
        numbers = {fn["api_name"]: fn["id"] for fn in client.get("/config").json()["dependencies"]}
        call = {"data": [None], "fn_index": numbers["recognise"], "session_hash": "lazy"}
        event = client.post("/gradio_api/queue/join", json=call).json()["event_id"]
        assert client.get("/gradio_api/upload_progress?upload_id=never").status_code == 404
        end = time.monotonic() + PATIENCE
        while page._queue.event_ids_to_events and time.monotonic() < end:
            client.get("/gradio_api/queue/status")  # the call runs meanwhile
        for now, is_kept in ((0, True), (KEPT - 1, True), (KEPT, False)):
            kept.forget_old(now)
            assert kept.is_known("lazy") == is_kept
            assert kept.is_known(event) == is_kept
            assert ("never" in file_upload_statuses._signals) == is_kept
        assert "lazy" in page.state_holder.session_data
        page.state_holder.session_data["lazy"].is_closed = True
        kept.forget_old(KEPT)
        assert "lazy" not in page.state_holder.session_data


# A project that lacks something


def put_tables(folder):
    """Write the tables of a run that has one clip."""
    with StoreWriter(folder / "clean", (), {"sample_rate": RATE}) as store:
        store.add("a.wav", np.zeros(9, np.float32))
    (folder / "clips.csv").write_text("clip,path\na,a.wav\n")
    (folder / "predictions.csv").write_text("clip,speaker,emotion\na,b,sad\n")
    mistake = "clip,speaker,emotion,predicted,confidence\na,b,sad,angry,0.5\n"
    (folder / "mistakes.csv").write_text(mistake)


@pytest.mark.parametrize(
    ("name", "table", "told"),
    [
        ("mistakes", "clip,speaker\na,b\n", "mistakes.csv"),
        ("mistakes", "clip,speaker,emotion,predicted,confidence\na,b,sad,sad,much\n", "much"),
        ("predictions", "clip\na\n", "predictions.csv"),
        ("clips", "", "clips.csv"),
        ("clips", "clip,wrong\na,b\n", "clips.csv"),
    ],
    ids=["columns", "number", "predictions", "empty", "clips"],
)
def test_a_table_that_cannot_be_used_is_a_problem_and_there_is_a_page(
    folder, tmp_path, name, table, told
):
    put_tables(tmp_path)
    (tmp_path / f"{name}.csv").write_text(table)
    project = open_project(tmp_path)
    (problem,) = project.problems
    assert told in problem
    assert len(problem.splitlines()) == 1
    page = make_page(load(folder / "model"), project)
    with TestClient(gr.mount_gradio_app(FastAPI(), page, path="")) as client:
        assert client.get("/").status_code == 200


def test_problems_are_reported_and_the_page_served(tmp_path):
    put_tables(tmp_path)
    (tmp_path / "clips.csv").write_text("clip,wrong\na,b\n")
    release(tmp_path / "model")
    with (
        (tmp_path / "stderr").open("w") as stderr,
        started(tmp_path, "--model", "model", stderr=stderr) as (_, address),
    ):
        assert httpx.get(address, timeout=PATIENCE).status_code == 200
    printed = (tmp_path / "stderr").read_text()
    assert "clips.csv" in printed
    assert len(printed.splitlines()) == 1
    assert "Traceback" not in printed
