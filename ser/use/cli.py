"""The command `ser`: use a trained model."""

import argparse
import contextlib
import os
import platform
import sys
from importlib import import_module, metadata
from io import TextIOWrapper
from typing import Any, NoReturn, TextIO

from ser.core.errors import UserError
from ser.core.extras import needed_by

# A command's module is imported only when it runs, so that no command waits for another's imports.
COMMANDS = {
    "predict": "Predict the emotion in recordings",
    "export": "Write a model as one ONNX file, or as a page that runs in the browser",
    "push": "Upload a model to the Hugging Face Hub",
    "serve": "Serve a page on which to try a model on your own voice",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 1 if it could not do everything asked of it.

    Args:
        arguments: of the command line; None: those of this process.
    """
    # stdout or stderr may be closed. Give them a sink, so that no file opened later gets their
    # descriptor.
    sys.stdout = sys.stdout or _open_sink()
    sys.stderr = sys.stderr or _open_sink()
    for stream in (sys.stdout, sys.stderr):
        # File names need not be valid text.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does.
        _discard_output()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return 1
    except KeyboardInterrupt as error:
        print(": ".join(["interrupted", *map(str, error.args)]), file=sys.stderr)
        return 130
    return status


class _Version(argparse.Action):
    """Print the version of the package, and those of what runs its models; then exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:  # noqa: ANN401
        versions = [f"Python {platform.python_version()}"]
        for name in ("torch", "onnxruntime"):
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions.append(f"{name} {metadata.version(name)}")
        print(f"ser {metadata.version('ser')} ({', '.join(versions)})")
        parser.exit()


def _open_sink() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open until the program ends


def _discard_output() -> None:
    """Redirect stdout to /dev/null so that flushing at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="ser", description=__doc__)
    parser.add_argument("--version", action=_Version, nargs=0, help="print versions and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if name in arguments[:1]:
            module = import_module(f"ser.use.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    with needed_by(f"ser {options.command}"):
        status: int = options.run(options)
    return status
