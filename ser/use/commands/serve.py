"""`ser serve`: serve the page on this computer."""

import argparse
import os
import socket
import sys
import tempfile
from pathlib import Path

from ser.core.errors import UserError
from ser.use.commands.arguments import add_model_argument, non_empty_path
from ser.use.loading import load
from ser.use.page.addresses import Addresses, split
from ser.use.page.uploads import deleting_old_files
from ser.use.recogniser import PER_SPEAKER, Recogniser

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model_argument(parser, "folder or .onnx file")
    parser.add_argument(
        "--data",
        type=non_empty_path,
        help="the run's data folder, for examples and mistakes (default: the folder that contains "
        "the model)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, this computer only; 0.0.0.0: anyone who "
        "can reach it, without a password, and without a microphone, which needs https)",
    )
    parser.add_argument("--port", type=_port, default=7860, help="0: any free one (default: 7860)")
    parser.add_argument(
        "--public-url",
        type=_public_url,
        metavar="URL",
        help="the page's address at a reverse proxy, such as https://example.org/voice (see "
        "docs/using.md)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted.

    Raises:
        UserError: the port is taken, or the model cannot be served.
    """
    recogniser = _load(options.model)
    with tempfile.TemporaryDirectory(prefix="ser-page-") as folder:
        uploads = Path(folder)
        _confine_libraries(uploads)
        from ser.use.page.app import make_app
        from ser.use.page.project import open_project
        from ser.use.page.server import make_server

        listener = listen(options.host, options.port)
        project = open_project(options.data or options.model.parent)
        for problem in project.problems:
            print(f"not on the page: {problem}", file=sys.stderr)
        public = options.public_url or ""
        addresses = Addresses(_own_names(options.host, public), public)
        app = make_app(recogniser, project, addresses, uploads)
        server = make_server(app, behind_proxy=bool(addresses.public))
        address = f"http://{_url_host(options.host)}:{listener.getsockname()[1]}"
        print(f"the page is at {address} (Ctrl-C ends it)", flush=True)
        with deleting_old_files(uploads):
            server.run(sockets=[listener])
    return 0


def _load(model: Path) -> Recogniser:
    """Load a model that can predict recordings of any speaker.

    Raises:
        UserError: it cannot be loaded, or must first be adapted to a speaker.
    """
    recogniser = load(model)
    if recogniser.needs_a_voice:
        raise UserError(
            f"{PER_SPEAKER}: the page does not know the speaker; train with model.normalisation "
            "train, clip or corpus"
        )
    return recogniser


def _confine_libraries(uploads: Path) -> None:
    """Make Gradio work offline with all files in one folder; must run before its import."""
    # Libraries that receive an upload put their temporary files there, too.
    tempfile.tempdir = str(uploads)
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_TEMP_DIR": str(uploads),
        "GRADIO_ANALYTICS_MAX_EVENTS": "1",  # nobody looks at them
    }


def _own_names(host: str, public: str) -> list[str]:
    """Return the host names that requests for the page may have besides the public one; *: any.

    >>> _own_names("example.org", "")
    ['example.org', 'localhost', '127.0.0.1', '[::1]']
    >>> _own_names("0.0.0.0", "")
    ['*']
    """
    if host in _ANYWHERE and not public:
        return ["*"]
    return [_url_host(host), "localhost", "127.0.0.1", "[::1]"]


def _url_host(host: str) -> str:
    """Return the host part of the page's URL."""
    name = socket.gethostname() if host in _ANYWHERE else host.lower()
    return f"[{name}]" if ":" in name else name


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 0 to 65535 is expected")
    return int(text)


def _public_url(text: str) -> str:
    """Return an address without a slash at its end.

    >>> _public_url("https://example.org/voice/")
    'https://example.org/voice'

    Raises:
        argparse.ArgumentTypeError: it is not the address of a page.
    """
    parts = split(text)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or parts.port == 0
        or set(text) & set(" ?#")
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r}: an address like https://example.org/voice is expected"
        )
    return text.rstrip("/")


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address, of IPv4 or IPv6.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
        # Without TCP_NODELAY, an answer's last part waits until its first one has arrived.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        # Python appends the address, which the message already has.
        reason = str(error.strerror or error).partition(" (while")[0]
        raise UserError(
            f"cannot listen at {host}:{port}: {reason}; choose another --port (0: any free one) "
            "or --host"
        ) from None
