"""What stands between visitors and the page: which requests are let through, and how answered."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Whatever a library would like to load from elsewhere, the browser refuses.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' "
    "data:; connect-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'self'"
)
# What the page needs. Gradio has more, some of which hands uploads to other programs.
_PATHS = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json")
_FOLDERS = ("/assets/", "/static/", "/svelte/", "/mistakes/")
_API = (
    "call/recognise", "file=", "heartbeat/", "info", "queue/", "run/recognise", "startup-events",
    "upload",
)  # fmt: skip


class Guard:
    """Lets only those requests through that the page needs, and none of other sites' pages."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        """Take the application, and the names that its own pages come from, *: any."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", []), policy]
            await send(message)

        if scope["type"] == "http":
            if not _is_needed(scope["path"]):
                await PlainTextResponse("Not Found", 404)(scope, receive, with_policy)
                return
            origin = Headers(scope=scope).get("origin")
            if origin is not None and not self._is_ours(origin):
                text = "Requests of other sites' pages are refused."
                await PlainTextResponse(text, 403)(scope, receive, with_policy)
                return
        await self._app(scope, receive, with_policy)

    def _is_ours(self, origin: str) -> bool:
        name = urlsplit(origin).hostname or ""
        return "*" in self._hosts or bool({name, f"[{name}]"} & set(self._hosts))


def _is_needed(path: str) -> bool:
    if path.startswith("/gradio_api/"):
        return path.removeprefix("/gradio_api/").startswith(_API)
    return path in _PATHS or path.startswith(_FOLDERS)


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files in a folder, and below it, that were not written to for so long."""
    oldest = time.time() - seconds
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # whoever made it may take it away meanwhile
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
