"""Refuse requests that the page does not need, and what is more than a visitor's share."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser.use.page.addresses import Addresses
from ser.use.page.bodies import bounded, replayed
from ser.use.page.calls import Calls
from ser.use.page.forms import NO_FORM, Parts
from ser.use.page.room import Room
from ser.use.page.unread import ALL_WAIT, MAX_WAITING, MAX_WAITING_OF_VISITOR, YOURS_WAIT, Unread
from ser.use.page.uploads import MAX_BYTES, ONLY_UPLOADS, is_upload
from ser.use.page.visitors import visitor_of

# With this policy, browsers refuse what a library would load from elsewhere.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' "
    "data:; connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'self'"
)
# The paths that the page needs. Gradio has more, and some of these pass uploads to other programs.
_PATHS = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json")
_FOLDERS = ("/assets/", "/static/", "/svelte/", "/mistakes/")
_API = (
    "call/recognise", "file=", "heartbeat/", "info", "queue/", "run/recognise", "startup-events",
    "upload",
)  # fmt: skip
_API_FOLDER = "/gradio_api/"
_UPLOAD = "/gradio_api/upload"
_FILE = "/gradio_api/file="  # followed by a file's name: Gradio sends the file
_ANSWERS = ("/gradio_api/queue/data", "/gradio_api/call/recognise/")
_MAX_URL = 2048  # characters
_MAX_CALL_BYTES = 64 << 10  # a call names a recording, but does not contain it
_MAX_UPLOAD_BYTES = MAX_BYTES + (64 << 10)  # with the headers around the file
MAX_AT_ONCE = 2  # recordings that are recognised at the same time


@dataclass(frozen=True)
class Checks:
    """What requests are checked against.

    Attributes:
        addresses: that the page is called by.
        uploads: the folder of uploads.
        calls: that the page's functions take.
        unread: answers that nobody fetched.
    """

    addresses: Addresses
    uploads: Path
    calls: Calls
    unread: Unread


class Guard:
    """Refuses requests that the page does not need, and those from other sites' pages."""

    def __init__(self, app: ASGIApp, checks: Checks) -> None:
        """Guard an application."""
        self._app = app
        self._checks = checks
        self._room = Room(checks.uploads)
        self._at_once, self._waiting = asyncio.Semaphore(MAX_AT_ONCE), Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", []), policy]
            await send(message)

        try:
            await self._handle(scope, receive, send_with_policy)
        except ClientDisconnect:
            pass  # the client does not wait for an answer
        except HTTPException as refusal:
            content = {"detail": refusal.detail}
            response = JSONResponse(content, refusal.status_code, refusal.headers)
            await response(scope, receive, send_with_policy)
        except RuntimeError as error:
            # Gradio ends a stream of answers that are no longer kept with a refusal.
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body"})

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on after checking it.

        Raises:
            HTTPException: the request is refused.
            ClientDisconnect: the request is incomplete.
        """
        self._check_head(scope)
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif scope["path"] == _UPLOAD:
            await self._upload(scope, receive, send)
        else:
            await self._call(scope, receive, send)

    def _check_head(self, scope: Scope) -> None:
        path, headers = scope["path"], Headers(scope=scope)
        if not _is_needed(path):
            raise HTTPException(404)
        origin = headers.get("origin")
        if origin is not None and not self._checks.addresses.is_own(origin):
            raise HTTPException(403, "Requests from other sites' pages are refused.")
        self._check_proxy(scope, headers)
        if path.startswith(_FILE) and not is_upload(path.removeprefix(_FILE), self._checks.uploads):
            raise HTTPException(403, ONLY_UPLOADS)
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_URL:
            raise HTTPException(414, f"This address is too long: at most {_MAX_URL} characters.")
        if scope["method"] == "GET" and path.startswith(_ANSWERS):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            (session,) = query.get("session_hash", [path.rpartition("/")[2]])[-1:]
            if not self._checks.unread.is_known(session):
                raise HTTPException(
                    404, "There are no answers to fetch: they were fetched before, or have expired."
                )

    def _check_proxy(self, scope: Scope, headers: Headers) -> None:
        """Check the headers that Gradio takes the page's address from."""
        forwarded = headers.get("x-forwarded-host")
        if forwarded is not None and not self._checks.addresses.public:
            first = forwarded.partition(",")[0].strip()
            if not self._checks.addresses.is_own(f"http://{first}"):
                raise HTTPException(
                    400, "This page is not served at X-Forwarded-Host: see ser serve --public-url."
                )
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-gradio-server"]

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts, status = Parts(Headers(scope=scope).get("content-type", "")), 0
        with self._room.upload(visitor_of(scope["client"]), parts) as upload:

            async def send_unless_failed(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                upload.is_kept = status == 200
                if status != 500:
                    await send(message)

            try:
                bound = bounded(receive, _MAX_UPLOAD_BYTES, upload.take)
                await self._app(scope, bound, send_unless_failed)
            except (AttributeError, TypeError):
                # Gradio expects that each part of the form is a file with a name.
                raise HTTPException(400, NO_FORM) from None

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, bounded(receive, _MAX_CALL_BYTES)).body()
        path = scope["path"].removeprefix(_API_FOLDER)
        call = self._checks.calls.check(path, body)
        if call is None:
            await self._app(scope, replayed(body, receive), send)
            return
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPException(400, "The Content-Type of a call must be application/json.")
        again, visitor = replayed(call.to_json(), receive), visitor_of(scope["client"])
        if path.startswith("run/") or call.session_hash is None:
            # Gradio's queue does not count these.
            async with self._turn(visitor):
                await self._app(scope, again, send)
        else:
            with self._checks.unread.join(visitor, call.session_hash):
                await self._app(scope, again, send)

    @asynccontextmanager
    async def _turn(self, visitor: str) -> AsyncIterator[None]:
        if self._waiting[visitor] >= MAX_WAITING_OF_VISITOR:
            raise HTTPException(503, YOURS_WAIT)
        if self._waiting.total() >= MAX_WAITING:
            raise HTTPException(503, ALL_WAIT)
        self._waiting[visitor] += 1
        try:
            async with self._at_once:
                yield
        finally:
            self._waiting -= Counter([visitor])


def _is_needed(path: str) -> bool:
    if path.startswith(_API_FOLDER):
        return path.removeprefix(_API_FOLDER).startswith(_API)
    return path in _PATHS or path.startswith(_FOLDERS)
