"""The command `ser`: what can be done with a trained model."""

import argparse
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TextIO

from ser.core.errors import UserError
from ser.core.extras import needed_by

# Imported when asked for: what one command needs, the others need not wait for.
COMMANDS = {
    "predict": "Say which emotion is heard in recordings",
    "export": "Write a model as one ONNX file, or as a page that runs in the browser",
    "serve": "Open a page to try a model on one's own voice",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and give its exit status: 1 if it could not do all that was asked.

    Args:
        arguments: of the command line; None: those of this process.
    """
    # Whoever starts this may have closed them; nothing else may take their places.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        # Names of files may be no text.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does.
        _write_no_more()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _write_no_more()
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - as long as the program


def _write_no_more() -> None:
    """Have what is still to be written to standard output, at exit at the latest, go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="ser", description=__doc__)
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
