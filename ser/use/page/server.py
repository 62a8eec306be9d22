"""The web server of the page: it ends quietly at SIGINT and SIGTERM."""

import logging
import signal

import uvicorn
from starlette.types import ASGIApp

from ser.use.page.connections import Connection, ProxyConnection

# Seconds between requests. A client whose request crosses the end of its connection sees an error.
_IDLE = 15
_PATIENCE = 3  # seconds that open connections may take when the server ends


def make_server(app: ASGIApp, behind_proxy: bool) -> uvicorn.Server:
    """Make an application's server, and set the handlers of SIGINT and SIGTERM to end it."""
    config = uvicorn.Config(
        app,
        http=ProxyConnection if behind_proxy else Connection,
        ws="none",
        proxy_headers=behind_proxy,  # without one, they are a visitor's own words
        # Warnings are about requests, so strangers could cause any number of them.
        log_level="error",
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_PATIENCE,
    )
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    server = uvicorn.Server(config)
    _end_at_signals(server)
    _silence_at_end(server)
    return server


def _end_at_signals(server: uvicorn.Server) -> None:
    # Uvicorn's own handlers end it too, but then raise the signal again.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: setattr(server, "should_exit", True))


def _silence_at_end(server: uvicorn.Server) -> None:
    # At the end, uvicorn logs an error for each page that is still open.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
