"""The web server that an application runs in: it ends when it is asked to, and quietly."""

import logging
import signal

import uvicorn
from starlette.types import ASGIApp

_PATIENCE = 3  # seconds that open pages may take when the server ends


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Make the server of an application; SIGINT and SIGTERM end it from now on."""
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_PATIENCE)
    server = uvicorn.Server(config)
    _end_at_signals(server)
    _silence_at_end(server)
    return server


def _end_at_signals(server: uvicorn.Server) -> None:
    # Uvicorn ends at these by itself, and then passes them on.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: setattr(server, "should_exit", True))


def _silence_at_end(server: uvicorn.Server) -> None:
    # At the end it complains of each page that is still open.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
