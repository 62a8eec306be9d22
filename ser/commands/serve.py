"""`ser serve`: the page, on this computer."""

import argparse
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

from ser.errors import UserError
from ser.loading import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--model", type=Path, default=Path("data/model"), help="folder or .onnx (data/model)"
    )
    parser.add_argument(
        "--data", type=Path, help="the run's data: examples, mistakes (the folder of the model)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (127.0.0.1: this computer alone; 0.0.0.0: whoever reaches it, "
        "without a password)",
    )
    parser.add_argument("--port", type=int, default=7860, help="0: any free one (7860)")


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted.

    Raises:
        UserError: Gradio is not installed, the port is taken, or the model cannot be served.
    """
    recogniser = load(options.model)
    if recogniser.needs_a_voice:
        raise UserError(
            "the model was trained on features normalised by each speaker's own recordings: the "
            "page knows no speaker; train with model.normalisation train or clip"
        )
    with tempfile.TemporaryDirectory(prefix="ser-page-") as uploads:
        # Before Gradio is imported, which reads them then: it asks nobody, and keeps nothing.
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "GRADIO_TEMP_DIR": uploads,
        }
        try:
            import uvicorn

            from ser.page.app import make_app
            from ser.page.project import open_project
        except ImportError as error:
            raise UserError(
                f"the page needs {error.name}: pip install -c requirements.lock -e '.[app]'"
            ) from None
        try:
            listener = socket.create_server((options.host, options.port))
        except (OSError, OverflowError) as error:
            raise UserError(f"cannot listen at {options.host}:{options.port}: {error}") from None
        app = make_app(recogniser, open_project(options.data or options.model.parent))
        host, port = listener.getsockname()[:2]
        print(f"the page is at http://{host}:{port} (Ctrl-C ends it)", flush=True)
        # As Ctrl-C does: so that the folder of uploads is removed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        server.run(sockets=[listener])
    return 0
