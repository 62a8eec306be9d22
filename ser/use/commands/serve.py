"""`ser serve`: the page, on this computer."""

import argparse
import contextlib
import logging
import os
import signal
import socket
import tempfile
from pathlib import Path
from threading import Event, Thread

from ser.core.errors import UserError
from ser.use.commands.arguments import a_path
from ser.use.loading import load
from ser.use.recogniser import OF_VOICES

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to know them, not to listen there
_KEPT = 300  # seconds that uploads are kept, and between two looks at them
_PATIENCE = 3  # seconds that open pages may take when the server ends


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--model", type=a_path, default=Path("data/model"), help="folder or .onnx (data/model)"
    )
    parser.add_argument(
        "--data", type=a_path, help="the run's data: examples, mistakes (the folder of the model)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (127.0.0.1: this computer alone; 0.0.0.0: whoever reaches it, "
        "without a password, and without a microphone: browsers want https for that)",
    )
    parser.add_argument("--port", type=_port, default=7860, help="0: any free one (7860)")


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted.

    Raises:
        UserError: Gradio is not installed, the port is taken, or the model cannot be served.
    """
    recogniser = load(options.model)
    if recogniser.needs_a_voice:
        raise UserError(
            f"{OF_VOICES}: the page knows no speaker; train with model.normalisation train or clip"
        )
    with tempfile.TemporaryDirectory(prefix="ser-page-") as uploads:
        # Files that a library makes while it receives an upload lie there too.
        tempfile.tempdir = uploads
        # Before Gradio is imported, which reads them then: it asks nobody, and keeps nothing.
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "GRADIO_TEMP_DIR": uploads,
        }
        try:
            import uvicorn

            from ser.use.page.app import make_app
            from ser.use.page.project import open_project
            from ser.use.page.uploads import delete_old
        except ModuleNotFoundError as error:
            raise UserError(
                f"the page needs {error.name}: pip install -c requirements.lock -e '.[app]'"
            ) from None
        listener = listen(options.host, options.port)
        anywhere = options.host in _ANYWHERE
        name = socket.gethostname() if anywhere else options.host.lower()
        host = f"[{name}]" if ":" in name else name
        hosts = ["*"] if anywhere else [host, "localhost", "127.0.0.1", "[::1]"]
        project = open_project(options.data or options.model.parent)
        app = make_app(recogniser, project, hosts, Path(uploads))
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_PATIENCE)
        server = uvicorn.Server(config)
        # Uvicorn ends at these by itself, and then passes them on.
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: setattr(server, "should_exit", True))
        print(
            f"the page is at http://{host}:{listener.getsockname()[1]} (Ctrl-C ends it)", flush=True
        )
        # At the end it complains of each page that is still open.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
        ended = Event()

        def delete_uploads() -> None:
            while not ended.wait(_KEPT):
                # Folders may go while they are looked through; the next look finds the rest.
                with contextlib.suppress(OSError):
                    delete_old(Path(uploads), _KEPT)

        Thread(target=delete_uploads, daemon=True).start()
        server.run(sockets=[listener])
        ended.set()
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 0 to 65535 is expected")
    return int(text)


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address, of IPv4 or IPv6.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        # Without what Python adds, the address once more.
        reason = str(error.strerror or error).partition(" (while")[0]
        raise UserError(
            f"cannot listen at {host}:{port}: {reason}; choose another --port (0: any free one) "
            "or --host"
        ) from None
