"""Refuse requests that the page does not need."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ser.use.page.uploads import MAX_BYTES, ONLY_UPLOADS, is_upload

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
_MAX_CALL_BYTES = 64 << 10  # a call names a recording, but does not contain it
_MAX_UPLOAD_BYTES = MAX_BYTES + (64 << 10)  # with the headers around the file


class Guard:
    """Refuses requests that the page does not need, and those from other sites' pages.

    Requests may name only uploads, not other files and not URLs elsewhere. Gradio reads any file of
    this computer that a call names, and fetches any URL: it checks whether a file is an upload only
    in an app that it launched itself, not in one that it is mounted in. `allowed_paths` and
    `blocked_paths` are part of that check and do not cover URLs; a component's `preprocess` runs
    too late.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], uploads: Path) -> None:
        """Guard an application, given its pages' host names (*: any) and its folder of uploads."""
        self._app = app
        self._hosts = hosts
        self._uploads = uploads

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
            receive_checked = await self._check(scope, receive)
        except HTTPException as refusal:
            response = JSONResponse({"detail": refusal.detail}, refusal.status_code)
            await response(scope, receive, send_with_policy)
        except ClientDisconnect:
            pass  # the client does not wait for an answer
        else:
            await self._app(scope, receive_checked, send_with_policy)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        """Check a request.

        Returns:
            The callable by which the application receives it. It raises HTTPException if an
            upload is too large.

        Raises:
            HTTPException: the request is refused.
            ClientDisconnect: the request is incomplete.
        """
        path = scope["path"]
        if not _is_needed(path):
            raise HTTPException(404)
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not self._is_own(origin):
            raise HTTPException(403, "Requests from other sites' pages are refused.")
        if path.startswith(_FILE) and not is_upload(path.removeprefix(_FILE), self._uploads):
            raise HTTPException(403, ONLY_UPLOADS)
        if path == _UPLOAD:
            return _bounded(receive, _MAX_UPLOAD_BYTES)
        if scope["method"] == "POST":
            body = await Request(scope, _bounded(receive, _MAX_CALL_BYTES)).body()
            self._check_call(body)
            return _replayed(body, receive)
        return receive

    def _check_call(self, body: bytes) -> None:
        """Check that all files and URLs in a call's JSON are uploads."""

        def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            # Called for every object, however deeply nested, with duplicate keys included.
            for key, value in pairs:
                if key in ("path", "url") and value is not None:
                    name = self._name_in(value) if key == "url" else value
                    if not is_upload(name, self._uploads):
                        raise HTTPException(403, ONLY_UPLOADS)
            return dict(pairs)

        try:
            json.loads(body, object_pairs_hook=checked)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body of this request must be JSON.") from None

    def _name_in(self, url: object) -> str | None:
        """Return the name of the file that one of the page's own URLs leads to, else None."""
        if not isinstance(url, str) or not self._is_own(url):
            return None
        return unquote(urlsplit(url).path.partition(_FILE)[2])

    def _is_own(self, url: str) -> bool:
        try:
            name = urlsplit(url).hostname or ""
        except ValueError:
            return False
        return "*" in self._hosts or bool({name, f"[{name}]"} & set(self._hosts))


def _is_needed(path: str) -> bool:
    if path.startswith(_API_FOLDER):
        return path.removeprefix(_API_FOLDER).startswith(_API)
    return path in _PATHS or path.startswith(_FOLDERS)


def _bounded(receive: Receive, most: int) -> Receive:
    """Return a callable that receives a body of at most `most` bytes, whatever its headers say."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, f"This request is too large: at most {most:,} bytes, please.")
        return message

    return receive_bounded


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a callable that receives a body that was already read, then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_replayed() -> Message:
        return messages.pop() if messages else await receive()

    return receive_replayed
