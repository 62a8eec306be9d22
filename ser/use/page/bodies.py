"""Receive the body of a request, up to a number of bytes and no slower than a modem."""

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

PATIENCE = 20.0  # seconds that a client may keep the server waiting
_SLOWEST = 16 << 10  # bytes per second that earn a body more time


def bounded(receive: Receive, most: int, take: Callable[[bytes], None] | None = None) -> Receive:
    """Return a callable that receives a body, whatever its headers say of its length.

    Args:
        receive: of the request.
        most: bytes that the body may have.
        take: called with each part of the body; what it raises is raised.

    Returns:
        The callable. It raises HTTPException: 413, the body is larger; 408, it arrives too slowly.
    """
    start, received, ended = asyncio.get_running_loop().time(), 0, False

    async def receive_bounded() -> Message:
        nonlocal received, ended
        # After the body, only the end of the connection is awaited: that may take any time.
        deadline = None if ended else start + PATIENCE + received / _SLOWEST
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                408, "This request arrives too slowly: please send it again."
            ) from None
        body = message.get("body", b"")
        received += len(body)
        ended = not message.get("more_body", False)
        if received > most:
            raise HTTPException(413, f"This request is too large: at most {most:,} bytes, please.")
        if take is not None:
            take(body)
        return message

    return receive_bounded


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a callable that receives a body that was already read, then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_replayed() -> Message:
        return messages.pop() if messages else await receive()

    return receive_replayed
